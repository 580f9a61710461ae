"""The portrait taken apart: the person as a layer with soft edges, and the background that a turning head uncovers."""

import torch
from torch import Tensor

from .fill import add_grain, blur, smooth_fill


def split_layers(picture: Tensor, matte: Tensor, reach: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Person layer and background plate, which put together again give exactly the picture.

    Args:
        picture: [h,w,3] crop, 0..1.
        matte: [h,w] 0..1, the person.
        reach: how far, in pixels, the matte's edge may be off; the plate is painted from beyond that.
        seed: of the plate's grain.

    Returns:
        layer [4,h,w]: what the person adds to the plate (picture − (1 − alpha)·plate, so it may dip below 0) and alpha;
        plate [3,h,w].
    """
    person = (matte > 0.05).float()
    grown = (blur(person, max(1.0, reach / 2)) > 0.05).float()
    background = 1 - grown
    if float(background.mean()) < 0.02:
        # No background to speak of: everything is person, the plate is never seen.
        return torch.cat([picture.permute(2, 0, 1), torch.ones_like(matte)[None]]), picture.permute(2, 0, 1).contiguous()
    plate = smooth_fill(picture, background)
    plate = add_grain(plate, picture, grown, background, 1.0, seed)
    # Where the picture is surely background the plate is the picture itself.
    plate = torch.where(background[..., None] > 0.5, picture, plate)
    layer = picture - (1 - matte)[..., None] * plate
    return torch.cat([layer, matte[..., None]], -1).permute(2, 0, 1).contiguous(), plate.permute(2, 0, 1).contiguous()

"""Painted crops back into the picture that they were cut from."""

import torch
from torch import Tensor

from ..curves import smoothstep
from .sampling import Box, sample

EDGE = 0.06
"""Share of a crop's side over which what is painted fades out at its edge."""


def spread(crops: Tensor, matrices: Tensor, size: tuple[int, int]) -> tuple[Box, Tensor]:
    """Crops laid back over pictures, 0 beside the squares and fading to it at their edges.

    Args:
        crops: [n, C, s, s].
        matrices: [n, 2, 3] of face.crop.crop_matrices for the same side s.
        size: (h, w) of the pictures.

    Returns:
        The box that holds all squares, and [n, C, h', w'] in it.
    """
    side = crops.shape[-1]
    corners = matrices.new_tensor([[0, 0, 1], [side, 0, 1], [0, side, 1], [side, side, 1]])
    points = (matrices @ corners.T).transpose(1, 2)
    low, high = points.amin((0, 1)).floor(), points.amax((0, 1)).ceil()
    box = Box(int(low[0]), int(low[1]), int(high[0]), int(high[1])).clipped(size)
    x, y = box.pixel_centres(crops.device)
    a, b, c, d = matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 1, 0], matrices[:, 1, 1]
    determinant = (a * d - b * c)[:, None, None]
    dx, dy = x - matrices[:, 0, 2, None, None], y - matrices[:, 1, 2, None, None]
    u = (d[:, None, None] * dx - b[:, None, None] * dy) / determinant
    v = (a[:, None, None] * dy - c[:, None, None] * dx) / determinant
    inside = torch.minimum(torch.minimum(u, side - u), torch.minimum(v, side - v))
    share = smoothstep(inside, 0.0, EDGE * side)
    return box, sample(crops, u, v) * share[:, None]

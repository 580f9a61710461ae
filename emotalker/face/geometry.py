"""Square regions of a picture, turned and scaled, and the pixels in them."""

import torch
import torch.nn.functional as F
from torch import Tensor


def sample_affine(
    pictures: Tensor, matrices: Tensor, height: int, width: int, border: str = "border", smooth: bool = True
) -> Tensor:
    """Cut regions out of pictures by bilinear sampling.

    Pixel (i, j) of a region lies at matrix @ (i, j, 1) of its picture; both count pixel centres from 0, as MediaPipe does.

    Args:
        pictures: [1, C, H, W] (all regions from one picture) or [N, C, H, W] (one region each).
        matrices: [N, 2, 3], x first; one common scale is chosen for the shrinking, so regions should be of similar size.
        height, width: size of the regions in pixels.
        border: "border" repeats the picture's edge outside it, "zeros" is black.
        smooth: average pixels before a region is shrunk to half or less; else pixels are skipped.

    Returns:
        [N, C, height, width].
    """
    corners = matrices.new_tensor([[-1, -1, 1], [width, -1, 1], [-1, height, 1], [width, height, 1]]) @ matrices.transpose(1, 2)
    limits = corners.new_tensor([pictures.shape[3], pictures.shape[2]])
    low = (corners.amin((0, 1)).floor() - 8).clamp(min=0)
    low = torch.minimum(low, limits - 1).long().tolist()
    high = (corners.amax((0, 1)).ceil() + 9).clamp(min=1)
    high = torch.minimum(high, limits).long().tolist()
    part = pictures[:, :, low[1] : max(high[1], low[1] + 1), low[0] : max(high[0], low[0] + 1)]
    linear, shift = matrices[:, :, :2], matrices[:, :, 2] - matrices.new_tensor(low)
    step = linear.det().abs().sqrt().min().item()
    while smooth and step >= 2 and min(part.shape[2:]) >= 2:
        part = F.avg_pool2d(part, 2, ceil_mode=True, count_include_pad=False)
        linear, shift, step = linear / 2, shift / 2 - 0.25, step / 2
    rows, columns = (torch.arange(n, device=part.device, dtype=part.dtype) for n in (height, width))
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    places = torch.stack([x, y], -1).reshape(1, -1, 2) @ linear.transpose(1, 2) + shift[:, None]
    size = places.new_tensor([part.shape[3], part.shape[2]])
    grid = ((places + 0.5) * (2 / size) - 1).reshape(-1, height, width, 2)
    return F.grid_sample(part.expand(len(grid), -1, -1, -1), grid, padding_mode=border, align_corners=False)


def square_matrices(centre: Tensor, size: Tensor, angle: Tensor, pixels: int) -> Tensor:
    """Matrices [N, 2, 3] for sample_affine of squares: centre [N, 2] px, side [N] px, angle [N] radians (clockwise)."""
    cos, sin, step = angle.cos(), angle.sin(), size / pixels
    linear = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1) * step[:, None, None]
    return torch.cat([linear, (centre - linear.sum(2) * (pixels / 2))[..., None]], 2)

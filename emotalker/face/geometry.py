"""Regions of a picture, turned and scaled, and the pixels in them."""

import torch
import torch.nn.functional as F
from torch import Tensor


class Pyramid:
    """Pictures at full size and, made when first needed, at half, a quarter, ... of it.

    Args:
        pictures: [N, C, H, W] float.
    """

    def __init__(self, pictures: Tensor):
        self.levels = [pictures]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the full pictures in pixels."""
        return self.levels[0].shape[3], self.levels[0].shape[2]

    def sample(
        self,
        matrices: Tensor,
        width: int,
        height: int,
        border: str = "border",
        smooth: bool = True,
        step: float | None = None,
    ) -> Tensor:
        """Cut regions out of the pictures by bilinear sampling.

        Pixel (i, j) of a region lies at matrix @ (i, j, 1) of its picture; both count pixel centres from 0, as MediaPipe does.

        Args:
            matrices: [M, 2, 3], x first, where N is 1 or M. One level serves all: the one that suits the finest region.
            width, height: size of the regions in pixels.
            border: "border" repeats the picture's edge outside it, "zeros" is black.
            smooth: where a region is shrunk to half or less, average the skipped pixels.
            step: pixels of the picture to one of a region, which choose the level; that of the finest region by default.

        Returns:
            [M, C, height, width].
        """
        linear, shift = matrices[:, :, :2], matrices[:, :, 2]
        level, step = 0, linear.det().abs().sqrt().min().item() if step is None else step
        while smooth and step >= 2 and min(self._level(level).shape[2:]) > 1:
            level, step = level + 1, step / 2
            linear, shift = linear / 2, shift / 2 - 0.25
        pictures = self._level(level)
        # grid_sample's own coordinates: -1 and 1 are the picture's edges
        scale = 2 / linear.new_tensor([pictures.shape[3], pictures.shape[2]])
        linear, shift = linear * scale[:, None], (shift + 0.5) * scale - 1
        x, y = (torch.arange(n, device=linear.device, dtype=linear.dtype) for n in (width, height))
        rows, columns = linear[:, :, 1, None] * y + shift[..., None], linear[:, :, 0, None] * x  # [M, 2, height], [M, 2, width]
        grid = (rows[..., None] + columns[:, :, None]).permute(0, 2, 3, 1)
        return F.grid_sample(pictures.expand(len(grid), -1, -1, -1), grid, padding_mode=border, align_corners=False)

    def _level(self, level: int) -> Tensor:
        while len(self.levels) <= level:
            self.levels.append(F.avg_pool2d(self.levels[-1], 2, ceil_mode=True, count_include_pad=False))
        return self.levels[level]


def square_matrices(centre: Tensor, size: Tensor, angle: Tensor, pixels: int) -> Tensor:
    """Matrices [N, 2, 3] for Pyramid.sample of squares: centre [N, 2] px, side [N] px, angle [N] radians (clockwise)."""
    cos, sin, step = angle.cos(), angle.sin(), size / pixels
    linear = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1) * step[:, None, None]
    return torch.cat([linear, (centre - linear.sum(2) * (pixels / 2))[..., None]], 2)


def similarity_matrices(places: Tensor, points: Tensor) -> Tensor:
    """Matrices [n, 2, 3] of the similarities (turn, size, shift) that bring `places` [K, 2] nearest to `points` [n, K, 2]."""
    centre = places.mean(0)
    arms, target = places - centre, points - points.mean(1, keepdim=True)
    power = arms.square().sum()
    along = (target * arms).sum((1, 2)) / power
    across = (target[..., 1] * arms[:, 0] - target[..., 0] * arms[:, 1]).sum(1) / power
    linear = torch.stack([torch.stack([along, -across], 1), torch.stack([across, along], 1)], 1)
    return torch.cat([linear, (points.mean(1) - linear @ centre)[..., None]], 2)

"""Reading pictures at pixel positions, and the boxes in which that happens."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SHARP_PIXELS = 4_000_000
"""Pictures with more are read bilinearly, see Texture."""


@dataclass(frozen=True)
class Box:
    """Half-open pixel rectangle of a picture: x0 <= x < x1, y0 <= y < y1."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def size(self) -> tuple[int, int]:
        """(h, w)."""
        return self.y1 - self.y0, self.x1 - self.x0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slice."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def clipped(self, size: tuple[int, int]) -> "Box":
        """The part inside a picture of (h, w); at least one pixel."""
        h, w = size
        x0, y0 = min(max(self.x0, 0), w - 1), min(max(self.y0, 0), h - 1)
        return Box(x0, y0, max(min(self.x1, w), x0 + 1), max(min(self.y1, h), y0 + 1))

    def shifted(self, dx: int, dy: int) -> "Box":
        """Moved by whole pixels."""
        return Box(self.x0 + dx, self.y0 + dy, self.x1 + dx, self.y1 + dy)

    def holds(self, x: Tensor, y: Tensor) -> Tensor:
        """Whether a Texture of the box is read at positions as one of the whole picture: none of the four pixels in a row that
        count there lies beyond it."""
        return (x > self.x0 + 1.5) & (x < self.x1 - 1.5) & (y > self.y0 + 1.5) & (y < self.y1 - 1.5)

    def pixel_centres(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """x [h,w] and y [h,w] of the pixel centres."""
        h, w = self.size
        y = torch.arange(h, device=device, dtype=torch.float32) + 0.5 + self.y0
        x = torch.arange(w, device=device, dtype=torch.float32) + 0.5 + self.x0
        return x[None, :].expand(h, w), y[:, None].expand(h, w)


def box_around(points: Tensor, margin: float, size: tuple[int, int]) -> Box:
    """Box of points [...,2+] in pixels, grown by `margin` pixels, inside a picture of (h, w)."""
    flat = points[..., :2].reshape(-1, 2)
    low, high = flat.amin(0) - margin, flat.amax(0) + margin
    return Box(int(low[0].floor()), int(low[1].floor()), int(high[0].ceil()), int(high[1].ceil())).clipped(size)


def sample(image: Tensor, x: Tensor, y: Tensor, outside: str = "border") -> Tensor:
    """Read a picture at pixel positions (pixel centres at +0.5), bilinearly.

    Args:
        image: [C,H,W], or [n,C,H,W] for one picture a frame.
        x, y: [n,h,w].
        outside: what lies beyond the picture: "border", its outermost pixels, or "reflection", its mirror image.

    Returns:
        [n,C,h,w].
    """
    return _read(image, x, y, outside, 1.0, 0.0)


def _read(image: Tensor, x: Tensor, y: Tensor, outside: str, scale: float, shift: float) -> Tensor:
    """`sample` at positions times `scale` plus `shift`."""
    height, width = image.shape[-2:]
    if image.dim() == 3:
        image = image.expand(len(x), -1, -1, -1)
    grid = x.new_empty(*x.shape, 2)
    for place, at, size in ((grid[..., 0], x, width), (grid[..., 1], y, height)):
        torch.add(x.new_tensor(2 * shift / size - 1), at, alpha=2 * scale / size, out=place)
    return F.grid_sample(image, grid, padding_mode=outside, align_corners=False)


class Texture:
    """A picture that is read between its pixels again and again, and stays sharp: bilinear reading of its bicubic enlargement,
    at a fraction of what bicubic reading costs.

    Args:
        image: [C,H,W]; at more than SHARP_PIXELS it is read as it is, for the enlargement takes four times its memory.
    """

    def __init__(self, image: Tensor) -> None:
        height, width = image.shape[-2:]
        self.sharp = min(height, width) > 1 and height * width <= SHARP_PIXELS
        if self.sharp:
            # Every other pixel is one of the picture's own: what is read in place is read exactly.
            size = (2 * height - 1, 2 * width - 1)
            image = F.interpolate(image[None], size=size, mode="bicubic", align_corners=True)[0]
        self.image = image

    def at(self, x: Tensor, y: Tensor, outside: str = "border") -> Tensor:
        """[n,C,h,w] at positions [n,h,w] in pixels of the picture, see `sample`."""
        return _read(self.image, x, y, outside, *((2.0, -0.5) if self.sharp else (1.0, 0.0)))


def moved(pictures: Tensor, flow: Tensor) -> Tensor:
    """Pictures [n,C,h,w] in which every pixel shows what lies `flow` [n,2,h,w] pixels (right, down) from it; bicubic, which
    keeps more of what is fine."""
    height, width = pictures.shape[2:]
    centres = torch.stack(Box(0, 0, width, height).pixel_centres(pictures.device))
    grid = (centres + flow) * (2 / flow.new_tensor([width, height])[:, None, None]) - 1
    return F.grid_sample(pictures, grid.permute(0, 2, 3, 1), mode="bicubic", padding_mode="border", align_corners=False)

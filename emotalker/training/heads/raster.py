"""Which triangle each pixel of a head shows: a z-buffer like that of frames/rasteriser.py that can also test alpha.

The scene is drawn into one buffer in several goes. Surfaces with an alpha texture decide for each fragment, before the depth
test, whether it is there; with several samples a pixel that gives soft hair without sorting.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_OVERLAP = 1e-3
_DEPTH_STEPS = 2**30
_FAR = torch.iinfo(torch.int64).max


def true_at(which: Tensor) -> Tensor:
    """Where `which` [N] is true, in order; numpy finds it in an eighth of the time that Tensor.nonzero takes."""
    return torch.from_numpy(np.flatnonzero(which.numpy()))


def doubled_area(corners: Tensor) -> Tensor:
    """Twice the signed area [F] of triangles [F,3,>=2]; below 0 those that are counter-clockwise where y points up."""
    x, y = corners[..., 0], corners[..., 1]
    return (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])


def planes(corners: Tensor) -> Tensor:
    """Barycentric planes [F,3,3] of triangles [F,3,3]: weight i at (x, y) is plane[i] · (x, y, 1)."""
    x, y = corners[..., 0], corners[..., 1]
    next_x, next_y = x.roll(-1, 1), y.roll(-1, 1)
    last_x, last_y = x.roll(-2, 1), y.roll(-2, 1)
    area = doubled_area(corners)
    plane = torch.stack([next_y - last_y, last_x - next_x, next_x * last_y - last_x * next_y], -1)
    return plane / torch.where(area.abs() < 1e-9, 1.0, area)[:, None, None]


def affine(plane: Tensor, values: Tensor) -> Tensor:
    """Values [F,3,2] of triangles' corners as functions of the pixel [F,6]: first (a, b, c) of the first, a x + b y + c."""
    return torch.bmm(values.transpose(1, 2), plane).flatten(1)


def _expand(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Item number and place within the item, for items repeated `counts` times; all int32, half as much to move."""
    item = torch.repeat_interleave(counts)
    start = torch.cumsum(counts, 0, dtype=torch.int32) - counts
    return item, torch.arange(len(item), dtype=torch.int32) - start.index_select(0, item)


@dataclass(frozen=True)
class Fragments:
    """N places where a triangle covers a pixel: `pixel` numbers, `key` (depth above face number, smaller wins), `opacity`."""

    pixel: Tensor
    key: Tensor
    opacity: Tensor | None

    def only(self, which: Tensor) -> "Fragments":
        """Those where `which` [N] is true."""
        index = true_at(which)
        opacity = None if self.opacity is None else self.opacity.index_select(0, index)
        return Fragments(self.pixel.index_select(0, index), self.key.index_select(0, index), opacity)


class DepthBuffer:
    """The picture's nearest surface, (h, w) pixels, filled by one mesh after another."""

    def __init__(self, size: tuple[int, int], near: float, far: float) -> None:
        """An empty buffer for depths near..far."""
        self.size = size
        self.near, self.step = near, (_DEPTH_STEPS - 1) / max(far - near, 1e-9)
        self.best = torch.full((size[0] * size[1],), _FAR)

    def put(self, fragments: Fragments) -> None:
        """Keep the nearest fragment of each pixel, of these and what is there."""
        self.best.scatter_reduce_(0, fragments.pixel, fragments.key, "amin")

    def fragments(
        self,
        points: Tensor,
        triangles: Tensor,
        first: int = 0,
        cull: bool = True,
        uv: Tensor | None = None,
        opacity: Tensor | None = None,
        least: float = 0.0,
    ) -> Fragments:
        """All fragments of a mesh that no opaque surface in the buffer hides.

        Args:
            points: [V,3] x right, y down in pixels (centres at +0.5), z smaller = nearer.
            triangles: [F,3].
            first: number of the first face.
            cull: leave out triangles that turn away: those not counter-clockwise where y points up.
            uv: [F,3,2] texture coordinates of the corners, v down, and `opacity` [th,tw] of the texture, if there is one.
            least: opacity from which a fragment is there.
        """
        h, w = self.size
        corners = points.index_select(0, triangles.flatten()).view(-1, 3, 3)
        x, y = corners[..., 0], corners[..., 1]
        area = doubled_area(corners)
        top = (y.amin(1) - 0.5 - _OVERLAP).ceil().clamp(min=0)
        bottom = (y.amax(1) - 0.5 + _OVERLAP).floor().clamp(max=h - 1)
        keep = (bottom >= top) & (x.amax(1) > 0) & (x.amin(1) < w) & ((area < -1e-6) if cull else (area.abs() > 1e-6))
        face = true_at(keep)
        if len(face) == 0:
            nothing = torch.zeros(0, dtype=torch.long)
            return Fragments(nothing, nothing, None if opacity is None else torch.zeros(0))
        corners, top, bottom = (value.index_select(0, face) for value in (corners, top, bottom))
        plane, depth = planes(corners), corners[..., 2]
        # A row lies where all three weights are positive: each gives a bound on x from the left or from the right.
        a, b, c = plane.unbind(-1)
        safe = torch.where(a == 0, 1e-12, a)
        infinite = torch.tensor(float("inf"))
        table = torch.cat(
            [
                -b / safe, -c / safe, torch.where(a > 0, 0.0, -infinite), torch.where(a < 0, 0.0, infinite),
                torch.bmm(depth[:, None], plane)[:, 0], depth.amin(1, keepdim=True), depth.amax(1, keepdim=True),
            ],
            1,
        ).T.contiguous()  # fmt: skip
        item, step = _expand((bottom - top + 1).int())
        row = top.int().index_select(0, item) + step
        yc = row + 0.5
        t = table.index_select(1, item)
        bound = torch.addcmul(t[3:6], t[0:3], yc)
        left, right = (bound + t[6:9]).amax(0), (bound + t[9:12]).amin(0)
        x0 = (left - 0.5 - _OVERLAP).ceil().clamp(min=0)
        x1 = (right - 0.5 + _OVERLAP).floor().clamp(max=w - 1)
        width = (x1 - x0 + 1).clamp(min=0).int()
        base = t[13] * yc + t[14]
        z = torch.minimum(torch.maximum(t[12] * (x0 + 0.5) + base, t[15]), t[16])
        z_end = torch.minimum(torch.maximum(t[12] * (x1 + 0.5) + base, t[15]), t[16])
        slope = (z_end - z) / (x1 - x0).clamp(min=1) * self.step
        z = (z - self.near) * self.step
        span, along = _expand(width)
        pixel = (row * w + x0.int()).index_select(0, span) + along
        z = torch.addcmul(z.index_select(0, span), slope.index_select(0, span), along.float())
        own, deep = item.index_select(0, span), z.clamp(0, _DEPTH_STEPS - 1).int()

        def keys() -> Tensor:
            return (deep.long() << 32) | (face + first).index_select(0, own)

        if opacity is None:
            return Fragments(pixel.long(), keys(), None)
        # What is hidden already need not be looked up.
        seen = true_at(deep <= (self.best >> 32).int().index_select(0, pixel))
        pixel, deep, own = (value.index_select(0, seen) for value in (pixel, deep, own))
        place = affine(plane, uv.index_select(0, face)).T.contiguous().index_select(1, own)
        height, breadth = opacity.shape
        px, py = (pixel % w) + 0.5, torch.div(pixel, w, rounding_mode="floor") + 0.5
        column = ((place[0] * px + place[1] * py + place[2]) * breadth).long().clamp(0, breadth - 1)
        line = ((place[3] * px + place[4] * py + place[5]) * height).long().clamp(0, height - 1)
        value = opacity.flatten().index_select(0, line * breadth + column)
        there = true_at(value > least)
        pixel, deep, own, value = (values.index_select(0, there) for values in (pixel, deep, own, value))
        return Fragments(pixel.long(), keys(), value)

    def result(self) -> tuple[Tensor, Tensor]:
        """(face number [h,w], -1 where nothing is; depth [h,w] 0..1, 1 where nothing is)."""
        covered = self.best != _FAR
        face = torch.where(covered, self.best & 0xFFFFFFFF, -1)
        depth = torch.where(covered, (self.best >> 32).float() / _DEPTH_STEPS, 1.0)
        return face.view(self.size), depth.view(self.size)


def weights_at(plane: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Barycentric weights [N,3] at pixel positions x, y [N] of triangles with the given planes [N,3,3]."""
    weights = torch.addcmul(torch.addcmul(plane[..., 2], plane[..., 0], x[:, None]), plane[..., 1], y[:, None]).clamp(0, 1)
    return weights / weights.sum(1, keepdim=True).clamp(min=1e-6)


def blend(values: Tensor, corners: Tensor, weights: Tensor) -> Tensor:
    """Values [N,K] of vertices [V,K] at points with weights [N,3] of triangles [N,3]."""
    a, b, c = (values.index_select(0, corners[:, i]) for i in range(3))
    return a * weights[:, :1] + b * weights[:, 1:2] + c * weights[:, 2:]

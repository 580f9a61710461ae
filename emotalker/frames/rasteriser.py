"""Triangles to pixels in plain torch: scanline spans and a z-buffer, batched, no loop over triangles or frames.

Orthographic: depth and attributes are affine on each triangle, so along a row they rise evenly. The work is two
expansions, triangle → rows → pixels, that touch only covered pixels. The z-buffer is one `scatter_reduce(amin)` of
depth and row number packed into 64 bits, so that CPU and CUDA give the same winner.

Everything is a flat column, one number for each triangle, row or pixel: `index_select` of a column is by far the cheapest
gather there is, and gathers, not arithmetic, are what this costs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Spans grow by this many pixels on both sides, so that rounding never leaves a gap along a shared edge.
_OVERLAP = 1e-3
_DEPTH_STEPS = 2**30


@dataclass(frozen=True)
class Raster:
    """What `rasterise` returns.

    Attributes:
        values: [B,h,w,K] interpolated attributes, 0 where nothing is.
        covered: [B,h,w] bool.
    """

    values: Tensor
    covered: Tensor


def rasterise(
    positions: Tensor,
    triangles: Tensor,
    attributes: Tensor,
    size: tuple[int, int],
    cull: int = 0,
) -> Raster:
    """Draw a batch of meshes with one topology.

    Args:
        positions: [B,V,3] x (right), y (down) in pixels, pixel centres at +0.5; z, smaller is nearer.
        triangles: [F,3] vertex indices.
        attributes: [B,V,K] or [V,K] values to interpolate.
        size: (h, w) of the result.
        cull: 1 draws only triangles that turn clockwise on the screen (y down), -1 only the others, 0 both.

    Returns:
        Raster with values in the dtype of `positions`.
    """
    batch, count, _ = positions.shape
    h, w = size
    device = positions.device
    depths, *fields = (v.flatten() for v in (positions[..., 2], *attributes.expand(batch, -1, -1).unbind(-1)))
    # Triangles worth drawing: right way round, not degenerate, with at least one pixel centre in their box.
    corners = (triangles.T[:, None] + torch.arange(batch, device=device)[:, None] * count).flatten(1)  # [3,B·F]
    x, y = (_at(corners, plane.flatten()) for plane in positions[..., :2].unbind(-1))
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    first_row = (_least(y) - 0.5 - _OVERLAP).ceil().clamp(min=0)
    last_row = (_most(y) - 0.5 + _OVERLAP).floor().clamp(max=h - 1)
    keep = (last_row >= first_row) & (_most(x) > 0) & (_least(x) < w) & (area.abs() > 1e-8)
    if cull:
        keep &= area * cull > 0
    chosen = keep.nonzero()[:, 0]
    if len(chosen) == 0:
        empty = torch.zeros(batch, h, w, dtype=torch.bool, device=device)
        return Raster(positions.new_zeros(batch, h, w, len(fields)), empty)
    corners, x, y = (_select(chosen, *columns) for columns in (corners, x, y))
    area, first_row, last_row = _select(chosen, area, first_row, last_row)

    # Rows of each triangle, and on each the pixels between its edges.
    item, step = _expand((last_row - first_row + 1).long())
    top = chosen // len(triangles) * h + first_row.long()
    row = top.index_select(0, item) + step
    yc = first_row.index_select(0, item) + step + 0.5
    left, right = _between(x, y, area, item, yc)
    x0 = (left - 0.5 - _OVERLAP).ceil().clamp(min=0)
    x1 = (right - 0.5 + _OVERLAP).floor().clamp(max=w - 1)
    width = (x1 - x0 + 1).clamp(min=0)

    bx, by, cx, cy = ((v[i] - v[0]) / area for i in (1, 2) for v in (x, y))

    def along_rows(field: Tensor) -> tuple[Tensor, Tensor]:
        """A vertex field's value at the first pixel of each row, and its rise from pixel to pixel."""
        v = _at(corners, field)
        d1, d2 = v[1] - v[0], v[2] - v[0]
        vx, vy = d1 * cy - d2 * by, d2 * bx - d1 * cx
        base, vx, vy, least, most = _select(item, v[0] - vx * x[0] - vy * y[0], vx, vy, _least(v), _most(v))
        base = torch.addcmul(base, vy, yc)
        # Slivers have wild gradients; no value leaves the range of its triangle's corners.
        start, end = (torch.addcmul(base, vx, at + 0.5).clamp(least, most) for at in (x0, x1))
        return start, (end - start) / (width - 1).clamp(min=1)

    span, place = _expand(width.long())
    pixel = (row * w + x0.long()).index_select(0, span) + place
    z, dz = along_rows(depths)
    low, high = depths.aminmax()
    scale = (_DEPTH_STEPS - 2) / (high - low).clamp(min=1e-6)
    z, dz = _select(span, (z - low) * scale, dz * scale)
    # A row crosses a pixel at most once, so depth and row number tell the winner.
    key = torch.add(span, torch.addcmul(z, dz, place.to(z.dtype)).long(), alpha=2**32)
    none = torch.iinfo(torch.long).max
    best = torch.full((batch * h * w,), none, dtype=torch.long, device=device)
    best.scatter_reduce_(0, pixel, key, "amin")
    covered = best != none
    # Pixels that nothing covers read a row of zeros behind all others.
    owner = torch.where(covered, best & 0xFFFFFFFF, len(item))
    columns = torch.arange(w, device=device, dtype=z.dtype)
    values = positions.new_empty(batch, len(fields), h, w)
    for value, field in zip(values.unbind(1), fields, strict=True):
        start, rise = along_rows(field)
        start, rise = (torch.nn.functional.pad(v, (0, 1)) for v in (start - rise * x0, rise))
        start, rise = (v.view(batch, h, w) for v in _select(owner, start, rise))
        torch.addcmul(start, rise, columns, out=value)
    return Raster(values.permute(0, 2, 3, 1), covered.view(batch, h, w))


def _between(x: Sequence[Tensor], y: Sequence[Tensor], area: Tensor, item: Tensor, yc: Tensor) -> tuple[Tensor, Tensor]:
    """Where rows at the heights yc [R] enter and leave their triangles.

    Args:
        x, y: three corners, each [N].
        area: [N] twice the signed area.
        item: [R] the row's triangle.
        yc: [R].
    """
    sign = torch.sign(area)
    slopes, offsets, rises = [], [], []
    for i, j in ((0, 1), (1, 2), (2, 0)):
        # Edge function A x + B y + C, turned so that the inside is positive; solved for x: x = -(B y + C) / A.
        a, b = (y[i] - y[j]) * sign, (x[j] - x[i]) * sign
        safe = torch.where(a == 0, 1.0, a)
        slopes.append(-b / safe)
        offsets.append((a * x[i] + b * y[i]) / safe)
        rises.append(a)
    bounds = []
    for sides, tighter in (([a > 0 for a in rises], torch.maximum), ([a < 0 for a in rises], torch.minimum)):
        # One or two edges bound a triangle from a side: the first and the last of them, which may be the same.
        chosen = _select(item, *_first_and_last(slopes, sides), *_first_and_last(offsets, sides))
        bounds.append(tighter(chosen[0] * yc + chosen[2], chosen[1] * yc + chosen[3]))
    return bounds[0], bounds[1]


def _first_and_last(values: Sequence[Tensor], wanted: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Of three values the first and the last that is wanted; at least one must be."""
    (a, b, c), (first, second, third) = values, wanted
    return torch.where(first, a, torch.where(second, b, c)), torch.where(third, c, torch.where(second, b, a))


def _expand(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Item number and place within the item, for items repeated `counts` times."""
    item = torch.repeat_interleave(counts)
    start = torch.cumsum(counts, 0) - counts
    return item, torch.arange(len(item), device=counts.device) - start.index_select(0, item)


def _select(index: Tensor, *columns: Tensor) -> list[Tensor]:
    return [column.index_select(0, index) for column in columns]


def _at(corners: Sequence[Tensor], field: Tensor) -> list[Tensor]:
    """A vertex field at three lists of vertices."""
    return [field.index_select(0, vertex) for vertex in corners]


def _least(three: Sequence[Tensor]) -> Tensor:
    return torch.minimum(torch.minimum(three[0], three[1]), three[2])


def _most(three: Sequence[Tensor]) -> Tensor:
    return torch.maximum(torch.maximum(three[0], three[1]), three[2])

"""Triangles to pixels in plain torch: scanline spans and a z-buffer, batched, no loop over triangles or frames.

Orthographic: attributes are affine on each triangle, so a pixel's value is `base + x·d/dx` on its row. The work is
two expansions, triangle → rows → pixels, that touch only covered pixels. The z-buffer is one `scatter_reduce(amin)` of
depth and row number packed into 64 bits, so that CPU and CUDA give the same winner.
"""

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


def _expand(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Item number and place within the item, for items repeated `counts` times."""
    item = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    start = torch.cumsum(counts, 0) - counts
    return item, torch.arange(len(item), device=counts.device) - start[item]


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
    batch, _, _ = positions.shape
    h, w = size
    device = positions.device
    if attributes.dim() == 2:
        attributes = attributes.expand(batch, -1, -1)
    count = attributes.shape[-1]
    # Triangles worth drawing: right way round, not degenerate, with at least one pixel centre in their box.
    x, y = positions[..., 0], positions[..., 1]
    a, b, c = (triangles[:, i] for i in range(3))
    area = (x[:, b] - x[:, a]) * (y[:, c] - y[:, a]) - (x[:, c] - x[:, a]) * (y[:, b] - y[:, a])
    ty = y[:, triangles]
    tx = x[:, triangles]
    first_row = (ty.amin(-1) - 0.5 - _OVERLAP).ceil().clamp(min=0)
    last_row = (ty.amax(-1) - 0.5 + _OVERLAP).floor().clamp(max=h - 1)
    keep = (last_row >= first_row) & (tx.amax(-1) > 0) & (tx.amin(-1) < w) & (area.abs() > 1e-8)
    if cull:
        keep &= area * cull > 0
    frame, face = keep.nonzero(as_tuple=True)

    def nothing() -> Raster:
        empty = torch.zeros(batch, h, w, dtype=torch.bool, device=device)
        return Raster(positions.new_zeros(batch, h, w, count), empty)

    if len(face) == 0:
        return nothing()

    corner = triangles[face]
    flat = frame[:, None] * positions.shape[1] + corner
    px, py, pz = positions.reshape(-1, 3)[flat].unbind(-1)  # [N,3] each
    area = area[frame, face]
    first_row, last_row = first_row[frame, face], last_row[frame, face]
    origin_x, origin_y = px[:, 0], py[:, 0]
    inverse = 1.0 / area
    edges = (px[:, 1] - origin_x, py[:, 1] - origin_y, px[:, 2] - origin_x, py[:, 2] - origin_y)

    def gradient(values: Tensor) -> tuple[Tensor, Tensor]:
        """d/dx and d/dy of per-corner values [N,3,...] on the screen."""
        shape = (-1,) + (1,) * (values.dim() - 2)
        bx, by, cx, cy = (edge.view(shape) for edge in edges)
        d1, d2 = values[:, 1] - values[:, 0], values[:, 2] - values[:, 0]
        return (d1 * cy - d2 * by) * inverse.view(shape), (d2 * bx - d1 * cx) * inverse.view(shape)

    # Rows of each triangle: the x interval that satisfies all three edges. What a row needs of its triangle is
    # gathered in one go: gathers, not arithmetic, are what this costs.
    sign = torch.sign(area)
    slopes, offsets = [], []
    for i in range(3):
        j = (i + 1) % 3
        # Edge function A x + B y + C, turned so that the inside is positive; solved for x: x = -(B y + C) / A.
        ea = (py[:, i] - py[:, j]) * sign
        eb = (px[:, j] - px[:, i]) * sign
        safe = torch.where(ea == 0, torch.ones_like(ea), ea)
        slopes.append(-eb / safe)
        offsets.append((ea * px[:, i] + eb * py[:, i]) / safe)
        left = torch.where(ea > 0, 0.0, float("-inf"))
        right = torch.where(ea < 0, 0.0, float("inf"))
        slopes += [left, right]
    zx, zy = gradient(pz)
    columns = [*slopes, *offsets, pz[:, 0] - zx * origin_x - zy * origin_y, zx, zy, pz.amin(-1), pz.amax(-1)]
    item, step = _expand((last_row - first_row + 1).long())
    row = first_row.long()[item] + step
    yc = row.to(px.dtype) + 0.5
    (s0, l0, r0, s1, l1, r1, s2, l2, r2, o0, o1, o2, z0, zx_row, zy_row, z_min, z_max) = (
        torch.stack(columns, 1).index_select(0, item).unbind(1)
    )
    b0, b1, b2 = s0 * yc + o0, s1 * yc + o1, s2 * yc + o2
    left = torch.maximum(torch.maximum(b0 + l0, b1 + l1), b2 + l2)
    right = torch.minimum(torch.minimum(b0 + r0, b1 + r1), b2 + r2)
    x0 = (left - 0.5 - _OVERLAP).ceil().clamp(min=0)
    x1 = (right - 0.5 + _OVERLAP).floor().clamp(max=w - 1)
    width = (x1 - x0 + 1).clamp(min=0).long()

    # Depth along a row, kept in the range of the triangle's own corners as well.
    low = pz.amin()
    scale = (_DEPTH_STEPS - 2) / (pz.amax() - low).clamp(min=1e-6)
    z_row = z0 + zy_row * yc
    z_left = torch.minimum(torch.maximum(z_row + zx_row * (x0 + 0.5), z_min), z_max)
    z_right = torch.minimum(torch.maximum(z_row + zx_row * (x1 + 0.5), z_min), z_max)
    z_step = (z_right - z_left) / (x1 - x0).clamp(min=1)
    z_left, z_step = (z_left - low) * scale, z_step * scale

    span, along = _expand(width)
    if len(span) == 0:
        return nothing()
    start = (frame[item] * h + row) * w + x0.long()
    pixel = start[span] + along
    z_left, z_step = torch.stack([z_left, z_step], 1).index_select(0, span).unbind(1)
    # A row crosses a pixel at most once, so depth and row number tell the winner.
    key = ((z_left + z_step * along).long() << 32) | span
    best = torch.full((batch * h * w,), torch.iinfo(torch.long).max, dtype=torch.long, device=device)
    best.scatter_reduce_(0, pixel, key, "amin")
    covered = best != torch.iinfo(torch.long).max
    owner = item[torch.where(covered, best & 0xFFFFFFFF, 0)]
    values = attributes.reshape(-1, count)[flat]
    vx, vy = gradient(values)
    base = values[:, 0] - vx * origin_x[:, None] - vy * origin_y[:, None]
    won = torch.cat([base, vx, vy, values.amin(1), values.amax(1)], 1)
    base, vx, vy, least, most = won.index_select(0, owner).view(batch, h, w, 5 * count).split(count, -1)
    xw = (torch.arange(w, device=device, dtype=px.dtype) + 0.5)[:, None]
    yw = (torch.arange(h, device=device, dtype=px.dtype) + 0.5)[:, None, None]
    covered = covered.view(batch, h, w)
    # Slivers have wild gradients; no value leaves the range of its triangle's corners.
    values = torch.minimum(torch.maximum(base + vx * xw + vy * yw, least), most)
    return Raster(values * covered[..., None], covered)

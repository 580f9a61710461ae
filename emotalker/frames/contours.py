"""Openings (mouth, eyes) as intervals between an upper and a lower curve, with exact anti-aliased coverage.

A mesh edge cut pixel by pixel shows stairs. An opening is narrow and lies between two curves, so it is described by
them instead: t(s) for the upper and the lower edge, in an axis system that follows the opening's two corners.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

SAMPLES = 128


@dataclass(frozen=True)
class Opening:
    """One opening in every frame of a chunk, in its own axes: s along the corners (0 at the first, 1 at the second), t
    down from their line in pixels.

    Attributes:
        origin: [n,2] first corner, pixels.
        along: [n,2] unit vector to the second corner.
        length: [n] distance of the corners, pixels.
        upper, lower: [n,SAMPLES] t of the edges at s = 0..1; lower < upper where closed.
    """

    origin: Tensor
    along: Tensor
    length: Tensor
    upper: Tensor
    lower: Tensor

    def local(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Picture coordinates [h,w] (or [n,h,w]) to (s [n,h,w], t [n,h,w])."""
        dx = x - self.origin[:, 0, None, None]
        dy = y - self.origin[:, 1, None, None]
        ax, ay = self.along[:, 0, None, None], self.along[:, 1, None, None]
        return (dx * ax + dy * ay) / self.length[:, None, None], dy * ax - dx * ay

    def edges(self, s: Tensor) -> tuple[Tensor, Tensor]:
        """t of the upper and the lower edge at s [n,h,w], each [n,h,w]; the end values hold outside 0..1."""
        place = s.clamp(0, 1) * (SAMPLES - 1)
        left = place.floor().clamp(max=SAMPLES - 2)
        fraction = place - left
        first = torch.arange(len(s), device=s.device)[:, None, None] * SAMPLES
        index = (left.long() + first).flatten()
        upper, lower = (
            torch.lerp(*(curve.flatten().index_select(0, i).view(s.shape) for i in (index, index + 1)), fraction)
            for curve in (self.upper, self.lower)
        )
        return upper, lower

    def coverage(self, s: Tensor, t: Tensor, edges: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """[n,h,w] share 0..1 of each pixel that lies inside; `edges` where they are known already."""
        upper, lower = edges or self.edges(s)
        share = (torch.minimum(t + 0.5, lower) - torch.maximum(t - 0.5, upper)).clamp(0, 1)
        pixels = self.length[:, None, None]
        ends = (torch.minimum(s * pixels, (1 - s) * pixels) + 0.5).clamp(0, 1)
        return share * ends

    def height(self) -> Tensor:
        """[n] mean gap of the edges, pixels (0 where closed)."""
        return (self.lower - self.upper).clamp(min=0).mean(1)


def envelope(s: Tensor, t: Tensor, samples: Tensor, lowest: bool) -> Tensor:
    """Outermost t of pieces of lines at given s.

    Args:
        s, t: [n,2,P] the two ends of each piece.
        samples: [M].
        lowest: the largest t (lowest on the screen) where pieces lie over each other, else the smallest.

    Returns:
        [n,M]; -inf (or +inf) where no piece has a point at that s.
    """
    (s0, s1), (t0, t1) = s[:, :, None].unbind(1), t[:, :, None].unbind(1)
    at = samples[None, :, None]
    inside = (at >= torch.minimum(s0, s1)) & (at <= torch.maximum(s0, s1))
    step = torch.where((s1 - s0).abs() < 1e-6, 1.0, s1 - s0)
    value = t0 + (t1 - t0) * ((at - s0) / step).clamp(0, 1)
    value = torch.where(inside, value, float("-inf") if lowest else float("inf"))
    return value.amax(-1) if lowest else value.amin(-1)


def opening(points: Tensor, upper: list[Tensor], lower: list[Tensor]) -> Opening:
    """The opening that nested rings leave free: an edge that is hidden behind an outer one does not count.

    Args:
        points: [n,V,3] (or [n,V,2]) positions in pixels.
        upper, lower: for each ring its upper and lower half as vertex indices from the first corner to the second;
            ring 0 defines the corners.
    """
    first, second = points[:, upper[0][0], :2], points[:, upper[0][-1], :2]
    delta = second - first
    length = delta.norm(dim=1).clamp(min=1e-3)
    along = delta / length[:, None]
    samples = torch.linspace(0, 1, SAMPLES, device=points.device, dtype=points.dtype)

    def curve(halves: list[Tensor], lowest: bool) -> Tensor:
        ends = torch.cat([torch.stack([half[:-1], half[1:]]) for half in halves], 1)
        dx, dy = (points[:, ends, :2] - first[:, None, None]).unbind(-1)
        ax, ay = along[:, :, None, None].unbind(1)
        line = envelope((dx * ax + dy * ay) / length[:, None, None], dy * ax - dx * ay, samples, lowest)
        # Ring 0 reaches from corner to corner, so every sample has a value but for rounding at the very ends.
        return torch.where(line.isfinite(), line, 0.0)

    return Opening(first, along, length, curve(upper, True), curve(lower, False))

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

    def at(self, curve: Tensor, s: Tensor) -> Tensor:
        """Value of a curve [n or 1,SAMPLES] at s [n,h,w]; the end values hold outside 0..1."""
        curve = curve.expand(len(s), -1)
        place = (s.clamp(0, 1) * (SAMPLES - 1)).flatten(1)
        left = place.floor().clamp(max=SAMPLES - 2)
        fraction = place - left
        index = left.long()
        value = curve.gather(1, index) * (1 - fraction) + curve.gather(1, index + 1) * fraction
        return value.view(s.shape)

    def coverage(self, s: Tensor, t: Tensor) -> Tensor:
        """[n,h,w] share 0..1 of each pixel that lies inside."""
        upper, lower = self.at(self.upper, s), self.at(self.lower, s)
        share = (torch.minimum(t + 0.5, lower) - torch.maximum(t - 0.5, upper)).clamp(0, 1)
        pixels = self.length[:, None, None]
        ends = (torch.minimum(s * pixels, (1 - s) * pixels) + 0.5).clamp(0, 1)
        return share * ends

    def height(self) -> Tensor:
        """[n] mean gap of the edges, pixels (0 where closed)."""
        return (self.lower - self.upper).clamp(min=0).mean(1)


def polyline_envelope(s: Tensor, t: Tensor, samples: Tensor, lowest: bool) -> Tensor:
    """Outermost t of polylines at given s.

    Args:
        s, t: [n,P] points in order.
        samples: [M].
        lowest: the largest t (lowest on the screen) where the line folds, else the smallest.

    Returns:
        [n,M]; -inf (or +inf) where the line has no point at that s.
    """
    s0, s1, t0, t1 = s[:, None, :-1], s[:, None, 1:], t[:, None, :-1], t[:, None, 1:]
    at = samples[None, :, None]
    inside = (at >= torch.minimum(s0, s1)) & (at <= torch.maximum(s0, s1))
    step = torch.where((s1 - s0).abs() < 1e-6, torch.ones_like(s0), s1 - s0)
    value = t0 + (t1 - t0) * ((at - s0) / step).clamp(0, 1)
    none = float("-inf") if lowest else float("inf")
    value = torch.where(inside, value, torch.full_like(value, none))
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
        best = None
        for half in halves:
            d = points[:, half, :2] - first[:, None]
            s = (d * along[:, None]).sum(-1) / length[:, None]
            t = d[..., 1] * along[:, None, 0] - d[..., 0] * along[:, None, 1]
            line = polyline_envelope(s, t, samples, lowest)
            best = line if best is None else (torch.maximum(best, line) if lowest else torch.minimum(best, line))
        # Ring 0 reaches from corner to corner, so every sample has a value but for rounding at the very ends.
        return torch.where(best.isfinite(), best, torch.zeros_like(best))

    return Opening(first, along, length, curve(upper, True), curve(lower, False))

"""Lips and lids as closed rings of vertices: what lies across from what, and keeping the two halves from passing through."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..arkit import FACE_UNITS

LIP_FADE = (1.0, 1.0, 0.92, 0.8, 0.65, 0.5, 0.35, 0.2, 0.1, 0.05)
"""Share of a correction at the lips' touching line that the n-th ring away from it takes along."""
LID_FADE = (1.0, 1.0, 0.97, 0.9, 0.8, 0.68, 0.52, 0.35, 0.2, 0.08)
"""The same for the lid margin; the crease is about ring 7."""


PARTING = ("jawOpen", "mouthClose", "mouthFunnel", "mouthShrugUpper", "mouthUpperUp", "mouthLowerDown", "mouthStretch")
"""Face units that part the lips or bring parted lips together; under all others closed lips stay closed."""


def sealed_units() -> list[int]:
    """Indices of the face units that leave closed lips closed."""
    plain = [name.removesuffix("Left").removesuffix("Right") for name in FACE_UNITS]
    return [i for i, name in enumerate(plain) if name.startswith(("mouth", "jaw", "cheek", "nose")) and name not in PARTING]


def opposite_weights(points: np.ndarray, far: int) -> np.ndarray:
    """Matrix [N,N] that takes a ring's points to the points of the other half across from them.

    Args:
        points: ring vertices [N,2 or 3] in order: position 0 one corner, 1..far-1 the upper half, far the other corner,
            the rest the lower half on the way back.
        far: position of the second corner.

    Two points are across from each other when they lie equally far along the line from corner to corner.
    """
    count = len(points)
    axis = points[far] - points[0]
    along = (points - points[0]) @ axis / max(axis @ axis, 1e-12)
    upper = list(range(far + 1))
    lower = [0, *range(count - 1, far - 1, -1)]
    weights = np.zeros((count, count))
    weights[0, 0] = weights[far, far] = 1.0
    for mine, other in ((upper, lower), (lower, upper)):
        grid = np.maximum.accumulate(np.clip(along[other], 0, 1))
        grid = grid + 1e-9 * np.arange(len(other))
        for i in mine[1:-1]:
            j = int(np.clip(np.searchsorted(grid, np.clip(along[i], 0, 1)), 1, len(other) - 1))
            share = np.clip((along[i] - grid[j - 1]) / max(grid[j] - grid[j - 1], 1e-9), 0, 1)
            weights[i, other[j - 1]] += 1 - share
            weights[i, other[j]] += share
    return weights


@dataclass(frozen=True)
class Edge:
    """One opening's ring 0 with the rings beside it, which share its corrections.

    Attributes:
        rings: [R,N] vertex indices of all rings that take part, ring 0 among them.
        fade: [R] share of a correction each ring takes.
        ring: [N] ring 0.
        opposite: [N,N] see opposite_weights.
        yields: [N] how much of an overlap each vertex takes back: 0.5 for both lips; 1 for the upper lid, 0 for the lower.
        sign: [N] 1 on the upper half, -1 on the lower, 0 at the corners.
    """

    rings: Tensor
    fade: Tensor
    ring: Tensor
    opposite: Tensor
    yields: Tensor
    sign: Tensor

    @classmethod
    def make(cls, rings: Tensor, numbers: Tensor, far: int, rest: Tensor, fade: tuple[float, ...], upper: float) -> "Edge":
        """Edge of aligned rings.

        Args:
            rings: [R,N] vertex indices; numbers [R] their distance from ring 0, in either direction.
            far: position of the second corner.
            rest: [V,2 or 3] positions that say what is across from what.
            fade: share of a correction by distance from ring 0.
            upper: share of an overlap that the upper half takes back.
        """
        near = numbers.abs() < len(fade)
        ring = rings[numbers == 0][0]
        place = torch.arange(len(ring), device=rings.device)
        is_upper, is_lower = (place > 0) & (place < far), place > far
        opposite = torch.from_numpy(opposite_weights(rest[ring].cpu().double().numpy(), far)).to(rest)
        return cls(
            rings[near],
            rest.new_tensor(fade)[numbers[near].abs()],
            ring,
            opposite,
            is_upper * upper + is_lower * (1 - upper),
            is_upper.to(rest) - is_lower.to(rest),
        )

    def to(self, device: str | torch.device) -> "Edge":
        """The same edge on another device."""
        return Edge(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))

    def across(self, vertices: Tensor) -> Tensor:
        """From each point of ring 0 to the point across from it [...,N,D], of vertices [...,V,D]."""
        points = vertices[..., self.ring, :]
        return self.opposite @ points - points

    def spread(self, field: Tensor, correction: Tensor) -> None:
        """Add a correction [...,N,D] of ring 0 to field [...,V,D], in place, fading over the neighbouring rings."""
        field[..., self.rings, :] += self.fade[:, None, None] * correction[..., None, :, :]

    def part(self, vertices: Tensor, down: Tensor) -> None:
        """Undo overlaps of the two halves, in place.

        Args:
            vertices: [...,V,3].
            down: [3] unit vector from the upper to the lower half.
        """
        gap = (self.across(vertices) @ down) * self.sign
        overlap = (-gap).clamp(min=0) * self.sign * self.yields
        self.spread(vertices, -overlap[..., None] * down)

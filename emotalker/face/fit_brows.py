"""Brows that move as one piece: hair is carried, never squeezed; what is squeezed is the skin between brow and lid."""

import torch
from torch import Tensor

from .rig import SIDES, Rig

_UPPER = ((70, 63, 105, 66, 107), (300, 293, 334, 296, 336))
_LOWER = ((46, 53, 52, 65, 55), (276, 283, 282, 295, 285))
"""Landmarks along the upper and the lower edge of the right and the left brow, from the temple to the nose."""
_UPPER_SHARE = 0.8
"""All of a brow moves as its edges do, the upper one counting for this much: it has the muscle's whole way."""
_HAIR = 0.45
"""How far hair reaches beyond these edges, in heights of the brow."""
_ABOVE = 2.5
"""Heights of the brow over which the forehead above takes up the difference."""
_BESIDE = 0.08, 0.30
"""Beyond the brow's ends, in its lengths: as far as hair is expected, and where the difference is taken up."""
_LEAST_ROOM = 0.25
"""A brow comes down at most so far that this share of the skin between it and the lid stays, under all units together."""
_TOGETHER = 1.2
"""Weights of the lowering units together, over that of the strongest one, when a face frowns as hard as it can."""
_EVEN = 0.5
"""How far the brow's parts move sideways by the same amount."""


def _at(curve: Tensor, places: Tensor, wanted: Tensor) -> Tensor:
    """Values [n,K] at `wanted` [n] of a polyline with values [N,K] at rising places [N]; its ends continue as they are."""
    wanted = wanted.clamp(float(places[0]), float(places[-1]))
    right = torch.searchsorted(places.contiguous(), wanted.contiguous()).clamp(1, len(places) - 1)
    share = (wanted - places[right - 1]) / (places[right] - places[right - 1])
    return torch.lerp(curve[right - 1], curve[right], share[:, None])


def carry_brows(rig: Rig, units: Tensor, rest: Tensor, up: Tensor) -> None:
    """Make all of a brow's height move as its middle does, in place.

    Args:
        rig: the head model.
        units: [52,V,3] displacements in the picture, pixels.
        rest: [V,3] fitted vertices.
        up: [3] the head's unit vector upwards.
    """
    up = torch.nn.functional.normalize(up[:2], dim=0)
    points = rig.landmarks(rest)[:, :2]
    effects = rig.landmarks(units)
    body = rig.body_vertices
    for side, name in enumerate(SIDES):
        upper, lower = list(_UPPER[side]), list(_LOWER[side])
        middle = (points[upper] + points[lower]) / 2
        along = middle[-1] - middle[0]
        along = along - (along @ up) * up
        length = along.norm().clamp(min=1e-3)
        along = along / length
        place = ((middle - middle[0]) @ along / length).cummax(0).values + 1e-4 * torch.arange(len(middle))
        height = (points[upper] - points[lower]) @ up
        # The inner ends of the landmarks' edges lie wide apart; hair is about as high there as in the middle.
        height = height.clamp(min=0.02 * float(length), max=1.25 * float(height.median()))
        carried = torch.lerp(effects[:, lower], effects[:, upper], _UPPER_SHARE)  # [52,5,3]
        sideways = carried[..., :2] @ along
        carried[..., :2] += _EVEN * (sideways.mean(1, keepdim=True) - sideways)[..., None] * along

        lid = rig.lid_halves(name, 1)[0][0]
        margin = rest[lid, :2]
        at = (margin - middle[0]) @ along / length
        order = at.argsort()
        at, rise = at[order].cummax(0).values + 1e-5 * torch.arange(len(at)), (margin @ up)[order][:, None]
        # Never lower than the skin under it has room for.
        room = (middle @ up - height * (0.5 + _HAIR)) - _at(rise, at, place)[:, 0]
        sunk = -(carried[..., :2] @ up)
        most = (1 - _LEAST_ROOM) * room.clamp(min=0) / _TOGETHER
        excess = (sunk - most).clamp(min=0) * (sunk > 0)
        carried[..., :2] += excess[..., None] * up

        s = (rest[body, :2] - middle[0]) @ along / length
        v = rest[body, :2] @ up
        line = _at(torch.cat([(middle @ up)[:, None], height[:, None]], 1), place, s)
        centre, tall = line.unbind(1)
        top, bottom = centre + tall * (0.5 + _HAIR), centre - tall * (0.5 + _HAIR)
        edge = torch.minimum(_at(rise, at, s)[:, 0], bottom - 0.3 * tall)
        above = 1 - (v - top) / (_ABOVE * tall)
        below = (v - edge) / (bottom - edge)
        outside = torch.maximum(-s, s - 1)
        beside = 1 - (outside - _BESIDE[0]) / (_BESIDE[1] - _BESIDE[0])
        share = torch.minimum(above, below).clamp(0, 1) * beside.clamp(0, 1) ** 2 * (3 - 2 * beside.clamp(0, 1))
        near = share > 0
        mine = body[near]
        wanted = _at(carried.transpose(0, 1).flatten(1), place, s[near]).view(len(mine), len(units), 3).transpose(0, 1)
        # Only units that move the brow: eyes and mouth have their own ways.
        moves = effects[:, upper + lower].norm(dim=-1).mean(1) > 0.01 * float(length)
        units[:, mine] += (share[near] * moves[:, None])[..., None] * (wanted - units[:, mine])

"""Make the face units suit a fitted face: as large as its features, brows that stay whole, eyes that close, lips that meet."""

import numpy as np
import torch
from torch import Tensor

from ..arkit import FACE_UNITS, UNIT_INDEX
from .contact import Edge, sealed_units
from .fit_brows import carry_brows
from .fit_warp import warp_of
from .landmarks478 import EYE_LOWER, EYE_UPPER, LIPS_INNER_LOWER, LIPS_INNER_UPPER, LIPS_OUTER_LOWER, LIPS_OUTER_UPPER
from .rig import GROUPS, SIDES, Rig

LIPS = (*LIPS_INNER_UPPER, *LIPS_INNER_LOWER, *LIPS_OUTER_UPPER, *LIPS_OUTER_LOWER)
JAW_UNITS = tuple(UNIT_INDEX[n] for n in ("jawForward", "jawLeft", "jawRight", "jawOpen", "mouthClose", "tongueOut"))
OPENERS = tuple(
    UNIT_INDEX[n] for n in FACE_UNITS if n in ("jawOpen", "mouthFunnel") or n.startswith(("mouthLowerDown", "mouthUpperUp"))
)
"""Units by which lips part; the source's lip gap is explained by these."""
NOSE_BASE, CHIN = 2, 152
FEATURE_SIZE = (0.5, 2.5)
JAW_SIZE = (0.6, 1.6)
"""How much smaller or larger than the average adult's a feature may be taken to be, after camera and scale."""
LEAST_CLOSING = 0.3
"""A blink still to come of less than this share says nothing about the size of a whole blink (the eyes are nearly shut)."""
MOST_CORRECTION = 2.0
"""The source's expression must move the lips by this many times a gap left in the neutral face to be corrected by it."""
JAW_MIDDLE = 0.3
"""Where the jaw opens the lips by more than this share of its most, it can close what gap is left."""
ROUNDS = 8


def ring_width(vertices: Tensor, ring: Tensor, far: int) -> float:
    """Pixels between a ring's corners."""
    return float((vertices[ring[far], :2] - vertices[ring[0], :2]).norm())


def suit_units(rig: Rig, rest: Tensor, matrix: Tensor, expression: Tensor, edges: tuple[Edge, ...]) -> tuple[Tensor, Tensor]:
    """Units in the picture and the expression they explain.

    Args:
        rig: the head model.
        rest: [V,3] fitted vertices, pixels.
        matrix: [3,3] from rig directions to picture directions, with scale.
        expression: [52] estimated weights of the source.
        edges: lips, right lids, left lids.

    Returns:
        (units [52,V,3] pixels, expression [52]); without its expression the face has its lips closed.
    """
    units = rig.units @ matrix.T
    neutral = rig.vertices @ matrix.T
    posed = neutral + torch.tensordot(expression, units, 1)
    units = units * feature_sizes(rig, rest, neutral, posed, edges)
    carry_brows(rig, units, rest, matrix[:, 1])
    for side, edge in zip(SIDES, edges[1:], strict=True):
        close_eye(units, rest, expression, edge, UNIT_INDEX[f"eyeBlink{side}"])
    down = -torch.nn.functional.normalize(matrix[:, 1], dim=0)
    seal_units(units, edges[0], down)
    expression = close_neutral_lips(units, rest, expression, edges[0], down)
    close_mouth(units, rest - torch.tensordot(expression, units, 1), edges[0])
    lashes_follow(rig, units, rig.units @ matrix.T)
    return units, expression


def feature_sizes(rig: Rig, rest: Tensor, neutral: Tensor, posed: Tensor, edges: tuple[Edge, ...]) -> Tensor:
    """Factor [52,V,1] by which each unit moves each vertex more than on the average adult."""
    residual = np.zeros((478, 1))
    mouth = int(rig.lip_corners[1])
    ratio = ring_width(rest, edges[0].ring, mouth) / max(ring_width(posed, edges[0].ring, mouth), 1e-3)
    residual[list(LIPS)] = np.clip(ratio, *FEATURE_SIZE) - 1
    for side, edge in enumerate(edges[1:]):
        far = int(rig.lid_corners[1])
        ratio = ring_width(rest, edge.ring, far) / max(ring_width(neutral, edge.ring, far), 1e-3)
        residual[[*EYE_UPPER[side], *EYE_LOWER[side]]] = np.clip(ratio, *FEATURE_SIZE) - 1
    size = 1 + torch.from_numpy(warp_of(rig).solve(residual)).to(rest)[:, 0]
    factor = size.clamp(*FEATURE_SIZE).repeat(len(FACE_UNITS), 1)

    def face_height(vertices: Tensor) -> float:
        points = rig.landmarks(vertices)[[NOSE_BASE, CHIN], :2]
        return float((points[0] - points[1]).norm())

    jaw = float(np.clip(face_height(rest) / max(face_height(posed), 1e-3), *JAW_SIZE))
    factor[list(JAW_UNITS)] = jaw
    mouth_parts = torch.isin(
        rig.vertex_group, torch.tensor([GROUPS.index(g) for g in ("teeth_upper", "teeth_lower", "tongue")])
    )
    factor[:, mouth_parts] = jaw
    return factor[..., None]


def close_eye(units: Tensor, rest: Tensor, expression: Tensor, lids: Edge, blink: int) -> None:
    """Make what remains of a blink bring the upper margin onto the lower one (in place)."""
    others = expression.clone()
    others[blink] = 0
    open_eye = rest - torch.tensordot(others, units, 1)
    remaining = 1 - float(expression[blink])
    for _ in range(ROUNDS):
        missing = lids.across(open_eye + remaining * units[blink]) * lids.yields[:, None]
        lids.spread(units[blink], missing / max(remaining, LEAST_CLOSING))


def close_neutral_lips(units: Tensor, rest: Tensor, expression: Tensor, lips: Edge, down: Tensor) -> Tensor:
    """Explain the source's lip gap by its expression, so that the lips of the neutral face meet (units in place).

    Returns:
        The expression [52], with more jawOpen where the estimate explained too little of the gap, less of what parts the
        lips where it explained too much.
    """
    expression = expression.clone()
    openers, jaw = list(OPENERS), UNIT_INDEX["jawOpen"]

    def opening(vertices: Tensor) -> Tensor:
        return (lips.across(vertices) @ down) * lips.sign

    def middle(vertices: Tensor) -> float:
        return float(opening(vertices).clamp(min=0).mean())

    each = torch.stack([opening(units[j]) for j in openers]).clamp(min=0).mean(1)
    gap = middle(rest)
    explained = float((expression[openers] * each).sum())
    full = float(each[openers.index(jaw)])
    if explained > gap:
        expression[openers] *= gap / explained
    elif explained < 0.7 * gap:
        expression[jaw] = min(1.0, float(expression[jaw]) + (0.85 * gap - explained) / max(full, 1e-3))
    # What is left is shared out over what parts the lips in this face, else over all that moves them, by how far it does.
    missing = float(lips.across(rest - torch.tensordot(expression, units, 1)).norm(dim=-1).mean())
    moving = units[:, lips.ring].norm(dim=-1).mean(1) * expression
    reach = torch.zeros_like(moving).index_copy(0, torch.tensor(openers), moving[openers])
    if float(reach.sum()) < MOST_CORRECTION * missing:
        reach = moving
    if float(reach.sum()) < MOST_CORRECTION * missing:
        # Too little to bend: a jaw that shuts a little more, and the lips, which never pass through each other, do the rest.
        wide = opening(units[jaw])
        left = opening(rest - torch.tensordot(expression, units, 1)) / wide.clamp(min=1e-3)
        expression[jaw] += left[wide > JAW_MIDDLE * wide.max()].max().clamp(0, 0.15)
        return expression
    share = reach / (reach * expression).sum()
    for _ in range(ROUNDS):
        missing = lips.across(rest - torch.tensordot(expression, units, 1)) / 2
        for j in torch.nonzero(reach).flatten().tolist():
            lips.spread(units[j], -missing * share[j])
    return expression


def seal_units(units: Tensor, lips: Edge, down: Tensor) -> None:
    """Keep closed lips closed, along `down` [3], under the units that do not part them (in place)."""
    sealed = sealed_units()
    fields = units[sealed]
    for _ in range(ROUNDS):
        lips.spread(fields, (lips.across(fields) @ down)[..., None] * down / 2)
    units[sealed] = fields


def close_mouth(units: Tensor, neutral: Tensor, lips: Edge) -> None:
    """Make mouthClose under jawOpen bring the lips together (in place)."""
    jaw, close = UNIT_INDEX["jawOpen"], UNIT_INDEX["mouthClose"]
    for _ in range(ROUNDS):
        lips.spread(units[close], lips.across(neutral + units[jaw] + units[close]) / 2)


def lashes_follow(rig: Rig, units: Tensor, before: Tensor) -> None:
    """Carry the lashes along with the nearest lid vertices' changes (in place)."""
    lashes = torch.nonzero(rig.vertex_group >= GROUPS.index("lashes_right")).flatten()
    lids = torch.cat([rig.lid_rings[:, rig.lid_ring_numbers == n].flatten() for n in range(4)])
    nearest = lids[torch.cdist(rig.vertices[lashes], rig.vertices[lids]).argmin(1)]
    units[:, lashes] = before[:, lashes] + units[:, nearest] - before[:, nearest]

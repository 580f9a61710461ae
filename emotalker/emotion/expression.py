"""From emotion strengths to face units, by way of the action units (AU) of the Facial Action Coding System."""

import torch
from torch import Tensor

from ..arkit import FACE_UNITS, UNIT_INDEX
from .taxonomy import EMOTIONS

# Action unit to face units, at full action. The pairing follows the muscle each describes (FACS manual, Ekman, Friesen,
# Hager 2002; Apple ARKit blendShapeLocation). Where ARKit has no exact shape (23, 24, 25) several share the work.
AU_UNITS: dict[int, dict[str, float]] = {
    1: {"browInnerUp": 1.0},
    2: {"browOuterUpLeft": 1.0, "browOuterUpRight": 1.0},
    4: {"browDownLeft": 1.0, "browDownRight": 1.0},
    5: {"eyeWideLeft": 1.0, "eyeWideRight": 1.0},
    6: {"cheekSquintLeft": 1.0, "cheekSquintRight": 1.0},
    7: {"eyeSquintLeft": 1.0, "eyeSquintRight": 1.0},
    9: {"noseSneerLeft": 1.0, "noseSneerRight": 1.0},
    10: {"mouthUpperUpLeft": 1.0, "mouthUpperUpRight": 1.0},
    12: {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0},
    14: {"mouthDimpleLeft": 1.0, "mouthDimpleRight": 1.0},
    15: {"mouthFrownLeft": 1.0, "mouthFrownRight": 1.0},
    16: {"mouthLowerDownLeft": 1.0, "mouthLowerDownRight": 1.0},
    17: {"mouthShrugLower": 1.0, "mouthShrugUpper": 0.5},
    20: {"mouthStretchLeft": 1.0, "mouthStretchRight": 1.0},
    23: {"mouthRollLower": 0.7, "mouthRollUpper": 0.7, "mouthPressLeft": 0.2, "mouthPressRight": 0.2},
    24: {"mouthRollLower": 0.4, "mouthRollUpper": 0.3, "mouthPressLeft": 0.5, "mouthPressRight": 0.5},
    25: {"mouthLowerDownLeft": 0.5, "mouthLowerDownRight": 0.5, "mouthUpperUpLeft": 0.6, "mouthUpperUpRight": 0.6},
    26: {"jawOpen": 0.5},
    29: {"jawForward": 1.0},
    43: {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
}

# Emotion to (action unit, its action at strength 1, sides "LR", "L" or "R"). Which units: EMFACS short list (Friesen, Ekman
# 1983), FACS 1978 Table 11-1 and Du et al. 2014, Table 1 (the optional ones that most people show, weaker). How much: set
# by looking at rendered portraits, for a face that reads at a glance and stays handsome.
EXPRESSIONS: dict[str, tuple[tuple[int, float, str], ...]] = {
    "neutral": (),
    "happy": ((6, 0.80, "LR"), (12, 0.80, "LR"), (7, 0.15, "LR"), (25, 0.45, "LR"), (2, 0.10, "LR")),
    "sad": ((1, 1.00, "LR"), (4, 0.10, "LR"), (15, 0.75, "LR"), (17, 0.35, "LR"), (43, 0.22, "LR"), (7, 0.10, "LR")),
    "angry": ((4, 1.00, "LR"), (5, 0.30, "LR"), (7, 0.70, "LR"), (23, 0.45, "LR"), (24, 0.10, "LR"),
              (9, 0.60, "LR"), (15, 0.50, "LR"), (17, 0.40, "LR"), (29, 0.25, "LR")),
    "fear": ((1, 1.00, "LR"), (2, 0.45, "LR"), (4, 0.18, "LR"), (5, 1.00, "LR"), (20, 0.90, "LR"),
             (25, 0.60, "LR"), (26, 0.30, "LR")),
    "disgust": ((9, 1.00, "LR"), (10, 0.70, "LR"), (15, 0.40, "LR"), (17, 0.30, "LR"), (4, 0.45, "LR"),
                (7, 0.50, "LR"), (6, 0.20, "LR")),
    "surprise": ((1, 0.90, "LR"), (2, 0.95, "LR"), (5, 0.90, "LR"), (26, 0.75, "LR"), (25, 0.30, "LR")),
    "contempt": ((12, 0.45, "R"), (14, 0.90, "R"), (10, 0.35, "R"), (9, 0.25, "R"), (15, 0.25, "L"), (7, 0.30, "LR"),
                 (43, 0.20, "LR"), (2, 0.50, "R"), (17, 0.25, "LR")),
}  # fmt: skip

# Muscles that pull against each other: where an emotion blend asks for both, each takes this share from the other.
ANTAGONISTS: tuple[tuple[str, str], ...] = (
    ("mouthSmileLeft", "mouthFrownLeft"), ("mouthSmileRight", "mouthFrownRight"),
    ("mouthPressLeft", "mouthLowerDownLeft"), ("mouthPressRight", "mouthLowerDownRight"),
    ("mouthRollLower", "jawOpen"), ("mouthShrugLower", "jawOpen"),
)  # fmt: skip
DAMPING = 0.4
KNEE = 0.8
"""Weights up to here answer in proportion; above it they bend towards 1 without reaching it."""


def _unit_table() -> Tensor:
    table = torch.zeros(len(EMOTIONS), len(FACE_UNITS))
    for row, emotion in enumerate(EMOTIONS):
        for au, action, sides in EXPRESSIONS[emotion]:
            for unit, share in AU_UNITS[au].items():
                side = "L" if unit.endswith("Left") else "R" if unit.endswith("Right") else None
                if side is None or side in sides:
                    table[row, UNIT_INDEX[unit]] += action * share
    return table


UNIT_TABLE: Tensor = _unit_table()
"""[8, 52] face units of each emotion at strength 1, before saturation."""


def saturate(weights: Tensor, knee: float = KNEE) -> Tensor:
    """Bend weights of 0 and more to below 1: proportional up to `knee`, then monotonic, smooth, never reaching 1."""
    over = (weights - knee).clamp(min=0)
    return weights.clamp(max=knee) + (1 - knee) * (1 - torch.exp(-over / (1 - knee)))


def face_units(strengths: Tensor) -> Tensor:
    """Face units that emotions of the given strengths show, without speech.

    Emotions that use the same unit join as the root of the sum of squares, so that fear and surprise together raise
    the brow a little more than either, not twice as far.

    Args:
        strengths: [T, 8] strengths 0..1.5 in the order of EMOTIONS.

    Returns:
        [T, 52] ARKit weights, 0..1, each one growing with the strength of the emotions it belongs to.
    """
    table = UNIT_TABLE.to(strengths)
    units = torch.sqrt((strengths.square()) @ table.square())
    damped = units.clone()
    for one, other in ANTAGONISTS:
        a, b = UNIT_INDEX[one], UNIT_INDEX[other]
        damped[:, a] *= 1 - DAMPING * units[:, b].clamp(max=1)
        damped[:, b] *= 1 - DAMPING * units[:, a].clamp(max=1)
    return saturate(damped)

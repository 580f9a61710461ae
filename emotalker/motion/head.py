"""Axes and limits of the head's pose, and the posture that each emotion gives it."""

import torch
from torch import Tensor

from ..emotion.taxonomy import EMOTIONS

# Degrees kept at any gain: what a picture can show.
LIMITS = {"yaw": 15.0, "pitch": 10.0, "roll": 10.0}
AXES = ("yaw", "pitch", "roll")

# Emotion to posture at strength 1: pitch, roll in degrees, z (away from the viewer), y (down) in distances between the
# eyes, liveliness (factor on the movement). Wallbott, "Bodily expression of emotion", Eur. J. Soc. Psychol. 28, 1998
# (sadness: head down, little movement; pride and contempt: head back; anger and joy: lively), sizes chosen to look right.
POSTURE: dict[str, tuple[float, float, float, float, float]] = {
    "neutral": (0.0, 0.0, 0.0, 0.0, 1.0),
    "happy": (0.8, 1.2, -0.02, 0.0, 1.15),
    "sad": (-4.5, 1.5, 0.03, 0.05, 0.55),
    "angry": (-4.0, 0.0, -0.08, 0.02, 1.15),
    "fear": (-0.8, 0.0, 0.09, 0.03, 0.80),
    "disgust": (1.0, -1.5, 0.06, 0.0, 0.85),
    "surprise": (1.5, 0.0, 0.05, -0.03, 0.90),
    "contempt": (3.5, 3.5, 0.03, -0.01, 0.70),
}


def posture(strengths: Tensor) -> Tensor:
    """[N, 6] head pose, as Motion.head, in which emotions of the strengths [N, 8] hold the head (POSTURE)."""
    columns = ("yaw", "pitch", "roll", "x", "y", "z")
    order = {"pitch": 0, "roll": 1, "z": 2, "y": 3}
    table = torch.tensor([[POSTURE[name][order[c]] if c in order else 0.0 for c in columns] for name in EMOTIONS])
    return strengths @ table.to(strengths)

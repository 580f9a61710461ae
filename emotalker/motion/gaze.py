"""Gaze as face units, and where emotions turn it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..arkit import FACE_UNITS, UNIT_INDEX
from ..emotion.taxonomy import EMOTIONS

EYE_YAW, EYE_UP, EYE_DOWN = 30.0, 25.0, 30.0  # degrees of eye rotation at face-unit weight 1, as the renderer turns the eyes
LID_FOLLOW_DOWN, LID_FOLLOW_UP = 0.35, 0.20  # upper lid per weight of eyeLookDown, eyeLookUp: lids follow the gaze


MOOD = {
    "sad": (0.0, -6.0),
    "fear": (0.0, 1.0),
    "disgust": (2.0, -1.0),
    "contempt": (-2.5, 0.0),
}  # degrees at strength 1 (averted in
# sadness and disgust: Kleinke, Psychological Bulletin 100, 1986; sizes chosen to look right)


@dataclass(frozen=True)
class GazeShifts:
    """Saccades in order of time.

    Attributes:
        times: [K] seconds at which each begins.
        targets: [K, 2] yaw and pitch in degrees where it lands (0 = the viewer, signs as for the head).
    """

    times: Tensor
    targets: Tensor

    @property
    def amplitudes(self) -> Tensor:
        """[K] degrees travelled by each saccade."""
        before = torch.cat([torch.zeros(1, 2), self.targets[:-1]]) if len(self.times) else self.targets
        return (self.targets - before).norm(dim=1)


def gaze_mood(strengths: Tensor) -> Tensor:
    """[T, 2] degrees by which emotions [T, 8] move the gaze off the viewer: sadness looks down (MOOD)."""
    return strengths @ torch.tensor([MOOD.get(name, (0.0, 0.0)) for name in EMOTIONS]).to(strengths)


def gaze_units(angles: Tensor) -> Tensor:
    """Face units that turn both eyes together, with the upper lids following up and down.

    Args:
        angles: [T, 2] yaw and pitch of the eyes in the head, degrees, signs as for the head.

    Returns:
        [T, 52] weights 0..1: eyeLook* of both eyes, and small eyeBlink* or eyeWide*.
    """
    units = angles.new_zeros(angles.shape[0], len(FACE_UNITS))
    yaw = (angles[:, 0] / EYE_YAW).clamp(-1, 1)
    pitch = (angles[:, 1] / torch.where(angles[:, 1] > 0, EYE_UP, EYE_DOWN)).clamp(-1, 1)
    curves = {
        "eyeLookOutLeft": yaw.clamp(min=0), "eyeLookInRight": yaw.clamp(min=0),  # the subject's left is the picture's right
        "eyeLookInLeft": (-yaw).clamp(min=0), "eyeLookOutRight": (-yaw).clamp(min=0),
    }  # fmt: skip
    for side in ("Left", "Right"):
        curves["eyeLookUp" + side] = pitch.clamp(min=0)
        curves["eyeLookDown" + side] = (-pitch).clamp(min=0)
        curves["eyeWide" + side] = LID_FOLLOW_UP * pitch.clamp(min=0)
        curves["eyeBlink" + side] = LID_FOLLOW_DOWN * (-pitch).clamp(min=0)
    for name, curve in curves.items():
        units[:, UNIT_INDEX[name]] = curve
    return units

"""How lively drawn heads are: what a denoiser learns too calm is widened by what was measured of it, not by taste.

A denoiser that has trained too little moves the head less than its corpus does: it draws the middle of what might be. The model
card then says by how much, axis by axis, and where emotions hold the head, which is learned well and stays as it is.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .head import AXES, LIMITS

EASE = 0.8
"""Seconds in which a head leaves the portrait's own pose for that of the emotion, as the teacher has it (training/motion)."""
CALM = 8.0
"""Frames over which posture follows the emotion asked for (sigma of a Gaussian): expressions come and go about so fast."""


@dataclass(frozen=True)
class Liveliness:
    """Widens the movement of drawn heads about the posture of their emotions.

    Attributes:
        gain: 6 factors on yaw, pitch, roll, x, y, z: the corpus's spread over that of drawn motion in the same windows.
        posture: 9 rows of 6: pose, as Motion.head, that strength 1 of each emotion adds, and that of a face at rest.
    """

    gain: tuple[float, ...]
    posture: tuple[tuple[float, ...], ...]

    @classmethod
    def of_card(cls, card: dict) -> "Liveliness | None":
        """What a model card says under "head"; None if it says nothing."""
        head = card.get("head")
        return head and cls(tuple(head["gain"]), tuple(tuple(row) for row in head["posture"]))

    def to_dict(self) -> dict:
        """For a model card."""
        return {
            "gain": [round(value, 3) for value in self.gain],
            "posture": [[round(value, 4) for value in row] for row in self.posture],
        }

    def widen(self, head: Tensor, strengths: Tensor, rate: float) -> Tensor:
        """Drawn head [T, 6] of a clip, made as lively as the corpus; within LIMITS.

        Args:
            head: as Motion.head, from the clip's first frame on.
            strengths: [T, 8] emotions asked for.
            rate: frames per second.
        """
        return self.widen_about(self.centre(strengths, rate), head)

    def widen_about(self, centre: Tensor, head: Tensor) -> Tensor:
        """`widen` of frames [T, 6] whose `centre` [T, 6] is known."""
        wide = centre + torch.tensor(self.gain) * (head - centre)
        limits = torch.tensor([LIMITS[axis] for axis in AXES])
        return torch.cat([wide[:, :3].clamp(-limits, limits), wide[:, 3:]], 1)

    def narrow(self, head: Tensor, strengths: Tensor, rate: float) -> Tensor:
        """The inverse of `widen` within the limits: a head as the model would have drawn it."""
        centre = self.centre(strengths, rate)
        return centre + (head - centre) / torch.tensor(self.gain)

    def centre(self, strengths: Tensor, rate: float) -> Tensor:
        """[T, 6] pose in which emotions of the strengths [T, 8] hold the head, from the first frame of a clip on."""
        posture = torch.tensor(self.posture)
        reach = round(3 * CALM)
        weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / CALM) ** 2)
        padded = torch.nn.functional.pad(strengths.T[None].float(), (reach, reach), mode="replicate")
        smooth = torch.nn.functional.conv1d(padded[0][:, None], (weights / weights.sum())[None, None])[:, 0].T
        way = ((torch.arange(len(strengths)) + 0.5) / rate / EASE).clamp(max=1)[:, None]
        return way * way * (3 - 2 * way) * (smooth @ posture[:-1] + posture[-1])

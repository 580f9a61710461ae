"""What a face shows: emotions with their strengths, and the 52 face units, read from its pixels by a small network.

This is the method's emotion perception block. It judges finished videos and, being differentiable, the frames that the frame
diffusion is trained to paint. It learned from synthetic heads and from portraits of them re-expressed by our renderer alone.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..emotion.soft_label import soft_label
from ..emotion.taxonomy import EMOTIONS, MAX_STRENGTH
from ..face.arkit import FACE_UNITS
from ..face.crop import crop_matrices, cut
from ..weights import load_card, load_weights

SIZE = 96
"""Pixels of a face crop's side."""
UNIT_WEIGHT, STRENGTH_WEIGHT = 8.0, 2.0
"""Weights of face units and strengths beside the soft label in the loss."""


@dataclass(frozen=True)
class Shown:
    """What n faces show.

    Attributes:
        soft: [n,8] share of each emotion, sum 1.
        strengths: [n,8] 0..1.5; neutral is 0.
        units: [n,52] face units 0..1.
    """

    soft: Tensor
    strengths: Tensor
    units: Tensor


class Block(nn.Module):
    """Two convolutions with a way past them; the first may halve the size."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
            nn.Conv2d(after, after, 3, 1, 1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.past = nn.Identity()
        if stride > 1 or before != after:
            self.past = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        """[n,before,h,w] to [n,after,h/stride,w/stride]."""
        return F.relu(self.body(x) + self.past(x))


class ExpressionRecogniser(nn.Module):
    """Face crops to emotions and face units.

    Args:
        channels: of the levels at 1/4, 1/8, 1/16 and 1/32 of SIZE.
        blocks: in each level.
    """

    def __init__(self, channels: tuple[int, ...] = (32, 64, 96, 160), blocks: int = 2) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels[0], 5, 2, 2, bias=False), nn.BatchNorm2d(channels[0]), nn.ReLU(inplace=True)
        )
        levels, before = [], channels[0]
        for width in channels:
            for index in range(blocks):
                levels.append(Block(before, width, 2 if index == 0 else 1))
                before = width
        self.levels = nn.Sequential(*levels)
        cells = (SIZE // 32) ** 2
        self.trunk = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(cells * before, 256), nn.ReLU(inplace=True))
        self.soft = nn.Linear(256, len(EMOTIONS))
        self.strengths = nn.Linear(256, len(EMOTIONS) - 1)
        self.units = nn.Linear(256, len(FACE_UNITS))

    @classmethod
    def load(cls, device: str | torch.device = "cpu") -> "ExpressionRecogniser":
        """The shipped network on a device.

        Raises:
            UserError: its weight file is missing.
        """
        network = cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in load_card("expression")["shape"].items()})
        network.load_state_dict({name: value.float() for name, value in load_weights("expression").items()})
        return network.to(device).eval().requires_grad_(False)

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Faces [n,3,SIZE,SIZE] 0..1 to logits of the soft label [n,8], strengths [n,8] and face units [n,52]."""
        x = self.trunk(self.levels(self.stem(4 * (faces - 0.45))))
        strengths = MAX_STRENGTH * torch.sigmoid(self.strengths(x))
        return self.soft(x), F.pad(strengths, (1, 0)), torch.sigmoid(self.units(x))

    def read(self, frames: Tensor, landmarks: Tensor) -> Shown:
        """What faces show.

        Args:
            frames: [n,H,W,3] float 0..1 or bytes.
            landmarks: [n,478,2+] of the face in each, in pixels.

        Returns:
            Shown, on the CPU.
        """
        device = self.soft.weight.device
        matrices = crop_matrices(landmarks.to(device).float(), SIZE)
        faces = []
        for frame, matrix in zip(frames, matrices, strict=True):  # one by one: the size of one is none of another's business
            planes = frame.to(device).permute(2, 0, 1)[None]
            faces.append(cut(planes if planes.is_floating_point() else planes / 255, matrix[None], SIZE))
        with torch.inference_mode():
            logits, strengths, units = self(torch.cat(faces))
        return Shown(logits.softmax(1).cpu(), strengths.cpu(), units.cpu())

    def loss(self, faces: Tensor, strengths: Tensor, units: Tensor) -> Tensor:
        """[n] how far what faces show is from what they should show.

        Args:
            faces: [n,3,s,s] 0..1, crops of face.crop of any size.
            strengths: [n,8] 0..1.5; units [n,52].
        """
        if faces.shape[-1] != SIZE:
            faces = F.interpolate(faces, size=(SIZE, SIZE), mode="area")
        return expression_loss(self(faces), strengths, units)


def expression_loss(found: tuple[Tensor, Tensor, Tensor], strengths: Tensor, units: Tensor) -> Tensor:
    """[n] loss of what `ExpressionRecogniser.forward` found."""
    logits, level, weights = found
    unsure = -(soft_label(strengths) * logits.log_softmax(1)).sum(1)
    wrong = F.smooth_l1_loss(level[:, 1:], strengths[:, 1:], beta=0.1, reduction="none").sum(1)
    return unsure + STRENGTH_WEIGHT * wrong + UNIT_WEIGHT * (weights - units).square().sum(1)

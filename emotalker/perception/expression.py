"""What a face shows: emotions with their strengths, and the 52 face units, read from pixels and landmarks by a small network.

This is the method's emotion perception block. It judges finished videos and, being differentiable, the frames that the frame
diffusion is trained to paint. It learned from synthetic heads and from portraits of them re-expressed by our renderer alone.
"""

from dataclasses import dataclass
from typing import NamedTuple

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
POINTS = 468
"""Landmarks of the face finder that the network takes, where they are known: the mesh without the irises."""
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
    """Face crops, and the landmarks found in them, to emotions and face units.

    The landmarks come from a network that learned from people, so they carry over from synthetic heads to photographs and
    paintings; the pixels tell what landmarks miss: folds, teeth, the whites of eyes. Either will do alone: without landmarks
    the network is differentiable in the picture throughout.

    Args:
        channels: of the levels at 1/2, 1/4, 1/8 and 1/16 of SIZE.
        blocks: in each level.
    """

    def __init__(self, channels: tuple[int, ...] = (24, 48, 96, 128), blocks: tuple[int, ...] = (1, 2, 2, 1)) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels[0], 5, 2, 2, bias=False), nn.BatchNorm2d(channels[0]), nn.ReLU(inplace=True)
        )
        levels, before = [], channels[0]
        for level, (width, count) in enumerate(zip(channels, blocks, strict=True)):
            for index in range(count):
                levels.append(Block(before, width, 2 if level and index == 0 else 1))
                before = width
        self.levels = nn.Sequential(*levels)
        self.squeeze = nn.Sequential(nn.Conv2d(before, 64, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True))
        cells = (SIZE // 2 ** len(channels)) ** 2
        self.seen = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(64 * cells, 256), nn.ReLU(inplace=True))
        self.points = nn.Linear(256, 2 * POINTS)
        self.register_buffer("mean", torch.zeros(2 * POINTS))
        self.register_buffer("scale", torch.ones(2 * POINTS))
        self.shape = nn.Sequential(nn.Dropout(0.1), nn.Linear(2 * POINTS, 192), nn.GELU())
        self.no_shape = nn.Parameter(torch.zeros(192))
        self.trunk = nn.Sequential(nn.Dropout(0.2), nn.Linear(256 + 192, 256), nn.GELU(), nn.Dropout(0.2))
        self.soft = nn.Linear(256, len(EMOTIONS))
        self.strengths = nn.Linear(256, len(EMOTIONS) - 1)
        self.units = nn.Linear(256, len(FACE_UNITS))

    @classmethod
    def load(cls, device: str | torch.device = "cpu") -> "ExpressionRecogniser":
        """The shipped network on a device.

        Raises:
            UserError: its weight file is missing.
        """
        network = cls(**{name: tuple(value) for name, value in load_card("expression")["shape"].items()})
        network.load_state_dict({name: value.float() for name, value in load_weights("expression").items()})
        return network.to(device).eval().requires_grad_(False)

    def forward(self, faces: Tensor, points: Tensor | None = None, known: Tensor | None = None) -> "Found":
        """Look at faces.

        Args:
            faces: [n,3,SIZE,SIZE] 0..1.
            points: [n,POINTS,2] of place_points; None where they are not known.
            known: [n] 1 where points count, else 0; None for all.
        """
        seen = self.seen(self.squeeze(self.levels(self.stem(4 * (faces - 0.45)))))
        shape = self.no_shape.expand(len(faces), -1)
        if points is not None:
            told = self.shape((points.flatten(1) - self.mean) / self.scale)
            shape = told if known is None else torch.lerp(shape, told, known[:, None])
        x = self.trunk(torch.cat([seen, shape], 1))
        strengths = MAX_STRENGTH * torch.sigmoid(self.strengths(x))
        guess = self.points(seen).view(len(faces), POINTS, 2)
        return Found(self.soft(x), F.pad(strengths, (1, 0)), torch.sigmoid(self.units(x)), guess)

    def read(self, frames: Tensor, landmarks: Tensor) -> Shown:
        """What faces show.

        Args:
            frames: [n,H,W,3] float 0..1 or bytes.
            landmarks: [n,478,2+] of the face in each, in pixels.

        Returns:
            Shown, on the CPU.
        """
        device = self.soft.weight.device
        landmarks = landmarks.to(device).float()
        faces = []
        # One by one: the size of one face is none of another's business.
        for frame, matrix in zip(frames, crop_matrices(landmarks, SIZE), strict=True):
            planes = frame.to(device).permute(2, 0, 1)[None]
            faces.append(cut(planes if planes.is_floating_point() else planes / 255, matrix[None], SIZE))
        with torch.inference_mode():
            found = self(torch.cat(faces), place_points(landmarks))
        return Shown(found.logits.softmax(1).cpu(), found.strengths.cpu(), found.units.cpu())

    def loss(self, faces: Tensor, strengths: Tensor, units: Tensor) -> Tensor:
        """[n] how far what faces show is from what they should show, judged by their pixels alone.

        Args:
            faces: [n,3,s,s] 0..1, crops of face.crop of any size.
            strengths: [n,8] 0..1.5; units [n,52].
        """
        if faces.shape[-1] != SIZE:
            faces = F.interpolate(faces, size=(SIZE, SIZE), mode="area")
        return expression_loss(self(faces), strengths, units)


class Found(NamedTuple):
    """What the network says of n faces: `logits` of the soft label [n,8], `strengths` [n,8], `units` [n,52], and where it
    believes the landmarks to be, `points` [n,POINTS,2] (as of place_points), which only training asks for."""

    logits: Tensor
    strengths: Tensor
    units: Tensor
    points: Tensor


def place_points(landmarks: Tensor) -> Tensor:
    """Landmarks [n,478,2+] in pixels as places [n,POINTS,2] in the face crop, -1..1."""
    matrices = crop_matrices(landmarks, 2)
    back = torch.linalg.inv(matrices[:, :, :2])
    return (landmarks[:, :POINTS, :2] - matrices[:, None, :, 2]) @ back.transpose(1, 2) - 1


def expression_loss(found: Found, strengths: Tensor, units: Tensor) -> Tensor:
    """[n] loss of what `ExpressionRecogniser.forward` found."""
    unsure = -(soft_label(strengths) * found.logits.log_softmax(1)).sum(1)
    wrong = F.smooth_l1_loss(found.strengths[:, 1:], strengths[:, 1:], beta=0.1, reduction="none").sum(1)
    return unsure + STRENGTH_WEIGHT * wrong + UNIT_WEIGHT * (found.units - units).square().sum(1)

"""What a face shows: emotions with their strengths, and the 52 face units, read from its pixels.

This is the method's emotion perception block. It judges finished videos and, being differentiable in the picture, the frames
that the frame diffusion is trained to paint. It looks through a copy of the face finder's landmark network, which learned from
people: its first layers stay as they are, so that what is seen carries over from drawings to photographs; all later ones, and
a small head on their features, learned from synthetic heads, and from portraits of them re-expressed by our renderer, alone.
The head looks for MARKS, landmarks of what moves, in maps finer than the network's own, because brows and corners of lips that
lie a pixel higher are another emotion.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..arkit import FACE_UNITS, MIRRORED
from ..emotion.soft_label import soft_label
from ..emotion.taxonomy import EMOTIONS, MAX_STRENGTH
from ..weights import load_card, load_weights
from .crop import PLACES, crop_matrices, cut
from .geometry import similarity_matrices
from .graph import Graph
from .landmarks import MESH, assemble
from .landmarks478 import (
    EYE_LOWER,
    EYE_UPPER,
    FACE_OVAL,
    LIPS_INNER_LOWER,
    LIPS_INNER_UPPER,
    LIPS_OUTER_LOWER,
    LIPS_OUTER_UPPER,
    STEADY,
)

SIZE = 192
"""Pixels of a face crop's side, for which the landmark network was published: at any other its landmarks are off."""
ZOOM = 1.12
"""Side of the square that is looked at over that of face.crop: the landmark network expects more room around a face."""
FEATURES = {"sharp": 35, "fine": 83, "whole": 111, "face": 139, "lips": 337, "left": 338, "right": 339}
"""Inner values of the landmark network: features of the face at 1/4, 1/8, 1/16 and 1/32 of its side, and of lips and eyes
close up."""
STEM = FEATURES["sharp"]
"""The last of its values that is made as the face finder makes it."""
BROWS = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 336, 296, 334, 293, 300, 285, 295, 282, 283, 276)
MARKS = tuple(
    sorted(
        {*BROWS, *sum(EYE_UPPER + EYE_LOWER, ()), *LIPS_INNER_UPPER, *LIPS_INNER_LOWER, *LIPS_OUTER_UPPER, *LIPS_OUTER_LOWER}
        | {*FACE_OVAL, *STEADY, *range(0, MESH, 6)}
    )
)
"""Landmarks that the head looks for: brows, lids, lips, outline, steady points, and some of all others."""
OUTPUTS = {"mesh": 186, "lips_points": 711, "left_eye": 712, "right_eye": 714, "left_iris": 713, "right_iris": 715}
UNIT_WEIGHT, STRENGTH_WEIGHT = 5.0, 2.0
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


class Found(NamedTuple):
    """What the head says of n faces: `logits` of the soft label [n,8], `strengths` [n,8], `units` [n,52], and where MARKS lie
    in the face, `marks` [n,M,2], -1..1."""

    logits: Tensor
    strengths: Tensor
    units: Tensor
    marks: Tensor


class Seen(NamedTuple):
    """What the landmark network sees in n faces: `sharp` [n,32,48,48], `fine` [n,64,24,24], `whole` [n,128,12,12], `face`
    [n,128,6,6], `lips`, `left`, `right` [n,64,8,8], and `points` [n,MESH,2], its landmarks in the face, -1..1, by which it
    chooses where to look close up."""

    sharp: Tensor
    fine: Tensor
    whole: Tensor
    face: Tensor
    lips: Tensor
    left: Tensor
    right: Tensor
    points: Tensor


class Eyes(nn.Module):
    """The landmark network's inner features and landmarks; parameters are what comes after its STEM."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Graph.load("face_landmarks", outputs={**FEATURES, **OUTPUTS})
        self.network.learn_after(STEM)

    def forward(self, faces: Tensor) -> Seen:
        """Faces [n,3,SIZE,SIZE] 0..1."""
        found = self.network(faces)
        points = assemble({**found, "lips": found["lips_points"]})
        return Seen(*(found[name] for name in FEATURES), points[:, :MESH, :2] * (2 / SIZE) - 1)


class Marks(nn.Module):
    """Where MARKS lie in faces: maps at 1/8 of a face's side say for each how likely it lies there, and the mean counts; what
    finer maps show around it then moves it, twice (supervised descent, Xiong and De la Torre 2013).

    Args:
        width: channels; near: of the finer maps.
    """

    def __init__(self, width: int = 64, near: int = 16) -> None:
        super().__init__()
        self.sharp = nn.Sequential(_norm(32), nn.Conv2d(32, width, 3, 2, 1))
        self.fine = nn.Sequential(_norm(64), nn.Conv2d(64, width, 1))
        self.whole = nn.Sequential(_norm(128), nn.Conv2d(128, width, 1))
        self.face = nn.Sequential(_norm(128), nn.Conv2d(128, width, 1))
        self.middle = nn.Sequential(nn.GELU(), nn.Conv2d(width, width, 3, 1, 1))
        self.maps = nn.Sequential(nn.GELU(), nn.Conv2d(width, width, 3, 1, 1), nn.GELU(), nn.Conv2d(width, len(MARKS), 1))
        self.close, self.around = nn.Sequential(_norm(32), nn.Conv2d(32, near, 3, 1, 1)), nn.Conv2d(width, near, 1)
        self.steps = nn.ParameterList(torch.zeros(len(MARKS), near * 9, 2) for _ in range(2))

    def forward(self, seen: Seen) -> Tensor:
        """[n,M,2] -1..1 in the faces."""
        x = self.middle(self.whole(seen.whole) + F.interpolate(self.face(seen.face), scale_factor=2.0))
        x = self.fine(seen.fine) + self.sharp(seen.sharp) + F.interpolate(x, scale_factor=2.0)
        near = F.gelu(self.close(seen.sharp) + F.interpolate(self.around(x), scale_factor=2.0))
        share = self.maps(x).flatten(2).softmax(2).unflatten(2, x.shape[2:])
        at = (torch.arange(x.shape[-1], device=x.device, dtype=x.dtype) + 0.5) * (2 / x.shape[-1]) - 1
        marks = torch.stack([share.sum(2) @ at, share.sum(3) @ at], 2)
        cell = torch.tensor([-1.0, 0.0, 1.0], device=x.device, dtype=x.dtype) * (2 / near.shape[-1])
        patch = torch.stack(torch.meshgrid(cell, cell, indexing="xy"), 2).view(9, 2)
        for step in self.steps:
            at = marks.detach()[:, :, None] + patch
            found = F.grid_sample(near, at, padding_mode="border", align_corners=False)
            marks = marks + torch.einsum("ncmk,mcko->nmo", found, step.view(len(MARKS), -1, 9, 2))
        return marks


class ExpressionHead(nn.Module):
    """What the landmark network sees, to emotions and face units.

    Args:
        width: channels of the convolutions over the face; those over lips and eyes have half as many.
    """

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        half = width // 2
        self.marks = Marks()
        self.whole = nn.Sequential(_norm(128), nn.Conv2d(128, width, 3, 2, 1), nn.GELU())
        self.face = nn.Sequential(_norm(128 + width), nn.Conv2d(128 + width, width, 3, 1, 1), nn.GELU())
        self.small = nn.Sequential(nn.Conv2d(width, half, 3, 2, 1), nn.GELU(), nn.Flatten())
        self.lips = nn.Sequential(_norm(64), nn.Conv2d(64, half, 3, 2, 1), nn.GELU(), nn.Flatten())
        self.eyes = nn.Sequential(_norm(64), nn.Conv2d(64, half, 3, 2, 1), nn.GELU(), nn.Flatten())
        self.shape = nn.Sequential(nn.BatchNorm1d(2 * len(MARKS), affine=False), nn.Linear(2 * len(MARKS), 256), nn.GELU())
        self.trunk = nn.Sequential(nn.Dropout(0.1), nn.Linear((9 + 3 * 16) * half + 256, 256), nn.GELU(), nn.Dropout(0.1))
        self.soft = nn.Linear(256, len(EMOTIONS))
        self.strengths = nn.Linear(256, len(EMOTIONS) - 1)
        self.units = nn.Linear(256, len(FACE_UNITS))

    def forward(self, seen: Seen) -> Found:
        """What is seen of n faces to what it means."""
        face = self.face(torch.cat([seen.face, self.whole(seen.whole)], 1))
        parts = [self.small(face), self.lips(seen.lips), self.eyes(seen.left), self.eyes(seen.right.flip(-1))]
        marks = self.marks(seen)
        x = self.trunk(torch.cat([*parts, self.shape(upright(marks).flatten(1))], 1))
        strengths = MAX_STRENGTH * torch.sigmoid(self.strengths(x))
        return Found(self.soft(x), F.pad(strengths, (1, 0)), torch.sigmoid(self.units(x)), marks)


class ExpressionRecogniser(nn.Module):
    """Face crops to emotions and face units.

    Args:
        head: what reads the landmark network's features.
    """

    def __init__(self, head: ExpressionHead) -> None:
        super().__init__()
        self.eyes, self.head = Eyes(), head

    @classmethod
    def load(cls, device: str | torch.device = "cpu") -> "ExpressionRecogniser":
        """The shipped network on a device.

        Raises:
            UserError: a weight file is missing.
        """
        network = cls(ExpressionHead(**load_card("expression")["shape"]))
        network.restore({name: value.float() for name, value in load_weights("expression").items()})
        return network.to(device).eval().requires_grad_(False)

    def learned(self) -> dict[str, Tensor]:
        """All that training changes, by name: parameters, and what the norms of the head have seen."""
        fixed = {f"eyes.{name}" for name, _ in self.eyes.named_buffers()}
        return {name: value for name, value in self.state_dict().items() if name not in fixed}

    def restore(self, learned: dict[str, Tensor]) -> None:
        """Take over what `learned` gave, all of it."""
        fixed = {name: value for name, value in self.state_dict().items() if name not in self.learned()}
        self.load_state_dict(fixed | learned)

    def forward(self, faces: Tensor) -> Found:
        """Faces [n,3,SIZE,SIZE] 0..1, as `look` cuts them, to what they show."""
        return self.head(self.eyes(faces))

    def read(self, frames: Tensor, landmarks: Tensor) -> Shown:
        """What faces show.

        Args:
            frames: [n,H,W,3] float 0..1 or bytes.
            landmarks: [n,478,2+] of the face in each, in pixels.

        Returns:
            Shown, on the CPU.
        """
        device = self.head.soft.weight.device
        faces = []
        # One by one: the size of one face is none of another's business.
        for frame, points in zip(frames, landmarks.to(device).float(), strict=True):
            planes = frame.to(device).permute(2, 0, 1)[None]
            faces.append(look(planes if planes.is_floating_point() else planes / 255, points[None]))
        return self.judge(torch.cat(faces))

    @torch.inference_mode()
    def judge(self, faces: Tensor) -> Shown:
        """What faces [n,3,SIZE,SIZE] 0..1 show, looked at as they are and in a mirror: errors that differ level out."""
        found, mirrored = self(faces), self(faces.flip(-1))
        logits = found.logits.log_softmax(1) + mirrored.logits.log_softmax(1)
        strengths, units = found.strengths + mirrored.strengths, found.units + mirrored.units[:, MIRRORED]
        return Shown((logits / 2).softmax(1).cpu(), strengths.cpu() / 2, units.cpu() / 2)

    def see(self, faces: Tensor) -> Found:
        """What faces show that are cut as face.crop does, [n,3,s,s] 0..1 of any size."""
        grid = F.affine_grid(ZOOM * torch.eye(2, 3).expand(len(faces), 2, 3), [len(faces), 3, SIZE, SIZE], align_corners=False)
        return self(F.grid_sample(faces, grid.to(faces), padding_mode="border", align_corners=False))

    def loss(self, faces: Tensor, strengths: Tensor, units: Tensor) -> Tensor:
        """[n] how far what faces show is from what they should show.

        Args:
            faces: of `see`.
            strengths: [n,8] 0..1.5; units [n,52].
        """
        return expression_loss(self.see(faces), strengths, units)


def look(pictures: Tensor, landmarks: Tensor) -> Tensor:
    """Faces [n,3,SIZE,SIZE] of pictures [n,3,H,W] (or one for all) with the landmarks [n,478,2+] in pixels."""
    return cut(pictures, zoomed(crop_matrices(landmarks, SIZE)), SIZE)


def zoomed(matrices: Tensor) -> Tensor:
    """Matrices [n,2,3] of face.crop for crops of SIZE pixels, enlarged by ZOOM about the crops' middles."""
    middle = matrices.new_tensor([SIZE / 2, SIZE / 2])
    linear = ZOOM * matrices[:, :, :2]
    return torch.cat([linear, (matrices[:, :, :2] @ middle + matrices[:, :, 2] - linear @ middle)[..., None]], 2)


def upright(marks: Tensor) -> Tensor:
    """Places [n,M,2] of MARKS as distances between the eyes from their middle, however the head is tilted, near or far."""
    steady = marks[:, [MARKS.index(number) for number in STEADY]]
    matrices = similarity_matrices(marks.new_tensor(PLACES), steady)
    return (marks - matrices[:, None, :, 2]) @ torch.linalg.inv(matrices[:, :, :2]).transpose(1, 2)


def expression_loss(found: Found, strengths: Tensor, units: Tensor) -> Tensor:
    """[n] loss of what a head found."""
    unsure = -(soft_label(strengths) * found.logits.log_softmax(1)).sum(1)
    wrong = F.smooth_l1_loss(found.strengths[:, 1:], strengths[:, 1:], beta=0.1, reduction="none").sum(1)
    return unsure + STRENGTH_WEIGHT * wrong + UNIT_WEIGHT * (found.units - units).square().sum(1)


def _norm(channels: int) -> nn.Module:
    """Brings fixed features to mean 0 and spread 1, channel by channel, as training saw them."""
    return nn.BatchNorm2d(channels, affine=False)

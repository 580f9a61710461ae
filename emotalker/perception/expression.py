"""What a face shows: emotions with their strengths, and the 52 face units, read from its pixels.

This is the method's emotion perception block. It judges finished videos and, being differentiable in the picture, the frames
that the frame diffusion is trained to paint. It looks through the eyes of the face finder's landmark network, which learned
from people and stays as it is, so that what it sees carries over from drawings to photographs; a small head on that network's
inner features learned what they mean from synthetic heads, and from portraits of them re-expressed by our renderer, alone.
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
from ..face.graph import Graph
from ..face.landmarks import MESH, assemble
from ..weights import load_card, load_weights

SIZE = 256
"""Pixels of a face crop's side, fixed by the landmark network."""
ZOOM = 1.12
"""Side of the square that is looked at over that of face.crop: the landmark network expects more room around a face."""
FEATURES = {"whole": 111, "face": 139, "lips": 337, "left": 338, "right": 339}
"""Inner values of the landmark network: features of the face at 1/16 and 1/32 of its side, and of lips and eyes close up."""
OUTPUTS = {"mesh": 186, "lips_points": 711, "left_eye": 712, "right_eye": 714, "left_iris": 713, "right_iris": 715}
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


class Found(NamedTuple):
    """What the head says of n faces: `logits` of the soft label [n,8], `strengths` [n,8], `units` [n,52]."""

    logits: Tensor
    strengths: Tensor
    units: Tensor


class Seen(NamedTuple):
    """What the landmark network sees in n faces: `whole` [n,128,16,16], `face` [n,128,8,8], `lips`, `left`, `right`
    [n,64,8,8], and `points` [n,MESH,2], landmarks upright in the face crop, -1..1."""

    whole: Tensor
    face: Tensor
    lips: Tensor
    left: Tensor
    right: Tensor
    points: Tensor


class Eyes(nn.Module):
    """The landmark network's inner features and landmarks; fixed."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Graph.load("face_landmarks", outputs={**FEATURES, **OUTPUTS})

    def forward(self, faces: Tensor) -> Seen:
        """Faces [n,3,SIZE,SIZE] 0..1."""
        found = self.network(faces)
        points = assemble({**found, "lips": found["lips_points"]})
        return Seen(*(found[name] for name in FEATURES), place_points(points))


class ExpressionHead(nn.Module):
    """What the landmark network sees, to emotions and face units.

    Args:
        width: channels of the convolutions over the face; those over lips and eyes have half as many.
    """

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        half = width // 2
        self.whole = nn.Sequential(_norm(128), nn.Conv2d(128, width, 3, 2, 1), nn.GELU())
        self.face = nn.Sequential(_norm(128 + width), nn.Conv2d(128 + width, width, 3, 1, 1), nn.GELU())
        self.small = nn.Sequential(nn.Conv2d(width, half, 3, 2, 1), nn.GELU(), nn.Flatten())
        self.lips = nn.Sequential(_norm(64), nn.Conv2d(64, half, 3, 2, 1), nn.GELU(), nn.Flatten())
        self.eyes = nn.Sequential(_norm(64), nn.Conv2d(64, half, 3, 2, 1), nn.GELU(), nn.Flatten())
        self.shape = nn.Sequential(nn.BatchNorm1d(2 * MESH, affine=False), nn.Dropout(0.1), nn.Linear(2 * MESH, 256), nn.GELU())
        self.trunk = nn.Sequential(nn.Dropout(0.3), nn.Linear(4 * 16 * half + 256, 256), nn.GELU(), nn.Dropout(0.3))
        self.soft = nn.Linear(256, len(EMOTIONS))
        self.strengths = nn.Linear(256, len(EMOTIONS) - 1)
        self.units = nn.Linear(256, len(FACE_UNITS))

    def forward(self, seen: Seen) -> Found:
        """What is seen of n faces to what it means."""
        face = self.face(torch.cat([seen.face, self.whole(seen.whole)], 1))
        parts = [self.small(face), self.lips(seen.lips), self.eyes(seen.left), self.eyes(seen.right.flip(-1))]
        x = self.trunk(torch.cat([*parts, self.shape(seen.points.flatten(1))], 1))
        strengths = MAX_STRENGTH * torch.sigmoid(self.strengths(x))
        return Found(self.soft(x), F.pad(strengths, (1, 0)), torch.sigmoid(self.units(x)))


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
        head = ExpressionHead(**load_card("expression")["shape"])
        head.load_state_dict({name: value.float() for name, value in load_weights("expression").items()})
        return cls(head).to(device).eval().requires_grad_(False)

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
        with torch.inference_mode():
            found = self(torch.cat(faces))
        return Shown(found.logits.softmax(1).cpu(), found.strengths.cpu(), found.units.cpu())

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


def place_points(landmarks: Tensor) -> Tensor:
    """Landmarks [n,478,2+] in pixels as places [n,MESH,2] upright in their face crop, -1..1; without the irises."""
    matrices = crop_matrices(landmarks, 2)
    back = torch.linalg.inv(matrices[:, :, :2])
    return (landmarks[:, :MESH, :2] - matrices[:, None, :, 2]) @ back.transpose(1, 2) - 1


def expression_loss(found: Found, strengths: Tensor, units: Tensor) -> Tensor:
    """[n] loss of what a head found."""
    unsure = -(soft_label(strengths) * found.logits.log_softmax(1)).sum(1)
    wrong = F.smooth_l1_loss(found.strengths[:, 1:], strengths[:, 1:], beta=0.1, reduction="none").sum(1)
    return unsure + STRENGTH_WEIGHT * wrong + UNIT_WEIGHT * (found.units - units).square().sum(1)


def _norm(channels: int) -> nn.Module:
    """Brings fixed features to mean 0 and spread 1, channel by channel, as training saw them."""
    return nn.BatchNorm2d(channels, affine=False)

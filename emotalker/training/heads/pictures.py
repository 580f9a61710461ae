"""Pictures of faces and what they show, for the expression recogniser: synthetic heads, and portraits re-expressed by us."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from tqdm import tqdm

from ...arkit import MIRRORED, UNIT_INDEX
from ...face.crop import MIDDLE, SPAN, crop_matrices, cut
from ...face.expression import SIZE, ZOOM, zoomed
from ...face.landmarks import MESH
from ...face.rig import Rig
from ..frames.pairs import CROP, FRAMES
from ..frames.pairs import read_shard as read_pairs
from .make import Head
from .make import read_shard as read_heads

KINDS = ("head", "portrait", "truth", "guide")
# Variations: shift and size in shares of the side, turn in degrees: about twice the face finder's errors; then light and film.
SHIFT, GROW, TURN, MIRROR = 0.02, 0.05, 3.0, 0.5
LIGHT, TINT, SLOPE, CONTRAST, GREY, BLUR, GRAIN, HIDDEN = 0.2, 0.08, 0.25, 0.15, 0.15, 0.25, 0.02, 0.2
COLOUR, RELIEF, GLASSES = 0.3, 0.3, 0.1
"""Spread of the logarithm of how strong colours are, and of what is fine against what is coarse: wrinkles, or the smoothness of
drawings; how often faces wear glasses."""
COARSE = 8
"""Pixels to one of what counts as coarse."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A face to be looked at.

    Attributes:
        image: uint8 [h,w,3].
        matrix: [2,3] of its crop of SIZE pixels.
        points: [MESH,2] where its landmarks truly lie in the image, pixels, or NaN where nobody knows.
        strengths: [8]; units [52].
        kind: index into KINDS: a head, a portrait or a frame of a pair as it truly is, or as our renderer makes it.
    """

    image: np.ndarray
    matrix: Tensor
    points: Tensor
    strengths: Tensor
    units: Tensor
    kind: int


@dataclass(frozen=True, eq=False)
class Faces:
    """N faces as the landmark network takes them, [N,3,SIZE,SIZE] 0..1, where their landmarks truly lie in them, [N,MESH,2]
    -1..1 or NaN, and what they show; see Picture."""

    faces: Tensor
    points: Tensor
    strengths: Tensor
    units: Tensor

    def to(self, device: torch.device) -> "Faces":
        """The same on a device."""
        return Faces(*(getattr(self, name).to(device) for name in ("faces", "points", "strengths", "units")))


class FacePictures:
    """Pictures of faces to learn from, kept in memory.

    Args:
        pictures: all of one size.
    """

    def __init__(self, pictures: list[Picture]) -> None:
        self.images = [torch.from_numpy(picture.image) for picture in pictures]
        self.matrix, self.points, self.strengths, self.units = (
            torch.stack([getattr(picture, name) for picture in pictures]).float()
            for name in ("matrix", "points", "strengths", "units")
        )
        self.kind = torch.tensor([picture.kind for picture in pictures])
        self.swap, self.partner = torch.tensor(MIRRORED), partners()

    @classmethod
    def load(cls, heads: Path | None, pairs: Path | None) -> "FacePictures":
        """All faces of a folder of heads and one of pairs, either of which may be None.

        Raises:
            FileNotFoundError: there are none.
        """
        paths = [(path, _of_heads) for path in (sorted(heads.glob("heads-*.safetensors")) if heads else [])]
        paths += [(path, _of_pairs) for path in (sorted(pairs.glob("pairs-*.safetensors")) if pairs else [])]
        if not paths:
            raise FileNotFoundError(f"no heads and no pairs in {heads} and {pairs}: make them first, see --help")
        return cls([picture for path, read in tqdm(paths, unit="file", disable=None) for picture in read(path)])

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, chosen: Tensor, draw: torch.Generator | None = None) -> Faces:
        """Faces by their numbers [n], varied where there is a generator to `draw` from."""
        count = len(chosen)
        images = torch.stack([self.images[i] for i in chosen.tolist()]).permute(0, 3, 1, 2).float() / 255
        matrices, points, units = self.matrix[chosen], self.points[chosen], self.units[chosen]
        if draw is not None:
            mirrored = torch.rand(count, generator=draw) < MIRROR
            points = torch.where(mirrored[:, None, None], points[:, self.partner], points)
            units = torch.where(mirrored[:, None], units[:, self.swap], units)
            matrices = _nudged(matrices, mirrored, draw)
        matrices = zoomed(matrices)
        faces = cut(images, matrices, SIZE)
        points = (points - matrices[:, None, :, 2]) @ torch.linalg.inv(matrices[:, :, :2]).transpose(1, 2)
        return Faces(faces if draw is None else vary(faces, draw), points * (2 / SIZE) - 1, self.strengths[chosen], units)

    def whole(self, size: int) -> Iterator[Faces]:
        """All faces as they are, `size` at a time."""
        for chosen in torch.arange(len(self)).split(size):
            yield self.batch(chosen)


def partners() -> Tensor:
    """[MESH] number of the landmark that each is in a mirror."""
    rig = Rig.load()
    # The mouth open, so that upper and lower lip are told apart.
    points = rig.landmarks(rig.vertices + 0.6 * rig.units[UNIT_INDEX["jawOpen"]])[:MESH]
    away = torch.cdist(points * torch.tensor([-1.0, 1.0, 1.0]), points).square()
    # Both ways at once, so that a landmark and its partner choose each other.
    return torch.from_numpy(linear_sum_assignment((away + away.T).numpy())[1])


def _of_heads(path: Path) -> list[Picture]:
    return pictures_of(read_heads(path))


def pictures_of(heads: list[Head]) -> list[Picture]:
    """Synthetic heads as pictures to look at."""
    landmarks = torch.stack([head.landmarks for head in heads])
    return [
        Picture(head.image, matrix, points, head.strengths, head.units, KINDS.index("head"))
        for head, matrix, points in zip(heads, crop_matrices(landmarks, SIZE), landmarks[:, :MESH, :2], strict=True)
    ]


def _of_pairs(path: Path) -> list[Picture]:
    """Portraits, truths and guides of a file of pairs, which are face crops already."""
    whole, unknown = torch.eye(2, 3) * (CROP / SIZE), torch.full((MESH, 2), math.nan)
    pictures = []
    for pair in read_pairs(path):
        own = pair.own_strengths, pair.own_units
        pictures.append(Picture(pair.portrait, whole, unknown, *own, KINDS.index("portrait")))
        for row in range(FRAMES):
            shown = pair.strengths[row], pair.units[row]
            pictures.append(Picture(pair.truths[row], whole, pair.places[row, :MESH], *shown, KINDS.index("truth")))
            pictures.append(Picture(pair.guides[row], whole, unknown, *shown, KINDS.index("guide")))
    return pictures


def _nudged(matrices: Tensor, mirrored: Tensor, draw: torch.Generator) -> Tensor:
    """Matrices [n,2,3] of crops of SIZE pixels, turned, grown and shifted about their middles, some in a mirror."""
    count = len(matrices)
    angle = math.radians(TURN) * torch.randn(count, generator=draw)
    size = torch.exp(GROW * torch.randn(count, generator=draw))
    side = size * torch.where(mirrored, -1.0, 1.0)
    turn = torch.stack([side * angle.cos(), -size * angle.sin(), side * angle.sin(), size * angle.cos()], 1).view(count, 2, 2)
    middle = torch.full((2,), SIZE / 2)
    shift = middle - turn @ middle + SIZE * SHIFT * torch.randn(count, 2, generator=draw)
    linear = matrices[:, :, :2]
    return torch.cat([linear @ turn, linear @ shift[..., None] + matrices[:, :, 2:]], 2)


def vary(faces: Tensor, draw: torch.Generator) -> Tensor:
    """Faces [n,3,SIZE,SIZE] each in another light, on other film, perhaps partly hidden."""
    count = len(faces)

    def normal(*shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=draw)

    def chance(share: float) -> Tensor:
        return torch.rand(count, generator=draw) < share

    faces = torch.where(chance(GREY)[:, None, None, None], faces.mean(1, keepdim=True), faces)
    across = torch.linspace(-1, 1, SIZE)
    slope = SLOPE * normal(2, 1, 1, 1)
    light = LIGHT * normal(1, 1, 1) + TINT * normal(3, 1, 1) + slope[:, 0] * across + slope[:, 1] * across[:, None]
    faces = 0.45 + (faces * light.exp() - 0.45) * torch.exp(CONTRAST * normal(1, 1, 1))
    coarse = F.interpolate(F.avg_pool2d(faces, COARSE), scale_factor=COARSE, mode="bilinear", align_corners=False)
    faces = coarse + (faces - coarse) * torch.exp(RELIEF * normal(1, 1, 1))
    grey = faces.mean(1, keepdim=True)
    faces = grey + (faces - grey) * torch.exp(COLOUR * normal(1, 1, 1))
    for row in chance(GLASSES).nonzero().flatten().tolist():
        faces[row] = with_glasses(faces[row], draw)
    for width in (1, 2):
        soft = chance(BLUR / 2)
        faces[soft] = F.avg_pool2d(faces[soft], 2 * width + 1, 1, width, count_include_pad=False)
    faces += (GRAIN * normal(1, 1, 1)).abs() * torch.randn(faces.shape, generator=draw)
    for row in chance(HIDDEN).nonzero().flatten().tolist():  # a hand, hair
        x, y, wide, high = (torch.rand(4, generator=draw) * torch.tensor([1, 1, 0.1, 0.1]) * SIZE).int().tolist()
        wide, high = wide + SIZE // 25, high + SIZE // 25
        colour = torch.rand(3, generator=draw)[:, None, None]
        faces[row, :, max(0, y - high) : y + high, max(0, x - wide) : x + wide] = colour
    return faces.clamp_(0, 1)


def with_glasses(face: Tensor, draw: torch.Generator) -> Tensor:
    """A face [3,SIZE,SIZE] cut as `look` does, with a drawn pair of glasses on it."""

    def between(low: float, high: float) -> float:
        return float(torch.empty(()).uniform_(low, high, generator=draw))

    at = (((torch.arange(SIZE) + 0.5) / SIZE - 0.5) * ZOOM) * SPAN
    # In distances between the eyes from their middle, x and y.
    x, y = at - between(-0.06, 0.06), (at + MIDDLE)[:, None] - between(-0.02, 0.14)
    wide, high, power, rim = between(0.34, 0.47), between(0.2, 0.38), between(2, 5), between(0.012, 0.06)
    middle = wide + between(0.06, 0.12)
    radius = (((x.abs() - middle) / wide).abs() ** power + (y / high).abs() ** power) ** (1 / power)
    away = (radius - 1) * min(wide, high)
    soft = 1.5 * SPAN * ZOOM / SIZE
    frame = ((rim / 2 - away.abs()) / soft + 0.5).clamp(0, 1)

    def bar() -> Tensor:
        return ((rim / 2 - (y + high * between(0.2, 0.7)).abs()) / soft + 0.5).clamp(0, 1)

    bridge, arms = bar() * (x.abs() < middle - wide), bar() * (x.abs() > middle + wide)
    frame = torch.maximum(frame, torch.maximum(bridge, arms * (x.abs() < between(1.0, 1.3))))
    glass = (-away / soft + 0.5).clamp(0, 1) * between(0, 0.25)
    glare = torch.sigmoid((x * between(-1, 1) + y - between(-0.3, 0.3)) / between(0.05, 0.3))
    face = torch.lerp(face, torch.full_like(face, between(0, 1)), glass * glare)
    colour = between(0, 1) ** 2 + 0.1 * torch.randn(3, 1, 1, generator=draw)
    return torch.lerp(face, colour.expand_as(face), frame * between(0.6, 1))

"""Where faces are: the published BlazeFace networks, run at several sizes and turns of the picture."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .geometry import Pyramid
from .graph import Graph

# Both networks: published graph configuration of MediaPipe 0.10.21 (SsdAnchors, TensorsToDetections, NonMaxSuppression).
ANCHORS = {"short": ((8, 2), (16, 6)), "full": ((4, 1),)}  # (pixels between anchors, anchors at each place), in output order
SMALLEST = {"short": 128, "full": 192}  # input size they were made for
SCORE_CLIP = 100.0
OVERLAP = 0.3  # boxes that share more (intersection over union) are one face
# MediaPipe asks 0.6 of `full`. Here the landmark network judges, and portrait 05, shrunk to a face of 60 px, needs less.
SCORE = {"short": 0.5, "full": 0.4}

# (network, long side of the picture in pixels of its input, turn of the picture in degrees). The networks are convolutional: a
# larger input finds smaller faces. Measured on the development portraits, whole, cropped to the face, shrunk into a large
# canvas, and rolled: `short` finds faces from 1/8 of its input to cropped ones, rolled by up to 60 degrees, `full` those of
# about 10 to 60 of its pixels. The first level is MediaPipe's own: the box of a face it finds is taken as it is.
NEAR = (("short", 128, 0), ("short", 192, 0), ("short", 256, 0), ("short", 64, 0), ("full", 192, 0), ("full", 384, 0))
FAR = (("full", 768, 0),)
TURNED = tuple(tuple((*level, turn) for level in (("short", 128), ("full", 192), ("full", 384))) for turn in (90, -90, 180))
FARTHEST = (("full", 1536, 0),)
LARGE_FACE = 1 / 6  # a picture with a face that fills more of its long side is not searched for those that need FAR


@dataclass
class Detections:
    """Faces in pixels: boxes [N, 4] (x0, y0, x1, y1), points [N, 6, 2] (eyes, nose, mouth, ears), scores [N]."""

    boxes: Tensor
    points: Tensor
    scores: Tensor

    def __len__(self) -> int:
        return len(self.scores)


class FaceDetector:
    """Finds candidate faces; the landmark network decides afterwards which of them are faces."""

    def __init__(self, device: str | torch.device = "cpu"):
        """Load both networks. Raises UserError when their file is missing."""
        self.networks = {part: Graph.load("face_detector", part, device) for part in ANCHORS}

    def stages(self, picture: Pyramid) -> Iterator[Detections]:
        """Candidates, stage by stage; a caller who has found a face in one need not ask for the next.

        Args:
            picture: one picture [1, 3, H, W] in 0..1, on the detector's device.

        Yields:
            Detections in pixels of the picture: upright ones (nearly always enough), then those in the picture turned to its
            sides and upside down, then very small ones in a large picture.
        """
        near = self.detect(picture, NEAR)
        long = max(picture.size)
        if len(near) and (near.boxes[:, 2:] - near.boxes[:, :2]).max() > LARGE_FACE * long:
            yield near
        else:
            yield join([near, self.detect(picture, FAR)])
        for levels in TURNED:  # apart, as one turn's false alarm may lie on another's face
            yield self.detect(picture, levels)
        if long > FAR[0][1]:
            yield self.detect(picture, FARTHEST)

    @torch.no_grad()
    def detect(self, picture: Pyramid, levels: Sequence[tuple[str, int, float]]) -> Detections:
        """Candidates at some sizes and turns of a picture; a face found at several is taken from the first."""
        return join([self._at(picture, *level) for level in levels])

    def _at(self, picture: Pyramid, part: str, side: int, turn: float) -> Detections:
        """Detections of one network at one size and one turn of the picture, in the picture's pixels."""
        width, height = picture.size
        scale = max(width, height) / side
        cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        if side > SMALLEST[part]:
            need = (abs(cos) * width + abs(sin) * height, abs(cos) * height + abs(sin) * width)
            columns, rows = (max(SMALLEST[part], 32 * math.ceil(round(n / scale) / 32)) for n in need)
        else:
            columns = rows = SMALLEST[part]
        linear = torch.tensor([[cos, -sin], [sin, cos]]) * scale
        shift = torch.tensor([width / 2, height / 2]) - linear @ torch.tensor([columns / 2, rows / 2])
        matrix = torch.cat([linear, shift[:, None]], 1).to(picture.levels[0])
        as_published = side == SMALLEST[part] and not turn  # skips pixels: its boxes are those of MediaPipe
        patch = picture.sample(matrix[None], columns, rows, border="zeros", smooth=not as_published)
        boxes, points, scores = decode(self.networks[part](patch * 2 - 1), part, columns, rows)
        keep = scores > SCORE[part]
        points = points[keep] @ matrix[:, :2].T + matrix[:, 2]
        middle = (boxes[keep, :2] + boxes[keep, 2:]) / 2 @ matrix[:, :2].T + matrix[:, 2]
        half = (boxes[keep, 2:] - boxes[keep, :2]) / 2 * scale
        return merge(Detections(torch.cat([middle - half, middle + half], 1).cpu(), points.cpu(), scores[keep].cpu()))


def decode(outputs: dict[str, Tensor], part: str, width: int, height: int) -> tuple[Tensor, Tensor, Tensor]:
    """Network outputs -> boxes [N, 4], key points [N, 6, 2] in pixels of its input, scores [N]."""
    values = outputs["regressors"][0]
    anchors = []
    for stride, count in ANCHORS[part]:
        rows, columns = (torch.arange(-(-n // stride), device=values.device) for n in (height, width))
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        anchors.append(((torch.stack([x, y], -1) + 0.5) * stride).reshape(-1, 2).repeat_interleave(count, 0))
    anchors = torch.cat(anchors)
    middle, half = values[:, :2] + anchors, values[:, 2:4] / 2
    points = values[:, 4:].reshape(-1, 6, 2) + anchors[:, None]
    scores = outputs["classificators"][0, :, 0].clamp(-SCORE_CLIP, SCORE_CLIP).sigmoid()
    return torch.cat([middle - half, middle + half], 1), points, scores


def overlap(box: Tensor, boxes: Tensor) -> Tensor:
    """Intersection over union of one box [4] with boxes [N, 4] -> [N]."""
    low, high = torch.maximum(box[:2], boxes[:, :2]), torch.minimum(box[2:], boxes[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    return shared / ((box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(1) - shared).clamp(min=1e-9)


def merge(found: Detections) -> Detections:
    """Weighted non-maximum suppression: overlapping detections become their mean, weighted by score; best first."""
    left = found.scores.argsort(descending=True, stable=True)
    merged = []
    while len(left):
        best = left[0]
        same = overlap(found.boxes[best], found.boxes[left]) > OVERLAP
        group, left = left[same], left[~same]
        weight = found.scores[group] / found.scores[group].sum()
        box, points = (torch.einsum("n,n...->...", weight, values[group]) for values in (found.boxes, found.points))
        merged.append((box, points, found.scores[best]))
    if not merged:
        return found
    return Detections(*(torch.stack(parts) for parts in zip(*merged, strict=True)))


def join(levels: list[Detections]) -> Detections:
    """Detections of several levels; those that overlap one of an earlier level are left out."""
    kept = levels[0]
    for level in levels[1:]:
        new = [i for i, box in enumerate(level.boxes) if not (overlap(box, kept.boxes) > OVERLAP).any()]
        fields = ("boxes", "points", "scores")
        kept = Detections(*(torch.cat([getattr(kept, name), getattr(level, name)[new]]) for name in fields))
    return kept

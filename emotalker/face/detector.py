"""Where faces are: the published BlazeFace networks, run at several sizes and turns of the picture."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .geometry import sample_affine
from .graph import Graph

# Both networks: published graph configuration of MediaPipe 0.10.21 (SsdAnchors, TensorsToDetections, NonMaxSuppression).
ANCHORS = {"short": ((8, 2), (16, 6)), "full": ((4, 1),)}  # (pixels between anchors, anchors at each place), in output order
SCORE_CLIP = 100.0
OVERLAP = 0.3  # boxes that share more (intersection over union) are one face
SCORE = {"short": 0.5, "full": 0.6}

# Long side of the picture the network sees, in its pixels. The networks are convolutional: a larger input finds smaller faces.
# Measured with one face in an empty canvas: `full` finds it from about 9 of its pixels wide.
LEVELS = (("short", 64), ("short", 128), ("full", 192), ("full", 384), ("full", 768))
TURNED_LEVELS = (("short", 128), ("full", 192), ("full", 384))
TURNS = (-45.0, 45.0)  # degrees; upright, the networks find faces rolled by up to about 30 degrees
SMALLEST = {"short": 128, "full": 192}  # the size they were made for


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

    @torch.inference_mode()
    def detect(self, picture: Tensor) -> Detections:
        """Candidates in a picture.

        Args:
            picture: [1, 3, H, W] in 0..1, on the detector's device.

        Returns:
            Detections of all sizes, best first, overlapping ones merged, in pixels of the picture.
        """
        found = []
        for level in LEVELS:
            found += self._at(picture, *level, 0.0)
        for turn in TURNS:
            for level in TURNED_LEVELS:
                found += self._at(picture, *level, turn)
        return merge(Detections(*(torch.cat(parts) for parts in zip(*found, strict=True))))

    def _at(self, picture: Tensor, part: str, side: int, turn: float) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Detections of one network at one size and one turn of the picture, in the picture's pixels."""
        height, width = picture.shape[2:]
        scale = max(height, width) / side
        cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        need = [abs(cos) * w + abs(sin) * h for w, h in ((width, height), (height, width))]
        size = [max(SMALLEST[part], 32 * math.ceil(n / scale / 32)) for n in need] if side > SMALLEST[part] or turn else None
        size = size or [SMALLEST[part]] * 2
        linear = torch.tensor([[cos, -sin], [sin, cos]]) * scale
        centre = torch.tensor([width / 2, height / 2]) - linear @ torch.tensor([size[0] / 2, size[1] / 2])
        matrix = torch.cat([linear, centre[:, None]], 1).to(picture)
        patch = sample_affine(picture, matrix[None], size[1], size[0], border="zeros")
        outputs = self.networks[part](patch * 2 - 1)
        boxes, points, scores = decode(outputs, part, size[0], size[1])
        keep = scores > SCORE[part]
        corners = points[keep] @ matrix[:, :2].T + matrix[:, 2]
        middle = (boxes[keep, :2] + boxes[keep, 2:]) / 2 @ matrix[:, :2].T + matrix[:, 2]
        half = (boxes[keep, 2:] - boxes[keep, :2]) / 2 * scale
        return [(torch.cat([middle - half, middle + half], 1), corners, scores[keep])]


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
    boxes, points, scores = found.boxes.cpu(), found.points.cpu(), found.scores.cpu()
    left = scores.argsort(descending=True, stable=True)
    merged = []
    while len(left):
        best = left[0]
        same = overlap(boxes[best], boxes[left]) > OVERLAP
        group, left = left[same], left[~same]
        weight = scores[group] / scores[group].sum()
        merged.append(((boxes[group] * weight[:, None]).sum(0), (points[group] * weight[:, None, None]).sum(0), scores[best]))
    if not merged:
        return Detections(boxes[:0], points[:0], scores[:0])
    return Detections(*(torch.stack(parts) for parts in zip(*merged, strict=True)))

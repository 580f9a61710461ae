"""All faces of a picture, and one face through a row of frames."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import UserError
from .detector import FaceDetector, overlap
from .landmarks import IRISES, MESH, LandmarkNetwork, region_of_landmarks, region_of_points

PRESENCE = 0.5  # probability from which a region holds a face (MediaPipe 0.10.21, face landmark graph)
SAME_FACE = 0.3  # boxes that share more (intersection over union) are one face
CHUNK = 16  # crops in one pass of the network: the fastest on a CPU


@dataclass
class Face:
    """One face in a picture.

    Attributes:
        box: x0, y0, x1, y1 in pixels, around landmarks 0-467; may reach over the picture's edge.
        landmarks: [478, 3] in pixels: x right, y down, z smaller = nearer. 0-467 are MediaPipe's face mesh, 468-472 and
            473-477 the irises of the subject's right and left eye, centre first.
        score: probability that it is a face, 0..1.
        roll: degrees, positive when the head tilts to the picture's right (clockwise as seen).
    """

    box: tuple[float, float, float, float]
    landmarks: Tensor
    score: float
    roll: float

    @property
    def iris_distance(self) -> float:
        """Pixels between the iris centres."""
        return (self.landmarks[IRISES[0], :2] - self.landmarks[IRISES[1], :2]).norm().item()

    @classmethod
    def from_landmarks(cls, landmarks: Tensor, score: float) -> "Face":
        """Box and roll of landmarks [478, 3]."""
        low, high = landmarks[:MESH, :2].amin(0).tolist(), landmarks[:MESH, :2].amax(0).tolist()
        eyes = landmarks[IRISES[1]] - landmarks[IRISES[0]]
        return cls((*low, *high), landmarks, score, math.degrees(math.atan2(eyes[1].item(), eyes[0].item())))


class FaceFinder:
    """Detector and landmark network together."""

    def __init__(self, detector: FaceDetector, network: LandmarkNetwork, device: str | torch.device):
        self.detector, self.network, self.device = detector, network, torch.device(device)

    @classmethod
    def load(cls, device: str | torch.device = "cpu") -> "FaceFinder":
        """The shipped networks on a device. Raises UserError when a weight file is missing."""
        return cls(FaceDetector(device), LandmarkNetwork(device), device)

    @torch.inference_mode()
    def find(self, image: Tensor) -> list[Face]:
        """All faces of a picture, largest iris distance first; an empty list when there is none.

        Args:
            image: [H, W, 3] float in 0..1, any size.

        Raises:
            UserError: the picture has another shape.
        """
        picture = self._planes(image[None])
        found = self.detector.detect(picture)
        if not len(found):
            return []
        eyes = found.points.to(picture)
        boxes = found.boxes.to(picture)
        landmarks, score = self._refine(picture, region_of_points(boxes[:, :2], boxes[:, 2:], eyes[:, 0], eyes[:, 1]))
        faces = []
        for i in score.argsort(descending=True, stable=True).tolist():
            if score[i] < PRESENCE:
                break
            face = Face.from_landmarks(landmarks[i].clone(), score[i].item())
            others = torch.tensor([other.box for other in faces]).reshape(-1, 4)
            if not (overlap(torch.tensor(face.box), others) > SAME_FACE).any():
                faces.append(face)
        return sorted(faces, key=lambda face: -face.iris_distance)

    @torch.inference_mode()
    def track(self, frames: Tensor, start: Face | None = None, refine: bool = True) -> tuple[Tensor, Tensor]:
        """Landmarks of one face in every frame of a clip in which it moves little (a rendered talking head).

        Args:
            frames: [B, H, W, 3] float in 0..1.
            start: the face in the first frame; found there when not given.
            refine: a second pass, each frame's crop placed by its own landmarks: needed for heads that move.

        Returns:
            landmarks [B, 478, 3] in pixels, score [B] in 0..1.

        Raises:
            UserError: no face was given and none is in the first frame.
        """
        if start is None:
            faces = self.find(frames[0])
            if not faces:
                raise UserError("No face was found in the video's first frame: start the clip where the face can be seen.")
            start = faces[0]
        region = region_of_landmarks(start.landmarks[None].to(self.device))
        landmarks, scores = [], []
        for chunk in frames.split(CHUNK):
            pictures = self._planes(chunk)
            first = tuple(value.expand(len(chunk), *value.shape[1:]) for value in region)
            points, score = self.network(pictures, *first)
            if refine:
                points, score = self.network(pictures, *region_of_landmarks(points))
            landmarks.append(points)
            scores.append(score)
        return torch.cat(landmarks), torch.cat(scores)

    def _refine(self, picture: Tensor, region: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Landmarks and scores of all regions of one picture, then again in the regions those landmarks give."""
        out = []
        for centre, size, angle in zip(*region, strict=True):
            points, _ = self.network(picture, centre[None], size[None], angle[None])
            out.append(self.network(picture, *region_of_landmarks(points)))
        points, score = zip(*out, strict=True)
        return torch.cat(points).cpu(), torch.cat(score).cpu()

    def _planes(self, frames: Tensor) -> Tensor:
        """[B, H, W, 3] -> [B, 3, H, W] on the device."""
        if frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
            raise UserError(
                f"The face finder was given shape {list(frames.shape[1:])}, not [height, width, 3]: convert the picture to RGB."
            )
        return frames.to(self.device, torch.float32).permute(0, 3, 1, 2)

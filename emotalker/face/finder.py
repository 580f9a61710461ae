"""All faces of a picture, and one face through a row of frames."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import UserError
from .detector import Detections, FaceDetector, overlap
from .geometry import Pyramid
from .landmarks import IRISES, MESH, LandmarkNetwork, region_of_landmarks, region_of_points

PRESENCE = 0.5  # probability from which a region holds a face (MediaPipe 0.10.21, face landmark graph)
SAME_FACE = 0.3  # boxes that share more (intersection over union) are one face
REACH = 1.0  # what a tracked face may reach within a clip: region sizes from the centre of the first frame's region
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
            image: [H, W, 3] float in 0..1, or bytes; any size.

        Raises:
            UserError: the picture has another shape.
        """
        picture = Pyramid(self._planes(image[None]))
        for found in self.detector.stages(picture):
            faces = self._confirm(picture, found)
            if faces:
                return sorted(faces, key=lambda face: -face.iris_distance)
        return []

    def _confirm(self, picture: Pyramid, found: Detections) -> list[Face]:
        """Faces among the candidates: those the landmark network believes in, each once."""
        faces = []
        for box, eyes in zip(found.boxes[:, None], found.points[:, None], strict=True):
            region = region_of_points(box[:, :2], box[:, 2:], eyes[:, 0], eyes[:, 1])
            region = tuple(value.to(self.device) for value in region)
            landmarks, score = self._landmarks(picture, region)
            face = Face.from_landmarks(landmarks[0].cpu(), score.item())
            others = torch.tensor([other.box for other in faces]).reshape(-1, 4)
            if face.score >= PRESENCE and not (overlap(torch.tensor(face.box), others) > SAME_FACE).any():
                faces.append(face)
        return faces

    @torch.inference_mode()
    def track(self, frames: Tensor, start: Face | None = None, refine: bool = True) -> tuple[Tensor, Tensor]:
        """Landmarks of one face in every frame of a clip in which it moves little (a rendered talking head).

        Args:
            frames: [B, H, W, 3] float in 0..1, or bytes.
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
        (centre, size, angle), (height, width) = region_of_landmarks(start.landmarks[None].to(self.device)), frames.shape[1:3]
        x0, y0 = (
            max(0, min(int(value), limit - 1)) for value, limit in zip(centre[0] - REACH * size, (width, height), strict=True)
        )
        x1, y1 = (max(1, int(value)) for value in centre[0] + REACH * size)
        offset = centre.new_tensor([x0, y0, 0])
        region = (centre - offset[:2], size, angle)
        landmarks, scores = [], []
        for chunk in frames.split(CHUNK):
            pictures = Pyramid(self._planes(chunk[:, y0:y1, x0:x1]))
            first = tuple(value.expand(len(chunk), *value.shape[1:]) for value in region)
            points, score = self._landmarks(pictures, first) if refine else self.network(pictures, *first)
            landmarks.append(points + offset)
            scores.append(score)
        return torch.cat(landmarks), torch.cat(scores)

    def _landmarks(self, pictures: Pyramid, region: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Landmarks and scores: the mean of those in the given regions and those in the regions these give.

        One crop's landmarks move by about 1.4 % of the iris distance when the crop moves a little; over the development
        portraits the mean of two is nearer to the mean of many, and to MediaPipe's own landmarks, than the second alone.
        """
        first, _ = self.network(pictures, *region)
        second, score = self.network(pictures, *region_of_landmarks(first))
        return (first + second) / 2, score

    def _planes(self, frames: Tensor) -> Tensor:
        """[B, H, W, 3] in 0..1 (bytes: 0..255) -> [B, 3, H, W] in 0..1 on the device."""
        if frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
            raise UserError(
                f"The face finder was given shape {list(frames.shape[1:])}, not [height, width, 3]: convert the picture to RGB."
            )
        planes = frames.to(self.device).permute(0, 3, 1, 2)
        return planes.float() if planes.is_floating_point() else planes / 255

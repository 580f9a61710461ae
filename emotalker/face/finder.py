"""All faces of a picture, and one face through a row of frames."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import UserError
from .detector import Detections, FaceDetector, overlap
from .geometry import Pyramid
from .landmarks import IRISES, MESH, LandmarkNetwork, region_of_landmarks, region_of_points

# Log odds of a face, from the landmark network, once its region has settled. On the development portraits, plain, rolled, cut
# and shrunk: 21 to 42 for faces seen well, 3 to 20 for faces cut by the picture's edge, at most 18 for faces upside down, at
# most 16 for parts of a larger face, 12 for what is no face.
CLEAR = 20.0
SURE = 15.0  # enough for a face beside others
LIKELY = 10.0  # enough for the only face
POSSIBLE = 2.0  # enough for the only face where it is LARGE: then the picture's edge may have cut it
LARGE = 1 / 8  # of the picture's long side
LATER = 5.0  # by which a find of a later stage, as of the picture turned on its side, must beat one in the same place
PASSES = 6  # times a region follows its landmarks, at most; faces seen well settle in two
# What counts as the same region: shift (in region sizes), growth and shrinking (logarithms), turn (radians). The detector's
# boxes are a little tight, so a good region may grow by an eighth.
SHIFT, GROWTH, SHRINKING, TURN = 0.08, 0.14, 0.07, 0.17
SETTLED = 0.25  # share of these by which the region of a face that is not sure may still move
SAME_FACE = 0.3  # boxes that share more (intersection over union) are one face, as is one whose middle lies in the other
REACH = 1.0  # what a tracked face may reach within a clip: region sizes from the centre of the first frame's region
CHUNK = 16  # crops in one pass of the network: the fastest on a CPU

Region = tuple[Tensor, Tensor, Tensor]  # centre [N, 2] px, side [N] px, angle [N] radians


@dataclass
class Face:
    """One face in a picture.

    Attributes:
        box: x0, y0, x1, y1 in pixels, around landmarks 0-467; may reach over the picture's edge.
        landmarks: [478, 3] in pixels, as MediaPipe counts them (the middle of the first pixel is 0): x right, y down, z
            smaller = nearer. 0-467 are its face mesh, 468-472 and 473-477 the irises of the subject's right and left eye,
            centre first.
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

    @torch.no_grad()
    def find(self, image: Tensor) -> list[Face]:
        """All faces of a picture, largest iris distance first; an empty list when there is none.

        Args:
            image: [H, W, 3] float in 0..1, or bytes; any size.

        Raises:
            UserError: the picture has another shape.
        """
        picture = Pyramid(self._planes(image[None]))
        seen: list[tuple[float, Face]] = []
        for stage, found in enumerate(self.detector.stages(picture)):
            handicap = LATER if stage else 0
            seen += [(odds - handicap, face) for odds, face in self._look(picture, found)]
            if any(odds >= CLEAR for odds, _ in seen):
                break
        faces: list[Face] = []
        for odds, face in sorted(seen, key=lambda pair: -pair[0]):
            large = face.box[2] - face.box[0] > LARGE * max(image.shape[:2])
            if odds < (SURE if faces else POSSIBLE if large else LIKELY):
                continue
            if not any(same_face(face.box, other.box) for other in faces):
                faces.append(face)
        return sorted(faces, key=lambda face: -face.iris_distance)

    def _look(self, picture: Pyramid, found: Detections) -> list[tuple[float, Face]]:
        """What the landmark network makes of each candidate: log odds and the face."""
        looks = []
        for box, eyes in zip(found.boxes[:, None], found.points[:, None], strict=True):
            region = region_of_points(box[:, :2], box[:, 2:], eyes[:, 0], eyes[:, 1])
            landmarks, odds = self._settle(picture, tuple(value.to(self.device) for value in region), PASSES)
            looks.append((odds.item(), Face.from_landmarks(landmarks[0].cpu(), odds.sigmoid().item())))
        return looks

    @torch.no_grad()
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
            points, odds = self._settle(pictures, first, 2 if refine else 1)
            landmarks.append(points + offset)
            scores.append(odds.sigmoid())
        return torch.cat(landmarks), torch.cat(scores)

    def _settle(self, pictures: Pyramid, region: Region, passes: int) -> tuple[Tensor, Tensor]:
        """Landmarks in regions that follow their own landmarks until they rest; at most `passes` times.

        The landmarks of one crop move by about 1.4 % of the iris distance when the crop moves a little. Over the development
        portraits the mean of the last two is nearer to the mean of many, and to MediaPipe's own landmarks, than either.

        Returns:
            landmarks [N, 478, 3], log odds [N].
        """
        points, odds = self.network(pictures, *region)
        mean = points
        for _ in range(passes - 1):
            follow = region_of_landmarks(points)
            change = region_change(region, follow)
            region, before = follow, points
            points, odds = self.network(pictures, *region)
            mean = torch.where((change < 1)[:, None, None], (before + points) / 2, points)
            if (change < torch.where(odds >= SURE, 1, SETTLED)).all():
                break
        return mean, odds

    def _planes(self, frames: Tensor) -> Tensor:
        """[B, H, W, 3] in 0..1 (bytes: 0..255) -> [B, 3, H, W] in 0..1 on the device."""
        if frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
            raise UserError(
                f"The face finder was given shape {list(frames.shape[1:])}, not [height, width, 3]: convert the picture to RGB."
            )
        planes = frames.to(self.device).permute(0, 3, 1, 2)
        return planes.float() if planes.is_floating_point() else planes / 255


def region_change(first: Region, second: Region) -> Tensor:
    """How much regions moved [N]: below 1, landmarks of both can be trusted alike."""
    shift = (second[0] - first[0]).norm(dim=1) / first[1] / SHIFT
    growth = (second[1] / first[1]).log()
    turn = torch.remainder(second[2] - first[2] + torch.pi, 2 * torch.pi) - torch.pi
    return torch.stack([shift, growth / GROWTH, -growth / SHRINKING, turn.abs() / TURN]).amax(0)


def same_face(box: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    """Whether two boxes can only be one face: they overlap much, or one's middle lies in the other."""
    a, b = torch.tensor(box), torch.tensor(other)[None]
    if overlap(a, b).item() > SAME_FACE:
        return True
    for inner, outer in ((box, other), (other, box)):
        x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
        if outer[0] < x < outer[2] and outer[1] < y < outer[3]:
            return True
    return False

"""Who it is: faces become vectors whose cosine tells one person from another."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .crop import MIDDLE, SPAN
from .geometry import Pyramid, similarity_matrices
from .graph import Graph
from .landmarks import IRISES
from .landmarks478 import MOUTH_CORNERS

SIZE = 112  # pixels of a crop, fixed by the network
NOSE = 4
# Where the crop has the irises of the right and left eye, the tip of the nose and the mouth's corners, right first:
# the alignment that face networks of this size are trained with (InsightFace, face_align.py, arcface_dst).
PLACES = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))

USUAL = ((-0.48, -0.03), (0.48, -0.03), (0.0, 0.55), (-0.39, 1.10), (0.39, 1.10))
"""Where faces have these in a face crop, in the units of face.crop.PLACES: what the landmark network finds in 292 portraits of
synthetic people (emotalker.training.frames.pairs), their mean, made even."""


class FaceEmbedder:
    """Vectors of faces, from MobileFace (see the card of weights/identity)."""

    def __init__(self, network: Graph, device: str | torch.device):
        self.network, self.device = network, torch.device(device)

    @classmethod
    def load(cls, device: str | torch.device = "cpu") -> "FaceEmbedder":
        """The shipped network on a device. Raises UserError when its weight file is missing."""
        return cls(Graph.load("identity", device=device), device)

    @torch.no_grad()
    def embed(self, frames: Tensor, landmarks: Tensor) -> Tensor:
        """Faces to vectors.

        Args:
            frames: [n, H, W, 3] float 0..1 or bytes.
            landmarks: [n, 478, 3] of the face in each, in pixels.

        Returns:
            [n, 256] of length 1, on the CPU: the product of two is their cosine.
        """
        matrices = crop_matrices(landmarks.to(self.device).float())
        crops = torch.cat([self._crop(*pair) for pair in zip(frames.split(1), matrices.split(1), strict=True)])
        return self._vectors(crops).cpu()

    def see(self, faces: Tensor) -> Tensor:
        """Vectors of faces that are cut out already; differentiable, for a loss.

        Args:
            faces: [n, 3, s, s] 0..1, the squares of face.crop.

        Returns:
            [n, 256] of length 1.
        """
        points = faces.new_tensor(USUAL) + faces.new_tensor([SPAN / 2, SPAN / 2 - MIDDLE])
        matrix = similarity_matrices(faces.new_tensor(PLACES), (points * (faces.shape[-1] / SPAN) - 0.5)[None])
        return self._vectors(Pyramid(faces).sample(matrix.expand(len(faces), -1, -1), SIZE, SIZE))

    def _vectors(self, crops: Tensor) -> Tensor:
        """[n, 256] of aligned crops [n, 3, SIZE, SIZE]."""
        return normalize(self.network((crops * 255 - 127.5) / 128)["embedding"].flatten(1), dim=1)

    def _crop(self, frame: Tensor, matrix: Tensor) -> Tensor:
        """One frame's face, [1, 3, SIZE, SIZE]; one by one, so that the size of one face is none of another's business."""
        x0, y0, x1, y1 = _bounds(matrix[0], frame.shape[2], frame.shape[1])
        planes = frame[:, y0:y1, x0:x1].to(self.device).permute(0, 3, 1, 2)
        planes = planes.float() if planes.is_floating_point() else planes / 255
        shift = matrix.new_tensor([[0, 0, x0], [0, 0, y0]])
        return Pyramid(planes).sample(matrix - shift, SIZE, SIZE)


def crop_matrices(landmarks: Tensor) -> Tensor:
    """Where the pixels of aligned crops lie in the pictures: the similarity that brings PLACES nearest to the landmarks.

    Args:
        landmarks: [n, 478, 2+] in pixels.

    Returns:
        [n, 2, 3] for Pyramid.sample.
    """
    xy = landmarks[..., :2]
    return similarity_matrices(xy.new_tensor(PLACES), xy[:, [*IRISES, NOSE, *MOUTH_CORNERS]])


def _bounds(matrix: Tensor, width: int, height: int) -> tuple[int, int, int, int]:
    """The part of a picture that a crop reads, x0, y0, x1, y1, with a margin of a few pixels of the crop."""
    corners = matrix.new_tensor([[-4, -4, 1], [SIZE + 4, -4, 1], [-4, SIZE + 4, 1], [SIZE + 4, SIZE + 4, 1]]) @ matrix.T
    low, high = corners.amin(0).floor().int().tolist(), corners.amax(0).ceil().int().tolist()
    x0, y0 = min(max(low[0], 0), width - 1), min(max(low[1], 0), height - 1)
    return x0, y0, max(x0 + 1, min(high[0], width)), max(y0 + 1, min(high[1], height))

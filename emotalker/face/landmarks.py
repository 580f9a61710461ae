"""478 points of a face: the published attention mesh with irises, run on turned square crops."""

import torch
from torch import Tensor

from .geometry import Pyramid, square_matrices
from .graph import Graph

SIZE = 192  # pixels of a crop, fixed by the network
ROI_SCALE = 1.5  # side of the crop over the longer side of the face's box (MediaPipe 0.10.21, RectTransformation)
EYE_CORNERS = (33, 263)  # outer corners of the subject's right and left eye: their line is level in the crop (the same source)
IRISES = (468, 473)  # centres of the subject's right and left iris
MESH = 468

# Which points the refined regions replace, in the network's output order (MediaPipe 0.10.21, LandmarksRefinement).
# fmt: off
LIPS = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409, 78, 95, 88, 178, 87, 14,
    317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415, 76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306,
    184, 74, 73, 72, 11, 302, 303, 304, 408, 62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292, 183, 42, 41, 38, 12, 268,
    271, 272, 407,
)
RIGHT_EYE = (
    33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173, 130, 25, 110, 24, 23, 22, 26, 112, 243,
    247, 30, 29, 27, 28, 56, 190, 226, 31, 228, 229, 230, 231, 232, 233, 244, 113, 225, 224, 223, 222, 221, 189, 35,
    124, 46, 53, 52, 65, 143, 111, 117, 118, 119, 120, 121, 128, 245, 156, 70, 63, 105, 66, 107, 55, 193,
)
LEFT_EYE = (
    263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398, 359, 255, 339, 254, 253, 252, 256,
    341, 463, 467, 260, 259, 257, 258, 286, 414, 446, 261, 448, 449, 450, 451, 452, 453, 464, 342, 445, 444, 443, 442,
    441, 413, 265, 353, 276, 283, 282, 295, 372, 340, 346, 347, 348, 349, 350, 357, 465, 383, 300, 293, 334, 296, 336,
    285, 417,
)
# fmt: on
REFINED = {"lips": LIPS, "left_eye": RIGHT_EYE, "right_eye": LEFT_EYE}  # the network names eyes as the picture shows them
EYE_CONTOUR = 16  # first points of an eye: its contour, whose mean depth the iris takes


class LandmarkNetwork:
    """Landmarks of faces in regions of pictures, and whether they are faces."""

    def __init__(self, device: str | torch.device = "cpu"):
        """Load the network. Raises UserError when its file is missing."""
        self.network = Graph.load("face_landmarks", device=device)

    @torch.no_grad()
    def __call__(self, pictures: Pyramid, centre: Tensor, size: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
        """Landmarks in square regions.

        Args:
            pictures: [1, 3, H, W] (all regions in one picture) or [N, 3, H, W] (one region each), 0..1.
            centre, size, angle: [N, 2] px, [N] px, [N] radians (clockwise as seen): the regions.

        Returns:
            landmarks [N, 478, 3] in pixels of the pictures (x right, y down, z smaller = nearer), and [N] the log odds that
            the regions hold faces.
        """
        matrices = square_matrices(centre, size, angle, SIZE)
        outputs = self.network(pictures.sample(matrices, SIZE, SIZE))
        points = assemble(outputs)
        xy = points[..., :2] @ matrices[:, :, :2].transpose(1, 2) + matrices[:, None, :, 2]
        z = points[..., 2:] * (size / SIZE)[:, None, None]
        return torch.cat([xy, z], -1), outputs["presence"].reshape(-1)


def assemble(outputs: dict[str, Tensor]) -> Tensor:
    """Network outputs -> [N, 478, 3] in crop pixels: the mesh, its lips and eyes replaced by the refined ones, then irises."""
    mesh = outputs["mesh"].reshape(-1, MESH, 3).clone()
    for name, index in REFINED.items():
        mesh[:, index, :2] = outputs[name]
    irises = []
    for name, eye in (("left_iris", RIGHT_EYE), ("right_iris", LEFT_EYE)):
        depth = mesh[:, eye[:EYE_CONTOUR], 2].mean(1)[:, None, None].expand(-1, 5, 1)
        irises.append(torch.cat([outputs[name], depth], -1))
    return torch.cat([mesh, *irises], 1)


def region_of_points(low: Tensor, high: Tensor, right_eye: Tensor, left_eye: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Region (centre, size, angle) around boxes low, high [N, 2], level with the line between the eyes [N, 2]."""
    delta = left_eye - right_eye
    return (low + high) / 2, (high - low).amax(1) * ROI_SCALE, torch.atan2(delta[:, 1], delta[:, 0])


def region_of_landmarks(landmarks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Region (centre [N, 2], size [N], angle [N]) of faces whose landmarks [N, 478, 3] are roughly known."""
    xy = landmarks[..., :2]
    return region_of_points(xy.amin(1), xy.amax(1), xy[:, EYE_CORNERS[0]], xy[:, EYE_CORNERS[1]])

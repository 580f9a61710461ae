"""The square around a face that networks look at: it moves, turns and grows with the head, so that the face stays in place."""

import torch
from torch import Tensor

from .geometry import Pyramid, similarity_matrices
from .landmarks478 import STEADY

PLACES = (
    (-0.683, -0.012), (-0.317, 0.012), (0.317, 0.012), (0.683, -0.012), (0.0, -0.046), (0.0, 0.064), (0.0, 0.178),
    (0.0, 0.284), (0.0, 0.399), (0.0, 0.536),
)  # fmt: skip
"""Where the STEADY landmarks of the rig's mean face lie from the front, in distances between the eyes from their middle."""
SPAN, MIDDLE = 3.3, 0.55
"""Side of the square and how far its middle lies below the eyes: from over the brows to below an open jaw (-0.85 to 2.1)."""


def crop_matrices(landmarks: Tensor, size: int) -> Tensor:
    """Where the crops' points lie in the pictures.

    Args:
        landmarks: [n, 478, 2+] in pixels.
        size: pixels of a crop's side.

    Returns:
        [n, 2, 3]: point (x, y) of a crop, pixel centres at +0.5, lies at matrix @ (x, y, 1) of the picture.
    """
    places = (landmarks.new_tensor(PLACES) + landmarks.new_tensor([SPAN / 2, SPAN / 2 - MIDDLE])) * (size / SPAN)
    return similarity_matrices(places, landmarks[:, STEADY, :2])


def cut(pictures: Tensor, matrices: Tensor, size: int, step: float | None = None) -> Tensor:
    """Crops of faces.

    Args:
        pictures: [n, C, H, W], or one for all.
        matrices: [n, 2, 3] of crop_matrices.
        size: pixels of a crop's side.
        step: pixels of the picture to one of a crop, by which what is skipped is smoothed; frames of one take need the same
            (see step_of), lest some are smoother than others. By default that of the finest crop.

    Returns:
        [n, C, size, size].
    """
    # Pyramid counts pixel centres from 0.
    shift = 0.5 * (matrices[:, :, 0] + matrices[:, :, 1] - 1)
    matrices = torch.cat([matrices[:, :, :2], matrices[:, :, 2:] + shift[..., None]], 2)
    return Pyramid(pictures).sample(matrices, size, size, step=step)


def step_of(matrix: Tensor) -> float:
    """Pixels of the picture to one of the crop of a matrix [2, 3]."""
    return float(matrix[:, :2].det().abs().sqrt())

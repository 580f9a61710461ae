"""What landmarks say about a face in a frame: how open mouth and eyes are, and where its steady points lie."""

import torch
from torch import Tensor

from ..face.landmarks478 import EYE_LOWER, EYE_UPPER, MOUTH_CORNERS, STEADY

INNER_LIPS = ((82, 87), (13, 14), (312, 317))
"""Pairs of inner lip landmarks, upper and lower, around the middle."""
EYE_CORNERS = ((33, 133), (362, 263))
"""Corners of the subject's right and left eye, from the picture's left to its right."""


def eye_distance(landmarks: Tensor) -> Tensor:
    """Pixels between the middles of the eyes' corners, [..., 478, 2+] -> [...]: unlike the irises these do not look around."""
    right, left = (landmarks[..., pair, :2].mean(-2) for pair in EYE_CORNERS)
    return (left - right).norm(dim=-1)


def mouth_shape(landmarks: Tensor) -> Tensor:
    """Distance of the inner lips and width of the mouth, in distances between the eyes: [..., 478, 2+] -> [..., 2]."""
    xy = landmarks[..., :2]
    gaps = torch.stack([(xy[..., a, :] - xy[..., b, :]).norm(dim=-1) for a, b in INNER_LIPS])
    width = (xy[..., MOUTH_CORNERS[0], :] - xy[..., MOUTH_CORNERS[1], :]).norm(dim=-1)
    return torch.stack([gaps.mean(0), width], -1) / eye_distance(landmarks)[..., None]


def lid_opening(landmarks: Tensor) -> Tensor:
    """Distance of the lids over the width of the eye, mean of both eyes: [..., 478, 2+] -> [...]."""
    xy = landmarks[..., :2]
    openings = []
    for upper, lower in zip(EYE_UPPER, EYE_LOWER, strict=True):
        gap = (xy[..., upper[2:-2], :] - xy[..., lower[2:-2], :]).norm(dim=-1).mean(-1)
        openings.append(gap / (xy[..., upper[0], :] - xy[..., upper[-1], :]).norm(dim=-1))
    return torch.stack(openings).mean(0)


def steady_points(landmarks: Tensor) -> Tensor:
    """[..., 478, 2+] -> [..., 10, 2]: points that move with the head alone, in pixels."""
    return landmarks[..., STEADY, :2]

"""Face crops keep the face in place, however it lies in the picture."""

import math

import torch

from emotalker.face.crop import MIDDLE, PLACES, SPAN, crop_matrices, cut
from emotalker.face.landmarks478 import STEADY

SIZE = 64


def face(scale=20.0, angle=0.0, x=70.0, y=50.0):
    """Landmarks [1, 478, 2] of the mean face, eyes `scale` pixels apart."""
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    landmarks = torch.zeros(1, 478, 2)
    landmarks[0, list(STEADY)] = scale * torch.tensor(PLACES) @ turn.T + torch.tensor([x, y])
    return landmarks


def test_the_eyes_lie_where_they_should_whatever_size_and_turn():
    for scale, angle in ((20.0, 0.0), (35.0, 0.4), (12.0, -0.3)):
        matrix = crop_matrices(face(scale, angle), SIZE)
        eyes = torch.tensor([SIZE / 2, SIZE * (SPAN / 2 - MIDDLE) / SPAN, 1.0])
        assert torch.allclose(matrix[0] @ eyes, torch.tensor([70.0, 50.0]), atol=1e-3)
        assert math.isclose(float(matrix[0, :, :2].det()) ** 0.5, SPAN * scale / SIZE, rel_tol=1e-3)


def test_an_upright_crop_is_the_picture_itself():
    scale = SIZE / SPAN  # one pixel of the crop is one of the picture
    landmarks = face(scale, 0.0, 80.0, 60.0)
    matrix = crop_matrices(landmarks, SIZE)
    whole = torch.round(matrix[:, :, 2])
    landmarks -= matrix[:, :, 2] - whole
    picture = torch.rand(1, 3, 160, 200)
    x, y = (int(v) for v in whole[0])
    crop = cut(picture, crop_matrices(landmarks, SIZE), SIZE)
    assert torch.allclose(crop, picture[:, :, y : y + SIZE, x : x + SIZE], atol=1e-3)

import math

import torch

from emotalker.face.geometry import Pyramid, square_matrices


def test_region_of_same_size_is_the_picture():
    picture = torch.rand(1, 3, 7, 9)
    identity = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])
    assert torch.allclose(Pyramid(picture).sample(identity, 9, 7), picture, atol=1e-5)


def test_pixel_centres_count_from_zero():
    picture = torch.arange(5.0).expand(1, 1, 4, 5)
    shifted = torch.tensor([[[1.0, 0, 1.5], [0, 1, 0]]])
    assert torch.allclose(Pyramid(picture).sample(shifted, 2, 1), torch.tensor([1.5, 2.5]).expand(1, 1, 1, 2))


def test_outside_is_the_edge_or_black():
    picture = torch.ones(1, 1, 4, 4)
    beside = torch.tensor([[[1.0, 0, -9], [0, 1, 0]]])
    assert Pyramid(picture).sample(beside, 2, 2).min() == 1
    assert Pyramid(picture).sample(beside, 2, 2, border="zeros").max() == 0


def test_shrinking_averages_unless_told_not_to():
    stripes = (torch.arange(64) % 4 == 0).float().expand(1, 1, 64, 64)
    quarter = torch.tensor([[[4.0, 0, 0], [0, 4, 0]]])
    assert torch.allclose(Pyramid(stripes).sample(quarter, 14, 14)[..., 1:, 1:].mean(), torch.tensor(0.25), atol=0.05)
    assert Pyramid(stripes).sample(quarter, 14, 14, smooth=False).min() > 0.99


def test_shrunk_region_keeps_its_place():
    x = torch.arange(256.0).expand(1, 1, 256, 256)
    step = torch.tensor([[[5.0, 0, 40], [0, 5, 40]]])
    assert torch.allclose(Pyramid(x).sample(step, 30, 2)[0, 0, 0], 40 + 5 * torch.arange(30.0), atol=1e-2)


def test_turned_square():
    matrix = square_matrices(torch.tensor([[50.0, 20]]), torch.tensor([10.0]), torch.tensor([math.pi / 2]), 5)[0]
    middle, right = matrix @ torch.tensor([2.5, 2.5, 1]), matrix @ torch.tensor([5, 2.5, 1])
    assert torch.allclose(middle, torch.tensor([50.0, 20]), atol=1e-5)
    assert torch.allclose(right, torch.tensor([50.0, 25]), atol=1e-5)  # clockwise: right becomes down

"""Painting over: known pixels stay, unknown ones become smooth."""

import torch

from emotalker.frames.fill import add_grain, blur, smooth_fill
from emotalker.frames.plate import split_layers


def ramp(h=60, w=80):
    y, x = torch.meshgrid(torch.linspace(0, 1, h), torch.linspace(0, 1, w), indexing="ij")
    return torch.stack([x, y, (x + y) / 2], -1)


def test_known_pixels_are_untouched():
    image = torch.rand(40, 50, 3)
    known = torch.ones(40, 50)
    known[10:30, 15:40] = 0
    filled = smooth_fill(image, known)
    assert torch.equal(filled[known > 0], image[known > 0])


def test_a_ramp_is_continued_across_the_hole():
    image = ramp()
    known = torch.ones(60, 80)
    known[20:40, 30:55] = 0
    broken = torch.where(known[..., None] > 0, image, torch.rand_like(image))
    assert (smooth_fill(broken, known, relax=60) - image).abs().max() < 0.06


def test_nothing_known_does_not_fail():
    assert torch.isfinite(smooth_fill(torch.rand(20, 20, 3), torch.zeros(20, 20))).all()


def test_blur_keeps_the_mean_and_flat_pictures():
    assert torch.allclose(blur(torch.full((9, 7, 3), 0.4), 3.0), torch.tensor(0.4), atol=1e-5)


def test_grain_has_the_pictures_strength_and_its_place():
    generator = torch.Generator().manual_seed(0)
    image = 0.5 + 0.01 * torch.randn(64, 64, 3, generator=generator)
    where = torch.zeros(64, 64)
    where[:, 32:] = 1
    out = add_grain(torch.full((64, 64, 3), 0.5), image, where, 1 - where, 1.0)
    assert (out[:, :32] == 0.5).all()
    assert 0.003 < out[:, 32:].std().item() < 0.03


def test_layer_over_plate_is_the_picture():
    picture = torch.rand(64, 64, 3)
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    matte = torch.sigmoid((20 - ((x - 32) ** 2 + (y - 40) ** 2).sqrt()) / 2)
    layer, plate = split_layers(picture, matte, 3.0)
    assert (layer[:3] + (1 - layer[3:]) * plate - picture.permute(2, 0, 1)).abs().max() < 1e-5
    far = matte < 1e-4
    corner = (x < 5) & (y < 5)
    assert torch.equal(plate.permute(1, 2, 0)[far & corner], picture[far & corner])


def test_a_picture_without_background_is_all_person():
    picture = torch.rand(32, 32, 3)
    layer, _ = split_layers(picture, torch.ones(32, 32), 3.0)
    assert (layer[3] == 1).all()
    assert torch.equal(layer[:3], picture.permute(2, 0, 1))

"""Reading pictures between their pixels."""

import pytest
import torch
import torch.nn.functional as F

from emotalker.frames import sampling
from emotalker.frames.sampling import Box, Texture, sample


@pytest.fixture
def picture():
    return torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(0))


def places(picture, dx, dy):
    x, y = Box(0, 0, picture.shape[2], picture.shape[1]).pixel_centres(picture.device)
    return x[None] + dx, y[None] + dy


def test_what_is_read_in_place_is_the_picture(picture):
    assert torch.allclose(Texture(picture).at(*places(picture, 0, 0))[0], picture, atol=1e-5)


def test_halfway_between_pixels_it_is_the_bicubic_value_and_keeps_more_than_the_bilinear(picture):
    x, y = places(picture, 0.5, 0)
    grid = torch.stack([x * (2 / 30) - 1, y * (2 / 20) - 1], -1)
    bicubic = F.grid_sample(picture[None], grid, mode="bicubic", padding_mode="border", align_corners=False)
    ours = Texture(picture).at(x, y)
    assert torch.allclose(ours[..., :-2], bicubic[..., :-2], atol=1e-5)
    assert ours.std() > 1.1 * sample(picture, x, y).std()


def test_a_part_is_read_as_the_whole_is_where_its_box_holds(picture):
    box = Box(5, 4, 17, 15)
    part = Texture(picture[:, box.slices[0], box.slices[1]])
    x, y = places(picture, 0.3, -0.4)
    held = box.holds(x, y)
    assert 50 < held.sum() < 12 * 11
    whole, own = Texture(picture).at(x, y), part.at(x - box.x0, y - box.y0)
    assert torch.allclose(whole.movedim(1, -1)[held], own.movedim(1, -1)[held], atol=1e-4)


def test_large_and_tiny_pictures_are_read_bilinearly(picture, monkeypatch):
    monkeypatch.setattr(sampling, "SHARP_PIXELS", 100)
    x, y = places(picture, 0.3, 0.2)
    assert torch.equal(Texture(picture).at(x, y), sample(picture, x, y))
    line = picture[:, :1]
    assert torch.equal(Texture(line).at(x[:, :1], y[:, :1]), sample(line, x[:, :1], y[:, :1]))

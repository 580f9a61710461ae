"""What was painted on a crop comes back to its place, and fades out at the crop's edge."""

import torch

from emotalker.face.crop import cut
from emotalker.frames.paste_back import EDGE, spread

SIDE = 32


def matrices(x=10.0, y=14.0, scale=1.0):
    return torch.tensor([[[scale, 0.0, x], [0.0, scale, y]]])


def test_a_crop_comes_back_to_its_pixels():
    crop = torch.rand(1, 3, SIDE, SIDE)
    box, back = spread(crop, matrices(), (64, 64))
    assert (box.x0, box.y0, box.size) == (10, 14, (SIDE, SIDE))
    inner = slice(4, SIDE - 4)
    assert torch.allclose(back[:, :, inner, inner], crop[:, :, inner, inner], atol=1e-4)


def test_it_fades_to_nothing_at_the_edge():
    _, back = spread(torch.ones(1, 1, SIDE, SIDE), matrices(), (64, 64))
    line = back[0, 0, SIDE // 2]
    assert line[0] < 0.25 and line[-1] < 0.25
    assert (line.diff()[: SIDE // 2] >= -1e-6).all() and line[int(EDGE * SIDE) + 1] > 0.99


def test_larger_and_turned_crops_are_the_inverse_of_cutting():
    turned = torch.tensor([[[1.6, -0.5, 30.0], [0.5, 1.6, 12.0]]])
    y, x = torch.meshgrid(torch.arange(120.0), torch.arange(120.0), indexing="ij")
    picture = torch.stack([x, y])[None] / 120
    crop = cut(picture, turned, 48)
    box, back = spread(crop, turned, (120, 120))
    middle = turned[0] @ torch.tensor([24.0, 24.0, 1.0])
    at = middle.round().int().tolist()
    here = back[0, :, at[1] - box.y0 - 3 : at[1] - box.y0 + 3, at[0] - box.x0 - 3 : at[0] - box.x0 + 3]
    there = picture[0, :, at[1] - 3 : at[1] + 3, at[0] - 3 : at[0] + 3]
    assert torch.allclose(here, there, atol=5e-3)


def test_a_crop_that_reaches_over_the_picture_is_clipped():
    box, back = spread(torch.ones(1, 1, SIDE, SIDE), matrices(-12.0, 50.0), (64, 64))
    assert box.x0 == 0 and box.y1 == 64 and back.shape[2:] == box.size

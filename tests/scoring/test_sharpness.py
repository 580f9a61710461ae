"""Sharpness falls with blur, and with nothing else."""

import pytest
import torch
from torch.nn.functional import avg_pool2d

from emotalker.picture import load_image
from emotalker.scoring.sharpness import Sharpness, _blur


@pytest.fixture(scope="module")
def face(pytestconfig, finder):
    """[1, H, W, 3] and landmarks [1, 478, 3]."""
    image = load_image(pytestconfig.rootpath / "samples" / "emotalker_portrait.png")
    return image[None], finder.find(image)[0].landmarks[None]


def blurred(image: torch.Tensor, sigma: float) -> torch.Tensor:
    return _blur(image.permute(3, 0, 1, 2), sigma).permute(1, 2, 3, 0)


def test_blur_lowers_it_step_by_step(face):
    image, landmarks = face
    sharpness = Sharpness(image[0], landmarks[0])
    values = [float(sharpness.see(image, landmarks))]
    values += [float(sharpness.see(blurred(image, sigma), landmarks)) for sigma in (0.5, 1, 2, 4)]
    assert values[0] == pytest.approx(1, abs=1e-3)
    assert values == sorted(values, reverse=True)
    assert values[2] < 0.85
    assert values[4] < 0.4


def test_contrast_brightness_and_kind_do_not_matter(face):
    image, landmarks = face
    sharpness = Sharpness(image[0], landmarks[0])
    assert sharpness.see(image * 0.5 + 0.2, landmarks) == pytest.approx(1, abs=0.01)
    assert sharpness.see((image * 255).round().byte(), landmarks) == pytest.approx(1, abs=0.03)


def test_a_smaller_video_of_the_same_face_is_as_sharp_and_an_enlarged_one_of_few_pixels_is_not(face):
    image, landmarks = face
    half = avg_pool2d(image.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
    small = (landmarks - 0.5) / 2
    assert Sharpness(image[0], landmarks[0]).see(half, small) == pytest.approx(1, abs=0.1)
    coarse = half.repeat_interleave(2, 1).repeat_interleave(2, 2)
    soft = blurred(coarse, 1.0)
    assert Sharpness(image[0], landmarks[0]).see(soft, landmarks) < 0.8


def test_a_picture_without_detail_has_none(face):
    image, landmarks = face
    flat = torch.full_like(image, 0.5)
    assert Sharpness(image[0], landmarks[0]).see(flat, landmarks) == pytest.approx(0, abs=1e-3)

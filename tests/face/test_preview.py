"""The preview marks the chosen face and numbers all of them, and leaves the rest of the picture as it is."""

from pathlib import Path

import pytest
import torch

from emotalker.face.portrait import Portrait
from emotalker.face.preview import CHOSEN, OTHER, draw_preview
from emotalker.picture import load_image

PICTURE = Path(__file__).resolve().parent.parent.parent / "samples" / "emotalker_portrait.png"


def has_colour(image, colour):
    return ((image * 255 - torch.tensor(colour)).abs().amax(-1) < 1).any()


@pytest.fixture(scope="module")
def pair():
    """The sample twice side by side, the second smaller."""
    image = load_image(PICTURE)
    small = torch.nn.functional.interpolate(image.permute(2, 0, 1)[None], scale_factor=0.75, mode="bilinear")[0].permute(
        1, 2, 0
    )
    both = torch.full((512, 896, 3), 0.5)
    both[:, :512], both[:384, 512:] = image, small
    return both


@pytest.mark.parametrize("index", [0, 1])
def test_the_chosen_face_is_marked_and_the_other_numbered(pair, index):
    preview = draw_preview(Portrait.from_image(pair, index))
    assert preview.shape == pair.shape
    halves = [preview[:, :512], preview[:, 512:]]
    assert has_colour(halves[index], CHOSEN) and not has_colour(halves[1 - index], CHOSEN)
    assert has_colour(halves[1 - index], OTHER)


def test_what_is_not_marked_stays(pair):
    preview = draw_preview(Portrait.from_image(pair, 0))
    assert (preview[400:, 700:] - pair[400:, 700:]).abs().max() < 1 / 255
    assert (preview[60:180, 170:280] - pair[60:180, 170:280]).abs().mean() > 0.02

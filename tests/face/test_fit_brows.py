"""Brows come down whole."""

import pytest
import torch

from emotalker.arkit import UNIT_INDEX
from emotalker.face.fit_brows import _LOWER, _UPPER
from emotalker.face.portrait import Portrait
from emotalker.picture import load_image


@pytest.fixture(scope="module")
def fitted(request):
    return Portrait.from_image(load_image(request.config.rootpath / "samples" / "emotalker_portrait.png")).fitted


def weights(**units):
    result = torch.zeros(1, len(UNIT_INDEX))
    for name, value in units.items():
        for side in ("Left", "Right"):
            result[0, UNIT_INDEX[name + side]] = value
    return result


@pytest.mark.parametrize("units", [{"browDown": 1.0, "noseSneer": 0.3}, {"browDown": 0.6, "noseSneer": 1.0}])
def test_a_frowning_brow_keeps_its_height(fitted, units):
    up = fitted.axes[1]
    rest, moved = fitted.landmarks(fitted.rest), fitted.landmarks(fitted.deform(weights(**units))[0])
    for upper, lower in zip(_UPPER, _LOWER, strict=True):
        height = [(points[list(upper)] - points[list(lower)]) @ up for points in (rest, moved)]
        assert (height[1] / height[0])[1:-1].min() >= 0.85
        assert (height[1].sum() / height[0].sum()) >= 0.9


def test_frowning_brows_come_down_but_not_onto_the_lid(fitted):
    up = fitted.axes[1]
    rest, moved = fitted.landmarks(fitted.rest), fitted.landmarks(fitted.deform(weights(browDown=1.0))[0])
    for side, lid in ((0, 159), (1, 386)):
        middle = _LOWER[side][2]
        room = [float((points[middle] - points[lid]) @ up) for points in (rest, moved)]
        assert 0.25 * room[0] < room[1] < 0.9 * room[0]

"""The preservation rule against its formula, and the weight M that it works with."""

import pytest
import torch

from emotalker.diffusion import noising
from emotalker.frames.guide import MAPS
from emotalker.frames.preservation import FREE, IDENTITY, LINES, identity_weight, moving, paintable, preserve, with_texture


@pytest.fixture
def state():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 3, 4, 4, generator=generator) for _ in range(3)]


@pytest.mark.parametrize("step", [799, 250, 0])
@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0])
def test_it_is_the_formula(state, step, ratio):
    estimate, anchor, noise = state
    weight = torch.linspace(0, 1, 32).view(2, 1, 4, 4)
    signal = noising().alphas_cumprod[step]
    known = signal.sqrt() * anchor + (1 - signal).sqrt() * noise
    expected = (1 - ratio * weight) * estimate + ratio * weight * known
    assert torch.allclose(preserve(estimate, anchor, noise, step, ratio, weight), expected, atol=1e-5)


def test_without_noise_a_ratio_of_one_is_the_anchor(state):
    estimate, anchor, noise = state
    assert torch.equal(preserve(estimate, anchor, noise, -1, 1.0, torch.ones(2, 1, 4, 4)), anchor)
    assert torch.equal(preserve(estimate, anchor, noise, -1, 0.0, torch.ones(2, 1, 4, 4)), estimate)


def test_what_is_kept_before_the_ratio_is_one_is_the_anchor(state):
    estimate, anchor, noise = state
    kept = preserve(estimate, anchor, noise, -1, 0.5, torch.full((2, 1, 4, 4), 3.0))
    assert torch.equal(kept, anchor)


def maps(**shares):
    """[1, 8, 16, 16]: each named map is 1 in the rows and columns given."""
    values = torch.zeros(1, len(MAPS), 16, 16)
    for name, (rows, columns) in shares.items():
        values[0, MAPS.index(name), rows, columns] = 1
    return values


def test_mouth_and_eyes_are_free_and_what_lies_beside_the_face_is_not():
    weight = identity_weight(maps(face=(slice(4, 14), slice(4, 14)), mouth=(slice(10, 12), slice(8, 10))))[0, 0]
    assert weight[11, 9] == pytest.approx(FREE)
    assert weight[5, 5] == pytest.approx(IDENTITY)
    assert weight[0, 0] == weight[15, 0] == 1


def test_own_teeth_are_kept_from_half_the_ratio_on():
    shown = maps(face=(slice(4, 14), slice(4, 14)), mouth=(slice(10, 12), slice(6, 10)))
    own = shown[:, MAPS.index("mouth") :][:, :1] * (torch.arange(16) < 8)
    kept = 0.5 * identity_weight(shown, own)[0, 0, 11, 6:10]
    assert (kept[:2] >= 1).all() and (kept[2:] < 0.1).all()


def test_what_moves_is_mouth_eyes_and_lids_with_their_surroundings():
    shown = maps(face=(slice(0, 16), slice(0, 16)), mouth=(slice(10, 12), slice(6, 10)), lids=(slice(2, 3), slice(3, 5)))
    share = moving(shown)[0, 0]
    assert share[11, 8] == share[2, 4] == 1 and share[10, 11] > 0.6 and share[6, 14] == 0


def test_skin_keeps_its_texture_and_takes_shadows_and_the_mouth_takes_all():
    shown = maps(face=(slice(0, 16), slice(0, 16)), mouth=(slice(10, 12), slice(7, 9)))
    grain = torch.ones(1, 3, 64, 64)
    grain[..., ::2, :] = -1
    mouth, skin = (0, 0, slice(42, 46), slice(29, 34)), (0, 0, slice(6, 16), slice(6, 58))
    fine = with_texture(grain, shown, 0.0)
    assert torch.equal(fine[mouth], grain[mouth]) and fine[skin].abs().max() < 0.4
    shadow = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)
    assert torch.allclose(with_texture(shadow, shown, 0.0)[skin], shadow[skin], atol=1e-3)


def test_lips_keep_lines_as_the_ratio_rises_and_mouths_and_eyes_do_not():
    shown = maps(face=(slice(0, 16), slice(0, 16)), mouth=(slice(8, 12), slice(5, 11)), eyes=(slice(1, 3), slice(7, 9)))
    grain = torch.ones(1, 3, 64, 64)
    grain[..., ::2, :] = -1
    painted, soft = with_texture(grain, shown, 0.5), with_texture(grain, maps(face=(slice(0, 16), slice(0, 16))), 0.0)
    for inside in ((0, 0, slice(6, 10), slice(29, 34)), (0, 0, slice(38, 42), slice(29, 34))):
        assert torch.allclose(painted[inside], grain[inside], atol=1e-4)
    lips = (0, 0, slice(53, 55), slice(29, 34))
    assert torch.allclose(painted[lips], torch.lerp(grain, soft, 0.5 * LINES)[lips], atol=0.06)
    assert torch.allclose(with_texture(grain, shown, 0.75)[lips], soft[lips], atol=0.06)


def test_only_the_face_can_be_painted_and_its_edge_is_soft():
    share = paintable(maps(face=(slice(5, 14), slice(5, 14)), mouth=(slice(10, 12), slice(8, 10))))[0, 0]
    assert share[9, 9] == pytest.approx(1) and share[0, 0] == 0
    assert share[9].diff().abs().max() < 0.3

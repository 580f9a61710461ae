"""The frame denoiser: exact rearrangement, conditions that count, and none that counts when it is left out."""

from dataclasses import replace

import pytest
import torch

from emotalker.frames.denoiser import (
    BLOCK,
    EAR,
    GRID,
    MOTION,
    STATE,
    FrameDenoiser,
    FrameShape,
    PaintConditions,
    fine,
    silence,
    to_change,
    to_state,
)  # fmt: skip
from emotalker.frames.guide import MAPS

TINY = FrameShape(size=64, channels=(16, 16, 32, 32), tokens=32)


def conditions(count=2, size=64):
    generator = torch.Generator().manual_seed(1)

    def draw(*shape):
        return torch.rand(*shape, generator=generator)

    return PaintConditions(
        draw(count, 3, size, size), draw(count, 3, size, size), draw(count, len(MAPS), size // BLOCK, size // BLOCK),
        draw(count, EAR, 17), torch.ones(count), draw(count, 8), draw(count, MOTION), draw(count, 52), draw(count, 52),
        torch.ones(count), torch.zeros(count, 2),
    )  # fmt: skip


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = FrameDenoiser(TINY).eval().requires_grad_(False)
    for last in (model.unet.conv_out, model.known[-1], model.drift):
        torch.nn.init.normal_(last.weight, std=0.1)  # they begin at zero
    return model


def test_the_residual_is_exact():
    truth, guide = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    state = to_state(truth, guide)
    assert state.shape == (2, STATE, 16, 16)
    assert torch.allclose(guide + to_change(state), truth, atol=1e-6)


def test_shape_and_repeatability(model):
    noisy = torch.randn(2, STATE, 16, 16)
    first = model(noisy, torch.tensor([10, 900]), conditions())
    assert first.shape == noisy.shape and first.isfinite().all()
    assert torch.equal(first, model(noisy, torch.tensor([10, 900]), conditions()))


@pytest.mark.parametrize("name", ["guide", "portrait", "maps", "speech", "strengths", "motion", "own", "taken"])
def test_every_condition_counts(model, name):
    noisy, step = torch.randn(2, STATE, 16, 16), torch.tensor(500)
    changed = conditions()
    getattr(changed, name).add_(0.5)
    assert not torch.allclose(model(noisy, step, conditions()), model(noisy, step, changed), atol=1e-5)


def test_what_is_left_out_does_not_count(model):
    noisy, step = torch.randn(2, STATE, 16, 16), torch.tensor(500)
    plain, changed = conditions(), conditions()
    for some in (plain, changed):
        some.steer.zero_()
    for name in ("speech", "strengths", "motion"):
        getattr(changed, name).add_(0.5)
    assert torch.equal(model(noisy, step, plain), model(noisy, step, changed))
    both = conditions().unsteered()
    assert both.steer.tolist() == [1, 1, 0, 0] and len(both.guide) == 4


def test_a_frame_without_sound_does_not_hear(model):
    noisy, step = torch.randn(2, STATE, 16, 16), torch.tensor(500)
    deaf, other = conditions(), conditions()
    deaf.heard.zero_(), other.heard.zero_()
    other.speech.add_(0.5)
    assert torch.equal(model(noisy, step, deaf), model(noisy, step, other))
    assert silence().shape == (EAR, 17) and silence()[:, 0].min() == 1


def test_conditions_can_be_taken_away_for_good():
    shape = FrameShape(size=64, channels=(16, 16, 32, 32), tokens=32, without=("speech",))
    torch.manual_seed(0)
    model = FrameDenoiser(shape).eval()
    torch.nn.init.normal_(model.unet.conv_out.weight, std=0.1)
    noisy, step, other = torch.randn(2, STATE, 16, 16), torch.tensor(500), conditions()
    other.speech.add_(0.5)
    assert torch.equal(model(noisy, step, conditions()), model(noisy, step, other))
    assert FrameShape(**shape.to_dict()) == shape


def test_the_drift_moves_the_guide():
    model = FrameDenoiser(TINY).eval()
    told = conditions()
    assert model.drift_of(told).abs().max() == 0  # before it is fitted
    model.drift.bias[: GRID * GRID] = 4  # read 4 pixels further right
    moved = told.drifted(fine(model.drift_of(told)))
    assert torch.allclose(moved.guide[..., :-4], told.guide[..., 4:], atol=1e-4) and moved.portrait is told.portrait


def test_a_window_drifts_like_its_place_in_the_crop(model):
    told = conditions()
    whole = model.drift_of(told)
    window = replace(told, maps=told.maps[..., 4:12, 8:16], corner=torch.tensor([[32.0, 16.0]]).expand(2, -1))
    assert torch.allclose(model.drift_of(window), whole[..., 4:12, 8:16], atol=1e-5)
    told.steer.zero_()
    assert model.drift_of(told).abs().max() == 0


@pytest.mark.parametrize(
    "wrong", [{"layers": 10**9}, {"size": 10**5000}, {"channels": [16] * 99}, {"tokens": "32"}, {"size": -1}]
)
def test_nonsense_is_refused_before_a_network_of_it_is_built(wrong):
    with pytest.raises(ValueError, match="its shape h"):
        FrameShape(**wrong)

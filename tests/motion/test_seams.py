import pytest
import torch

from emotalker.motion.denoiser import CHANNELS, MotionDenoiser, Shape
from emotalker.motion.seams import FADE, GAZE, GAZE_FADE, Joiner


@pytest.fixture(scope="module")
def model():
    return MotionDenoiser(Shape(width=8, layers=1, heads=1, speech_width=4))


@pytest.fixture(scope="module")
def steady(model):
    """Channels that are blurred."""
    return model.blurs.amax((1, 2)) < 1


def test_without_given_frames_an_estimate_is_only_blurred(model):
    clean = torch.randn(2, 60, CHANNELS, generator=torch.Generator().manual_seed(0))
    joined = Joiner(model.blurs, torch.zeros(2, 60), torch.zeros(2, 60, CHANNELS))(clean)
    assert torch.allclose(joined, model.steady(clean), atol=1e-5)


def test_given_frames_stay_and_their_neighbours_go_on_from_them(model, steady):
    clean, known, given = torch.zeros(2, 90, CHANNELS), torch.zeros(2, 90, CHANNELS), torch.zeros(2, 90)
    given[:, :20] = 1
    given[1, 80:] = 1
    known[:, :20], known[1, 80:] = 1.0, -2.0
    joined = Joiner(model.blurs, given, known)(clean)
    assert (joined[:, :20] == 1).all() and (joined[1, 80:] == -2).all()
    assert joined[:, 20].min() > 0.7 and joined[1, 79].max() < -1.4
    assert joined[0, 75:].abs().max() < 0.01 and joined.diff(dim=1).abs().max() < 0.6
    quick = ~steady
    quick[list(GAZE)] = False
    assert joined[0, 20 + round(3 * FADE) :, quick].abs().max() < 0.02 < joined[0, 29, ~quick].min()
    assert joined[0, 20 + round(3 * GAZE_FADE) :, list(GAZE)].abs().max() < 0.02


def test_steady_motion_goes_on_at_its_speed_whatever_is_estimated_for_given_frames(model, steady):
    place = torch.arange(80.0)
    wave = torch.sin(place / 8)[None, :, None].expand(1, -1, CHANNELS)
    given = torch.zeros(1, 80)
    given[:, :30] = given[:, 70:] = 1
    known = wave * given[..., None]
    # An estimate that is right but for a shift and a slope; of the given frames it says nothing of use.
    clean = torch.where(given[..., None] > 0, 7.0, wave + 0.4 - 0.01 * (place - 30)[:, None])
    joined = Joiner(model.blurs, given, known)(clean)[..., steady]
    bend = joined.diff(n=2, dim=1).abs()
    most = wave.diff(n=2, dim=1).abs().max()
    assert bend[:, 26:32].max() < 1.5 * most and bend[:, 66:72].max() < 1.5 * most
    assert (joined - wave[..., steady])[:, 30:33].abs().max() < 0.05


@pytest.mark.parametrize("free", [(0, 1), (9, 10), (3, 5), (0, 10)])
def test_any_pattern_of_given_frames(model, free):
    given = torch.ones(1, 10)
    given[:, slice(*free)] = 0
    known = given[..., None] * torch.ones(1, 10, CHANNELS)
    joined = Joiner(model.blurs, given, known)(torch.full((1, 10, CHANNELS), 0.5))
    assert (joined[given > 0] == 1).all()
    assert joined.min() > 0.49 and joined.max() < 1.01  # between the estimate and what is given

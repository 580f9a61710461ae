import pytest
import torch

from emotalker.emotion.track import EmotionTrack
from emotalker.errors import UserError
from emotalker.motion import take
from emotalker.motion.motion import Motion
from emotalker.motion.redo import fit_take, misfit, range_of, splice
from emotalker.motion.take import make_take
from emotalker.training.motion.performance import perform

NONE = EmotionTrack()
FPS = 30.0


@pytest.fixture(scope="module")
def speech(talk):
    return talk(10.0)


@pytest.fixture
def shown(monkeypatch):
    """What the model, for which the rules stand in, is shown of a kept take; it goes on from it without a jump."""
    seen = []

    def draw(model, features, emotion, seed, settings, keep=None, redo=None, on_progress=None):
        made = perform(features, emotion, seed)
        if keep is None:
            return made
        seen.append(keep)
        return splice(keep, made, redo)

    monkeypatch.setattr(take, "draw_motion", draw)
    return seen


def both(motion: Motion) -> tuple[torch.Tensor, torch.Tensor]:
    return motion.units, motion.head


@pytest.mark.parametrize("fps", [25.0, FPS])
def test_only_the_range_is_new_and_it_joins_without_a_jump(shown, speech, fps):
    first = make_take(None, speech, NONE, 1, fps=fps)
    again = make_take(None, speech, EmotionTrack.constant(sad=1.0), 2, fps=fps, keep=first, redo=(4.0, 6.0))
    a, b = round(4 * fps), round(6 * fps)
    assert (again.fps, len(again)) == (fps, len(first))
    drawn = make_take(None, speech, EmotionTrack.constant(sad=1.0), 2, fps=fps)
    for old, new, wanted, more in zip(both(first), both(again), both(drawn), (0.2, 0.5), strict=True):
        assert torch.equal(new[:a], old[:a]) and torch.equal(new[b:], old[b:])
        assert (new[a + 5 : b - 5] - old[a + 5 : b - 5]).abs().max() > 0.2
        fastest = max(float(curves.diff(dim=0).abs().max()) for curves in (old, wanted))
        assert new[a - 1 : b + 1].diff(dim=0).abs().max() < fastest + more
    assert again.metadata["redone"] == "4 to 6 s with seed 2" and again.metadata["seed"] == first.metadata["seed"]
    third = make_take(None, speech, NONE, 3, fps=fps, keep=again, redo=(0.0, None))
    assert third.metadata["redone"] == "4 to 6 s with seed 2; 0 to 10 s with seed 3"


def test_the_model_is_shown_a_take_without_its_gains(shown, speech):
    natural = make_take(None, speech, NONE, 1)
    small = make_take(None, speech, NONE, 1, mouth=0.5, head=0.5, fps=FPS)
    again = make_take(None, speech, NONE, 1, mouth=0.5, head=0.5, fps=FPS, keep=small, redo=(3.0, 5.0))
    (context,) = shown
    assert context.fps == 25.0 and len(context) == len(natural)
    assert (context.head - natural.head).abs().max() < 0.8 < (small.head.abs().amax(0) - natural.head.abs().amax(0)).abs().max()
    # one seed with the same gains: what is drawn again is what was there, at the take's size and not at a quarter
    assert (again.head - small.head).abs().max() < 0.5
    assert (again.units - small.units).abs().mean() < 0.01


def test_other_gains_act_in_the_range_alone(shown, speech):
    first = make_take(None, speech, NONE, 1)
    still = make_take(None, speech, NONE, 1, head=0.0, keep=first, redo=(4.0, 8.0))
    assert still.head[125:175].abs().max() == 0 and torch.equal(still.head[200:], first.head[200:])
    assert still.head[99:126, :3].diff(dim=0).abs().max() < 1.0  # degrees a frame: it comes to rest


@pytest.mark.parametrize(("seconds", "fps"), [(10.0, 60.0), (12.5, 60.0), (4.0, 24.0), (10.0, 25.0)])
def test_a_take_of_any_length_and_rate_is_fitted(speech, seconds, fps):
    count = round(seconds * fps)
    captured = Motion(torch.linspace(0, 1, count)[:, None].expand(-1, 52), torch.zeros(count, 6), fps)
    fitted = fit_take(captured, speech, 25.0)
    assert (fitted.fps, len(fitted)) == (25.0, 250)
    end = min(1.0, 10.0 / seconds)
    assert fitted.units[-1, 0] == pytest.approx(end, abs=0.01)
    assert fitted.units[round(25 * min(seconds, 10.0)) // 2, 0] == pytest.approx(end / 2, abs=0.01)
    said = misfit(captured, speech)
    assert said is None if seconds == 10.0 else ("held" if seconds < 10 else "cut") in said


def test_a_take_drawn_for_the_speech_fits_without_a_word(shown, talk):
    for seconds in (0.02, 0.5, 3.33):
        for fps in (24.0, 25.0, 30.0, 60.0):
            made = make_take(None, talk(seconds), NONE, 1, fps=fps)
            assert misfit(made, talk(seconds)) is None
            assert torch.equal(fit_take(made, talk(seconds), fps).units, made.units)


@pytest.mark.parametrize(
    ("redo", "words"),
    [
        ((10.0, None), "redo_start is 10 s, outside a speech of 10.00 s"),
        ((-1.0, 2.0), "redo_start is -1 s"),
        ((2.0, 1.0), "redo_end is 1 s, and the range begins at 2 s"),
        ((2.0, 2.05), "redo_end is 2.05 s"),
        ((float("nan"), 2.0), "redo_start"),
    ],
)
def test_a_range_that_makes_no_sense_is_told(speech, redo, words):
    with pytest.raises(UserError, match=words):
        range_of(redo, speech)


def test_an_end_behind_the_speech_is_the_speechs(speech):
    assert range_of((9.0, 99.0), speech) == (9.0, 10.0) == range_of((9.0, None), speech)


def test_a_take_without_frames_is_told(speech):
    with pytest.raises(UserError, match="no frames"):
        fit_take(Motion(torch.zeros(0, 52), torch.zeros(0, 6), 25.0), speech, 25.0)

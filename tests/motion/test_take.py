import pytest
import torch

from emotalker.arkit import UNIT_INDEX
from emotalker.emotion.track import EmotionTrack, Segment
from emotalker.motion import take
from emotalker.motion.blend import lip_gap
from emotalker.motion.settle import settle_eyes
from emotalker.motion.take import lay_steered, make_take
from emotalker.training.motion.performance import perform


@pytest.fixture(scope="module")
def speech(talk):
    return talk(12.0)


@pytest.fixture
def drawn(monkeypatch, speech):
    """The rules stand in for a trained model: what is drawn is their performance without anything steered."""

    def draw(model, features, emotion, seed, settings, on_progress):
        felt = tuple(Segment(s.start, s.end, s.strengths, s.easing, s.fade) for s in emotion.segments)
        return perform(features, EmotionTrack(felt), seed)

    monkeypatch.setattr(take, "draw_motion", draw)
    return perform(speech, EmotionTrack(), 1)


def steering(**units: float) -> EmotionTrack:
    return EmotionTrack((Segment(units=units),))


def test_without_anything_to_do_a_take_is_what_was_drawn_with_its_eyes_settled(drawn, speech):
    made, settled = make_take(None, speech, EmotionTrack(), 1), settle_eyes(drawn)
    assert torch.equal(made.units, settled.units) and torch.equal(made.head, drawn.head)


def test_steered_units_show_and_lips_still_meet(drawn, speech):
    for name in ("browOuterUpLeft", "mouthSmileLeft", "cheekPuff", "eyeLookUpLeft"):
        made = make_take(None, speech, steering(**{name: 1.0}), 1)
        index = UNIT_INDEX[name]
        assert (made.units[20:-20, index] - drawn.units[20:-20, index]).mean() > 0.15, name
    met = lip_gap(drawn.units) <= 0
    opened = make_take(None, speech, steering(jawOpen=1.0, mouthUpperUpLeft=1.0, mouthUpperUpRight=1.0), 1)
    sounds = met & (speech.visemes[:, 1] > 0.9)
    assert sounds.sum() > 2 and (lip_gap(opened.units)[sounds] <= 0.05).all()
    assert lip_gap(opened.units).mean() > lip_gap(drawn.units).mean() + 0.1


def test_eyes_closed_by_words_stay_closed_without_blinks(drawn, speech):
    made = make_take(None, speech, steering(eyeBlinkLeft=1.0, eyeBlinkRight=1.0), 1, blink=0.0)
    assert (made.units[20:-20, UNIT_INDEX["eyeBlinkLeft"]] > 0.9).all()


def test_the_expression_gain_holds_for_what_is_steered(drawn, speech):
    made = make_take(None, speech, steering(browInnerUp=1.0), 1, expression=0.0)
    assert made.units[:, UNIT_INDEX["browInnerUp"]].max() == 0


def test_any_frame_rate(drawn, speech):
    made = make_take(None, speech, EmotionTrack(), 1, fps=60)
    assert made.fps == 60 and len(made) == 720
    assert torch.allclose(made.head[30:690:12, 0], drawn.resample(60).head[30:690:12, 0])


def test_a_track_without_units_leaves_motion_alone(drawn, speech):
    assert lay_steered(drawn, speech, EmotionTrack.constant(happy=1.0)) is drawn

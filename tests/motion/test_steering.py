"""Face units named outright reach the face, over any emotion, and speech stays readable under them."""

import pytest
import torch

from emotalker.arkit import FACE_UNITS, UNIT_INDEX
from emotalker.emotion.track import EmotionTrack, Segment
from emotalker.motion.blend import lip_gap
from emotalker.speech.features import VISEME_INDEX
from emotalker.speech.mouth import mouth_units
from emotalker.training.motion.performance import perform

BROW = UNIT_INDEX["browOuterUpLeft"]
RAISED = {"browInnerUp": 0.8, "browOuterUpLeft": 0.8, "browOuterUpRight": 0.8}


def steering(units, start=0.0, end=None, strengths=None, easing="smooth", fade=0.3):
    return EmotionTrack((Segment(start, end, strengths or {}, easing, fade, units),))


def test_raised_eyebrows_hold_and_go(silence):
    quiet = silence(6.0)
    bare = perform(quiet, EmotionTrack(), 0).units[:, BROW]
    units = perform(quiet, steering(RAISED, 2.0, 4.0), 0).units[:, BROW]
    held = (torch.arange(150) / 25 > 2.3) & (torch.arange(150) / 25 < 3.7)
    assert units[held].min() >= 0.79
    assert (units - bare)[:40].abs().max() < 0.01 and (units - bare)[115:].abs().max() < 0.01


@pytest.mark.parametrize("emotion", ["happy", "sad", "angry", "fear", "surprise"])
def test_units_add_to_an_emotion_and_stay_in_range(silence, emotion):
    quiet, strengths = silence(3.0), {emotion: 1.5}
    felt = perform(quiet, EmotionTrack.constant(strengths), 0, blink=0).units
    both = perform(quiet, steering(RAISED, strengths=strengths), 0, blink=0).units
    assert (both[30:, BROW] >= felt[30:, BROW].clamp(max=0.99) - 1e-4).all() and both[30:, BROW].min() > 0.79
    assert both.min() >= 0 and both.max() <= 1
    mouth = [i for i, name in enumerate(FACE_UNITS) if name.startswith("mouth")]
    torch.testing.assert_close(both[:, mouth], felt[:, mouth])


def test_raised_brows_take_back_an_angry_frown(silence):
    angry = perform(silence(3.0), EmotionTrack.constant(angry=1.0), 0).units
    both = perform(silence(3.0), steering(RAISED, strengths={"angry": 1.0}), 0).units
    down = UNIT_INDEX["browDownLeft"]
    assert 0 < both[40:, down].mean() < 0.6 * angry[40:, down].mean()


@pytest.mark.parametrize("fps", [24.0, 25.0, 60.0])
def test_a_wink_closes_one_eye_once_and_briefly(silence, fps):
    track = steering({"eyeBlinkLeft": 1.0}, 1.0, 1.35, {"surprise": 1.0}, fade=0.16)
    units = perform(silence(3.0, fps), track, 0, blink=0).units
    left, right = units[:, UNIT_INDEX["eyeBlinkLeft"]], units[:, UNIT_INDEX["eyeBlinkRight"]]
    shut = left > 0.9
    assert shut.any() and right.max() < 0.4
    assert (shut.int().diff() == 1).sum() == 1 and 0.1 < shut.sum() / fps < 0.45
    assert units[shut][:, UNIT_INDEX["eyeWideLeft"]].max() < 0.15
    assert left[: int(0.8 * fps)].max() < 0.3 and left[int(1.6 * fps) :].max() < 0.3


def test_eyes_look_where_they_are_told(silence):
    track = steering({"eyeLookOutLeft": 0.6, "eyeLookInRight": 0.6})
    for gaze in (0.0, 1.0):
        units = perform(silence(4.0), track, 0, gaze=gaze).units
        assert units[20:, UNIT_INDEX["eyeLookOutLeft"]].mean() > 0.4
        assert units[20:, UNIT_INDEX["eyeLookInLeft"]].max() < 0.1


@pytest.mark.parametrize(
    "units",
    [
        {"mouthPucker": 1.0},
        {"jawOpen": 1.0},
        {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0},
        {"mouthLowerDownLeft": 1.0, "mouthLowerDownRight": 1.0, "mouthUpperUpLeft": 1.0, "mouthUpperUpRight": 1.0},
        {"tongueOut": 1.0, "jawOpen": 0.3},
        {"mouthFunnel": 1.0},
    ],
    ids=lambda units: "+".join(units),
)
def test_lips_still_close_for_speech(talk, units):
    speech = talk(12.0, seed=4)
    motion = perform(speech, steering(units, strengths={"surprise": 1.0}), 0)
    closed = (speech.visemes[:, VISEME_INDEX["PP"]] > 0.8) & (lip_gap(mouth_units(speech)) <= 0.02)
    assert closed.sum() > 5
    assert lip_gap(motion.units)[closed].max() <= 0.03
    assert motion.units[closed, UNIT_INDEX["tongueOut"]].max() < 0.2


@pytest.mark.parametrize("units", [{"mouthPucker": 1.0}, {"mouthPressLeft": 1.0, "mouthPressRight": 1.0}, {"cheekPuff": 1.0}])
def test_held_lips_open_for_vowels(talk, units):
    speech = talk(12.0, seed=4)
    shown = perform(speech, steering(units), 0).units[:, UNIT_INDEX[next(iter(units))]]
    vowels, silent = speech.visemes[:, VISEME_INDEX["aa"]] > 0.5, speech.visemes[:, 0] > 0.5
    assert shown[vowels].mean() < 0.6 * shown[silent].mean()


def test_expression_gain_scales_what_is_steered(silence):
    none, half = (perform(silence(2.0), steering(RAISED), 0, expression=e).units[30:, BROW].mean() for e in (0.0, 0.5))
    assert none == 0 and 0.35 < half < 0.5


@pytest.mark.parametrize("easing", ["step", "linear", "smooth"])
def test_units_come_without_a_pop(silence, easing):
    units = perform(silence(4.0, 60.0), steering(RAISED, 1, 3, easing=easing), 0, blink=0).units
    assert units.diff(dim=0).abs().max() * 60 < 12  # weight per second: a full rise takes 0.08 s or more

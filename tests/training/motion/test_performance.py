import pytest
import torch

from emotalker.arkit import FACE_UNITS, UNIT_INDEX
from emotalker.emotion.taxonomy import EMOTIONS
from emotalker.emotion.track import EmotionTrack, Segment
from emotalker.errors import UserError
from emotalker.motion.blend import lip_gap
from emotalker.speech.analyse import analyse_speech
from emotalker.speech.features import VISEME_INDEX, frame_count
from emotalker.speech.mouth import lip_closure, mouth_units
from emotalker.training.motion.performance import perform
from emotalker.video.audio import read_audio

NONE = EmotionTrack()
MOUTH = [i for i, name in enumerate(FACE_UNITS) if name.startswith(("mouth", "jaw", "tongue"))]


@pytest.fixture(scope="module")
def speech(talk):
    return talk(20.0, seed=4)


@pytest.fixture(scope="module")
def real_speech(shared):
    return analyse_speech(*read_audio(shared / "speech" / "librivox_sense_01_0920.wav"))


def test_same_seed_same_take_and_another_seed_another(speech):
    track = EmotionTrack.constant(happy=0.8)
    one, two, other = perform(speech, track, 3), perform(speech, track, 3), perform(speech, track, 4)
    assert torch.equal(one.units, two.units) and torch.equal(one.head, two.head)
    assert (one.head - other.head).abs().max() > 1


def test_all_gains_zero_mean_no_motion(speech):
    motion = perform(speech, EmotionTrack.constant(angry=1.5), 1, mouth=0, expression=0, head=0, blink=0)
    assert motion.units.abs().max() == 0 and motion.head.abs().max() == 0


def test_each_gain_moves_only_its_own_part(speech):
    track = EmotionTrack.constant(surprise=0.8)
    full = perform(speech, track, 2)
    lids, brows = UNIT_INDEX["eyeBlinkLeft"], UNIT_INDEX["browOuterUpLeft"]
    still = perform(speech, track, 2, head=0)
    assert still.head.abs().max() == 0
    assert torch.equal(still.units[:, MOUTH], full.units[:, MOUTH]) and torch.equal(still.units[:, brows], full.units[:, brows])
    open_eyed = perform(speech, track, 2, blink=0)
    assert open_eyed.units[:, lids].max() < 0.3 and full.units[:, lids].max() > 0.95
    assert torch.equal(open_eyed.head, full.head) and torch.equal(open_eyed.units[:, MOUTH], full.units[:, MOUTH])
    blank = perform(speech, track, 2, expression=0)
    assert blank.units[:, brows].max() == 0 and torch.equal(blank.head, full.head)
    torch.testing.assert_close(blank.units[:, MOUTH], mouth_units(speech, gain=1.0)[:, MOUTH])
    mute = perform(speech, track, 2, mouth=0)
    assert torch.equal(mute.head, full.head) and torch.equal(mute.units[:, brows], full.units[:, brows])
    felt = mute.units[:, UNIT_INDEX["jawOpen"]]
    assert felt[25:].min() > 0.2  # without speech the surprised jaw stays open throughout


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_lips_close_under_any_emotion(speech, emotion):
    motion = perform(speech, EmotionTrack.constant({emotion: 1.5}), 0)
    bare = lip_gap(mouth_units(speech))
    closed = (speech.visemes[:, VISEME_INDEX["PP"]] > 0.8) & (bare <= 0.02)
    assert closed.sum() > 10
    assert lip_gap(motion.units)[closed].max() <= 0.03


@pytest.mark.parametrize("emotion", EMOTIONS[1:])
def test_stronger_emotions_show_more(silence, emotion):
    quiet = silence(4.0)
    levels = [
        perform(quiet, EmotionTrack.constant({emotion: s}), 0, blink=0).units[40:].mean(0) for s in (0.0, 0.3, 0.6, 1.0, 1.5)
    ]
    shown = [level - levels[0] for level in levels]
    for unit in torch.topk(shown[3], 4).indices.tolist():
        curve = torch.stack([level[unit] for level in shown])
        assert (curve.diff() > 0.01).all(), FACE_UNITS[unit]


def test_rounding_and_vowels_stay_readable_in_a_smile(speech):
    smile = UNIT_INDEX["mouthSmileLeft"]
    motion = perform(speech, EmotionTrack.constant(happy=1.0), 0)
    rounded = speech.visemes[:, VISEME_INDEX["ou"]] > 0.5
    silent = speech.visemes[:, 0] > 0.5
    assert motion.units[rounded, smile].mean() < 0.75 * motion.units[silent, smile].mean()


@pytest.mark.parametrize("fps", [24.0, 25.0, 29.97, 30.0, 60.0])
def test_one_seed_is_one_performance_at_any_rate(talk, fps):
    reference, motion = (perform(talk(8.0, rate), EmotionTrack.constant(happy=0.6), 7) for rate in (25.0, fps))
    assert len(motion) == frame_count(8.0, fps)
    again = motion.resample(25.0)
    count = min(len(again), len(reference))
    assert (again.head[:count] - reference.head[:count]).abs().mean() < 0.6
    fast = perform(talk(8.0), EmotionTrack.constant(happy=0.6), 7, fps=fps)
    assert len(fast) == frame_count(8.0, fps) and fast.fps == fps
    assert (fast.resample(25.0).head[:count] - reference.head[:count]).abs().mean() < 0.1


def test_emotions_follow_the_track(silence):
    track = EmotionTrack((Segment(0, 2, {"happy": 1.0}), Segment(2, None, {"sad": 1.0})))
    units = perform(silence(5.0), track, 0).units
    smile, frown = units[:, UNIT_INDEX["mouthSmileLeft"]], units[:, UNIT_INDEX["mouthFrownLeft"]]
    assert smile[30] > 0.4 and frown[30] < 0.05
    assert smile[110] < 0.05 and frown[110] > 0.4


@pytest.mark.parametrize("easing", ["step", "linear", "smooth"])
def test_expressions_come_and_go_without_pops(silence, easing):
    track = EmotionTrack((Segment(1, 3, {"surprise": 1.0}, easing),))
    units = perform(silence(6.0, 60.0), track, 0, blink=0).units
    assert units.diff(dim=0).abs().max() * 60 < 8  # weight per second: a full rise takes 0.12 s or more
    assert units[:20, UNIT_INDEX["browOuterUpLeft"]].max() < 0.15


def test_very_short_sounds(talk, silence):
    for features in (silence(0.02), silence(0.05), talk(0.3)):
        motion = perform(features, EmotionTrack.constant(happy=1.0), 0)
        assert len(motion) == features.frames
        assert torch.isfinite(motion.units).all() and torch.isfinite(motion.head).all()


def test_weights_stay_in_range_at_the_strongest(speech):
    track = EmotionTrack.constant(dict.fromkeys(EMOTIONS, 1.5))
    motion = perform(speech, track, 0, mouth=2, expression=2, head=2, blink=2)
    assert motion.units.min() >= 0 and motion.units.max() <= 1


def test_gains_out_of_range_are_refused(speech):
    with pytest.raises(UserError, match="head gain is 3"):
        perform(speech, NONE, 0, head=3)
    with pytest.raises(UserError, match="blink gain is -1"):
        perform(speech, NONE, 0, blink=-1)


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_lips_close_in_real_speech_under_any_emotion(real_speech, emotion):
    closed = lip_closure(real_speech) > 0.95
    assert closed.sum() >= 5
    motion = perform(real_speech, EmotionTrack.constant({emotion: 1.5}), 0)
    assert lip_gap(motion.units)[closed].max() <= 0.03


def test_head_and_brows_answer_real_speech(real_speech, silence):
    spoken = perform(real_speech, NONE, 0)
    quiet = perform(silence(real_speech.duration), NONE, 0)
    brow = UNIT_INDEX["browOuterUpLeft"]
    assert spoken.units[:, brow].max() > 2 * quiet.units[:, brow].max()
    assert spoken.head[:, :3].diff(dim=0).abs().mean() > 2.5 * quiet.head[:, :3].diff(dim=0).abs().mean()

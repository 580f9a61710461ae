"""What the shipped weights of the motion diffusion promise, on made-up speech features."""

import pytest
import torch

from emotalker.emotion.expression import UNIT_TABLE
from emotalker.emotion.taxonomy import EMOTION_INDEX, EMOTIONS
from emotalker.emotion.track import EmotionTrack
from emotalker.motion.blend import lip_gap
from emotalker.motion.gains import find_blinks
from emotalker.motion.sampling import draw_motion, load_denoiser
from emotalker.speech.mouth import lip_closure


@pytest.fixture(scope="module")
def model():
    return load_denoiser()


@pytest.fixture(scope="module")
def speech(talk):
    return talk(10.0)


def test_lips_close_where_p_b_and_m_are_heard_whatever_is_felt(model, talk):
    speech = talk(30.0, seed=1)
    shut = lip_closure(speech) > 0.99
    for track in (EmotionTrack(), EmotionTrack.constant(surprise=1.0)):
        gap = lip_gap(draw_motion(model, speech, track, 1).units).clamp(min=0)
        lowest = -torch.nn.functional.max_pool1d(-gap[None], 3, 1, 1)[0]  # one frame of grace
        assert shut.sum() > 10
        assert (lowest[shut] < gap.quantile(0.25)).float().mean() >= 0.85
        assert gap.quantile(0.9) > 0.15


@pytest.mark.parametrize("emotion", EMOTIONS[1:])
def test_an_emotion_grows_with_its_strength(model, speech, emotion):
    own = UNIT_TABLE[EMOTION_INDEX[emotion]] >= 0.2
    tracks = [EmotionTrack()] + [EmotionTrack.constant({emotion: strength}) for strength in (0.3, 0.6, 1.0)]
    shown = [float(draw_motion(model, speech, track, 3).units[:, own].mean()) for track in tracks]
    assert shown == sorted(shown) and shown[3] - shown[0] > 0.4 * float(UNIT_TABLE[EMOTION_INDEX[emotion]][own].mean())


def test_seeds_differ_in_head_and_blinks_not_in_what_is_said(model, talk):
    speech = talk(30.0)
    takes = [draw_motion(model, speech, EmotionTrack(), seed) for seed in (0, 1)]
    assert (takes[0].head - takes[1].head)[:, :3].abs().mean() > 1
    gaps = torch.stack([lip_gap(take.units) for take in takes])
    assert torch.corrcoef(gaps)[0, 1] > 0.8
    assert all(2 <= len(find_blinks(take.units, 25.0)) <= 30 for take in takes)


def test_silence_is_a_quiet_living_face(model, silence):
    motion = draw_motion(model, silence(20.0), EmotionTrack(), 2)
    assert lip_gap(motion.units).abs().quantile(0.95) < 0.1
    assert motion.head[:, :3].abs().max() < 12 and motion.head[:, :3].std() > 0.1

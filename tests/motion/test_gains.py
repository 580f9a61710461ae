import pytest
import torch

from emotalker.arkit import FACE_UNITS, UNIT_INDEX
from emotalker.emotion.track import EmotionTrack
from emotalker.errors import UserError
from emotalker.motion.blend import lip_gap
from emotalker.motion.gains import EXPRESSION, MOUTH, apply_gains, find_blinks, undo_gains
from emotalker.motion.motion import Motion
from emotalker.training.motion.performance import perform

LID = UNIT_INDEX["eyeBlinkLeft"]


@pytest.fixture(scope="module")
def speech(talk):
    return talk(40.0)


@pytest.fixture(scope="module")
def motion(speech):
    """Made by the rules: closures, blinks and head movement to turn up and down."""
    return perform(speech, EmotionTrack.constant(happy=0.5), seed=2)


def test_gains_of_one_change_nothing(motion, speech):
    same = apply_gains(motion, speech, 2)
    assert torch.equal(same.units, motion.units) and torch.equal(same.head, motion.head)


def test_each_gain_moves_its_own_part(motion, speech):
    mouth, expression = ([UNIT_INDEX[name] for name in names] for names in (MOUTH, EXPRESSION))
    rest = [i for i in range(52) if i not in mouth + expression]
    close = UNIT_INDEX["mouthClose"]  # makes up for what a gain would part
    for gain, own, others in (("mouth", mouth, expression), ("expression", expression, mouth)):
        changed = apply_gains(motion, speech, 2, **{gain: 0.5})
        own, others = ([i for i in part if i != close] for part in (own, others + rest))
        assert torch.allclose(changed.units[:, own], 0.5 * motion.units[:, own])
        assert torch.equal(changed.units[:, others], motion.units[:, others])
        assert torch.equal(changed.head, motion.head)
    still = apply_gains(motion, speech, 2, head=0.0)
    assert still.head.abs().max() == 0 and torch.equal(still.units, motion.units)
    far = apply_gains(motion, speech, 2, head=2.0).head[:, :3].abs().amax(0)
    assert (far <= torch.tensor([15.0, 10.0, 10.0])).all() and (far > motion.head[:, :3].abs().amax(0)).all()
    assert sorted(MOUTH + EXPRESSION + tuple(FACE_UNITS[i] for i in rest)) == sorted(FACE_UNITS)


@pytest.mark.parametrize("gain", [0.3, 2.0])
def test_lips_that_meet_still_meet(motion, speech, gain):
    met = lip_gap(motion.units) <= 0
    assert met.sum() > 20
    assert (lip_gap(apply_gains(motion, speech, 2, mouth=gain).units)[met] <= 0.02).all()


def test_blinks_go_and_come(motion, speech):
    count = len(find_blinks(motion.units, motion.fps))
    assert count >= 8
    none = apply_gains(motion, speech, 2, blink=0.0)
    assert not find_blinks(none.units, motion.fps) and none.units[:, LID].diff().abs().max() < 0.2
    some = apply_gains(motion, speech, 2, blink=0.5)
    assert 0 < len(find_blinks(some.units, motion.fps)) < count
    more = apply_gains(motion, speech, 2, blink=2.0)
    assert count < len(find_blinks(more.units, motion.fps)) <= 3 * count
    other = [i for i in range(52) if not FACE_UNITS[i].startswith("eye")]
    assert torch.equal(more.units[:, other], motion.units[:, other])


def test_all_gains_zero_mean_no_motion(motion, speech):
    still = apply_gains(motion, speech, 2, mouth=0, expression=0, head=0, blink=0)
    assert still.units.abs().max() == 0 and still.head.abs().max() == 0


def test_gains_are_undone(motion, speech):
    small = apply_gains(motion, speech, 2, mouth=0.5, expression=0.4, head=0.5)
    again = undo_gains(small)
    close = [UNIT_INDEX["mouthClose"]]  # made up for what the gain would have parted
    rest = [i for i in range(52) if i not in close]
    assert torch.allclose(again.units[:, rest], motion.units[:, rest], atol=1e-6)
    assert torch.allclose(again.head[:, 3:], motion.head[:, 3:], atol=1e-6)
    none = apply_gains(motion, speech, 2, head=0.0)
    assert undo_gains(none).head.abs().max() == 0, "what a gain took away stays away"
    captured = Motion(motion.units, motion.head, 25.0, {"source": "table.csv", "head": "a word"})
    assert undo_gains(captured).units.equal(motion.units) and undo_gains(captured).head.equal(motion.head)


def test_a_gain_out_of_range_is_told(motion, speech):
    with pytest.raises(UserError, match="blink gain is 3"):
        apply_gains(motion, speech, 2, blink=3)

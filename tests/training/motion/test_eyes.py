import pytest
import torch

from emotalker.arkit import UNIT_INDEX
from emotalker.motion.blink import CLOSING, MIN_GAP, OPENING, blink_closure, draw_blinks
from emotalker.motion.gaze import GazeShifts, gaze_units
from emotalker.speech.prosody import analyse
from emotalker.training.motion.gaze import draw_gaze, gaze_angles

MINUTES = 20


@pytest.fixture(scope="module")
def prosody(talk):
    return analyse(talk(60.0 * MINUTES))


@pytest.fixture(scope="module")
def shifts(prosody):
    return draw_gaze(prosody, 1)


@pytest.fixture(scope="module")
def blinks(prosody, shifts):
    return draw_blinks(prosody, 1, shifts)


def frame_times(seconds, fps):
    return (torch.arange(round(seconds * fps), dtype=torch.float64) + 0.5) / fps


def test_blink_rate_in_talk_is_that_of_conversation(blinks):
    assert 26 * 0.9 < len(blinks.times) / MINUTES < 26 * 1.1


def test_blink_rate_in_silence_is_that_of_rest(silence):
    quiet = draw_blinks(analyse(silence(60.0 * MINUTES)), 1)
    assert 17 * 0.9 < len(quiet.times) / MINUTES < 17 * 1.1


def test_gain_scales_the_blink_rate(prosody, blinks):
    assert len(draw_blinks(prosody, 1, gain=2.0).times) > 1.6 * len(blinks.times)
    assert len(draw_blinks(prosody, 1, gain=0.5).times) < 0.6 * len(blinks.times)
    assert len(draw_blinks(prosody, 1, gain=0.0).times) == 0


def test_gaps_are_spread_like_a_log_normal(blinks):
    gaps = blinks.times.diff()
    assert gaps.min() >= MIN_GAP
    skew = ((gaps - gaps.mean()) / gaps.std()).pow(3).mean()
    logs = gaps.log()
    log_skew = ((logs - logs.mean()) / logs.std()).pow(3).mean()
    assert skew > 1 and log_skew.abs() < 0.8


def test_blinks_prefer_pauses(prosody, blinks):
    starts = torch.tensor([start for start, _ in prosody.pauses], dtype=torch.float64)
    near = ((blinks.times[:, None] - starts[None]).abs().min(1).values < 0.15).double().mean()
    by_chance = min(1.0, 0.3 * len(starts) / prosody.duration)
    assert near > 2 * by_chance


def test_lids_close_faster_than_they_open(blinks):
    assert blinks.closing.min() >= CLOSING[0] and blinks.closing.max() <= CLOSING[1]
    assert blinks.opening.min() >= OPENING[0] and blinks.opening.max() <= OPENING[1]
    assert (blinks.closing < blinks.opening + 1e-9).all()


@pytest.mark.parametrize("fps", [24.0, 25.0, 29.97, 30.0, 60.0])
def test_every_full_blink_shuts_the_eye_on_some_frame(blinks, fps):
    times = frame_times(60.0 * MINUTES, fps)
    closure = blink_closure(blinks, times)
    for time, depth in zip(blinks.times.tolist(), blinks.depth.tolist(), strict=True):
        peak = closure[(times - time).abs() < 0.06].max()
        assert peak >= 0.95 if depth == 1 else peak >= 0.4
    assert closure.min() >= 0 and closure.max() <= 1
    assert (closure > 0.5).double().mean() < 0.08  # eyes are open most of the time


def test_some_blinks_are_partial(blinks):
    assert 0.05 < (blinks.depth < 1).double().mean() < 0.2


def test_eyes_rest_on_the_viewer_most_of_the_time(shifts):
    angles = gaze_angles(shifts, frame_times(60.0 * MINUTES, 25))
    assert 0.75 < (angles.norm(dim=1) < 3.5).double().mean() < 0.97
    assert angles.abs().max() < 15


def test_looks_away_begin_with_pauses(prosody, shifts):
    away = shifts.times[(shifts.targets.norm(dim=1) > 4)]
    starts = torch.tensor([start for start, _ in prosody.pauses], dtype=torch.float64)
    near = (away[:, None] - starts[None]).abs().min(1).values < 0.05
    assert near.double().mean() > 0.4


def test_saccades_are_short_and_bigger_ones_last_longer():
    times = torch.arange(0, 1, 0.001, dtype=torch.float64)
    lengths = []
    for size in (2.0, 10.0):
        shift = GazeShifts(torch.tensor([0.2], dtype=torch.float64), torch.tensor([[size, 0.0]]))
        yaw = gaze_angles(shift, times)[:, 0]
        lengths.append(((yaw > 0) & (yaw < size)).double().sum().item() / 1000)
        assert yaw[0] == 0 and yaw[-1] == size and (yaw.diff() >= 0).all()
    assert lengths == pytest.approx([0.021 + 0.0022 * 2, 0.021 + 0.0022 * 10], abs=0.002)


def test_eyes_turn_together_and_lids_follow():
    units = gaze_units(torch.tensor([[10.0, 0.0], [0.0, 10.0], [0.0, -10.0]]))
    at = lambda frame, name: units[frame, UNIT_INDEX[name]].item()  # noqa: E731
    assert at(0, "eyeLookOutLeft") == at(0, "eyeLookInRight") > 0.2
    assert at(0, "eyeLookInLeft") == at(0, "eyeLookOutRight") == 0
    assert at(1, "eyeLookUpLeft") == at(1, "eyeLookUpRight") > 0.2 and at(1, "eyeWideLeft") > 0
    assert at(2, "eyeLookDownLeft") == at(2, "eyeLookDownRight") > 0.2 and at(2, "eyeBlinkLeft") > 0

"""A speaker's way of moving his mouth is learned from takes, and closures are sealed."""

import numpy as np
import pytest
import torch

from emotalker.arkit import FACE_UNITS, UNIT_INDEX
from emotalker.motion.blend import lip_gap
from emotalker.motion.denoiser import HEARD
from emotalker.speech.features import VISEME_INDEX
from emotalker.training.motion import mouth
from emotalker.training.motion.corpus import TAKES_SHARD, load_motion_corpus, perform_takes, write_shard


@pytest.fixture(scope="module")
def lips():
    return mouth.LipContour()


@pytest.fixture(scope="module")
def takes():
    """A speaker who opens for aa and rounds for ou, however loud: (heard [T,HEARD], motion [T,58]) of 30 takes."""
    draw, made = np.random.default_rng(0), []
    for _ in range(30):
        sounds = draw.choice([VISEME_INDEX[name] for name in ("sil", "aa", "ou", "PP")], 16).repeat(6)
        heard = torch.zeros(len(sounds), HEARD)
        heard[torch.arange(len(sounds)), torch.from_numpy(sounds)] = 1
        heard[:12] = 0
        heard[:12, 0] = 1
        heard[:, -1] = torch.from_numpy(draw.uniform(0.3, 1, len(sounds)).astype(np.float32))
        motion = torch.zeros(len(sounds), len(FACE_UNITS) + 6)
        motion[:, UNIT_INDEX["jawOpen"]] = 0.3 * heard[:, VISEME_INDEX["aa"]]
        motion[:, UNIT_INDEX["mouthPucker"]] = 0.5 * heard[:, VISEME_INDEX["ou"]]
        made.append((heard, motion))
    return made


def test_units_are_found_that_move_the_contour_as_it_was_seen(lips):
    moved = torch.rand(40, len(mouth.MOVED)) * 0.4
    found = mouth.units_of(moved @ lips.moved, lips)
    error = lips.gap_and_width((found - moved) @ lips.moved)
    assert error.abs().max() < 0.01 and found.min() >= 0


def test_the_jaw_opens_and_a_pucker_narrows(lips):
    jaw = lips.gap_and_width(lips.all[UNIT_INDEX["jawOpen"]])
    pucker = lips.gap_and_width(lips.all[UNIT_INDEX["mouthPucker"]])
    assert jaw[0] > 0.2 and pucker[1] < -0.05


def test_a_teacher_moves_as_its_speaker_and_not_with_loudness(lips, takes, monkeypatch):
    monkeypatch.setattr(mouth, "STEPS", 150)
    heard = [said for said, _ in takes]
    contours = [mouth.tracked_contour(said, motion, lips) for said, motion in takes]
    teacher = mouth.fit_teacher(heard[:25], contours[:25], lips)
    metrics = mouth.measure(teacher, heard[25:], contours[25:], lips)
    assert metrics["gap_correlation"] > 0.9 and metrics["width_correlation"] > 0.8
    assert 0.8 < metrics["gap_size"] < 1.2
    quiet, loud = heard[26].clone(), heard[26].clone()
    quiet[:, -1], loud[:, -1] = 0.3, 1.0
    gaps = [lips.gap_and_width(teacher(part[None])[0] @ lips.moved)[:, 0] for part in (quiet, loud)]
    assert (gaps[0] - gaps[1]).abs().max() < 0.15 * gaps[0].abs().max()


def test_sealed_lips_meet(lips):
    moved = torch.rand(10, len(mouth.MOVED))
    closed = torch.ones(10)
    assert lip_gap(mouth.seal(moved, closed)).max() <= 0.15  # shrugs are left, which do not part lips that are closed
    assert lip_gap(mouth.seal(moved, closed)).max() < lip_gap(mouth.seal(moved, 0 * closed)).max() / 4


def test_tracked_takes_are_performed_with_the_speakers_own_mouth(takes, tmp_path):
    clips = [(heard, heard[:, VISEME_INDEX["PP"]], motion[None], torch.zeros(1, len(heard), 8)) for heard, motion in takes[:4]]
    (tmp_path / "takes").mkdir()
    write_shard(tmp_path / "takes" / "motion_video_a.npz", clips)
    perform_takes(tmp_path / "takes", tmp_path / "out")
    made = load_motion_corpus(tmp_path / "out")
    assert (tmp_path / "out" / TAKES_SHARD).is_file() and len(made.features) == 4
    for features, motion in zip(made.features, made.motion, strict=True):
        jaw = motion[:, :, UNIT_INDEX["jawOpen"]].astype(float).mean(0)
        assert np.corrcoef(jaw, features[:, VISEME_INDEX["aa"]].astype(float))[0, 1] > 0.7

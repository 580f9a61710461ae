"""The contact sheet shows each segment once, where it is fully there, under a caption that says what it is."""

import pytest
import torch

from emotalker.arkit import UNIT_INDEX
from emotalker.emotion.track import EmotionTrack, Segment
from emotalker.frames.sheet import CAPTION, GAP, MOST_POSES, TILE, contact_sheet, key_poses

TRACK = EmotionTrack(
    (Segment(0, 2, {"happy": 0.8}), Segment(2, 4, {"sad": 0.9, "fear": 0.3}), Segment(4, None, {"surprise": 1.0}))
)


def test_one_pose_for_each_segment_where_it_is_fully_there():
    poses = key_poses(TRACK, 6.0)
    assert poses.times == (1.0, 3.0, 5.0) and poses.left_out == 0
    assert poses.captions == (("1.0 s", "happy 0.8"), ("3.0 s", "sad 0.9, fear 0.3"), ("5.0 s", "surprise 1"))
    units = poses.motion.units
    assert units[0, UNIT_INDEX["mouthSmileLeft"]] > 0.4 > units[1, UNIT_INDEX["mouthSmileLeft"]]
    assert units[2, UNIT_INDEX["jawOpen"]] > 0.2


def test_an_empty_timeline_is_the_calm_face():
    poses = key_poses(EmotionTrack(), 6.0)
    assert poses.captions == (("0.0 s", "no emotion"),) and len(poses.motion) == 1


def test_face_units_said_outright_are_shown_and_named():
    track = EmotionTrack((Segment(0, None, {"sad": 0.5}, units={"eyeBlinkLeft": 1.0}),))
    poses = key_poses(track, 2.0)
    assert poses.captions == (("1.0 s", "sad 0.5, eyeBlinkLeft 1"),)
    assert poses.motion.units[0, UNIT_INDEX["eyeBlinkLeft"]] == 1


def test_what_begins_behind_the_end_is_left_out_and_counted():
    poses = key_poses(TRACK, 3.0)
    assert poses.times == (1.0, 2.5) and poses.left_out == 1


def test_too_many_segments_are_thinned_out_and_counted():
    track = EmotionTrack(tuple(Segment(i, i + 1, {"happy": 0.5}) for i in range(60)))
    poses = key_poses(track, 60.0)
    assert len(poses.times) == MOST_POSES and poses.left_out == 60 - MOST_POSES
    assert (poses.times[0], poses.times[-1]) == (0.5, 59.5)


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (4, 4, 1), (6, 3, 2), (24, 6, 4)])
def test_the_sheet_holds_all_faces_and_their_captions(count, columns, rows):
    frames = torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(-1, 40, 40, 3) + 100
    sheet = contact_sheet(frames, (10, 10, 30, 30), (("1.0 s", "happy 0.8, " * 30),) * count)
    assert sheet.shape == (rows * (TILE + CAPTION + GAP) + GAP, columns * (TILE + GAP) + GAP, 3)
    assert sheet.min() >= 0 and sheet.max() <= 1
    for index in range(count):
        x = GAP + index % columns * (TILE + GAP) + TILE // 2
        y = GAP + index // columns * (TILE + CAPTION + GAP) + TILE // 2
        assert sheet[y, x, 0] == pytest.approx((index + 100) / 255)
        assert sheet[y + TILE // 2 + 4 : y + TILE // 2 + CAPTION, x - TILE // 2 : x + TILE // 2].max() > 0.6, "a caption"

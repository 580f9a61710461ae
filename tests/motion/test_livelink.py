import math

import pytest
import torch

from emotalker.errors import UserError
from emotalker.face.arkit import FACE_UNITS, UNIT_INDEX
from emotalker.motion.livelink import ORDER, load_livelink, save_livelink
from emotalker.motion.motion import Motion


@pytest.fixture
def motion() -> Motion:
    torch.manual_seed(0)
    head = torch.randn(130, 6) * 5
    head[:, 3:] = 0
    return Motion(torch.rand(130, 52), head, 25.0)


@pytest.mark.parametrize("fps", [8.0, 12.5, 24.0, 24000 / 1001, 25.0, 30000 / 1001, 30.0, 60000 / 1001, 60.0])
def test_what_is_written_is_read(motion, tmp_path, fps):
    motion.fps = fps
    again = load_livelink(save_livelink(motion, tmp_path / "take.csv"))
    assert again.fps == fps
    assert torch.allclose(again.units, motion.units, atol=1e-6) and torch.allclose(again.head, motion.head, atol=1e-4)


def test_the_table_is_live_link_faces(motion, tmp_path):
    lines = save_livelink(motion, tmp_path / "take.csv").read_text().splitlines()
    header, row = lines[0].split(","), lines[27].split(",")
    assert header[:3] == ["Timecode", "BlendShapeCount", "EyeBlinkLeft"] and header[-1] == "RightEyeRoll"
    assert len(header) == 63 and row[0] == "00:00:01:01.000" and row[1] == "61" and len(lines) == 131
    assert sorted(ORDER) == sorted(FACE_UNITS)
    assert float(row[header.index("JawOpen")]) == pytest.approx(float(motion.units[26, UNIT_INDEX["jawOpen"]]), abs=1e-6)
    assert float(row[header.index("HeadYaw")]) == pytest.approx(math.radians(float(motion.head[26, 0])), abs=1e-6)


def test_a_capture_whose_times_tremble_has_a_whole_rate(motion, tmp_path):
    motion.fps = 60.0
    path = save_livelink(motion, tmp_path / "take.csv")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], *(line.replace(".000,", f".{i % 9}00,", 1) for i, line in enumerate(lines[3:]))]))
    assert load_livelink(path).fps == 60


def test_columns_are_found_by_name(tmp_path):
    names = [f"{side}" for side in reversed(FACE_UNITS)]
    path = tmp_path / "other.csv"
    path.write_text("\ufeffFrame," + ",".join(names) + ",Extra\n" + "1," + ",".join(["0.5"] * 52) + ",x\n")
    motion = load_livelink(path, fps=30)
    assert motion.fps == 30 and (motion.units == 0.5).all() and (motion.head == 0).all()


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "Timecode,BlendShapeCount\n", "\x00\xff\xfe"])
def test_what_is_no_table_is_told(tmp_path, text):
    path = tmp_path / "wrong.csv"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=r"wrong\.csv"):
        load_livelink(path)


def test_a_broken_line_is_named(motion, tmp_path):
    path = save_livelink(motion, tmp_path / "take.csv")
    lines = path.read_text().splitlines()
    lines[5] = lines[5].replace(lines[5].split(",")[4], "much", 1)
    path.write_text("\n".join(lines))
    with pytest.raises(UserError, match="line 6"):
        load_livelink(path)
    with pytest.raises(UserError, match="does not exist"):
        load_livelink(tmp_path / "nothing.csv")

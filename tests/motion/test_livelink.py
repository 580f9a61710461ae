import math

import pytest
import torch

from emotalker.arkit import FACE_UNITS, UNIT_INDEX
from emotalker.errors import UserError
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


def test_a_lifted_chin_is_a_negative_pitch_and_other_angles_keep_their_sign(tmp_path):
    """Live Link Face's pitch is positive downwards, Motion's upwards."""
    head = torch.tensor([[10.0, 20.0, 30.0, 0.0, 0.0, 0.0]])
    header, row = save_livelink(Motion(torch.zeros(1, 52), head, 25.0), tmp_path / "take.csv").read_text().splitlines()
    values = dict(zip(header.split(","), row.split(","), strict=True))
    angles = [math.degrees(float(values[f"Head{name}"])) for name in ("Yaw", "Pitch", "Roll")]
    assert angles == pytest.approx([10.0, -20.0, 30.0], abs=1e-4)
    assert load_livelink(tmp_path / "take.csv").head[0, :3].tolist() == pytest.approx([10.0, 20.0, 30.0], abs=1e-4)


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


def changed(motion, path, line, column, text):
    """A table with one field replaced: `line` counts from 1 with the names, `column` from 0."""
    rows = [row.split(",") for row in save_livelink(motion, path).read_text().splitlines()]
    rows[line - 1][column] = text
    path.write_text("\n".join(",".join(row) for row in rows))
    return path


@pytest.mark.parametrize("text", ["nan", "1e39", "-inf", "1e400", "9" * 900, ""])
@pytest.mark.parametrize("column", [2, 54])
def test_an_impossible_number_is_named_with_line_and_column(motion, tmp_path, text, column):
    path = changed(motion, tmp_path / "take.csv", 7, column, text)
    with pytest.raises(UserError, match=f"line 7 under {'EyeBlinkLeft' if column == 2 else 'HeadYaw'}") as said:
        load_livelink(path)
    assert len(str(said.value)) < 250


def test_a_field_without_end_is_named_with_its_line(motion, tmp_path):
    path = changed(motion, tmp_path / "take.csv", 7, 2, "1" * 200000)
    with pytest.raises(UserError, match="200000 characters in line 7, column 3"):
        load_livelink(path)


def test_time_that_runs_back_is_named_with_line_and_column(motion, tmp_path):
    path = changed(motion, tmp_path / "take.csv", 90, 0, "00:00:01:02.000")
    with pytest.raises(UserError, match="goes back in time in line 90 under Timecode"):
        load_livelink(path)


def test_a_take_over_midnight_keeps_its_rate(motion, tmp_path):
    lines = save_livelink(motion, tmp_path / "take.csv").read_text().splitlines()
    for i, line in enumerate(lines[1:]):
        hour = "23:59:57" if i < 25 else "23:59:58" if i < 50 else "23:59:59" if i < 75 else f"00:00:0{i // 25 - 3}"
        lines[i + 1] = f"{hour}:{i % 25:02d}.000," + line.split(",", 1)[1]
    (tmp_path / "take.csv").write_text("\n".join(lines))
    assert load_livelink(tmp_path / "take.csv").fps == 25


def test_empty_lines_are_counted(motion, tmp_path):
    lines = save_livelink(motion, tmp_path / "take.csv").read_text().splitlines()
    lines[1:1] = ["", ""]
    lines[5] = "00:00:00:02.000,61,much"
    (tmp_path / "take.csv").write_text("\n".join(lines))
    with pytest.raises(UserError, match='"much" in line 6 under EyeBlinkLeft'):
        load_livelink(tmp_path / "take.csv")


def test_a_timecode_that_makes_no_sense_is_named(motion, tmp_path):
    path = changed(motion, tmp_path / "take.csv", 3, 0, "00:00:00:nan")
    with pytest.raises(UserError, match='"00:00:00:nan" in line 3 under Timecode'):
        load_livelink(path)

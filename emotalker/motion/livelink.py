"""Motion as the CSV table that Live Link Face writes: captured performances in, ours out to other software.

One row a frame: timecode HH:MM:SS:FF.fff, the number of values (61), the 52 ARKit weights, then yaw, pitch and roll of
the head and of each eye in radians about ARKit's axes. Neither Apple nor Epic publishes the table; column names and order
are those of files in use, and signs follow ARKit's face anchor (x to the subject's left, y up, z forward): positive
yaw to the subject's left, positive pitch down, positive roll towards the subject's left shoulder.
"""

import csv
import math
import re
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from ..arkit import FACE_UNITS, UNIT_INDEX
from ..draft import draft
from ..errors import UserError, quoted
from ..video.rates import exact_rate
from .gaze import EYE_DOWN, EYE_UP, EYE_YAW
from .motion import Motion

ORDER = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "eyeSquintLeft", "eyeWideLeft",
    "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight", "eyeSquintRight",
    "eyeWideRight", "jawForward", "jawRight", "jawLeft", "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthRight",
    "mouthLeft", "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight", "mouthDimpleLeft",
    "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower",
    "mouthShrugUpper", "mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft",
    "mouthUpperUpRight", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
"""The face units in the table's order."""
HEAD = ("HeadYaw", "HeadPitch", "HeadRoll")
EYES = ("LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch", "RightEyeRoll")
SIGNS = (1.0, -1.0, 1.0)
"""Of yaw, pitch and roll between the table and Motion.head."""
USUAL_RATE = 60.0
"""Frames per second of the app unless the timecodes tell another rate."""
EVEN = 0.01
"""Frames by which an even row of timecodes may be off: they are written in thousandths."""

MOST = 1000.0
"""The largest number that a table may hold, once turned to degrees: above two full turns lies nothing that a head does."""
DAY = 24 * 3600
LONGEST, LONGEST_FIELD = 100_000, 1000
"""Characters of a line that is read with its quotation marks, and of a field."""
TIMECODE = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[:;]([0-9]{1,3}(?:\.[0-9]{1,9})?))?")


def save_livelink(motion: Motion, path: str | Path, replace: bool = True) -> Path:
    """Write a motion as a Live Link Face table. The head's shift has no column there and is left out."""
    path = Path(path)
    units, head = motion.units.detach().cpu(), motion.head.detach().cpu()
    order = [UNIT_INDEX[name] for name in ORDER]
    eyes = _eye_angles(units)
    with draft(path, replace) as place, open(place, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["Timecode", "BlendShapeCount", *(name[0].upper() + name[1:] for name in ORDER), *HEAD, *EYES])
        for i in range(len(motion)):
            angles = [sign * math.radians(float(angle)) for sign, angle in zip(SIGNS, head[i, :3], strict=True)]
            values = [*units[i, order].tolist(), *angles, *eyes[i].tolist()]
            table.writerow([_timecode(i, motion.fps), len(values), *(f"{value:.8f}" for value in values)])
    return path


def load_livelink(path: str | Path, fps: float | None = None) -> Motion:
    """Read a Live Link Face table. Columns are found by name; weights that are missing are 0, unknown columns are passed over.

    Args:
        path: the .csv file.
        fps: its frame rate; None tells it from the timecodes.

    Raises:
        UserError: no such file, no such table, or a value that is no number; the message says where.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"the motion table {path.name} does not exist: choose another file.")
    rows, lines = _table(path)
    names = {name.strip().lower(): column for column, name in enumerate(rows[0])} if rows else {}
    found = [name for name in FACE_UNITS if name.lower() in names]
    if len(found) < len(FACE_UNITS) // 2 or len(rows) < 2:
        raise UserError(
            f"{path.name} is no table of ARKit weights as Live Link Face writes it (a first line with EyeBlinkLeft, JawOpen, "
            "... and one line for each frame): choose such a CSV file."
        )
    values = torch.zeros(len(rows) - 1, len(FACE_UNITS) + 3)
    columns = [(UNIT_INDEX[name], names[name.lower()], 1.0) for name in found]
    columns += [
        (len(FACE_UNITS) + i, names[name.lower()], math.degrees(1.0) * SIGNS[i])
        for i, name in enumerate(HEAD)
        if name.lower() in names
    ]
    for number, row in enumerate(rows[1:]):
        for target, column, factor in columns:
            text = row[column] if column < len(row) else ""
            try:
                value = factor * float(text)
            except ValueError:
                value = math.nan
            if not abs(value) <= MOST:
                where = f"in line {lines[number + 1]} under {rows[0][column].strip()}"
                raise UserError(f"{path.name} has {quoted(text)} {where}, which is no number to be used: correct that line.")
            values[number, target] = value
    if fps is None:
        fps = _rate(_timecodes(path, rows, lines, names["timecode"])) if "timecode" in names else USUAL_RATE
    units = len(FACE_UNITS)
    head = torch.cat([values[:, units:], torch.zeros(len(values), 3)], 1)
    return Motion(values[:, :units].clamp(0, 1), head, fps, {"source": path.name})


def _eye_angles(units: Tensor) -> Tensor:
    """[T, 6] yaw, pitch, roll of the left and the right eye in radians, from the eyeLook weights."""

    def unit(name: str) -> Tensor:
        return units[:, UNIT_INDEX[name]]

    angles = []
    for side, to_left in (("Left", 1.0), ("Right", -1.0)):
        yaw = to_left * EYE_YAW * (unit(f"eyeLookOut{side}") - unit(f"eyeLookIn{side}"))
        pitch = EYE_DOWN * unit(f"eyeLookDown{side}") - EYE_UP * unit(f"eyeLookUp{side}")
        angles += [yaw, pitch, torch.zeros_like(yaw)]
    return torch.deg2rad(torch.stack(angles, 1))


def _timecode(frame: int, fps: float) -> str:
    """HH:MM:SS:FF.fff of a frame; the thousandths are 0 at whole rates."""
    seconds, rest = divmod(frame / fps + 1e-9, 1)
    whole = int(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}:{rest * fps:06.3f}"


def _table(path: Path) -> tuple[list[list[str]], list[int]]:
    """The rows of a table that are not empty, and the line of the file that each stands in."""
    rows, lines = [], []
    try:
        with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
            for number, line in enumerate(file, 1):
                fields = next(csv.reader([line]), []) if len(line) <= LONGEST else line.split(",")
                long = next((column for column, field in enumerate(fields, 1) if len(field) > LONGEST_FIELD), None)
                if long is not None:
                    raise UserError(
                        f"{path.name} has {len(fields[long - 1])} characters in line {number}, column {long}: no field of a "
                        "table of motion is that long, so correct that line."
                    )
                if fields:
                    rows.append(fields)
                    lines.append(number)
    except (OSError, csv.Error) as error:
        raise UserError(f"{path.name} cannot be read as a table ({error}): choose another file.") from error
    return rows, lines


def _timecodes(path: Path, rows: list[list[str]], lines: list[int], column: int) -> list[tuple[int, float] | None]:
    """Second and frame of each row, None where no timecode stands; past midnight the seconds count on.

    Raises:
        UserError: a timecode makes no sense or lies before that of the row above it; the message says where.
    """
    codes: list[tuple[int, float] | None] = []
    days, last = 0, (0, 0.0)
    for row, line in zip(rows[1:], lines[1:], strict=True):
        text = row[column] if column < len(row) else ""
        code = _read_timecode(text)
        where = f"in line {line} under {rows[0][column].strip()}"
        if code is None and ":" in text:
            raise UserError(f"{path.name} has {quoted(text)} {where}, which is no timecode: correct that line.")
        if code is not None:
            code = (code[0] + days * DAY, code[1])
            if code[0] < last[0] - DAY // 2:  # from late evening to early morning
                days, code = days + 1, (code[0] + DAY, code[1])
            if code < last:
                raise UserError(
                    f"{path.name} goes back in time {where}, to {quoted(text)}: put its lines in order, or cut the table there."
                )
            last = code
        codes.append(code)
    return codes


def _read_timecode(text: str) -> tuple[int, float] | None:
    match = TIMECODE.fullmatch(text.strip())
    if match is None:
        return None
    hours, minutes, seconds = (int(part) for part in match.groups()[:3])
    return hours * 3600 + minutes * 60 + seconds, float(match[4] or 0)


def _rate(timecodes: list[tuple[int, float] | None]) -> float:
    """Frames per second: the rows between whole seconds; of a table that is too short for that, the highest number of a frame
    within its second and one more, once the second has changed."""
    if None in timecodes:
        return USUAL_RATE
    seconds, numbers = [code[0] for code in timecodes], [code[1] for code in timecodes]
    changes = [i for i, (a, b) in enumerate(pairwise(seconds), 1) if a != b]
    if not changes:
        return USUAL_RATE
    if (exact := _even_rate(seconds, numbers)) is not None:
        return exact
    if len(changes) == 1:
        rate = math.floor(numbers[changes[0] - 1]) + 1
    else:
        rate = (changes[-1] - changes[0]) / (seconds[changes[-1]] - seconds[changes[0]])
    return float(round(rate)) if 1 < rate <= 240 else USUAL_RATE


def _even_rate(seconds: list[int], numbers: list[float]) -> float | None:
    """Frames per second of rows that follow each other without a gap, thousandths of a frame counted: 23.976 is not 24.

    Args:
        seconds, numbers: of each row, its second and the number of its frame within it.

    Returns:
        None where rows are missing or times tremble, as in a capture.
    """
    span = seconds[-1] - seconds[0]
    rate = (len(seconds) - 1 - (numbers[-1] - numbers[0])) / span if span > 0 else 0.0
    if not 1 < rate <= 240:
        return None
    expected = (numbers[0] + row - rate * (second - seconds[0]) for row, second in enumerate(seconds))
    if any(abs(wanted - number) > EVEN for wanted, number in zip(expected, numbers, strict=True)):
        return None
    return float(exact_rate(round(rate, 3)))

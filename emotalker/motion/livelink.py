"""Motion as the CSV table that Live Link Face writes: captured performances in, ours out to other software.

One row a frame: timecode HH:MM:SS:FF.fff, the number of values (61), the 52 ARKit weights, then yaw, pitch and roll of
the head and of each eye in radians about ARKit's axes. Neither Apple nor Epic publishes the table; column names and order
are those of files in use, and signs follow ARKit's face anchor (x to the subject's left, y up, z forward): positive
yaw to the subject's left, positive pitch down, positive roll towards the subject's left shoulder.
"""

import csv
import math
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from ..draft import draft
from ..errors import UserError
from ..face.arkit import FACE_UNITS, UNIT_INDEX
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
    with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = [row for row in csv.reader(file) if row]
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
                value = float(text)
            except ValueError:
                value = math.nan
            if not math.isfinite(value):
                where = f"in line {number + 2} under {rows[0][column]}"
                raise UserError(f"{path.name} has '{text[:20]}' {where}, which is no number: correct that line.")
            values[number, target] = factor * value
    if fps is None:
        fps = _rate([row[names["timecode"]] if "timecode" in names else "" for row in rows[1:]])
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


def _rate(timecodes: list[str]) -> float:
    """Frames per second: the rows between whole seconds; of a table that is too short for that, the highest number of a frame
    within its second and one more, once the second has changed."""
    seconds, numbers = [], []
    for code in timecodes:
        parts = code.strip().split(":")
        try:
            hours, minutes, second = (int(part) for part in parts[:3])
            numbers.append(float(parts[3]) if len(parts) > 3 else 0.0)
        except ValueError:
            return USUAL_RATE
        seconds.append(hours * 3600 + minutes * 60 + second)
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

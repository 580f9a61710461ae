"""Motion in files: safetensors for takes that are kept, Live Link Face tables for other software, JSON for reading."""

import json
from pathlib import Path

import torch
from torch import Tensor

from ..arkit import FACE_UNITS
from ..errors import UserError
from .head import AXES, LIMITS
from .livelink import load_livelink, save_livelink
from .motion import Motion

ENDINGS = (".safetensors", ".csv")
"""Of files that hold a motion; .csv is a Live Link Face table."""
SHIFTS = ("x", "y", "z")
STRAIGHT = 0.7
"""Share of a limit up to which a captured head turns as it was captured; what is beyond comes softly to the limit."""


def motion_path(path: str | Path) -> Path:
    """The path of a motion file.

    Raises:
        UserError: its ending is none of ENDINGS.
    """
    path = Path(path)
    if path.suffix.lower() not in ENDINGS:
        raise UserError(f"{path.name} names no motion file: let it end in {' or '.join(ENDINGS)} (a Live Link Face table).")
    return path


def load_motion(path: str | Path) -> Motion:
    """Read a motion. A head that was captured further turned than a portrait can follow is settled (`settle_head`).

    Raises:
        UserError: no such file, or not a motion; the message says what to do.
    """
    path = motion_path(path)
    return settle_head(load_livelink(path)) if path.suffix.lower() == ".csv" else Motion.load(path)


def save_motion(motion: Motion, path: str | Path, replace: bool = True) -> Path:
    """Write a motion; the ending chooses the format.

    Raises:
        TakenError: the file is there and must not be replaced, or another run is writing it.
        UserError: another ending, or the file cannot be written.
    """
    path = motion_path(path)
    return save_livelink(motion, path, replace) if path.suffix.lower() == ".csv" else motion.save(path, replace)


def settle_head(motion: Motion) -> Motion:
    """A captured head pose within what a picture can show; one that is within the limits of `head` already stays as it is.

    A camera rarely stands straight before a face: the middle (median) pose becomes the portrait's own. What turns further than
    STRAIGHT of a limit then comes to the limit softly.
    """
    limits = motion.head.new_tensor([LIMITS[axis] for axis in AXES])
    turns = motion.head[:, :3]
    if len(motion) == 0 or bool((turns.abs() <= limits).all()):
        return motion
    turns = turns - turns.median(0).values
    beyond = (turns.abs() / limits - STRAIGHT).clamp(min=0) / (1 - STRAIGHT)
    soft = turns.sign() * limits * (STRAIGHT + (1 - STRAIGHT) * torch.tanh(beyond))
    turns = torch.where(beyond > 0, soft, turns)
    return Motion(motion.units, torch.cat([turns, motion.head[:, 3:]], 1), motion.fps, dict(motion.metadata))


def motion_json(motion: Motion) -> str:
    """A motion as readable JSON: a line for each curve, numbers of three decimals.

    Returns:
        {"fps", "frames", "seconds", "notes": {short texts}, "units": {name: [frames numbers 0..1]}, "head": {"yaw", "pitch",
        "roll": degrees, "x", "y", "z": distances between the eyes}}. Face units that never move are left out.
    """
    moving = motion.units.abs().amax(0) >= 0.0005 if len(motion) else torch.zeros(len(FACE_UNITS), dtype=torch.bool)
    units = {name: motion.units[:, i] for i, name in enumerate(FACE_UNITS) if moving[i]}
    head = {name: motion.head[:, i] for i, name in enumerate((*AXES, *SHIFTS))}
    facts = {"fps": motion.fps, "frames": len(motion), "seconds": round(motion.duration, 3), "notes": motion.metadata}
    parts = [f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in facts.items()]
    parts += [f'"units": {_curves(units)}', f'"head": {_curves(head)}']
    return "{\n  " + ",\n  ".join(parts) + "\n}"


def _curves(curves: dict[str, Tensor]) -> str:
    if not curves:
        return "{}"
    lines = (f"{json.dumps(name)}: [{', '.join(f'{value:g}' for value in _rounded(curve))}]" for name, curve in curves.items())
    return "{\n    " + ",\n    ".join(lines) + "\n  }"


def _rounded(curve: Tensor) -> list[float]:
    return [round(value, 3) + 0.0 for value in curve.detach().cpu().tolist()]  # + 0.0: no negative zero

"""A take: what the face and the head do, frame by frame. It can be saved, shared, cut and joined."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..arkit import FACE_UNITS
from ..curves import sample
from ..draft import draft
from ..errors import UserError, short

FORMAT = "emotalker-motion-1"
SLACK, MOST_TURN, MOST_SHIFT = 0.01, 90.0, 10.0
"""How far units of a file may lie outside 0..1 (rounding), degrees that a head turns and eye distances that it shifts at most:
whatever lies beyond was not written by `save`, for nothing here makes it."""
LONGEST = 12 * 3600 * 240
"""Frames of a file's motion at most: twelve hours at the highest rate."""


@dataclass
class Motion:
    """Facial motion at a frame rate.

    Attributes:
        units: [T, 52] ARKit weights 0..1, in the order of FACE_UNITS; absolute, 0 is a relaxed face.
        head: [T, 6] yaw, pitch, roll in degrees, then x, y, z in distances between the eyes. Positive yaw turns towards the
            picture's right edge, positive pitch lifts the chin, positive roll tilts to the picture's right; x to the right,
            y down, z away from the viewer. Zero is the portrait's own pose.
        fps: frames per second; frame i is shown from i / fps on and stands for the middle of that frame.
        metadata: short texts kept in the file (seed, emotion track, ...).
    """

    units: Tensor
    head: Tensor
    fps: float
    metadata: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        if self.units.ndim != 2 or self.units.shape[1] != len(FACE_UNITS):
            raise UserError(
                f"the motion's face units have the shape {list(self.units.shape)}: they must be [frames, {len(FACE_UNITS)}]."
            )
        if self.head.shape != (self.units.shape[0], 6):
            raise UserError(
                f"the motion's head pose has the shape {list(self.head.shape)}: it must be [{self.units.shape[0]}, 6]."
            )
        if not 1 <= self.fps <= 240:
            raise UserError(f"the motion's frame rate is {self.fps:g}: use 1 to 240 frames per second.")
        if not (torch.isfinite(self.units).all() and torch.isfinite(self.head).all()):
            raise UserError("the motion holds values that are no numbers: make it again.")

    def __len__(self) -> int:
        return self.units.shape[0]

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self) / self.fps

    def to(self, device: str | torch.device) -> "Motion":
        """The same motion on another device."""
        return Motion(self.units.to(device), self.head.to(device), self.fps, dict(self.metadata))

    def part(self, first: int, last: int) -> "Motion":
        """Frames first..last (not included), as far as there are any."""
        return Motion(self.units[first:last], self.head[first:last], self.fps, self.metadata)

    def slice(self, start: float = 0.0, end: float | None = None) -> "Motion":
        """The frames from `start` up to (not including) `end` seconds.

        Raises:
            UserError: the range is empty.
        """
        first = max(0, round(start * self.fps))
        last = len(self) if end is None else min(len(self), round(end * self.fps))
        if last <= first:
            raise UserError(
                f"the range {start:g} to {'the end' if end is None else f'{end:g} s'} holds no frame of a motion "
                f"of {self.duration:.2f} s: give a range inside it."
            )
        return Motion(self.units[first:last], self.head[first:last], self.fps, dict(self.metadata))

    @classmethod
    def concat(cls, parts: "list[Motion]") -> "Motion":
        """Play one after the other.

        Raises:
            UserError: no part, or parts of different frame rates.
        """
        if not parts:
            raise UserError("there is no motion to join: give at least one.")
        rates = sorted({part.fps for part in parts})
        if len(rates) > 1:
            raise UserError(
                f"the motions to join run at {', '.join(f'{r:g}' for r in rates)} frames per second: "
                "resample them to one rate first."
            )
        device = parts[0].units.device
        return cls(
            torch.cat([p.units.to(device) for p in parts]),
            torch.cat([p.head.to(device) for p in parts]),
            parts[0].fps,
            dict(parts[0].metadata),
        )

    def resample(self, fps: float, frames: int | None = None) -> "Motion":
        """The same motion at another frame rate (linear in time).

        Args:
            fps: frames per second.
            frames: how many, >= 1: what is too long is cut, what is too short holds its last pose; None is as long as it is.
        """
        if len(self) == 0:
            return Motion(self.units, self.head, fps, dict(self.metadata))
        frames = max(1, round(self.duration * fps)) if frames is None else frames
        both = torch.cat([self.units, self.head], 1)
        if fps == self.fps:
            both = both[:frames]
            both = torch.cat([both, both[-1:].expand(max(0, frames - len(both)), -1)])
        else:
            both = sample(both, self.fps, (torch.arange(frames, dtype=torch.float64) + 0.5) / fps - 0.5 / self.fps)
        return Motion(both[:, : len(FACE_UNITS)], both[:, len(FACE_UNITS) :], fps, dict(self.metadata))

    def save(self, path: str | Path, replace: bool = True) -> Path:
        """Write a .safetensors file."""
        path = Path(path)
        metadata = {
            "format": FORMAT,
            "fps": repr(float(self.fps)),
            "units": json.dumps(FACE_UNITS),
            "notes": json.dumps(self.metadata),
        }
        tensors = {
            "units": self.units.detach().cpu().float().contiguous(),
            "head": self.head.detach().cpu().float().contiguous(),
        }
        with draft(path, replace) as place:
            # Written by Python: save_file would leave a file that only its owner can read.
            place.write_bytes(save(tensors, metadata))
        return path

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "cpu") -> "Motion":
        """Read what `save` wrote.

        Raises:
            UserError: no such file, not a motion, made for other face units, or damaged (see SLACK).
        """
        path = Path(path)
        if not path.is_file():
            raise UserError(f"the motion file {path.name} does not exist: choose another file.")
        try:
            with safe_open(path, framework="pt", device=str(device)) as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != FORMAT:
                    raise UserError(f"{path.name} is no EmoTalker motion: choose a file saved from a motion output.")
                if tuple(json.loads(metadata["units"])) != FACE_UNITS:
                    raise UserError(f"{path.name} was made for other face units: make the motion again with this version.")
                notes = {str(name): str(value) for name, value in json.loads(metadata["notes"]).items()}
                for name, width in (("units", len(FACE_UNITS)), ("head", 6)):
                    shape = file.get_slice(name).get_shape()
                    if len(shape) != 2 or shape[1] != width or shape[0] > LONGEST:
                        raise UserError(f"{path.name} holds {name} of the shape {shape}, which no motion has: save it again.")
                units, head = file.get_tensor("units").float(), file.get_tensor("head").float()
                motion = cls(units, head, float(metadata["fps"]), notes)
            if len(motion) and (units.min() < -SLACK or units.max() > 1 + SLACK):
                worst = max(float(units.max()), float(-units.min()) + 1)
                raise UserError(
                    f"the motion file {path.name} is damaged: its face units lie up to {worst - 1:.3g} outside 0 to 1, so save "
                    "the motion again."
                )
            if (head[:, :3].abs() > MOST_TURN).any() or (head[:, 3:].abs() > MOST_SHIFT).any():
                raise UserError(
                    f"the motion file {path.name} is damaged: its head turns by more than {MOST_TURN:g}° or shifts by more "
                    f"than {MOST_SHIFT:g} distances between the eyes, so save the motion again."
                )
            return motion
        except UserError:
            raise
        except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
            # RuntimeError with RecursionError: notes in notes without end
            raise UserError(f"the motion file {path.name} cannot be read ({short(error)}): save the motion again.") from None

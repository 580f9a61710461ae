"""A take that is kept: fitted to a speech and a frame rate, and with a range of it taken from a new drawing."""

import math

import torch

from ..arkit import FACE_UNITS, UNIT_INDEX
from ..errors import UserError
from ..speech.features import SpeechFeatures, frame_count
from .denoiser import RATE
from .gains import GAZE, LIDS, MOUTH
from .motion import Motion

# Seconds in which a redone range leaves the pose and the strength of what stays beside it for its own (our choice: as quick as
# sounds follow each other, as slow as expressions come and go, as a head moves).
QUICK, CALM, HEAD = 0.12, 0.4, 0.6


def fit_take(take: Motion, features: SpeechFeatures, fps: float) -> Motion:
    """A take at the length of a speech: what is too long is cut, what is too short holds its last pose.

    Args:
        take: at any frame rate.
        features: the speech.
        fps: frames per second of the result. At the take's own rate its frames stay the same to the last bit.

    Raises:
        UserError: a take without frames.
    """
    if len(take) == 0:
        raise UserError("the take to keep has no frames: give one that was drawn or captured.")
    return take.to("cpu").resample(float(fps), frame_count(features.duration, fps))


def misfit(take: Motion, features: SpeechFeatures) -> str | None:
    """A sentence for a take that is shorter or longer than the speech by more than a frame and a half; else None."""
    missing = features.duration - take.duration
    if abs(missing) <= 1.5 / take.fps:
        return None
    done = "its last pose is held" if missing > 0 else "what is too long was cut"
    return f"The motion lasts {take.duration:.2f} s and the speech {features.duration:.2f} s: {done}."


def range_of(redo: tuple[float, float | None], features: SpeechFeatures) -> tuple[float, float]:
    """A range to redo, in seconds of the speech.

    Args:
        redo: start and end in seconds; an end of None is the speech's.
        features: the speech.

    Raises:
        UserError: the range is empty or lies outside the speech; the message begins with "redo_start" or "redo_end".
    """
    whole = frame_count(features.duration, RATE) / RATE  # with the last frame, which the speech may fill in part only
    start, end = float(redo[0]), whole if redo[1] is None else float(redo[1])
    if not 0 <= start < features.duration:
        raise UserError(
            f"redo_start is {start:g} s, outside a speech of {features.duration:.2f} s: begin the range to redo inside it."
        )
    if not end >= start + 0.1:
        raise UserError(f"redo_end is {end:g} s, and the range begins at {start:g} s: end it 0.1 s later or more.")
    return start, whole if end >= features.duration else end


def splice(kept: Motion, drawn: Motion, redo: tuple[float, float]) -> Motion:
    """A range of one take in another, joined without a jump.

    Args:
        kept: the take; outside the range its frames stay the same to the last bit.
        drawn: another at the same rate and length, drawn to go on from the first.
        redo: start and end of the range in seconds.

    Returns:
        In the range: `drawn`, moved by what the two differ in at the frames beside the range; that fades with QUICK for mouth,
        lids and gaze, CALM for the rest of the face and HEAD.
    """
    first, last = (min(len(kept), max(0, round(seconds * kept.fps))) for seconds in redo)
    stays, new = (torch.cat([motion.units, motion.head], 1) for motion in (kept, drawn))
    reach = torch.full((stays.shape[1],), CALM)
    reach[[UNIT_INDEX[name] for name in (*MOUTH, *LIDS, *GAZE)]] = QUICK
    reach[len(FACE_UNITS) :] = HEAD
    reach = (reach * kept.fps).clamp(1, last - first + 1)
    joined, place = new.clone(), torch.arange(len(stays))[:, None]
    for beside in (first - 1, last):
        if 0 <= beside < len(stays):
            far = ((place - beside).abs() / reach).clamp(max=1)
            joined += (stays[beside] - new[beside]) * (0.5 + 0.5 * torch.cos(math.pi * far))
    units = len(FACE_UNITS)
    joined[:, :units] = joined[:, :units].clamp(0, 1)
    joined = torch.cat([stays[:first], joined[first:last], stays[last:]])
    return Motion(joined[:, :units], joined[:, units:], kept.fps, dict(kept.metadata))

"""Eyes of drawn motion: they rest on a target and jump to the next one while the head moves, and blinks shut the lids.

Denoising averages over when eyes might jump, so that drawn eyes swim after the head and blinks stop short of shut.
"""

import torch
from torch import Tensor

from ..arkit import UNIT_INDEX
from .gains import GAZE, LIDS, find_blinks
from .gaze import EYE_DOWN, EYE_UP, EYE_YAW, gaze_units
from .motion import Motion

LEAVE = 2.0
"""Degrees by which the drawn gaze leaves the eyes' target before they jump: as far as eyes wander over a viewer's face."""
LOOK = 0.4
"""Seconds of drawn gaze whose median is the next target: shorter than most looks last (FIXATION of `gaze`)."""


def settle_eyes(motion: Motion) -> Motion:
    """The motion with eyes that hold their target and with blinks that shut.

    Args:
        motion: as drawn.

    Returns:
        The same, except for the units of GAZE and LIDS.
    """
    return settle_part(motion)[0]


def settle_part(motion: Motion, target: Tensor | None = None, count: int | None = None) -> tuple[Motion, Tensor | None]:
    """`settle_eyes` of a part of a motion that comes piece by piece.

    Args:
        motion: from the part's first frame to LOOK seconds after its last or to the end of all; no blink may lie across the
            part's ends.
        target: where the eyes rested in the frame before, as this returned it; None at the beginning.
        count: frames of the part; None for all.

    Returns:
        The part, and where the eyes rest in its last frame (None: there is no frame).
    """
    if len(motion) == 0:
        return motion, target
    units = motion.units.clone()
    pose = motion.head[:, :2].to(units)
    held = hold(eye_angles(units) + pose, motion.fps, target)
    gaze = [UNIT_INDEX[name] for name in GAZE]
    units[:, gaze] = gaze_units(held - pose)[:, gaze]
    _shut_blinks(units, motion.fps)
    count = len(motion) if count is None else count
    return Motion(units[:count], motion.head[:count], motion.fps, motion.metadata), held[count - 1]


def eye_angles(units: Tensor) -> Tensor:
    """[T, 2] yaw and pitch of the eyes in the head in degrees, signs as for the head, of units [T, 52]: the mean of both."""

    def both(left: str, right: str) -> Tensor:
        return (units[:, UNIT_INDEX[f"eyeLook{left}Left"]] + units[:, UNIT_INDEX[f"eyeLook{right}Right"]]) / 2

    yaw = EYE_YAW * (both("Out", "In") - both("In", "Out"))
    return torch.stack([yaw, EYE_UP * both("Up", "Up") - EYE_DOWN * both("Down", "Down")], 1)


def hold(angles: Tensor, fps: float, target: Tensor | None = None) -> Tensor:
    """Rest on a target until angles [T, 2] (degrees) are LEAVE away, then jump to their median over the next LOOK seconds."""
    reach = max(1, round(LOOK * fps))
    held = torch.empty_like(angles)
    target = angles[:reach].median(0).values if target is None else target
    for frame, angle in enumerate(angles):
        if float((angle - target).norm()) > LEAVE:
            target = angles[frame : frame + reach].median(0).values
        held[frame] = target
    return held


def _shut_blinks(units: Tensor, fps: float) -> None:
    """Take each blink's lids all the way down, in place; where they rest they stay."""
    for first, last in find_blinks(units, fps):
        for name in LIDS:
            lid = units[first:last, UNIT_INDEX[name]]
            rest, peak = torch.maximum(lid[0], lid[-1]), lid.max()
            if peak > rest:
                share = ((lid - rest) / (peak - rest)).clamp(0, 1)
                lid += (1 - peak) * share

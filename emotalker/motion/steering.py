"""Face units that a prompt names outright ("raised eyebrows", "a wink"), laid over what the emotions show."""

import torch
from torch import Tensor

from ..arkit import UNIT_INDEX
from ..curves import sample
from ..emotion.track import EmotionTrack
from ..speech.features import VISEME_INDEX
from ..speech.prosody import RATE, grid_size, smooth
from .blend import join_speech
from .gaze import EYE_DOWN, EYE_UP, EYE_YAW, gaze_units
from .motion import Motion

ONSET = 0.035
"""Seconds, smoothing of every change of a unit, so that a "step" is no pop: a lid then takes about 0.1 s to close, as in blinks
(typical figures of the literature, see blink.py)."""

# A unit that is steered takes this share from what the emotions show on units that pull against it (our choice: what is named
# outright wins, and a trace of the feeling stays).
OPPOSITES: tuple[tuple[str, str, float], ...] = (
    ("eyeBlink", "eyeWide", 1.0), ("eyeWide", "eyeBlink", 1.0), ("eyeWide", "eyeSquint", 0.7), ("eyeSquint", "eyeWide", 0.8),
    ("browInnerUp", "browDown", 0.5), ("browOuterUp", "browDown", 0.7), ("browDown", "browOuterUp", 0.8),
    ("browDown", "browInnerUp", 0.8), ("mouthSmile", "mouthFrown", 0.8), ("mouthFrown", "mouthSmile", 0.8),
    ("mouthPress", "jawOpen", 0.9), ("mouthPress", "mouthLowerDown", 0.8), ("mouthPress", "mouthUpperUp", 0.6),
    ("mouthRollLower", "jawOpen", 0.8), ("mouthPucker", "mouthSmile", 0.7), ("mouthPucker", "mouthStretch", 0.7),
    ("mouthPucker", "jawOpen", 0.7), ("cheekPuff", "jawOpen", 0.9), ("cheekPuff", "mouthLowerDown", 0.8),
    ("jawOpen", "mouthPress", 0.8), ("jawOpen", "mouthShrugLower", 0.5),
)  # fmt: skip


def steered_units(track: EmotionTrack, duration: float, times: Tensor) -> Tensor | None:
    """[T, 52] weights of the units that the track steers at [T] of `duration` seconds, 0..1; None if it steers none."""
    if not any(segment.units for segment in track.segments):
        return None
    grid = torch.arange(grid_size(duration), dtype=torch.float64) / RATE
    return sample(smooth(track.units_at(grid), ONSET), RATE, times).clamp(0, 1)


def give_way(felt: Tensor, steered: Tensor) -> Tensor:
    """[T, 52] units `felt` after what pulls against the units `steered` [T, 52] has given way."""
    shown = felt.clone()
    for named, other, share in OPPOSITES:
        for side in ("Left", "Right"):
            by = UNIT_INDEX.get(named + side, UNIT_INDEX.get(named))
            for unit in dict.fromkeys((other + side, other)):
                if unit in UNIT_INDEX:
                    shown[:, UNIT_INDEX[unit]] *= 1 - share * steered[:, by]
    return shown


def steer(felt: Tensor, steered: Tensor) -> Tensor:
    """What the face shows with steered units over its feelings.

    Args:
        felt: [T, 52] units of the emotions, 0..1.
        steered: [T, 52] units named outright, 0..1.

    Returns:
        [T, 52] their sum, 0..1, after what pulls against the steered units has given way.
    """
    return (give_way(felt, steered) + steered).clamp(0, 1)


def take_gaze(steered: Tensor) -> tuple[Tensor, Tensor]:
    """Split what is steered into gaze and the rest.

    Args:
        steered: [T, 52] units named outright, 0..1.

    Returns:
        [T, 52] the units without eyeLook*, and [T, 2] yaw and pitch in degrees by which these turn the eyes.
    """
    rest = steered.clone()

    def take(name: str) -> Tensor:
        index = UNIT_INDEX[name]
        rest[:, index] = 0
        return steered[:, index]

    left = (take("eyeLookOutLeft") + take("eyeLookInRight")) / 2
    right = (take("eyeLookInLeft") + take("eyeLookOutRight")) / 2
    up = (take("eyeLookUpLeft") + take("eyeLookUpRight")) / 2
    down = (take("eyeLookDownLeft") + take("eyeLookDownRight")) / 2
    return rest, torch.stack([EYE_YAW * (left - right), EYE_UP * up - EYE_DOWN * down], 1)


def lay_units(motion: Motion, steered: Tensor, visemes: Tensor) -> Motion:
    """Lay steered units [T, 52] over a motion of T frames in which visemes [T, 15] are heard; they make way for the sounds."""
    steered, look = take_gaze(steered)
    shown = give_way(motion.units, steered)
    units = join_speech(shown, steered, visemes, _sure(visemes[:, VISEME_INDEX["PP"]]), 1.0, motion.fps)
    eyes = gaze_units(look)
    return Motion((units + eyes * (1 - units)).clamp(0, 1), motion.head, motion.fps, motion.metadata)


def _sure(closure: Tensor) -> Tensor:
    """[T] 0..1 how surely the lips are shut, from the probability of PP."""
    return (2 * closure).clamp(0, 1)

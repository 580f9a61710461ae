"""Whether lips and sound belong together: the mouth that is seen against the mouth that the sound lets one expect.

Two curves each are compared, in distances between the eyes: how far the inner lips are apart, and how wide the mouth is. Their
correlation over all shifts of the sound gives offset and confidence in the way of SyncNet (Chung and Zisserman, "Out of time:
automated lip sync in the wild", 2016), which compares learned embeddings of lips and sound instead.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d

from ..arkit import UNIT_INDEX
from ..speech.features import SpeechFeatures
from ..speech.mouth import mouth_units

MOUTH_SHAPE: dict[str, tuple[float, float]] = {
    "jawLeft": (0.000, 0.023), "jawRight": (0.000, 0.023), "jawOpen": (0.539, -0.063), "mouthClose": (-0.540, 0.077),
    "mouthFunnel": (0.162, -0.100), "mouthPucker": (0.000, -0.140), "mouthLeft": (0.000, -0.005),
    "mouthRight": (0.000, -0.005), "mouthSmileLeft": (0.000, 0.153), "mouthSmileRight": (0.000, 0.153),
    "mouthFrownLeft": (0.000, 0.020), "mouthFrownRight": (0.000, 0.020), "mouthDimpleLeft": (0.000, 0.088),
    "mouthDimpleRight": (0.000, 0.088), "mouthStretchLeft": (0.004, 0.088), "mouthStretchRight": (0.004, 0.088),
    "mouthShrugUpper": (0.053, 0.000), "mouthPressLeft": (0.000, 0.104), "mouthPressRight": (0.000, 0.104),
    "mouthLowerDownLeft": (0.034, 0.003), "mouthLowerDownRight": (0.034, 0.003), "mouthUpperUpLeft": (0.042, -0.006),
    "mouthUpperUpRight": (0.042, -0.006), "cheekPuff": (0.000, -0.100),
}  # fmt: skip
"""Aperture and width that a face unit adds at full weight, in distances between the eyes: measured on the shipped rig."""

REACH = 0.6
"""Seconds by which the sound is shifted both ways: SyncNet's 15 frames at 25 a second."""
SLOW = 1.0
"""Seconds: what changes more slowly than this (a smile, a turned head) is taken away before curves are compared."""
SHORTEST = 1.0
"""Seconds of lips and sound that must overlap at every shift."""
STILL = 0.004
"""Aperture or width, in distances between the eyes, whose change is no more than the tracker's own noise in a video file."""


@dataclass(frozen=True)
class LipSync:
    """How well lips and sound fit.

    Attributes:
        correlation: -1..1, of the mouth that is seen with the mouth that is expected, sound and picture as they are paired.
        confidence: that correlation less the median over all shifts. It falls when the sound is shifted.
        offset: frames by which the sound comes after the lips (negative: before them) where they fit best.
        best_confidence: highest correlation less the median over all shifts: SyncNet's confidence, which a constant shift
            within reach leaves as it is.
        curve: [2 R + 1] the correlation for offsets of -R .. R frames.
    """

    correlation: float
    confidence: float
    offset: int
    best_confidence: float
    curve: Tensor


def expected_mouth(features: SpeechFeatures) -> Tensor:
    """Aperture and width of the mouth that a sound lets one expect, over those of the mouth at rest: [T, 2]."""
    units = mouth_units(features)
    shape = units.new_tensor(list(MOUTH_SHAPE.values()))
    curves = units[:, [UNIT_INDEX[name] for name in MOUTH_SHAPE]] @ shape
    return torch.stack([curves[:, 0].clamp(min=0), curves[:, 1]], 1)


def compare(seen: Tensor, expected: Tensor, fps: float) -> LipSync | None:
    """Correlation of two pairs of curves over all shifts.

    Args:
        seen: [T, 2] aperture and width of the mouth in the frames, see mouth_shape; NaN where no face was found.
        expected: [S, 2] the same from the sound, see expected_mouth; the longer of the two is cut.
        fps: frames per second of both.

    Returns:
        None when nothing is said, or less than SHORTEST + REACH seconds show a face.
    """
    reach = max(1, round(REACH * fps))
    count = min(len(seen), len(expected))
    seen, expected = seen[:count].double(), expected[:count].double()
    valid = seen.isfinite().all(1)
    if int(valid.sum()) < reach + round(SHORTEST * fps):
        return None
    lips = _quick(torch.where(valid[:, None], seen, 0), valid, fps)
    sound = _quick(expected, torch.ones_like(valid), fps)
    if float(sound.square().mean().sqrt()) < STILL:
        return None
    values = []
    for offset in range(-reach, reach + 1):
        a, b = max(0, -offset), max(0, offset)
        size = count - abs(offset)
        use = valid[a : a + size]
        values.append(_correlation(lips[a : a + size][use], sound[b : b + size][use]))
    curve = torch.stack(values)
    here, best, middle = float(curve[reach]), int(curve.argmax()), float(curve.median())
    return LipSync(here, here - middle, best - reach, float(curve[best]) - middle, curve.float())


def _quick(curves: Tensor, valid: Tensor, fps: float) -> Tensor:
    """[T, 2] less their own moving mean over SLOW seconds, taken over the valid rows alone."""
    reach = max(1, round(SLOW * fps / 2))
    rows = torch.cat([curves * valid[:, None], valid[:, None].to(curves)], 1).T[:, None]
    sums = avg_pool1d(rows, 2 * reach + 1, 1, reach)[:, 0].T
    return (curves - sums[:, :2] / sums[:, 2:].clamp(min=1e-9)) * valid[:, None]


def _correlation(lips: Tensor, sound: Tensor) -> Tensor:
    """Of both curves together [T, 2]: each counts by how much it moves. Lips that only tremble correlate with nothing."""
    lips, sound = lips - lips.mean(0), sound - sound.mean(0)
    power = (lips.square().mean() + STILL**2) * sound.square().mean().clamp(min=1e-12)
    return (lips * sound).mean() / math.sqrt(float(power))

"""How the teacher moves the head: a slow wander, quicker turns while speaking, a nod on stressed syllables, and posture."""

import math

import torch
from torch import Tensor

from ...emotion.taxonomy import EMOTIONS
from ...motion.head import AXES, LIMITS, POSTURE, posture
from ...speech.prosody import RATE, Prosody, noise, smooth, stream

# Rotation while speaking in public: standard deviation and range in degrees, mean speed in degrees per second (measured from
# 10 public speeches at 25 frames a second).
SPEECH_SD = {"yaw": 3.9, "pitch": 2.5, "roll": 3.5}
SPEECH_RANGE = {"yaw": 19.0, "pitch": 12.0, "roll": 15.0}
SPEECH_SPEED = {"yaw": 8.1, "pitch": 8.1, "roll": 4.7}

ENVELOPE = {"yaw": 1.08, "pitch": 1.0, "roll": 1.1}  # makes up for the movement held back at pauses and limits (measured)

SLOW = 0.95  # s, smoothing of the slow wander
QUICK = {"yaw": 0.22, "pitch": 0.16, "roll": 0.26}  # s, smoothing of the quick part
SILENT_SLOW, SILENT_QUICK = 0.30, 0.04  # share of each that remains in silence
BREATH_RATE, BREATH_PITCH, BREATH_RISE = 0.25, 0.25, 0.006  # Hz (15 breaths a minute), degrees, distances between the eyes
NOD = 2.2  # degrees the chin drops on a full stress
SHIFT = (0.030, 0.022, 0.020)  # sd of x, y, z in distances between the eyes


def draw_head(prosody: Prosody, strengths: Tensor, seed: int, gain: float = 1.0) -> Tensor:
    """Draw the head movement of a clip.

    Args:
        prosody: rhythm of the speech.
        strengths: [N, 8] emotion strengths on the prosody grid.
        seed: the performance's seed.
        gain: 0..2 times the natural movement; the limits hold at any gain, 0 is a still head.

    Returns:
        [N, 6] on the prosody grid, as Motion.head: yaw, pitch, roll in degrees; x, y, z in distances between the eyes.
    """
    count = prosody.size
    slow = noise(stream(seed, "head slow"), count, 6, SLOW)
    quick = torch.cat([noise(stream(seed, f"head quick {axis}"), count, 1, QUICK[axis]) for axis in AXES], 1)
    lively = torch.tensor([POSTURE[name][4] - 1 for name in EMOTIONS])
    liveliness = 1 + (strengths @ lively).clamp(-0.6, 0.5)[:, None]
    held = posture(strengths)
    activity = smooth(prosody.activity, 0.25)[:, None]
    energy = (0.75 + 0.5 * smooth(prosody.loudness, 0.4)[:, None]) * activity  # louder phrases move more
    slow_level = (SILENT_SLOW + (1 - SILENT_SLOW) * activity) * liveliness
    quick_level = (SILENT_QUICK * (1 - activity) + energy) * liveliness
    shares = torch.tensor([_quick_share(axis) for axis in AXES])
    size = torch.tensor([SPEECH_SD[axis] * ENVELOPE[axis] for axis in AXES])
    turn = size * (slow[:, :3] * slow_level * (1 - shares).sqrt() + quick * quick_level * shares.sqrt())
    shift = slow[:, 3:] * slow_level * torch.tensor(SHIFT)
    time = torch.arange(count, dtype=torch.float32) / RATE
    breath = torch.sin(2 * math.pi * (BREATH_RATE * time + 0.1 * slow[:, 5]))
    turn[:, 1] += nods(prosody, seed) * liveliness[:, 0] + BREATH_PITCH * breath
    shift[:, 1] -= BREATH_RISE * breath
    turn, shift = turn + held[:, :3], shift + held[:, 3:]
    ease = (time / 0.8).clamp(0, 1)[:, None]  # every clip begins in the portrait's own pose
    ease = ease * ease * (3 - 2 * ease)
    limits = torch.tensor([LIMITS[axis] for axis in AXES])
    return torch.cat([_limit(gain * ease * turn, limits), gain * ease * shift], 1)


def nods(prosody: Prosody, seed: int) -> Tensor:
    """[N] degrees of pitch, 0 or below: the chin drops on stressed syllables and comes back more slowly."""
    hits = torch.zeros(prosody.size)
    if prosody.stresses:
        chance = torch.rand(len(prosody.stresses), generator=stream(seed, "head nods"))
        for (time, strength), luck in zip(prosody.stresses, chance.tolist(), strict=True):
            if luck < 0.35 + 0.5 * strength:  # not every stress nods
                hits[min(round(time * RATE), prosody.size - 1)] += strength
    offsets = torch.arange(-round(0.3 * RATE), round(0.6 * RATE) + 1, dtype=torch.float32) / RATE
    bump = torch.where(
        offsets < 0.06, torch.exp(-0.5 * ((offsets - 0.06) / 0.075) ** 2), torch.exp(-0.5 * ((offsets - 0.06) / 0.14) ** 2)
    )
    padded = torch.nn.functional.pad(hits[None, None], (round(0.6 * RATE), round(0.3 * RATE)))
    return -NOD * torch.nn.functional.conv1d(padded, bump.flip(0)[None, None])[0, 0]


def _quick_share(axis: str) -> float:
    """Share of the variance in the quick part that gives both sd and mean speed (of a Gaussian: √(2/π) of the speed's sd)."""
    squared = (SPEECH_SPEED[axis] * math.sqrt(math.pi / 2) / SPEECH_SD[axis]) ** 2
    slow, quick = 1 / (2 * SLOW**2), 1 / (2 * QUICK[axis] ** 2)
    return min(1.0, max(0.0, (squared - slow) / (quick - slow)))


def _limit(angles: Tensor, limits: Tensor) -> Tensor:
    """Bend angles softly so that they never pass the limits; below 60 % of a limit nothing changes."""
    share = angles.abs() / limits
    bent = torch.where(share > 0.6, 0.6 + 0.4 * torch.tanh((share - 0.6) / 0.4), share)
    return angles.sign() * bent * limits

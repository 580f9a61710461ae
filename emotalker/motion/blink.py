"""Blinks: how often, when, and how a lid moves."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..arkit import UNIT_INDEX
from ..speech.prosody import RATE, Prosody, stream
from .gaze import GazeShifts

# Numbers of the blink process.
RATE_CONVERSATION, RATE_REST = 26.0, 17.0  # blinks a minute (Bentivoglio et al., Movement Disorders 12(6), 1997)
GAP_SPREAD = 0.55  # log: spread of the log-normal gaps between blinks (form: see the same paper; a modelling choice)
CLOSING, OPENING = (0.050, 0.100), (0.100, 0.200)  # s, range (typical figures of the literature)
HOLD = 0.030  # s, lids stay shut
PARTIAL_CHANCE, PARTIAL = 0.12, (0.45, 0.80)  # share of blinks that do not close, and how far those go
MIN_GAP = 0.30  # s from one blink to the next
PULL_CHANCE, PULL_REACH = (
    0.65,
    0.45,
)  # blinks fall on pauses and gaze shifts (Nakano, Kitazawa, Exp. Brain Res. 205, 2010): chance, and s they move for it
BIG_SHIFT = 6.0  # degrees: from this size gaze shifts come with a blink (Evinger et al., Exp. Brain Res. 100, 1994)


@dataclass(frozen=True)
class Blinks:
    """Blinks in order of time.

    Attributes:
        times: [K] seconds at which the lids are shut.
        closing, opening: [K] seconds the lids take.
        depth: [K] 0..1, 1 is a full closure.
    """

    times: Tensor
    closing: Tensor
    opening: Tensor
    depth: Tensor


def draw_blinks(prosody: Prosody, seed: int, shifts: GazeShifts | None = None, gain: float = 1.0) -> Blinks:
    """Draw the blinks of a clip.

    Args:
        prosody: rhythm of the speech: 26 blinks a minute in talk, 17 in long silences; pause starts attract them.
        seed: the performance's seed.
        shifts: gaze shifts; large ones attract blinks too.
        gain: how often, 0..2 times the natural rate.
    """
    generator = stream(seed, "blink")
    # Talk and its pauses have the rate of conversation; silence that goes on for seconds that of rest.
    near_talk = _spread(prosody.activity > 0.5, 1.5)
    per_second = gain * torch.where(near_talk, RATE_CONVERSATION, RATE_REST).double() / 60
    clock = torch.cumsum(per_second, 0) / RATE  # expected number of blinks so far
    count = int(clock[-1] * 2) + 8
    normal, uniform = torch.randn(count, generator=generator), torch.rand(count, 6, generator=generator)
    gaps = torch.exp(GAP_SPREAD * normal - 0.5 * GAP_SPREAD**2).double()
    # The clip begins somewhere in a gap, and long gaps are likelier to be met: a log-normal so weighted is wider by e^σ².
    gaps[0] *= uniform[0, 0].double() * math.exp(GAP_SPREAD**2)
    beats = torch.cumsum(gaps, 0)
    beats = beats[beats < clock[-1]]
    times = torch.searchsorted(clock, beats).double() / RATE
    attractors = [start + 0.05 for start, _ in prosody.pauses if start > 0.1]
    if shifts is not None:
        attractors += shifts.times[shifts.amplitudes >= BIG_SHIFT].tolist()
    times = _pull(times, torch.tensor(sorted(attractors), dtype=torch.float64), uniform[: len(times), 1])
    keep, last = [], -1.0
    for index, time in enumerate(times.tolist()):
        if time - last >= MIN_GAP and time < prosody.duration - 0.05:
            keep.append(index)
            last = time
    uniform, times = uniform[keep].double(), times[keep]
    depth = torch.where(uniform[:, 4] < PARTIAL_CHANCE, PARTIAL[0] + (PARTIAL[1] - PARTIAL[0]) * uniform[:, 5], 1.0)
    closing, opening = (low + (high - low) * uniform[:, column] for column, (low, high) in ((2, CLOSING), (3, OPENING)))
    return Blinks(times, closing, opening, depth)


def blink_closure(blinks: Blinks, times: Tensor) -> Tensor:
    """How far the lids are shut.

    Each blink's shut moment moves to the nearest frame: a full blink closes the eye on at least one frame at any rate.

    Args:
        blinks: what `draw_blinks` drew.
        times: [T] seconds of the frames, ascending.

    Returns:
        [T] 0..1.
    """
    closure = torch.zeros(times.shape[0])
    if len(blinks.times) == 0 or times.shape[0] == 0:
        return closure
    times = times.double().cpu()
    after = torch.searchsorted(times, blinks.times).clamp(1, max(1, times.shape[0] - 1)).clamp(max=times.shape[0] - 1)
    before = (after - 1).clamp(min=0)
    shut = torch.where(times[after] - blinks.times < blinks.times - times[before], times[after], times[before])
    previous = (torch.searchsorted(shut, times, right=True) - 1).clamp(min=0)
    for which in (previous, (previous + 1).clamp(max=len(shut) - 1)):  # the blink just past and the one to come
        since = times - shut[which]
        closing = (1 + since / blinks.closing[which]).clamp(0, 1)
        opening = (1 - (since - HOLD) / blinks.opening[which]).clamp(0, 1)
        # Lids fall fast and evenly and lift with a slowing end.
        lid = torch.where(since < 0, closing * closing * (3 - 2 * closing), opening**1.6 * (2.2 - 1.2 * opening))
        closure = torch.maximum(closure, (lid * blinks.depth[which]).float())
    return closure.clamp(0, 1)


def close_lids(units: Tensor, closure: Tensor) -> None:
    """Lay blinks [T] 0..1 over units [T, 52], in place: a closing lid takes back widening and squinting."""
    for side in ("Left", "Right"):
        lid = UNIT_INDEX["eyeBlink" + side]
        units[:, lid] = torch.maximum(units[:, lid], closure)
        for name in ("eyeWide", "eyeSquint"):
            units[:, UNIT_INDEX[name + side]] *= 1 - (closure if name == "eyeWide" else 0.5 * closure)


def _pull(times: Tensor, attractors: Tensor, chance: Tensor) -> Tensor:
    """Move times to the nearest attractor within reach, each with PULL_CHANCE."""
    if len(attractors) == 0 or len(times) == 0:
        return times
    right = torch.searchsorted(attractors, times).clamp(max=len(attractors) - 1)
    left = (right - 1).clamp(min=0)
    nearest = torch.where(
        (attractors[right] - times).abs() < (times - attractors[left]).abs(), attractors[right], attractors[left]
    )
    pulled = ((nearest - times).abs() < PULL_REACH) & (chance.double() < PULL_CHANCE)
    return torch.where(pulled, nearest, times).sort().values


def _spread(mask: Tensor, seconds: float) -> Tensor:
    """Widen a grid mask [N] by `seconds` on both sides."""
    reach = round(seconds * RATE)
    sums = torch.nn.functional.pad(torch.cumsum(mask.float(), 0), (1, 0))
    index = torch.arange(mask.shape[0])
    return sums[(index + reach + 1).clamp(max=mask.shape[0])] - sums[(index - reach).clamp(min=0)] > 0

"""The rhythm of speech: when it is spoken, where it pauses, which syllables are stressed."""

import hashlib
import math
from dataclasses import dataclass

import torch
from scipy.signal import find_peaks
from torch import Tensor

from ..curves import sample
from .features import VISEME_INDEX, SpeechFeatures

RATE = 100.0
"""Samples per second of every process here, whatever the video's frame rate: one seed means one performance at any rate."""

MIN_PAUSE = 0.25
"""Seconds of silence that count as a pause; shorter gaps belong to consonants (Goldman-Eisler, Psycholinguistics, 1968)."""
MIN_STRESS_GAP = 0.28
"""Seconds between stressed syllables; English stresses come at 2 to 3 a second at the most."""


@dataclass(frozen=True)
class Prosody:
    """Speech rhythm on a regular grid of RATE samples a second, on the CPU.

    Attributes:
        duration: seconds.
        loudness: [N] 0..1, smoothed over a syllable.
        activity: [N] 0..1, 1 while somebody speaks, 0 in pauses, eased over about 0.3 s.
        pauses: (start s, end s) of each silence of at least MIN_PAUSE, lead-in and lead-out included.
        stresses: (time s, strength 0..1) of each stressed syllable.
    """

    duration: float
    loudness: Tensor
    activity: Tensor
    pauses: list[tuple[float, float]]
    stresses: list[tuple[float, float]]

    @property
    def size(self) -> int:
        """N, the number of grid samples."""
        return self.loudness.shape[0]

    def at(self, curve: Tensor, times: Tensor) -> Tensor:
        """A grid curve [N, ...] at [T] seconds."""
        return sample(curve, RATE, times)


def analyse(features: SpeechFeatures) -> Prosody:
    """Rhythm of the speech; without any speech (silence) it is one pause without stresses."""
    duration = features.frames / features.fps
    count = grid_size(duration)
    grid = torch.arange(count, dtype=torch.float64) / RATE - 0.5 / features.fps  # frame i stands for its middle
    curves = torch.stack([features.loudness, features.voicing, features.visemes[:, VISEME_INDEX["sil"]]], 1)
    loudness, voicing, silence = sample(torch.nan_to_num(curves), features.fps, grid).unbind(1)
    speaking = smooth(((1 - silence) * (loudness > 0.05)), 0.03) > 0.4
    pauses = _runs(~speaking, MIN_PAUSE, duration)
    talk = torch.ones(count)
    for start, end in pauses:
        talk[round(start * RATE) : round(end * RATE) + 1] = 0.0
    syllable = smooth(loudness * (0.4 + 0.6 * voicing), 0.04) * talk
    relief = syllable - smooth(syllable, 0.6)
    scale = max(float(relief.quantile(0.97)) if count < 1_000_000 else 0.3, 0.08)
    peaks, _ = find_peaks(relief.numpy(), distance=round(MIN_STRESS_GAP * RATE), height=0.35 * scale, prominence=0.35 * scale)
    stresses = [(float(p) / RATE, min(1.0, float(relief[p]) / scale)) for p in peaks]
    return Prosody(duration, smooth(loudness, 0.06), smooth(talk, 0.12), pauses, stresses)


def grid_size(duration: float) -> int:
    """Grid samples of a speech of `duration` seconds, its whole frames."""
    return max(2, math.ceil(duration * RATE) + 1)


def smooth(curve: Tensor, sigma: float) -> Tensor:
    """Gaussian smoothing of a grid curve [N] or [N, C]; `sigma` in seconds; both ends are held."""
    width = max(1, round(4 * sigma * RATE))
    offsets = torch.arange(-width, width + 1, dtype=curve.dtype)
    kernel = torch.exp(-0.5 * (offsets / (sigma * RATE)) ** 2)
    kernel = kernel / kernel.sum()
    columns = curve.reshape(curve.shape[0], -1).T[:, None]
    padded = torch.nn.functional.pad(columns, (width, width), mode="replicate")
    return torch.nn.functional.conv1d(padded, kernel[None, None])[:, 0].T.reshape(curve.shape)


def stream(seed: int, name: str) -> torch.Generator:
    """An independent generator for one process: what blinks draw never changes what the head does."""
    digest = hashlib.sha256(f"{int(seed)}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def noise(generator: torch.Generator, size: int, channels: int, sigma: float) -> Tensor:
    """Smooth Gaussian noise of unit variance, [size, channels]; `sigma` of the smoothing in seconds.

    White noise through a Gaussian of sigma s has the autocovariance exp(-t² / 4s²); its speed has the standard
    deviation 1 / (√2 s). A longer clip begins like a shorter one: the noise is drawn in blocks from the front.
    """
    width = max(1, round(4 * sigma * RATE))
    total, block = size + 2 * width, 1024
    white = torch.cat([torch.randn(block, channels, generator=generator) for _ in range(math.ceil(total / block))])[:total]
    offsets = torch.arange(-width, width + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (offsets / (sigma * RATE)) ** 2)
    kernel = kernel / kernel.square().sum().sqrt()
    return torch.nn.functional.conv1d(white.T[:, None], kernel[None, None])[:, 0].T


def _runs(mask: Tensor, shortest: float, duration: float) -> list[tuple[float, float]]:
    """(start s, end s) of each stretch where the grid mask holds for at least `shortest` seconds."""
    edges = torch.diff(torch.nn.functional.pad(mask.int(), (1, 1))).nonzero()[:, 0].tolist()
    spans = [(first / RATE, min(last / RATE, duration)) for first, last in zip(edges[::2], edges[1::2], strict=True)]
    return [(start, end) for start, end in spans if end - start >= min(shortest, duration)]

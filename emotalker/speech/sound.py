"""Any waveform as clean mono sound at 16 kHz, a piece at a time."""

import logging
import math
from functools import cache

import numpy as np
import torch
from scipy.signal import firwin, resample_poly
from torch import Tensor

from ..errors import UserError

RATE = 16000
FILTER_LOBES = 24
"""Zero crossings of the resampling filter on each side; with KAISER it keeps aliases about 80 dB down."""
KAISER = 8.0
STEPWISE = 100_000
"""Rate from which a sound that shares no large divisor with RATE is first brought to a near multiple of RATE, by straight
lines: the filter of one step would take gigabytes, and so far above speech straight lines are exact enough."""
CANCELLED = 0.01
"""Power of the channels' mean over that of the loudest channel, below which the channels are in opposite phase."""

_log = logging.getLogger(__name__)


class Sound:
    """A waveform of any kind, checked once and read as mono 16 kHz in pieces.

    Args:
        waveform: [C, N] or [N], float -1..1 or integer of any width.
        sample_rate: samples a second.

    Attributes:
        duration: seconds.
        loudest: root mean square of the loudest second, 1 is full scale.

    Raises:
        UserError: no samples, no valid sample, or no sensible rate.
    """

    def __init__(self, waveform: Tensor, sample_rate: float) -> None:
        rate = round(sample_rate)
        if not 1000 <= rate <= 768000:
            raise UserError(f"The audio has a sample rate of {sample_rate} Hz: use a sound between 1 and 768 kHz.")
        if waveform.ndim == 0 or waveform.numel() == 0:
            raise UserError("The audio is empty: connect a sound that lasts at least a moment.")
        self.rate = rate
        self.channels = waveform.detach().reshape(-1, waveform.shape[-1]).cpu()
        self.scale = 1.0 if waveform.is_floating_point() else 1.0 / (torch.iinfo(waveform.dtype).max + 1)
        self.duration = self.channels.shape[1] / rate
        self.chosen = self._choose()

    def _choose(self) -> list[int]:
        """Which channels are averaged: all, or the loudest where they would cancel each other. Looks at every sample: finds
        offset and level, and warns of broken samples."""
        count = self.channels.shape[0]
        powers, mixed, broken, first, loudest = np.zeros(count), 0.0, 0, np.zeros(count), 0.0
        for start in range(0, self.channels.shape[1], self.rate * 20):
            piece = self.channels[:, start : start + self.rate * 20].double() * self.scale
            finite = piece.isfinite()
            broken += int((~finite).sum())
            piece = piece.nan_to_num(0.0, 0.0, 0.0)
            powers += piece.square().sum(1).numpy()
            first += piece.sum(1).numpy()
            mixed += float(piece.mean(0).square().sum())
            seconds = [part.square().mean(1) - part.mean(1).square() for part in piece.split(self.rate, 1)]
            loudest = max(loudest, *(float(second.max()) for second in seconds))
        if broken == self.channels.numel():
            raise UserError("The audio holds no valid sample (all are NaN or infinite): export the sound again.")
        if broken:
            _log.warning("The audio has %d broken samples (NaN or infinite): they were filled from their neighbours.", broken)
        self.mean = first / max(self.channels.shape[1] - broken / count, 1)
        self.loudest = max(loudest, 0.0) ** 0.5
        if count > 1 and mixed < CANCELLED * powers.max():
            return [int(powers.argmax())]
        return list(range(count))

    def levels(self, rate: int) -> Tensor:
        """Mean square of the mono sound in each `rate`-th of a second, without resampling it: [ceil(duration * rate)]."""
        size, found = max(1, round(self.rate / rate)), []
        for start in range(0, self.channels.shape[1], size * rate * 20):
            mono = torch.from_numpy(self._mono(start, min(start + size * rate * 20, self.channels.shape[1])))
            found += [part.square().mean(1) for part in (mono[: len(mono) // size * size].view(-1, size), mono[None, -size:])]
            if len(mono) % size == 0:
                found.pop()
        return torch.cat(found)

    def read(self, start: int, stop: int) -> Tensor:
        """Mono sound from second `start` to second `stop`, zeros outside the file.

        Args:
            start: whole seconds, may be negative.
            stop: whole seconds, may lie behind the end.

        Returns:
            [(stop - start) * RATE] float32 without DC offset.
        """
        total = self.channels.shape[1]
        first, last = max(start * self.rate, 0), min(stop * self.rate, total)
        mono = np.pad(self._mono(first, last), (first - start * self.rate, stop * self.rate - last))
        return torch.from_numpy(_resampled(mono, self.rate))

    def _mono(self, first: int, last: int) -> np.ndarray:
        """Samples first..last of the file, repaired, as float32 without DC offset."""
        piece = self.channels[self.chosen, first:last].float().numpy() * self.scale
        mono = np.mean([_repaired(channel) - mean for channel, mean in zip(piece, self.mean[self.chosen], strict=True)], axis=0)
        return mono.astype(np.float32)


def _repaired(channel: np.ndarray) -> np.ndarray:
    """The samples with NaN and infinity bridged by straight lines."""
    valid = np.isfinite(channel)
    if valid.all():
        return channel
    if not valid.any():
        return np.zeros_like(channel)
    places = np.arange(len(channel))
    return np.interp(places, places[valid], channel[valid]).astype(np.float32)


def _resampled(mono: np.ndarray, rate: int) -> np.ndarray:
    """Band-limited change of rate; a whole number of seconds stays one."""
    if rate == RATE:
        return mono
    divisor = math.gcd(rate, RATE)
    if rate // divisor > STEPWISE:
        near = RATE * round(rate / RATE)
        places = np.arange(len(mono) // rate * near) * (rate / near)
        mono, rate, divisor = np.interp(places, np.arange(len(mono)), mono).astype(np.float32), near, RATE
    return resample_poly(mono, RATE // divisor, rate // divisor, window=_filter(rate)).astype(np.float32)


@cache
def _filter(rate: int) -> np.ndarray:
    divisor = math.gcd(rate, RATE)
    widest = max(RATE, rate) // divisor
    return firwin(2 * FILTER_LOBES * widest + 1, 0.97 / widest, window=("kaiser", KAISER))

"""Rooms, microphones, noise, music and voices that the synthesisers do not have.

All ranges below are choices, wide enough to cover what people record: no measurement stands behind them.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...speech.encoder import LEVEL, RATE

BACKGROUND_SECONDS = 120
TAIL = 1024
"""Zeros behind a crop while it is filtered, so that its end does not ring at its start."""


@dataclass(frozen=True)
class Chances:
    """Probability of each change, for each crop."""

    noise: float = 0.6
    music: float = 0.2
    switching: float = 0.25
    reverb: float = 0.35
    clip: float = 0.08
    narrow: float = 0.2
    high_pass: float = 0.15
    equaliser: float = 0.8


class Augmenter:
    """Turns clean crops into varied recordings.

    Args:
        seed: of its random numbers.
        device: where the crops are.
    """

    def __init__(self, seed: int, device: str | torch.device = "cpu") -> None:
        self.device = device
        self.generator = torch.Generator(device).manual_seed(seed)
        self.chances = Chances()
        self.noise = torch.stack([self._coloured(slope) for slope in (0.0, 0.5, 1.0, 1.5, 2.0)])
        self.music = torch.stack([self._tones() for _ in range(3)])

    def _rand(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator, device=self.device)

    def _between(self, low: float, high: float, count: int) -> Tensor:
        return low + (high - low) * self._rand(count)

    def _coloured(self, slope: float) -> Tensor:
        """Noise whose power falls as frequency to the -slope, slowly swelling."""
        count = BACKGROUND_SECONDS * RATE
        spectrum = torch.fft.rfft(torch.randn(count, generator=self.generator, device=self.device))
        frequencies = torch.arange(len(spectrum), device=self.device).clamp(min=count * 30 // RATE)
        noise = torch.fft.irfft(spectrum * frequencies ** (-slope / 2), count)
        swell = interpolate(self._rand(1, 1, BACKGROUND_SECONDS), count, mode="linear")[0, 0]
        noise = noise * (0.4 + swell)
        return noise / noise.square().mean().sqrt()

    def _tones(self) -> Tensor:
        """Chords of decaying harmonic tones with a beat: what a spectrum of music looks like."""
        count = BACKGROUND_SECONDS * RATE
        track = torch.zeros(count, device=self.device)
        at = 0
        while at < count:
            length = int(RATE * float(self._between(0.15, 0.9, 1)))
            time = torch.arange(min(length * 2, count - at), device=self.device) / RATE
            for _ in range(3):
                pitch = 55 * 2 ** (float(self._rand(1)) * 4)
                fall = torch.exp(-time * float(self._between(0.5, 6, 1)))
                for harmonic in range(1, 7):
                    if pitch * harmonic < RATE / 2:
                        track[at : at + len(time)] += fall * torch.sin(2 * math.pi * pitch * harmonic * time) / harmonic
            burst = torch.randn(len(time), generator=self.generator, device=self.device)
            track[at : at + len(time)] += burst * torch.exp(-time * 40)
            at += length
        return track / track.square().mean().sqrt()

    def __call__(self, crops: Tensor) -> Tensor:
        """Changed crops; no change moves a sound in time.

        Args:
            crops: [B, N] at 16 kHz.

        Returns:
            [B, N] with a root mean square of 12 dB below to 4 dB above LEVEL, backgrounds not counted.
        """
        count, length = crops.shape
        level = crops.square().mean(1, keepdim=True).sqrt().clamp(min=1e-3)
        sound = crops / level
        sound = torch.where((self._rand(count, 1) < self.chances.reverb), self._reverb(sound), sound)
        sound = sound + self._background(self.noise, self.chances.noise, -5.0, 45.0, count, length)
        sound = sound + self._background(self.music, self.chances.music, 0.0, 30.0, count, length)
        limit = self._between(1.0, 4.0, count)[:, None]
        sound = torch.where(self._rand(count, 1) < self.chances.clip, sound.clamp(-limit, limit), sound)
        spectrum = torch.fft.rfft(sound, length + TAIL)
        frequencies = torch.linspace(0, RATE / 2, spectrum.shape[1], device=self.device)
        gain = self._band(count, frequencies) * self._equaliser(count, frequencies)
        sound = torch.fft.irfft(spectrum * gain, length + TAIL)[:, :length]
        return sound * LEVEL * 10 ** (self._between(-12.0, 4.0, count)[:, None] / 20)

    def _background(self, bank: Tensor, chance: float, low: float, high: float, count: int, length: int) -> Tensor:
        """[count, length] pieces of a bank at speech-to-background ratios between low and high decibels, some silent."""
        which = torch.randint(len(bank), (count,), generator=self.generator, device=self.device)
        start = torch.randint(bank.shape[1] - length, (count,), generator=self.generator, device=self.device)
        pieces = torch.stack([bank[w, s : s + length] for w, s in zip(which.tolist(), start.tolist(), strict=True)])
        # Squaring draws most pieces towards the quiet end.
        ratio = low + (high - low) * self._rand(count).sqrt()
        gain = 10 ** (-ratio / 20) * (self._rand(count) < chance)
        return pieces * gain[:, None] * self._switching(count, length)

    def _switching(self, count: int, length: int) -> Tensor:
        """[count, length] 1, or for some crops 1 and 0 by turns: noise that starts and stops is still no speech."""
        turns = (self._rand(count, 1, 12) < 0.5).float()
        edges = torch.cat([self._rand(count, 11).sort(1).values, torch.ones(count, 1, device=self.device)], 1)
        time = torch.linspace(0, 1, length, device=self.device)
        on = turns[:, 0].gather(1, torch.searchsorted(edges, time.expand(count, -1).contiguous()).clamp(max=11))
        return torch.where(self._rand(count, 1) < self.chances.switching, on, torch.ones_like(on))

    def _reverb(self, sound: Tensor) -> Tensor:
        """Convolution with decaying noise: rooms of 0.1 to 0.7 s reverberation time."""
        count, length = sound.shape
        taps = RATE // 2
        time = torch.arange(taps, device=self.device) / RATE
        decay = torch.exp(-6.9 * time / self._between(0.1, 0.7, count)[:, None])
        response = torch.randn((count, taps), generator=self.generator, device=self.device) * decay
        response[:, : RATE // 500] = 0
        energy = 10 ** (self._between(-18.0, 0.0, count)[:, None] / 10)
        response = response * (energy / response.square().sum(1, keepdim=True)).sqrt()
        response[:, 0] = 1
        size = length + taps
        return torch.fft.irfft(torch.fft.rfft(sound, size) * torch.fft.rfft(response, size), size)[:, :length]

    def _band(self, count: int, frequencies: Tensor) -> Tensor:
        """[count, bins] amplitude gain at the frequencies [bins] in Hz: telephone, coded and thin recordings."""
        top = torch.where(self._rand(count) < self.chances.narrow, self._between(3400.0, 7500.0, count), 1e5)[:, None]
        bottom = torch.where(self._rand(count) < self.chances.high_pass, self._between(80.0, 350.0, count), 0.0)[:, None]
        gain = torch.sigmoid((top - frequencies) / 62.5) * torch.sigmoid((frequencies - bottom) / 10)
        return gain.clamp(min=1e-3)

    def _equaliser(self, count: int, frequencies: Tensor) -> Tensor:
        """[count, bins] amplitude gain: smooth random tone along the mel scale, up to about 10 dB."""
        mel = torch.log1p(frequencies / 700) / math.log1p(RATE / 1400) * math.pi
        waves = torch.stack([torch.cos(k * mel) for k in range(1, 6)])
        weights = torch.randn((count, 5), generator=self.generator, device=self.device) * 0.35
        return torch.exp((weights * (self._rand(count, 1) < self.chances.equaliser)) @ waves)

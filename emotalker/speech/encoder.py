"""The speech encoder: a dilated convolution network that reads visemes and voicing from a log-mel spectrogram."""

import numpy as np
import torch
from torch import Tensor, nn

from .features import VISEMES
from .phones import ARPABET, ARPABET_VISEMES

RATE = 16000
FFT, WINDOW, HOP = 512, 400, 160
"""Samples at 16 kHz: 25 ms windows every 10 ms."""
MELS = 80
MEL_RANGE = (20.0, 7600.0)
STRIDE = 2
FRAME_RATE = RATE / (HOP * STRIDE)
"""Output frames per second (50); frame i stands for the sound at i / 50 seconds."""
FLOOR = 1e-7
"""Added to the mel power before the logarithm: about -70 dB below full scale."""
LEVEL_RANGE = 5.0
"""Natural logarithm of power (22 dB): frames this far below the loudest do not count for the mean spectrum."""
WARPS = (0.92, 1.0, 1.08)
"""Vocal tract length factors that `hear` listens with. On four checkpoints, one pass each, three lengths agreed 0.3 to 0.9
points more often with a forced alignment of real speech than one."""
PRIOR_FRAMES = 50.0
"""Weight, in 10 ms frames, of the usual speech spectrum against the clip's own mean."""


def mel_filters(warp: float = 1.0) -> Tensor:
    """Triangular filters on the HTK mel scale.

    Args:
        warp: factor on the frequencies that the filters read; above 1 the voice seems to have a longer vocal tract.

    Returns:
        [FFT // 2 + 1, MELS].
    """
    low, high = (2595 * np.log10(1 + f / 700) for f in MEL_RANGE)
    edges = 700 * (10 ** (np.linspace(low, high, MELS + 2) / 2595) - 1) * warp
    bins = np.linspace(0, RATE / 2, FFT // 2 + 1)[:, None]
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return torch.from_numpy(np.clip(np.minimum(rise, fall), 0, None)).float()


def power_spectrum(waveform: Tensor) -> Tensor:
    """Short-time power spectrum.

    Args:
        waveform: [B, N] at 16 kHz.

    Returns:
        [B, N // HOP + 1, FFT // 2 + 1]; frame i is centred on sample i * HOP.
    """
    window = torch.hann_window(WINDOW, device=waveform.device)
    spectrum = torch.stft(waveform, FFT, HOP, WINDOW, window, center=True, pad_mode="constant", return_complex=True)
    return (spectrum.real.square() + spectrum.imag.square()).transpose(1, 2) / WINDOW


def normalise(logmel: Tensor, prior: Tensor) -> Tensor:
    """Take the clip's mean spectrum away: its gain, its microphone and much of its voice.

    Args:
        logmel: [B, T, MELS] natural logarithm of mel power.
        prior: [MELS] mean spectrum of speech, towards which short clips are drawn.

    Returns:
        [B, T, MELS].
    """
    energy = logmel.mean(2)
    active = (energy > energy.amax(1, keepdim=True) - LEVEL_RANGE).to(logmel.dtype)
    count = active.sum(1)[:, None]
    mean = (logmel * active[:, :, None]).sum(1) / count
    level = (mean - prior).mean(1, keepdim=True)
    mean = (mean * count + (prior + level) * PRIOR_FRAMES) / (count + PRIOR_FRAMES)
    return (logmel - mean[:, None]) / 3


def _visemes_of_phones() -> Tensor:
    """[40, 15] shares of the visemes in each phone of ARPABET."""
    shares = torch.zeros(len(ARPABET), len(VISEMES))
    for row, phone in zip(shares, ARPABET, strict=True):
        for name in ARPABET_VISEMES[phone]:
            row[VISEMES.index(name)] += 1 / len(ARPABET_VISEMES[phone])
    return shares


class Block(nn.Module):
    """Residual dilated convolution."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm1d(width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop(nn.functional.gelu(self.norm(self.conv(x))))


class SpeechEncoder(nn.Module):
    """Log-mel frames at 100 Hz to viseme, phone and voicing logits at 50 Hz; sees 0.7 s each way.

    Args:
        width: channels of every layer and of the embedding.
        dilations: of the residual blocks, in frames at 50 Hz.
        dropout: of the blocks, while training.
    """

    def __init__(
        self,
        width: int = 256,
        dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 2, 4, 8, 1, 2),
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.register_buffer("prior", torch.zeros(MELS))
        self.register_buffer("filters", mel_filters(), persistent=False)
        self.register_buffer("warped", torch.stack([mel_filters(warp) for warp in WARPS]), persistent=False)
        self.register_buffer("shown", _visemes_of_phones(), persistent=False)
        self.stem = nn.Conv1d(MELS, width, 5, stride=STRIDE, padding=2)
        self.blocks = nn.Sequential(*(Block(width, dilation, dropout) for dilation in dilations))
        self.norm = nn.BatchNorm1d(width)
        self.visemes = nn.Conv1d(width, len(VISEMES), 1)
        self.voicing = nn.Conv1d(width, 1, 1)
        self.phones = nn.Conv1d(width, len(ARPABET), 1)

    def forward(self, logmel: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits of every output frame.

        Args:
            logmel: [B, T, MELS] natural logarithm of mel power, not normalised.

        Returns:
            viseme logits [B, S, 15], voicing logits [B, S], phone logits [B, S, 40], embedding [B, S, width] with
            S = (T + 1) // 2; output frame i lies at input frame 2 * i.
        """
        x = normalise(logmel, self.prior).transpose(1, 2)
        x = nn.functional.gelu(self.norm(self.blocks(self.stem(x))))
        visemes, voicing, phones = (head(x).transpose(1, 2) for head in (self.visemes, self.voicing, self.phones))
        return visemes, voicing[..., 0], phones, x.transpose(1, 2)

    def hear(self, waveform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Probabilities of every output frame, as heard with a shorter, the usual and a longer vocal tract in mind.

        Args:
            waveform: [B, N] at 16 kHz.

        Returns:
            visemes [B, S, 15], the geometric mean of what the viseme and the phone output say at each vocal tract length;
            voicing [B, S]; embedding [B, S, width] at the usual length.
        """
        power = power_spectrum(waveform)
        scores, voicings, embeddings = [], [], []
        for filters in self.warped:
            visemes, voicing, phones, hidden = self(torch.log(power @ filters + FLOOR))
            by_phones = (phones.softmax(2) @ self.shown).clamp(min=1e-6).log()
            scores.append((visemes.log_softmax(2) + by_phones) / 2)
            voicings.append(voicing.sigmoid())
            embeddings.append(hidden)
        return torch.stack(scores).mean(0).softmax(2), torch.stack(voicings).mean(0), embeddings[WARPS.index(1.0)]

    def logmel(self, waveform: Tensor) -> Tensor:
        """[B, N] sound at 16 kHz to [B, N // HOP + 1, MELS]."""
        return torch.log(power_spectrum(waveform) @ self.filters + FLOOR)

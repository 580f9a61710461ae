"""A waveform becomes speech features."""

import torch
import torchaudio.functional as AF
from torch import Tensor

from ..errors import UserError
from .features import VISEME_INDEX, SpeechFeatures, frame_count

RATE = 16000


def analyse_speech(
    waveform: Tensor,
    sample_rate: int,
    fps: float = 25.0,
    transcript: str | None = None,
    device: str | torch.device = "cpu",
) -> SpeechFeatures:
    """First version: loudness and voicing only; the jaw follows the loudness until the encoder is trained."""
    mono = waveform.float().reshape(-1, waveform.shape[-1]).mean(0)
    if mono.numel() == 0:
        raise UserError("The audio is empty: connect a sound that lasts at least a moment.")
    duration = mono.numel() / sample_rate
    mono = AF.resample(mono, sample_rate, RATE)
    count = frame_count(duration, fps)
    window = int(0.04 * RATE)
    centres = ((torch.arange(count) + 0.5) / fps * RATE).long()
    padded = torch.nn.functional.pad(mono, (window, window + RATE))
    frames = torch.stack([padded[c + window // 2 : c + window // 2 + window] for c in centres.clamp(max=mono.numel())])
    decibels = 10 * torch.log10(frames.square().mean(1) + 1e-10)
    level = max(float(decibels.quantile(0.95)), -50.0)
    loudness = ((decibels - level) / 30 + 1).clamp(0, 1)
    crossings = (frames[:, 1:] * frames[:, :-1] < 0).float().mean(1)
    voicing = torch.sigmoid((0.2 - crossings) * 30) * loudness
    visemes = torch.zeros(count, 15)
    visemes[:, VISEME_INDEX["aa"]] = voicing
    visemes[:, VISEME_INDEX["sil"]] = 1 - voicing
    return SpeechFeatures(fps, visemes, voicing, loudness, torch.zeros(count, 8), duration)

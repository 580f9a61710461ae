"""A waveform becomes speech features."""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError
from .align import align_speech
from .encoder import FRAME_RATE, LEVEL, STEP, SpeechEncoder
from .features import VISEME_INDEX, VISEMES, SpeechFeatures, frame_count
from .phones import Segment, sample_segments, viseme_segments
from .sound import RATE, Sound

CHUNK, CONTEXT = 20, 2
"""Whole seconds that are analysed at once, at most, and those around them that are only listened to."""
FINE_RATE = 2 * FRAME_RATE
"""Frames a second before they are gathered into video frames: two passes of the encoder, half a frame apart."""
HIGHEST_GAIN = 100.0
QUIETEST = -60.0
"""Decibels (mean square in 40 ms, where the loudest second is at LEVEL) below which nothing is speech."""
LEVEL_QUANTILE = 0.9
"""The clip's level of loud speech: this quantile of the decibels of its speech frames."""
SPOKEN = 20.0
"""Decibels below the loudest second down to which a long sound's frames count as speech when its level is measured."""
LOUDNESS_RANGE = 30.0
"""Decibels from loudness 0 to loudness 1."""
SIL = VISEME_INDEX["sil"]


def analyse_speech(
    waveform: Tensor,
    sample_rate: int,
    fps: float = 25.0,
    transcript: str | None = None,
    device: str | torch.device = "cpu",
    on_progress: Callable[[int, int], None] | None = None,
    lazily: bool = False,
) -> SpeechFeatures:
    """What is said in a sound, for every video frame. Reads long sounds in pieces: memory grows with the frames only.

    Args:
        waveform: [C, N] or [N], any number of channels (averaged), float -1..1 or integer. NaN and infinite samples are
            repaired with a warning in the log.
        sample_rate: samples a second.
        fps: video frames a second, 1..240.
        transcript: the English words that are spoken; their forced alignment then replaces what the encoder heard.
        device: where the encoder runs.
        on_progress: called with (pieces done, pieces in all) before each piece of the sound; what it raises ends the analysis.
        lazily: return at once for a sound of several pieces without a transcript; each piece is heard when it is asked for.

    Returns:
        Features on the CPU with frame_count(duration, fps) frames.

    Raises:
        UserError: the sound is empty or broken, the rate is senseless, or the transcript cannot be used.
    """
    if not 1 <= fps <= 240:
        raise UserError(f"The frame rate is {fps:g}: choose between 1 and 240 frames a second.")
    aligned = bool(transcript and transcript.strip())
    speech = GrowingSpeech(Sound(waveform, sample_rate), fps, transcript if aligned else None, device, on_progress)
    return speech if lazily and speech.pieces > 1 and not aligned else speech.whole()


class GrowingSpeech(SpeechFeatures):
    """Speech that is heard piece by piece, as far as somebody asks; asking for a whole track hears all of it.

    Attributes:
        pieces: how many there are.
        heard: how many frames are heard so far.
    """

    def __init__(
        self,
        sound: Sound,
        fps: float,
        transcript: str | None,
        device: str | torch.device,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        count, seconds = frame_count(sound.duration, fps), math.ceil(sound.duration)
        # Pieces of much the same length: the encoder hears a word better among others.
        length = math.ceil(seconds / math.ceil(seconds / CHUNK))
        encoder, pieces = _encoder(str(device)), math.ceil(seconds / length)
        gain = min(LEVEL / max(sound.loudest, 1e-9), HIGHEST_GAIN)
        phones, words = _align(sound, transcript) if transcript else (None, None)
        # Written past the frozen dataclass, whose tracks are properties here.
        self.__dict__.update(
            fps=fps,
            duration=sound.duration,
            phones=phones,
            words=words,
            pieces=pieces,
            heard=0,
            _sound=sound,
            _encoder=encoder,
            _device=device,
            _progress=on_progress,
            _length=length,
            _gain=gain,
            _top=_loud_level(sound, gain) if pieces > 1 else None,
            _aligned=_aligned_visemes(phones, count, fps) if phones is not None else None,
            _next=0,
            _tracks=(
                torch.zeros(count, len(VISEMES)),
                torch.zeros(count),
                torch.zeros(count),
                torch.zeros(count, encoder.width),
            ),
        )

    @property
    def frames(self) -> int:
        """T, the number of video frames, heard or not."""
        return len(self._tracks[0])

    visemes = property(lambda self: self.whole().visemes)
    voicing = property(lambda self: self.whole().voicing)
    loudness = property(lambda self: self.whole().loudness)
    embedding = property(lambda self: self.whole().embedding)

    def whole(self) -> SpeechFeatures:
        """All of it."""
        self.hear(self.frames)
        return SpeechFeatures(self.fps, *self._tracks, self.duration, self.phones, self.words)

    def part(self, first: int, last: int) -> SpeechFeatures:
        """Frames first..last (not included); hears no more than up to the end of their piece."""
        self.hear(last)
        return SpeechFeatures(self.fps, *(track[first:last] for track in self._tracks), self.duration).part(0, last - first)

    @torch.inference_mode()
    def hear(self, frames: int) -> None:
        """Hears pieces until the first `frames` frames are known. A piece that fails or is cancelled can be heard again."""
        while self.heard < min(frames, self.frames):
            self._hear_piece()

    def _hear_piece(self) -> None:
        number, sound = self._next, self._sound
        if self._progress is not None:
            self._progress(number, self.pieces)
        count, length = self.frames, self._length
        centres = (torch.arange(self.heard, count) + 0.5) / self.fps
        if number + 1 < self.pieces:
            centres = centres[(centres / length).long() <= number]
        rows = slice(self.heard, self.heard + len(centres))
        start = max(number * length - CONTEXT, 0)
        piece = sound.read(start, min((number + 1) * length + CONTEXT, math.ceil(sound.duration))) * self._gain
        within = centres - start
        tracks = _listen(self._encoder, piece.to(self._device))
        visemes, voicing, embedding = (_gather(track, within, self.fps) for track in tracks)
        decibels = _level(piece, within)
        if self._aligned is not None:
            visemes = self._aligned[rows].clone()
        quiet = decibels < QUIETEST
        visemes[quiet] = torch.nn.functional.one_hot(torch.tensor(SIL), len(VISEMES)).float()
        voicing[quiet] = 0
        loudness = _loudness(decibels, visemes, self._top)
        for track, values in zip(self._tracks, (visemes, voicing, loudness, embedding), strict=True):
            track[rows] = values
        self.__dict__.update(heard=rows.stop, _next=number + 1)


@cache
def _encoder(device: str) -> SpeechEncoder:
    return SpeechEncoder.load(device)


@torch.inference_mode()
def _listen(encoder: SpeechEncoder, piece: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Visemes [S, 15], voicing [S, 1] and embedding [S, D] at FINE_RATE; row i stands for i / FINE_RATE seconds."""
    shifted = torch.stack([piece, torch.nn.functional.pad(piece[STEP // 2 :], (0, STEP // 2))])
    visemes, voicing, embedding = encoder.hear(shifted)
    visemes, voicing, embedding = (
        track.transpose(0, 1).flatten(0, 1).float().cpu() for track in (visemes, voicing[..., None], embedding)
    )
    return visemes, voicing, embedding


def _gather(track: Tensor, centres: Tensor, fps: float) -> Tensor:
    """Mean of a track [S, D] at FINE_RATE over each video frame: [len(centres), D].

    The track counts as a straight line between its rows. Each row already speaks for one encoder frame around it, so that
    the mean is taken over a video frame less that, and over (almost) a point from FRAME_RATE on.
    """
    width = max(1 / fps - 1 / FRAME_RATE, 1e-4)
    sums = torch.cat([torch.zeros(1, track.shape[1]), (track.double()[1:] + track.double()[:-1]).cumsum(0) / 2])
    edges = torch.stack([centres - width / 2, centres + width / 2]).double() * FINE_RATE
    edges = edges.clamp(0, len(track) - 1 - 1e-6)
    low = edges.long()
    part = (edges - low)[..., None]
    # The integral of a straight line from row `low` to the edge.
    values = track.double()
    integral = sums[low] + part * values[low] + part.square() / 2 * (values[low + 1] - values[low])
    result = ((integral[1] - integral[0]) / (edges[1] - edges[0])[:, None].clamp(min=1e-6)).float()
    return result if track.shape[1] > 1 else result[:, 0]


def _level(piece: Tensor, centres: Tensor) -> Tensor:
    """Decibels in the 40 ms around each centre."""
    half = RATE // 50
    sums = torch.cat([torch.zeros(1, dtype=torch.float64), piece.double().square().cumsum(0)])
    middle = (centres * RATE).long()
    low, high = (middle - half).clamp(0, len(piece)), (middle + half).clamp(0, len(piece))
    return (10 * torch.log10((sums[high] - sums[low]) / (2 * half) + 1e-12)).float()


def _loud_level(sound: Sound, gain: float) -> float:
    """Decibels of a long sound's loud speech by its samples alone, before any of it is heard: much the same level as
    LEVEL_QUANTILE of the speech frames, which are taken to be those within SPOKEN of the loudest second."""
    decibels = 10 * torch.log10(sound.levels(25).double() * gain**2 + 1e-12)
    spoken = decibels[decibels > min(20 * math.log10(LEVEL), float(decibels.max())) - SPOKEN]
    return float(np.quantile(spoken.numpy(), LEVEL_QUANTILE))


def _loudness(decibels: Tensor, visemes: Tensor, top: float | None = None) -> Tensor:
    """Loudness as SpeechFeatures defines it, from decibels [T], visemes [T, 15] and the level of loud speech; None measures it
    in these frames."""
    speech = 1 - visemes[:, SIL]
    spoken = decibels[speech > 0.5]
    if top is None and not len(spoken):
        return torch.zeros_like(decibels)
    top = float(np.quantile(spoken.numpy(), LEVEL_QUANTILE)) if top is None else top
    return (1 + (decibels - top) / LOUDNESS_RANGE).clamp(0, 1) * speech


def _align(sound: Sound, transcript: str) -> tuple[list[Segment], list[Segment]]:
    whole = sound.read(0, int(np.ceil(sound.duration)))[: round(sound.duration * RATE)]
    return align_speech(whole, transcript)


def _aligned_visemes(phones: list[Segment], count: int, fps: float) -> Tensor:
    """Visemes [count, 15] of a forced alignment."""
    times = np.arange(int(np.ceil((count + 1) / fps * FINE_RATE)) + 1) / FINE_RATE
    labels = torch.from_numpy(sample_segments(viseme_segments(phones), times))
    track = torch.nn.functional.one_hot(labels, len(VISEMES)).float()
    return _gather(track, (torch.arange(count) + 0.5) / fps, fps)

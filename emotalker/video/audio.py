"""Sound: out of any audio or video file, and into a WAV file."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from av.error import FFmpegError
from torch import Tensor

from ..errors import UserError


@dataclass(frozen=True)
class Sound:
    """A sound to go with the pictures.

    Attributes:
        waveform: [C, N] float, -1..1.
        sample_rate: Hz.
    """

    waveform: Tensor
    sample_rate: int

    @property
    def seconds(self) -> float:
        """Length of the sound."""
        return self.waveform.shape[-1] / self.sample_rate


def read_audio(path: str | Path) -> tuple[Tensor, int]:
    """The first sound track of a file, whole.

    Args:
        path: any audio or video file that FFmpeg can open (wav, flac, mp3, m4a, ogg, mp4, webm, mkv, ...).

    Returns:
        (waveform [C, N] float32, nominally -1..1, sample rate in Hz).

    Raises:
        UserError: no such file, no sound in it, or nothing that could be decoded. A file that breaks off is read up to there.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no sound file {path.name}: choose a file that exists.")
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise UserError(f"{path.name} holds no sound: choose an audio file, or a video with a sound track.")
            return _decode(container, path.name)
    except FFmpegError as error:
        raise UserError(f"{path.name} could not be read as sound: save it again as WAV, FLAC or MP3.") from error


def _decode(container: av.container.InputContainer, name: str) -> tuple[Tensor, int]:
    stream = container.streams.audio[0]
    rate = stream.codec_context.sample_rate
    planar = av.AudioResampler(format="fltp")
    parts: list[np.ndarray] = []
    try:
        for frame in container.decode(stream):
            parts += [piece.to_ndarray() for piece in planar.resample(frame)]
    except FFmpegError:
        if not parts:
            raise
    if parts:
        parts += [piece.to_ndarray() for piece in planar.resample(None)]
    if not parts or not rate:
        raise UserError(f"{name} holds a sound track with nothing in it: choose another file.")
    return torch.from_numpy(np.concatenate(parts, axis=1)), rate


def write_wav(path: Path, sound: Sound) -> None:
    """Writes a sound as 16-bit WAV, a second at a time."""
    with av.open(str(path), mode="w", format="wav") as container:
        waveform = sound.waveform
        if waveform.shape[0] > 2:
            waveform = waveform.float().mean(0, keepdim=True)
        layout = "mono" if waveform.shape[0] == 1 else "stereo"
        track = container.add_stream("pcm_s16le", rate=sound.sample_rate, layout=layout)
        for start in range(0, waveform.shape[-1], sound.sample_rate):
            piece = waveform[:, start : start + sound.sample_rate].float().nan_to_num().clamp(-1, 1)
            samples = np.ascontiguousarray((piece.T * 32768).round().clamp(-32768, 32767).short().cpu().numpy().reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=layout)
            frame.sample_rate = sound.sample_rate
            frame.pts, frame.time_base = start, Fraction(1, sound.sample_rate)
            container.mux(track.encode(frame))
        container.mux(track.encode(None))

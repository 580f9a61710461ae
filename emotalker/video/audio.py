"""Sound: out of any audio or video file, and into a WAV file."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from av.error import FFmpegError
from av.stream import Disposition
from torch import Tensor
from torch.nn.functional import pad

from ..errors import UserError, short

LEAST_GAP, MOST_GAP = 0.05, 600.0
"""Seconds between two frames of a sound from which they are apart, and from which the clock is taken for damaged."""
OGG_PAGE = b"OggS"
LAYOUT_NAMES = {1: "mono", 2: "stereo"}
MOST_FAILURES = 8
"""Times in a row that a file may fail to give the next packet."""


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


@dataclass(frozen=True)
class Recording:
    """A sound as it lies in a file.

    Attributes:
        sound: what is heard.
        start: seconds of its first sample on the file's clock.
        warnings: a sentence each, on what could not be read.
    """

    sound: Sound
    start: float
    warnings: tuple[str, ...] = ()


def read_audio(path: str | Path) -> tuple[Tensor, int]:
    """The sound of a file, as read_recording has it: (waveform [C, N] float32, nominally -1..1, sample rate in Hz)."""
    sound = read_recording(path).sound
    return sound.waveform, sound.sample_rate


def read_recording(path: str | Path) -> Recording:
    """The default sound track of a file, whole: what is damaged is silent, and changes of rate or channels are followed.

    Args:
        path: any audio or video file that FFmpeg can open (wav, flac, mp3, m4a, ogg, mp4, webm, mkv, ...).

    Raises:
        UserError: no such file, no sound in it, or nothing that could be decoded.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no sound file {short(path.name)}: choose a file that exists.")
    try:
        found = None
        for source in _links(path):
            with av.open(source, metadata_errors="replace") as container:
                stream = default_track(container.streams.audio)
                if stream is None:
                    raise UserError(f"{path.name} holds no sound: choose an audio file, or a video with a sound track.")
                if stream.codec_context is None:
                    raise UserError(f"{path.name} holds sound that FFmpeg knows no decoder for: save it as WAV, FLAC or MP3.")
                found = _decode(container, stream, path.name, found)
        return found
    except (FFmpegError, OSError, ValueError, OverflowError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path.name} could not be read as sound: save it again as WAV, FLAC or MP3.") from error


def read_soundtrack(path: str | Path, start: float) -> Recording:
    """The sound of a video from its first picture on.

    Args:
        path: a video file with a sound track.
        start: seconds of the first picture on the file's clock, of video_facts.

    Raises:
        UserError: as read_recording.
    """
    found = read_recording(path)
    waveform, rate = found.sound.waveform, found.sound.sample_rate
    late = round(min(max(found.start - start, -MOST_GAP), MOST_GAP) * rate)
    waveform = pad(waveform, (late, 0)) if late > 0 else waveform[:, -late:] if -late < waveform.shape[1] else waveform[:, :1]
    return Recording(Sound(waveform, rate), start, found.warnings)


def default_track(tracks: Sequence[av.stream.Stream]) -> av.stream.Stream | None:
    """The track that players choose: the first that the file marks as default, else the first."""
    return next((track for track in tracks if track.disposition & Disposition.default), next(iter(tracks), None))


def _links(path: Path) -> list[str | io.BytesIO]:
    """What to open in place of a file: it, or the links of a chained Ogg file, of which FFmpeg would decode the first alone."""
    with open(path, "rb") as file:
        if file.read(4) != OGG_PAGE:
            return [str(path)]
        content = OGG_PAGE + file.read()
    starts, beginning, place = [], False, 0
    while place >= 0 and place + 5 < len(content):
        begins = bool(content[place + 5] & 2)
        if begins and not beginning:
            starts.append(place)
        beginning = begins
        place = content.find(OGG_PAGE, place + 4)
    if len(starts) < 2:
        return [str(path)]
    return [io.BytesIO(content[a:b]) for a, b in zip(starts, [*starts[1:], None], strict=True)]


def _decode(
    container: av.container.InputContainer, stream: av.audio.stream.AudioStream, name: str, before: Recording | None = None
) -> Recording:
    """What a stream holds, after what was decoded `before`, in whose rate and channels it goes on."""
    parts: list[np.ndarray] = []
    kind, resampler = None, None
    rate = layout = start = None
    if before is not None:
        rate, layout = before.sound.sample_rate, LAYOUT_NAMES.get(before.sound.waveform.shape[0])
    written, missing, broken = 0, 0.0, False

    def take(pieces: list[av.AudioFrame]) -> None:
        nonlocal written
        for piece in pieces:
            parts.append(piece.to_ndarray())
            written += parts[-1].shape[1]

    for packet in _packets(container, stream):
        if packet is None:
            broken = True
            continue
        try:
            frames = packet.decode()
        except FFmpegError:
            broken = True
            continue
        for frame in frames:
            if not frame.samples or not frame.sample_rate:
                continue
            rate, layout = rate or frame.sample_rate, layout or frame.layout.name
            if start is None:
                start = frame.time or 0.0
            if kind != (kind := (frame.format.name, frame.layout.name, frame.sample_rate)):
                if resampler is not None:
                    take(resampler.resample(None))
                resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
            gap = 0.0 if frame.time is None else frame.time - start - written / rate
            if LEAST_GAP < gap < MOST_GAP:
                parts.append(
                    np.zeros((parts[0].shape[0] if parts else len(frame.layout.channels), round(gap * rate)), np.float32)
                )
                written += parts[-1].shape[1]
                missing += gap
            frame.pts = None  # the resampler would fill gaps, or go back, by itself
            take(resampler.resample(frame))
    if resampler is not None:
        take(resampler.resample(None))
    if not written:
        raise UserError(f"{name} holds a sound track with nothing in it: choose another file.")
    warnings = ()
    if missing:
        warnings = (f"{missing:.2f} s of the sound of {name} are damaged or missing, and stay silent.",)
    elif broken:
        warnings = (f"Parts of the sound of {name} are damaged: the {written / rate:.2f} s that could be read are used.",)
    waveform = torch.from_numpy(np.concatenate(parts, axis=1))
    if before is None:
        return Recording(Sound(waveform, rate), start, warnings)
    whole = torch.cat([before.sound.waveform, waveform], 1)
    return Recording(Sound(whole, rate), before.start, before.warnings + warnings)


def _packets(container: av.container.InputContainer, stream: av.stream.Stream) -> Iterator[av.Packet | None]:
    """The packets of a stream; None where the file itself is broken, after which it may go on."""
    packets, failures = container.demux(stream), 0
    while failures < MOST_FAILURES:
        try:
            yield next(packets)
            failures = 0
        except StopIteration:
            return
        except FFmpegError:
            failures += 1
            yield None
            packets = container.demux(stream)


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

"""Frames out of a video file, a few at a time."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from av.error import FFmpegError
from av.video.reformatter import Interpolation, VideoReformatter
from torch import Tensor

from ..errors import UserError

# Without these flags swscale rounds down, which darkens every decoded picture by one to two levels of 255 (measured).
_EXACT = Interpolation.BICUBIC
if hasattr(Interpolation, "ACCURATE_RND"):
    _EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT

MOST_HELD = 60
"""Seconds that a frame is held at most; a later one comes from a damaged clock."""


@dataclass(frozen=True)
class VideoFacts:
    """What a video file says about itself.

    Attributes:
        width, height: pixels.
        fps: frames per second.
        metadata: text tags of the container.
        sound: whether it has a sound track.
        seconds: length, as far as the container tells; 0 where it does not.
        start: seconds of the first picture on the file's clock.
    """

    width: int
    height: int
    fps: Fraction
    metadata: dict[str, str]
    sound: bool
    seconds: float = 0.0
    start: float = 0.0


def video_facts(path: str | Path) -> VideoFacts:
    """Size, frame rate and tags of a video file.

    Raises:
        UserError: the file is no video.
    """
    with _open(path) as container:
        stream = container.streams.video[0]
        seconds = (container.duration or 0) / av.time_base
        start = float((stream.start_time or 0) * stream.time_base) if stream.time_base else 0.0
        size, tags, sound = (stream.width, stream.height), dict(container.metadata), bool(container.streams.audio)
        return VideoFacts(*size, _rate(stream), tags, sound, seconds, start)


def read_frames(path: str | Path, chunk: int = 8, start: int = 0, stop: int | None = None) -> Iterator[Tensor]:
    """Decodes a video in chunks, at the constant rate that video_facts tells: frames are placed by their own times, so that
    one is held where the next is late, and left out where two fall into the same moment.

    Args:
        path: video file.
        chunk: frames at a time, at least 1.
        start, stop: range of frame numbers; None is the end.

    Yields:
        [n, H, W, 3] uint8 RGB, n <= chunk.

    Raises:
        UserError: the file is no video or is damaged.
    """
    waiting: list[np.ndarray] = []
    reformatter = VideoReformatter()
    with _open(path) as container:
        try:
            for index, frame in enumerate(_at_constant_rate(container)):
                if index < start:
                    continue
                if stop is not None and index >= stop:
                    break
                waiting.append(reformatter.reformat(frame, format="rgb24", interpolation=_EXACT).to_ndarray())
                if len(waiting) == chunk:
                    yield torch.from_numpy(np.stack(waiting))
                    waiting = []
        except (FFmpegError, ValueError) as error:
            raise UserError(f"{Path(path).name} is damaged: export the video again.") from error
    if waiting:
        yield torch.from_numpy(np.stack(waiting))


def _rate(stream: av.video.stream.VideoStream) -> Fraction:
    """Frames per second: the rate that a file is made for, or the mean of one whose frames come as they like."""
    made, mean = stream.guessed_rate, stream.average_rate
    if made and mean and abs(made - mean) <= 0.02 * mean:
        return Fraction(made)
    return Fraction(mean or made or 25)


def _at_constant_rate(container: av.container.InputContainer) -> Iterator[av.VideoFrame]:
    rate = _rate(container.streams.video[0])
    first = shown = None
    count = 0
    for frame in container.decode(video=0):
        if first is None:
            first = frame.time
        place = count + (shown is not None)
        if frame.time is not None and first is not None:
            there = math.floor((frame.time - first) * float(rate) + 0.5)
            place = there if there - count <= MOST_HELD * rate else place  # else the clock is damaged
        while shown is not None and count < place:
            yield shown
            count += 1
        shown = frame
    if shown is not None:
        yield shown


def _open(path: str | Path) -> av.container.InputContainer:
    try:
        container = av.open(str(path), metadata_errors="replace")
    except (FFmpegError, OSError) as error:
        raise UserError(f"{Path(path).name} could not be opened as a video: choose a video file.") from error
    if not container.streams.video or container.streams.video[0].codec_context is None:
        container.close()
        raise UserError(f"{Path(path).name} holds no pictures: choose a video file.")
    return container

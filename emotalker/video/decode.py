"""Frames out of a video file, a few at a time."""

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


@dataclass(frozen=True)
class VideoFacts:
    """What a video file says about itself.

    Attributes:
        width, height: pixels.
        fps: frames per second.
        metadata: text tags of the container.
        sound: whether it has a sound track.
        seconds: length, as far as the container tells; 0 where it does not.
    """

    width: int
    height: int
    fps: Fraction
    metadata: dict[str, str]
    sound: bool
    seconds: float = 0.0


def video_facts(path: str | Path) -> VideoFacts:
    """Size, frame rate and tags of a video file.

    Raises:
        UserError: the file is no video.
    """
    with _open(path) as container:
        stream = container.streams.video[0]
        fps = Fraction(stream.average_rate or stream.guessed_rate or 25)
        seconds = (container.duration or 0) / av.time_base
        return VideoFacts(stream.width, stream.height, fps, dict(container.metadata), bool(container.streams.audio), seconds)


def read_frames(path: str | Path, chunk: int = 8, start: int = 0, stop: int | None = None) -> Iterator[Tensor]:
    """Decodes a video in chunks.

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
            for index, frame in enumerate(container.decode(video=0)):
                if index < start:
                    continue
                if stop is not None and index >= stop:
                    break
                waiting.append(reformatter.reformat(frame, format="rgb24", interpolation=_EXACT).to_ndarray())
                if len(waiting) == chunk:
                    yield torch.from_numpy(np.stack(waiting))
                    waiting = []
        except FFmpegError as error:
            raise UserError(f"{Path(path).name} is damaged: export the video again.") from error
    if waiting:
        yield torch.from_numpy(np.stack(waiting))


def _open(path: str | Path) -> av.container.InputContainer:
    try:
        container = av.open(str(path))
    except (FFmpegError, OSError) as error:
        raise UserError(f"{Path(path).name} could not be opened as a video: choose a video file.") from error
    if not container.streams.video:
        container.close()
        raise UserError(f"{Path(path).name} holds no pictures: choose a video file.")
    return container

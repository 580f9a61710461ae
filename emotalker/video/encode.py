"""Frames and a sound become a video file, streaming: frames go in as they are rendered, nothing is kept."""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..draft import draft
from ..errors import UserError
from ..speech.features import frame_count
from .audio import Sound
from .container import CONTAINERS, ContainerWriter
from .pictures import GifWriter, PngWriter, WebpWriter
from .rates import exact_rate

FORMATS: dict[str, str] = {"mp4": ".mp4", "webm": ".webm", "gif": ".gif", "webp": ".webp", "png": ""}
"""Format name to file name ending; "png" is a folder of numbered pictures."""
LARGEST = {"mp4": 16384, "webm": 65535, "gif": 65535, "webp": 16383, "png": 1 << 31}
"""Pixels of the longer side that each format's encoder takes."""


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        target: the file (for "png" the folder), or the buffer that was given.
        frames: number of frames, held ones included.
        fps: frames per second.
        width, height: pixels of the file (odd sizes grow by one where the codec needs even ones).
    """

    target: Path | BytesIO
    frames: int
    fps: Fraction
    width: int
    height: int

    @property
    def seconds(self) -> float:
        """Length of the video."""
        return float(self.frames / self.fps)


def write_video(
    frames: Iterable[Tensor],
    target: str | Path | BytesIO,
    fps: float | Fraction,
    sound: Sound | None = None,
    format: str = "mp4",
    quality: int = 85,
    metadata: dict | None = None,
    on_frame: Callable[[int, np.ndarray], None] | None = None,
    replace: bool = True,
    max_size: int = 0,
) -> Written:
    """Writes a video. The target's name is claimed before the first frame is asked for; a run that fails or is stopped leaves
    nothing under it.

    The sound is never cut: when it is longer than the pictures the last frame is held, and when the pictures go on
    longer it is followed by silence, so both end within one frame of each other.

    Args:
        frames: chunks [n, H, W, 3], uint8 or float 0..1, all of one size, on any device.
        target: file (for "png" a folder that does not exist yet); or a buffer, for mp4 and webm.
        fps: frames per second, 1 to 240.
        sound: what is heard; None for a silent video.
        format: a key of FORMATS.
        quality: 1 (small file) to 100 (best picture). No effect on "png", which is exact.
        metadata: name to text or to anything that JSON can hold, stored the way ComfyUI stores prompt and workflow.
        on_frame: called with (number of frames written so far, the last one [H, W, 3] uint8) after each chunk, and often
            while the file is finished; what it raises ends the run.
        replace: whether a file that is there already may be replaced.
        max_size: pixels of the shorter side from which frames are made smaller, see fitted_size; 0 never. "png" keeps its size.

    Raises:
        TakenError: another run writes the target, or it is there and must not be replaced.
        UserError: unknown format, quality out of range, no frames, frames of different sizes, a size that the encoder cannot
            take, or a target that cannot be written.
    """
    if format not in FORMATS:
        raise UserError(f"The video format {format} is unknown: choose one of {', '.join(FORMATS)}.")
    check_quality(quality)
    rate = exact_rate(fps)
    frames = frames if format == "png" else _shrunk(frames, max_size)
    if isinstance(target, BytesIO):
        return _write(frames, target, rate, sound, format, quality, metadata or {}, on_frame)
    target = Path(target)
    with draft(target, replace) as place:
        written = _write(frames, place, rate, sound, format, quality, metadata or {}, on_frame)
    return Written(target, written.frames, written.fps, written.width, written.height)


def check_quality(quality: int) -> None:
    """Raises UserError for a quality outside 1..100."""
    if not 1 <= quality <= 100:
        raise UserError(f"quality is {quality:g}: use a whole number from 1 to 100.")


def fitted_size(width: int, height: int, max_size: int) -> tuple[int, int]:
    """(width, height), smaller in the same proportion where the shorter side exceeds `max_size` pixels; 0 sets no limit."""
    short = min(width, height)
    if max_size < 1 or short <= max_size:
        return width, height
    return max(1, round(width * max_size / short)), max(1, round(height * max_size / short))


def _shrunk(frames: Iterable[Tensor], max_size: int) -> Iterable[Tensor]:
    """Chunks of frames at fitted_size."""
    for chunk in frames:
        width, height = fitted_size(chunk.shape[2], chunk.shape[1], max_size)
        if (height, width) != tuple(chunk.shape[1:3]):
            pixels = torch.from_numpy(to_uint8(chunk)).to(chunk.device).permute(0, 3, 1, 2)
            pixels = interpolate(pixels.float(), (height, width), mode="bilinear", antialias=True)
            chunk = pixels.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        yield chunk


def to_uint8(frames: Tensor) -> np.ndarray:
    """[n, H, W, C] uint8 or float 0..1 on any device, C = 1, 3 or 4, to [n, H, W, 3] uint8 in memory (alpha is dropped)."""
    frames = frames[..., :3]
    if frames.shape[-1] == 1:
        frames = frames.expand(*frames.shape[:-1], 3)
    if frames.dtype != torch.uint8:
        frames = (frames.float().nan_to_num() * 255 + 0.5).clamp_(0, 255).to(torch.uint8)
    return np.ascontiguousarray(frames.cpu().numpy())


def _write(frames, target, rate, sound, format, quality, metadata, on_frame) -> Written:
    writer = None
    count = 0
    picture = None
    try:
        for chunk in frames:
            for picture in to_uint8(chunk):
                if writer is None:
                    if max(picture.shape[:2]) > LARGEST[format]:
                        raise UserError(
                            f"{format} takes pictures of up to {LARGEST[format]} pixels on a side, and these have "
                            f"{picture.shape[1]} x {picture.shape[0]}: make them smaller, or choose a png sequence."
                        )
                    writer = _writer(format, target, rate, picture.shape[:2], sound, quality, metadata)
                    shape = picture.shape
                if picture.shape != shape:
                    raise UserError("The frames have different sizes: bring all of them to one size first.")
                writer.write(picture)
                count += 1
            if on_frame is not None and picture is not None:
                on_frame(count, picture)
        if writer is None:
            raise UserError("There are no frames to write: connect pictures or a video with at least one frame.")
        wanted = frame_count(sound.seconds, float(rate)) if sound is not None else 0
        while count < wanted:
            writer.write(picture)
            count += 1
            if on_frame is not None:
                on_frame(count, picture)
        writer.close(lambda: on_frame(count, picture) if on_frame is not None else None)
    except BaseException as error:
        if writer is not None:
            with contextlib.suppress(av.error.FFmpegError, ValueError, OSError):  # the first error is the one to report
                writer.abandon()
        if isinstance(error, av.error.FFmpegError) and not isinstance(error, OSError):
            size = "" if picture is None else f" of {picture.shape[1]} x {picture.shape[0]} pixels"
            raise UserError(f"FFmpeg cannot write this {format}{size} ({error.strerror}): choose another format.") from error
        raise
    return Written(target, count, rate, writer.width, writer.height)


def _writer(format, target, rate, size, sound, quality, metadata):
    height, width = size
    if format in CONTAINERS:
        return ContainerWriter(target, format, rate, width, height, sound, quality, metadata)
    if isinstance(target, BytesIO):
        raise UserError(f"{format} can only be written to a file: choose mp4 or webm.")
    if format == "png":
        return PngWriter(target, rate, width, height, sound, metadata)
    kind = GifWriter if format == "gif" else WebpWriter
    return kind(target, rate, width, height, quality, metadata)

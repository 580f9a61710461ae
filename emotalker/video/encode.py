"""Frames and a sound become a video file, streaming: frames go in as they are rendered, nothing is kept."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError
from ..speech.features import frame_count
from .audio import Sound
from .container import CONTAINERS, ContainerWriter
from .pictures import GifWriter, PngWriter, WebpWriter

FORMATS: dict[str, str] = {"mp4": ".mp4", "webm": ".webm", "gif": ".gif", "webp": ".webp", "png": ""}
"""Format name to file name ending; "png" is a folder of numbered pictures."""


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
) -> Written:
    """Writes a video. A run that fails or is stopped leaves nothing under the target's name.

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

    Raises:
        UserError: unknown format, no frames, frames of different sizes, or a target that cannot be written.
    """
    if format not in FORMATS:
        raise UserError(f"The video format {format} is unknown: choose one of {', '.join(FORMATS)}.")
    rate = Fraction(fps).limit_denominator(1001)
    if not 1 <= rate <= 240:
        raise UserError(f"{float(fps):g} frames per second is out of range: choose 1 to 240.")
    if isinstance(target, BytesIO):
        return _write(frames, target, rate, sound, format, quality, metadata or {}, on_frame)
    target = Path(target)
    with _finished_or_gone(target) as draft:
        written = _write(frames, draft, rate, sound, format, quality, metadata or {}, on_frame)
    return Written(target, written.frames, written.fps, written.width, written.height)


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
    except BaseException:
        if writer is not None:
            writer.abandon()
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


@contextlib.contextmanager
def _finished_or_gone(target: Path) -> Iterator[Path]:
    """A draft's path beside the target: renamed to it when the block ends well, deleted when it does not."""
    draft = target.with_name(f".{target.stem}-{secrets.token_hex(4)}{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        os.replace(draft, target)
    except BaseException as error:
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise UserError(f"{target.name} cannot be written ({error}): choose another place or free some space.") from error
        raise

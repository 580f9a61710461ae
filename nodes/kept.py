"""Frames that were drawn once, kept in ComfyUI's temp folder for the next node that asks for them."""

import contextlib
import os
import shutil
import tempfile
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import av
import folder_paths
import numpy as np
import torch

from ..emotalker.video.container import add_encoder

LIMIT = 4 << 30
"""Bytes of all kept frames together: the oldest go first, and what is larger alone is not kept."""
FREE = 1 << 30
"""Bytes of the disk that are left to others."""
CODEC = {"name": "libx264rgb", "pix_fmt": "rgb24", "options": {"qp": "0", "preset": "ultrafast"}}  # every pixel comes back
EVERY = 64  # frames between two looks at the disk

_files: OrderedDict[Path, int] = OrderedDict()  # bytes of every kept file, the least lately used first


class Kept:
    """The frames of one performance; its files are removed with it."""

    def __init__(self):
        self._ranges: dict[tuple[int, int], Path] = {}
        weakref.finalize(self, _remove, self._ranges)

    def find(self, start: int, stop: int) -> Iterator[torch.Tensor] | None:
        """Frames start..stop as [1, H, W, 3] uint8 each; None if they were not kept."""
        for (first, last), path in list(self._ranges.items()):
            if path not in _files or not path.is_file():
                _forget(path)
                del self._ranges[first, last]
            elif first <= start and stop <= last:
                _files.move_to_end(path)
                return _read(path, start - first, stop - first)
        return None

    def keep(self, frames: Iterator[torch.Tensor], start: int, stop: int) -> Iterator[torch.Tensor]:
        """Hands on frames [n, H, W, 3] uint8 and keeps them, if they come to their end and there is room.

        Whatever hinders the keeping leaves the frames as they are: they are only not kept.
        """
        writer = _Writer()
        try:
            for chunk in frames:
                writer.write(chunk)
                yield chunk
            path = writer.close()
            if path is not None:
                self._ranges[start, stop] = path
        finally:
            writer.abandon()


class _Writer:
    """Writes a file of frames; after the first failure it does nothing."""

    def __init__(self):
        self._folder = self._container = self._stream = None
        self._count, self._failed = 0, False

    def write(self, frames: torch.Tensor) -> None:
        if self._failed:
            return
        try:
            for picture in frames.cpu().numpy():
                if self._container is None:
                    self._open(picture)
                if self._count % EVERY == 0:
                    self._look()
                self._count += 1
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
                self._container.mux(self._stream.encode(frame))
        except (OSError, av.FFmpegError, ValueError):
            self.abandon()

    def close(self) -> Path | None:
        """The finished file; None if there is none."""
        if self._failed or self._container is None:
            return None
        try:
            self._container.mux(self._stream.encode())
            self._container.close()
            self._look()
        except (OSError, av.FFmpegError, ValueError):
            self.abandon()
            return None
        path, self._folder, self._container = self._path, None, None
        _files[path] = path.stat().st_size
        return path

    def abandon(self) -> None:
        """Removes what is not finished."""
        self._failed = True
        if self._container is not None:
            with contextlib.suppress(OSError, av.FFmpegError, ValueError):
                self._container.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = self._container = None

    def _open(self, picture: np.ndarray) -> None:
        temp = folder_paths.get_temp_directory()
        os.makedirs(temp, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="emotalker-", dir=temp))
        self._path = self._folder / "frames.mkv"
        self._container = av.open(str(self._path), "w")
        self._stream = add_encoder(self._container, CODEC["name"], rate=25, options=CODEC["options"])
        self._stream.height, self._stream.width = picture.shape[:2]
        self._stream.pix_fmt = CODEC["pix_fmt"]

    def _look(self) -> None:
        """Makes room for what was written; OSError if there is none."""
        size = self._path.stat().st_size if self._path.exists() else 0  # it appears with its first packet
        while _files and size + sum(_files.values()) > LIMIT:
            _forget(next(iter(_files)))
        if size > LIMIT or shutil.disk_usage(self._folder).free < FREE:
            raise OSError("there is no room to keep frames")


def _read(path: Path, first: int, last: int) -> Iterator[torch.Tensor]:
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number >= last:
                break
            if number >= first:
                yield torch.from_numpy(frame.to_ndarray(format="rgb24"))[None]


def _forget(path: Path) -> None:
    _files.pop(path, None)
    shutil.rmtree(path.parent, ignore_errors=True)


def _remove(ranges: dict[tuple[int, int], Path]) -> None:
    for path in ranges.values():
        _forget(path)

"""One face through a video of any length, chunk by chunk."""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from ..face.finder import Face, FaceFinder

CHUNK = 8
"""Frames that are followed together; fixed, so that scores do not depend on how a video happens to be cut into chunks."""
FOUND = 0.9999
"""Score from which a frame counts as showing the face: log odds of 9.2, just below what the finder asks of a picture's only
face (10; faces that are seen well reach 21 to 42)."""

Choose = Callable[[Tensor, list[Face]], Face]


class FaceFollower:
    """Keeps to one face while the head moves, and looks for it again after a cut.

    Args:
        finder: the face finder.
        choose: (frame [H, W, 3], faces in it) -> the face to follow, asked where there are several; the largest by default.
    """

    def __init__(self, finder: FaceFinder, choose: Choose | None = None):
        self.finder = finder
        self.choose = choose
        self.face: Face | None = None

    def follow(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """The face in the frames that come next.

        A face that gets lost within the chunk is looked for once more in it, then in the next one; always in the first and, if
        it is not there, in the last of the frames.

        Args:
            frames: [n, H, W, 3] float 0..1 or bytes.

        Returns:
            landmarks [n, 478, 3] in pixels and found [n] bool, on the CPU; landmarks of frames without the face are 0.
        """
        landmarks, found = torch.zeros(len(frames), 478, 3), torch.zeros(len(frames), dtype=torch.bool)
        start = 0
        for _ in range(2):
            if self.face is None:
                self.face = self._search(frames[start]) or self._search(frames[-1])
            if self.face is None:
                break
            points, score = (value.cpu() for value in self.finder.track(frames[start:], self.face))
            seen = score >= FOUND
            landmarks[start:], found[start:] = points * seen[:, None, None], seen
            if seen[-1]:
                self.face = Face.from_landmarks(points[-1], score[-1].item())
                break
            self.face = None
            start += int(seen.nonzero()[-1]) + 1 if seen.any() else 0
        return landmarks, found

    def _search(self, frame: Tensor) -> Face | None:
        faces = self.finder.find(frame)
        if len(faces) > 1 and self.choose is not None:
            return self.choose(frame, faces)
        return faces[0] if faces else None


def regroup(chunks: Iterable[Tensor], size: int = CHUNK) -> Iterator[Tensor]:
    """The same frames in chunks of `size` (the last may be smaller), however they came.

    Args:
        chunks: [n, H, W, 3] each, any n, all of one size and kind.
    """
    waiting: list[Tensor] = []
    count = 0
    for chunk in chunks:
        for frame in chunk.split(1):
            waiting.append(frame)
            count += 1
            if count == size:
                yield torch.cat(waiting)
                waiting, count = [], 0
    if waiting:
        yield torch.cat(waiting)

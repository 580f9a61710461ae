"""Whether the head trembles, and how often the eyes blink."""

import torch
from torch import Tensor

from .measures import eye_distance, steady_points

CLOSED, OPEN = 0.5, 0.7
"""Shares of the eyes' usual opening below which a blink begins and above which it is over."""
USUAL = 0.7
"""The eyes' usual opening: this quantile of the frames' (blinks and squints lie below it, wide eyes above)."""
LONGEST = 0.8
"""Seconds: eyes shut for longer are no blink (spontaneous blinks take 0.1 to 0.4 s, and half closed up to this)."""


class Trembling:
    """How far the head's steady points stray from the path between the frames before and after."""

    def __init__(self):
        self._before: list[Tensor] = []

    def see(self, landmarks: Tensor, found: Tensor) -> Tensor:
        """The frames that come next.

        Args:
            landmarks: [n, 478, 3] pixels.
            found: [n] bool.

        Returns:
            [n] distances in percent of the distance between the eyes, each for the frame before its own (a frame must be
            followed by one to be judged); NaN where one of the three frames lacks the face.
        """
        strays = []
        for points, size, seen in zip(steady_points(landmarks), eye_distance(landmarks), found.tolist(), strict=True):
            self._before = [*self._before[-2:], points] if seen else []
            if len(self._before) == 3:
                first, middle, last = self._before
                strays.append(100 * (middle - (first + last) / 2).norm(dim=-1).mean() / size)
            else:
                strays.append(size.new_tensor(float("nan")))
        return torch.stack(strays)


def blinks(opening: Tensor, fps: float) -> list[tuple[float, float]]:
    """When the eyes blink.

    Args:
        opening: [T] of lid_opening; NaN where no face was found.
        fps: frames per second.

    Returns:
        (start, end) seconds of each blink.
    """
    valid = opening.isfinite()
    if not valid.any():
        return []
    usual = float(opening[valid].quantile(USUAL))
    found: list[tuple[float, float]] = []
    start: int | None = None
    closed = False
    for index, value in enumerate([*opening.tolist(), usual]):
        if value != value:  # a frame without the face ends nothing and begins nothing
            continue
        if value < OPEN * usual:
            start = index if start is None else start
            closed |= value < CLOSED * usual
        elif start is not None:
            if closed and (index - start) / fps <= LONGEST:
                found.append((start / fps, index / fps))
            start, closed = None, False
    return found

"""What is heard in a voice, one row for each video frame."""

import math
from dataclasses import dataclass

from torch import Tensor

VISEMES: tuple[str, ...] = ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou")
"""The 15 visemes of Meta's Oculus Lipsync reference, in its order."""

VISEME_INDEX: dict[str, int] = {name: index for index, name in enumerate(VISEMES)}


def frame_count(duration: float, fps: float) -> int:
    """Number of video frames that cover a sound: never shorter than the sound, longer by less than one frame.

    Args:
        duration: seconds, >= 0.
        fps: frames per second, > 0.

    Returns:
        At least 1. Frame i is shown from i / fps to (i + 1) / fps and stands for the sound at its middle.
    """
    return max(1, math.ceil(duration * fps - 1e-6))


@dataclass(frozen=True)
class SpeechFeatures:
    """Speech at the video's frame rate.

    Attributes:
        fps: frames per second.
        visemes: [T, 15] probability of each viseme (order: VISEMES); rows sum to 1.
        voicing: [T] 0..1, probability that the vocal folds vibrate.
        loudness: [T] 0..1 on a scale of the clip itself, linear in decibels: 1 is the level of its loud speech, 0.5 is
            15 dB below that, 0 is 30 dB below or what is no speech (silence, noise, music).
        embedding: [T, D] the encoder's last hidden layer.
        duration: length of the sound in seconds.
        phones: (start s, end s, ARPAbet phone without stress) from a forced alignment, or None without a transcript.
        words: (start s, end s, word in lower case) from the same alignment, or None.
    """

    fps: float
    visemes: Tensor
    voicing: Tensor
    loudness: Tensor
    embedding: Tensor
    duration: float
    phones: list[tuple[float, float, str]] | None = None
    words: list[tuple[float, float, str]] | None = None

    @property
    def frames(self) -> int:
        """T, the number of video frames."""
        return self.visemes.shape[0]

    def part(self, first: int, last: int) -> "SpeechFeatures":
        """Frames first..last (not included), without words and phones."""
        rows = slice(first, last)
        heard = (self.visemes[rows], self.voicing[rows], self.loudness[rows], self.embedding[rows])
        return SpeechFeatures(self.fps, *heard, (last - first) / self.fps)

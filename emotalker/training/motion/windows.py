"""Random windows of a motion corpus, with the variations that real use has and the corpus has not."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...arkit import FACE_UNITS, MIRRORED
from ...emotion.taxonomy import EMOTION_INDEX, EMOTIONS
from ...motion.denoiser import CHANNELS, HEARD, RATE, Conditions
from ...motion.sampling import OVERLAP, WINDOW
from ...speech.features import VISEMES
from .corpus import MotionCorpus

SHORT_CHANCE, SHORTEST = 0.15, 20  # batches of shorter windows, for short clips
BEGINNING = 0.15  # windows that begin where the clip begins
GO_ON, BETWEEN = 0.45, 0.10  # windows that continue given frames, and that lie between given frames
PLAIN_OVERLAP = 0.6  # how many of the continued windows have exactly the overlap that sampling uses
MIRROR = 0.5
CERTAINTY = (0.6, 1.6)  # exponent of the visemes' probabilities: how sure the encoder is
CONFUSED = (0.0, 1.2)  # sd of the noise on the logarithm of the visemes' probabilities: how strange the voice is to the encoder
CONFUSED_FRAMES = 2  # frames for which that noise is about the same
BLUR_CHANCE = 0.25  # three-frame blur of the visemes
QUIET = 2.0  # how much more often than its length says a clip is drawn in which nobody speaks
LOUDNESS, OFFSET = (0.85, 1.15), (-0.08, 0.08)  # loudness: factor, offset


@dataclass(frozen=True)
class Batch:
    """Windows of motion with what steers them.

    Attributes:
        motion: [B, T, CHANNELS].
        speech: [B, T, HEARD].
        emotion: [B, T, 8].
        closure: [B, T] 0..1, how far the lips must be shut.
        start: [B, T] seconds since the clip began.
        given: [B, T] 1 where frames are given.
        valid: [B, T] 1 where the clip has frames.
    """

    motion: Tensor
    speech: Tensor
    emotion: Tensor
    closure: Tensor
    start: Tensor
    given: Tensor
    valid: Tensor

    @property
    def wanted(self) -> Tensor:
        """[B, T] 1 where motion is to be learned."""
        return self.valid * (1 - self.given)

    def conditions(self, clean: Tensor, hear: Tensor, feel: Tensor) -> Conditions:
        """What the denoiser is told, with `clean` the normalised motion and flags [B] whether it hears and feels."""
        return Conditions(self.speech, self.emotion, self.start, clean * self.given[..., None], self.given, hear, feel)


class Windows:
    """Draws batches of windows.

    Args:
        corpus: what to draw from.
        seed: of the draws.
        device: where batches go.
    """

    def __init__(self, corpus: MotionCorpus, seed: int, device: torch.device) -> None:
        self.corpus, self.device = corpus, device
        self.draw = np.random.default_rng(seed)
        weights = np.array(
            [max(len(part), 1) * len(motion) for part, motion in zip(corpus.features, corpus.motion, strict=True)]
        ) * np.array([1.0 if part[:, len(VISEMES)].max(initial=0) > 0.5 else QUIET for part in corpus.features])
        self.weights = weights / weights.sum()
        self.swap, self.signs = mirror()

    def batch(self, size: int) -> Batch:
        """Random windows of one length."""
        length = WINDOW
        if self.draw.random() < SHORT_CHANCE:
            length = 2 * int(self.draw.integers(SHORTEST // 2, WINDOW // 2))
        motion = np.zeros((size, length, CHANNELS), dtype=np.float32)
        speech = np.zeros((size, length, HEARD), dtype=np.float32)
        speech[:, :, 0] = 1
        emotion = np.zeros((size, length, len(EMOTIONS)), dtype=np.float32)
        closure, start, given, valid = (np.zeros((size, length), dtype=np.float32) for _ in range(4))
        for i, at in enumerate(self.draw.choice(len(self.weights), size, p=self.weights)):
            take = int(self.draw.integers(len(self.corpus.motion[at])))
            frames = len(self.corpus.features[at])
            first = 0 if self.draw.random() < BEGINNING else int(self.draw.integers(0, max(1, frames - length + 1)))
            count = min(length, frames - first)
            span = slice(first, first + count)
            motion[i, :count] = self.corpus.motion[at][take, span]
            motion[i, count:] = motion[i, count - 1]
            speech[i, :count] = self.corpus.features[at][span]
            emotion[i, :count] = self.corpus.emotion[at][take, span]
            emotion[i, count:] = emotion[i, count - 1]
            closure[i, :count] = self.corpus.closure[at][span]
            start[i] = (first + np.arange(length)) / RATE
            valid[i, :count] = 1
            self._give(given[i, :count])
            self._vary(speech[i])
            if self.draw.random() < MIRROR and emotion[i, :, EMOTION_INDEX["contempt"]].max() == 0:
                motion[i] = motion[i][:, self.swap] * self.signs
        arrays = (motion, speech, emotion, closure, start, given, valid)
        return Batch(*(torch.from_numpy(array).to(self.device) for array in arrays))

    def _give(self, given: np.ndarray) -> None:
        """Mark frames [T] that are known, in place: none, those before, or those before and after."""
        length, luck = len(given), self.draw.random()
        if luck >= GO_ON + BETWEEN or length < 8:
            return
        before = OVERLAP if self.draw.random() < PLAIN_OVERLAP else int(self.draw.integers(1, length - 4))
        before = min(before, length - 4)
        given[:before] = 1
        if luck < BETWEEN and length - before > 5:
            after = int(self.draw.integers(1, length - before - 3))
            given[-after:] = 1

    def _vary(self, speech: np.ndarray) -> None:
        """Change features [T, HEARD] as other voices and encoders would, in place."""
        visemes = speech[:, : len(VISEMES)]
        if self.draw.random() < BLUR_CHANCE:
            padded = np.pad(visemes, ((1, 1), (0, 0)), mode="edge")
            visemes[:] = 0.25 * padded[:-2] + 0.5 * visemes + 0.25 * padded[2:]
        count = len(visemes)
        steps = self.draw.normal(size=(count // CONFUSED_FRAMES + 2, visemes.shape[1])).repeat(CONFUSED_FRAMES, 0)
        visemes *= np.exp(self.draw.uniform(*CONFUSED) * steps[self.draw.integers(CONFUSED_FRAMES) :][:count])
        visemes[:] = np.maximum(visemes, 1e-6) ** np.exp(self.draw.uniform(*np.log(CERTAINTY)))
        visemes /= visemes.sum(1, keepdims=True)
        loudness = speech[:, -1]
        heard = loudness > 0
        loudness[heard] = (loudness[heard] * self.draw.uniform(*LOUDNESS) + self.draw.uniform(*OFFSET)).clip(0, 1)


def mirror() -> tuple[np.ndarray, np.ndarray]:
    """Where each channel comes from in a mirror, and its sign [CHANNELS] each."""
    swap, signs = np.arange(CHANNELS), np.ones(CHANNELS, dtype=np.float32)
    units = len(FACE_UNITS)
    swap[:units] = MIRRORED
    signs[[units, units + 2, units + 3]] = -1  # yaw, roll, x
    return swap, signs

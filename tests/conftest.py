"""What all tests share: where the development data lies, and made-up speech with a known rhythm."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from emotalker.face.finder import FaceFinder
from emotalker.speech.features import VISEMES, SpeechFeatures, frame_count

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The data kit (portraits, speech, priors): $EMOTALKER_SHARED, else the folder `shared` beside the checkout."""
    folder = Path(os.environ.get("EMOTALKER_SHARED", ROOT.parent / "shared"))
    if not (folder / "portraits").is_dir():
        pytest.skip(f"needs the data kit, which is not at {folder}: set EMOTALKER_SHARED to its folder")
    return folder


def make_talk(seconds: float, fps: float = 25.0, seed: int = 0) -> SpeechFeatures:
    """Phrases of 6 to 15 syllables of 0.12 to 0.24 s, four in ten stressed, with pauses of 0.3 to 1.2 s."""
    generator = torch.Generator().manual_seed(seed)

    def draw() -> float:
        return float(torch.rand(1, generator=generator))

    size = max(2, int(seconds * 200))
    loudness, visemes, now = torch.zeros(size), torch.zeros(size, len(VISEMES)), 0.4
    visemes[:, 0] = 1
    while now < seconds - 1:
        for _ in range(6 + int(draw() * 10)):
            length = 0.12 + 0.12 * draw()
            first, last = int(now * 200), int((now + length) * 200)
            if last >= size:
                break
            loud = 0.55 + 0.45 * draw() * (1.0 if draw() < 0.4 else 0.3)
            loudness[first:last] = loud * torch.sin(torch.linspace(0.25, 2.9, last - first)).sqrt()
            middle = first + int((last - first) * 0.45)
            visemes[first:last] = 0
            visemes[first:middle, 1 + int(draw() * 9)] = 1
            visemes[middle:last, 10 + int(draw() * 5)] = 1
            now += length
        now += 0.3 + 0.9 * draw()
    frames = frame_count(seconds, fps)
    at = ((torch.arange(frames) + 0.5) / fps * 200).long().clamp(max=size - 1)
    loudness, visemes = loudness[at], visemes[at]
    return SpeechFeatures(
        fps, visemes, (visemes[:, 10:].sum(1) * loudness).clamp(0, 1), loudness, torch.zeros(frames, 4), seconds
    )


@pytest.fixture(scope="session")
def talk():
    """`talk(seconds, fps=25, seed=0)` → SpeechFeatures."""
    return make_talk


@pytest.fixture(scope="session")
def silence():
    """`silence(seconds, fps=25)` → SpeechFeatures in which nothing is said."""

    def make(seconds: float, fps: float = 25.0) -> SpeechFeatures:
        frames = frame_count(seconds, fps)
        visemes = torch.zeros(frames, len(VISEMES))
        visemes[:, 0] = 1
        return SpeechFeatures(fps, visemes, torch.zeros(frames), torch.zeros(frames), torch.zeros(frames, 4), seconds)

    return make


@pytest.fixture(scope="session")
def finder() -> FaceFinder:
    return FaceFinder.load()


@pytest.fixture(scope="session")
def close_up(finder) -> Callable[[Tensor, int], Tensor]:
    """`close_up(image, size)` → the picture around its largest face, two face heights wide, at most `size` pixels."""

    def cut(image: Tensor, size: int) -> Tensor:
        x0, y0, x1, y1 = finder.find(image)[0].box
        half = max(x1 - x0, y1 - y0)
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        part = image[max(0, int(y - half)) : int(y + half), max(0, int(x - half)) : int(x + half)]
        scale = min(1.0, size / max(part.shape[:2]))
        planes = interpolate(part.permute(2, 0, 1)[None], scale_factor=scale, mode="bicubic", antialias=True)
        return planes[0].permute(1, 2, 0).clamp(0, 1).contiguous()

    return cut

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor


@dataclass
class Reference:
    """A portrait and MediaPipe's landmarks of its faces, largest first."""

    picture: Image.Image
    faces: list[Tensor]

    @property
    def image(self) -> Tensor:
        return to_tensor(self.picture)


def to_tensor(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).float() / 255


@pytest.fixture(scope="session")
def as_tensor() -> Callable[[Image.Image], Tensor]:
    """[H, W, 3] in 0..1 of a picture."""
    return to_tensor


@pytest.fixture(scope="session")
def portraits(shared: Path) -> Callable[[str], Reference]:
    """Reads a portrait of the data kit by file name."""

    def read(name: str) -> Reference:
        faces = json.loads((shared / "portraits/landmarks478" / f"{Path(name).stem}.json").read_text())["faces"]
        picture = Image.open(shared / "portraits" / name).convert("RGB")
        return Reference(picture, [torch.tensor(face["landmarks"]) for face in faces])

    return read


@pytest.fixture(scope="session")
def error() -> Callable[[Tensor, Tensor], float]:
    """Mean distance of landmarks [478, 2+] from expected ones, in iris distances."""

    def measure(landmarks: Tensor, expected: Tensor) -> float:
        iris_distance = (expected[468, :2] - expected[473, :2]).norm()
        return ((landmarks[:, :2] - expected[:, :2]).norm(dim=1).mean() / iris_distance).item()

    return measure

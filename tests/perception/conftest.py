from collections.abc import Callable

import pytest
from torch import Tensor
from torch.nn.functional import interpolate

from emotalker.face.finder import FaceFinder


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

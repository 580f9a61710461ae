"""The inside of the mouth under any motion."""

import pytest
import torch

from emotalker.face.portrait import Portrait
from emotalker.frames.guide import GuideRenderer
from emotalker.frames.rasteriser import rasterise
from emotalker.picture import load_image


@pytest.fixture(scope="module")
def renderer(request):
    return GuideRenderer(Portrait.from_image(load_image(request.config.rootpath / "samples" / "emotalker_portrait.png")))


def test_lower_teeth_never_come_through_the_upper_ones(renderer):
    mouth, rig = renderer.mouth, renderer.portrait.rig
    weights = torch.rand(60, 52, generator=torch.Generator().manual_seed(0)) ** 3
    vertices = renderer.fitted.deform(weights) - renderer.offset + mouth.down
    groups = [
        mouth.triangles[torch.isin(mouth.triangles[:, 0], rig.group_vertices(f"teeth_{row}"))] for row in ("upper", "lower")
    ]
    shown = torch.zeros(len(renderer.rest), 1)
    shown[rig.group_vertices("teeth_lower")] = 1
    upper = rasterise(vertices, groups[0], shown, renderer.size).covered
    lower = rasterise(vertices, groups[1], shown, renderer.size).covered
    both = rasterise(vertices, torch.cat(groups), shown, renderer.size).values[..., 0]
    overlap = upper & lower
    assert overlap.any()
    assert both[overlap].amax() == 0


def test_teeth_are_darker_to_the_corners(renderer):
    units = torch.zeros(1, 52)
    vertices = renderer.fitted.deform(units) - renderer.offset
    mouth = renderer.mouth
    box = renderer.lips.box
    x, y = box.pixel_centres(vertices.device)
    now, _ = renderer.lips.open(vertices)
    s, t = now.local(x, y)
    below = torch.full_like(t, float(mouth.lips.width))
    plain, _ = mouth._inside(vertices, torch.ones(1), box, torch.full_like(s, 0.5), below)
    shaded, _ = mouth._inside(vertices, torch.ones(1), box, s, below)
    left = ((shaded - mouth.dark) / (plain - mouth.dark).clamp(min=1e-3)).mean(1)[0]
    bright = (plain - mouth.dark).mean(1)[0] > 0.2
    inside = lambda low, high: left[bright & (s[0] > low) & (s[0] < high)].mean()  # noqa: E731
    assert inside(0.4, 0.6) > 0.97
    assert inside(0.15, 0.25) < 0.9

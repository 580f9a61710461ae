"""Lids that close over the whole eye."""

import torch

from emotalker.arkit import UNIT_INDEX
from emotalker.face.portrait import Portrait
from emotalker.frames.eyes import Eye
from emotalker.frames.guide import GuideRenderer
from emotalker.frames.sampling import Box
from emotalker.picture import load_image


def blinking(path):
    """A portrait's renderer and its frame at rest and with closed eyes."""
    renderer = GuideRenderer(Portrait.from_image(load_image(path), neutralise=False))
    deltas = torch.zeros(2, len(UNIT_INDEX))
    closed = [UNIT_INDEX["eyeBlinkLeft"], UNIT_INDEX["eyeBlinkRight"]]
    deltas[1, closed] = 1 - renderer.portrait.fitted.expression[closed]
    return renderer, renderer.render(deltas, torch.zeros(2, 6))


def test_no_iris_and_no_white_is_left_below_the_closed_lids_of_large_eyes(shared):
    renderer, frames = blinking(shared / "portraits" / "04_cartoon_3d.jpg")
    for eye in renderer.eyes.values():
        rows, columns = eye.box.slices
        red, _, blue = frames[:, :, rows, columns].unbind(1)
        # Skin is warm, iris and white are not.
        cold = (blue > 0.95 * red) & (blue > 0.2)
        count = cold.flatten(1).sum(1)
        assert count[0] > 200
        assert count[1] <= 0.01 * count[0]


def test_lashes_of_closed_lids_lie_along_the_line_and_nowhere_else(request):
    renderer, _ = blinking(request.config.rootpath / "samples" / "emotalker_portrait.png")
    for eye in renderer.eyes.values():
        lashes = eye.lashes[3:]
        assert lashes[:, 0].amin() < 0.8
        assert lashes[:, len(lashes[0]) // 2 :].amin() > 0.85
        # No pieces: along the line they grow lighter and darker without jumps.
        assert lashes.diff(dim=2).abs().amax() < 0.08


def test_what_the_fit_misses_of_an_eye_is_no_lid_skin(request):
    picture = load_image(request.config.rootpath / "samples" / "emotalker_portrait.png")
    renderer = GuideRenderer(Portrait.from_image(picture, neutralise=False))
    eye, planes = renderer.eyes["Left"], renderer.picture.clone()
    rows, columns = eye.box.slices
    s, t = (v[0] for v in eye.rest.local(*eye.box.pixel_centres(planes.device)))
    below = t - eye.rest.edges(s[None])[1][0]
    strip = (s > 0.3) & (s < 0.7) & (below > 0) & (below < 0.14 * eye.width)
    planes[:, rows, columns] = torch.where(strip, torch.tensor([0.2, 0.4, 0.9])[:, None, None], planes[:, rows, columns])
    around = eye.radius * torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    painted = Eye(planes, renderer.surface, *renderer.portrait.rig.lid_halves("Left"), eye.centre + around)
    red, _, blue = painted.skin.at(*(v[None] for v in Box(0, 0, *s.shape[::-1]).pixel_centres(s.device)))[0]
    assert (blue < red)[strip].float().mean() > 0.97

"""Whatever is made up in a frame keeps to the colours of its picture."""

from functools import partial

import pytest
import torch

from emotalker.arkit import FACE_UNITS, UNIT_INDEX
from emotalker.emotion.track import EmotionTrack
from emotalker.face.portrait import Portrait
from emotalker.frames.guide import GuideRenderer
from emotalker.frames.painting import FramePainter, PaintSettings, load_painter, steering_of
from emotalker.frames.palette import Palette, chroma, luminance
from emotalker.motion.motion import Motion
from emotalker.picture import load_image

RED = torch.tensor([0.6, 0.2, 0.15])


def speaking():
    """A wide open mouth, a smile with teeth, closed eyes."""
    units = torch.zeros(3, len(FACE_UNITS))
    units[:2, UNIT_INDEX["jawOpen"]] = torch.tensor([0.6, 0.15])
    units[:2, UNIT_INDEX["tongueOut"]] = torch.tensor([0.4, 0.0])
    for side in ("Left", "Right"):
        units[1, UNIT_INDEX["mouthSmile" + side]] = units[1, UNIT_INDEX["mouthUpperUp" + side]] = 0.6
        units[2, UNIT_INDEX["eyeBlink" + side]] = 1
    return Motion(units, torch.zeros(3, 6), 25.0)


def frames(picture, paint=False):
    renderer = GuideRenderer(Portrait.from_image(picture))
    take, painter = speaking(), None
    if paint:
        settings = PaintSettings(preservation=0.0, steps=2, guidance=2.0)
        steering = partial(steering_of, take, None, EmotionTrack.constant(happy=1.0))
        painter = FramePainter(load_painter(), renderer, steering, settings)
    return renderer, torch.cat(list(renderer.stream(take, paint=painter)))


@pytest.fixture(scope="module")
def photo(request):
    return load_image(request.config.rootpath / "samples" / "emotalker_portrait.png")


@pytest.mark.parametrize("paint", [False, True])
def test_a_black_and_white_photo_stays_black_and_white(photo, paint):
    _, made = frames(photo.mean(-1, keepdim=True).expand(-1, -1, 3), paint)
    assert chroma(made).amax() < 1 / 255


def test_the_black_and_white_case_of_the_data_kit_gains_no_chroma(shared):
    picture = load_image(shared / "cases" / "bw_photo.jpg")
    _, made = frames(picture)
    assert chroma(made).amax() <= chroma(picture).amax() + 1e-5


@pytest.mark.parametrize("paint", [False, True])
def test_a_sepia_photo_keeps_its_one_tone(photo, paint):
    tone = torch.tensor([1.0, 0.86, 0.65])
    _, made = frames(photo.mean(-1, keepdim=True) * tone, paint)
    off = made - luminance(made)[..., None] / luminance(tone) * tone
    assert off.abs().amax() < 0.03


def test_teeth_and_cavity_of_a_dark_picture_do_not_glow(photo):
    renderer, _ = frames(photo * 0.25)
    assert luminance(renderer.mouth.atlas.permute(1, 2, 0)).amax() < 0.9 * renderer.palette.highlight


def test_a_picture_in_colour_keeps_made_up_colours_up_to_its_own_chroma():
    generator = torch.Generator().manual_seed(0)
    skin = torch.tensor([0.75, 0.55, 0.45]) * (0.4 + 0.6 * torch.rand(500, 1, generator=generator))
    face = skin + 0.03 * torch.randn(500, 3, generator=generator)
    palette = Palette(face.clamp(0, 1))
    assert palette.colour == 1
    assert 0.8 * palette.most < chroma(palette.fit(RED)) <= palette.most + 1e-6
    assert torch.allclose(palette.limit(skin), skin, atol=1e-6)
    assert torch.allclose(luminance(palette.fit(RED)), luminance(RED))

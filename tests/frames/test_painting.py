"""Painting guide frames: what is kept, what may change, that nothing depends on chunks, and what weight files may hold."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from emotalker.arkit import FACE_UNITS, UNIT_INDEX
from emotalker.emotion.track import EmotionTrack
from emotalker.errors import UserError
from emotalker.face.portrait import Portrait
from emotalker.frames import preservation
from emotalker.frames.denoiser import EAR, FrameDenoiser, FrameShape
from emotalker.frames.guide import KNOWN, GuideRenderer
from emotalker.frames.painting import (
    KIND,
    PRESETS,
    Painting,
    PaintSettings,
    fitted_mask,
    load_painter,
    painting_steps,
    steering_of,
    time_steps,
)  # fmt: skip
from emotalker.motion.motion import Motion
from emotalker.picture import load_image

TINY = FrameShape(size=64, channels=(16, 16, 32, 32), tokens=32)


@pytest.fixture(scope="module")
def renderer(request):
    picture = load_image(request.config.rootpath / "samples" / "emotalker_portrait.png")
    small = torch.nn.functional.interpolate(picture.permute(2, 0, 1)[None], scale_factor=0.5, mode="area")[0].permute(1, 2, 0)
    return GuideRenderer(Portrait.from_image(small.contiguous()))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = FrameDenoiser(TINY).eval().requires_grad_(False)
    torch.nn.init.normal_(model.unet.conv_out.weight, std=0.05)  # it begins at zero
    return model


@pytest.fixture(scope="module")
def take():
    units = torch.zeros(6, len(FACE_UNITS))
    units[:, UNIT_INDEX["jawOpen"]] = torch.linspace(0, 0.4, 6)
    head = torch.zeros(6, 6)
    head[:, 0] = torch.linspace(0, 5, 6)
    return Motion(units, head, 25.0)


def frames(renderer, take, model=None, mask=None, chunk=None, **settings):
    painter = None
    if model is not None:
        painting = Painting(PaintSettings(**settings), None, EmotionTrack.constant(happy=0.5), mask)
        painter = painting.painter(model, renderer, take)
    return torch.cat(list(renderer.stream(take, chunk, paint=painter)))


def test_where_all_is_preserved_it_is_the_guide_to_the_last_bit_and_no_network_is_asked(renderer, take, model, monkeypatch):
    monkeypatch.setattr(model, "forward", None)
    nowhere = torch.zeros(renderer.portrait.image.shape[:2])
    assert torch.equal(frames(renderer, take), frames(renderer, take, model, nowhere, preservation=1.0))
    assert torch.equal(frames(renderer, take), frames(renderer, take, model, steps=0))


def test_only_the_face_changes(renderer, take, model):
    plain, painted = frames(renderer, take), frames(renderer, take, model, preservation=0.0)
    x0, y0, x1, y1 = (int(v) for v in renderer.portrait.face.box)
    rows, columns = slice(y0, y1), slice(x0, x1)
    assert (painted - plain)[:, rows, columns].abs().mean() > 1e-3
    size = x1 - x0
    outside = torch.ones(plain.shape[1:3], dtype=torch.bool)
    outside[max(0, y0 - size) : y1 + size, max(0, x0 - size) : x1 + size] = False
    assert torch.equal(painted[:, outside], plain[:, outside])


def test_more_preservation_changes_less(renderer, take, model):
    plain = frames(renderer, take)
    change = [float((frames(renderer, take, model, preservation=ratio) - plain).abs().mean()) for ratio in (0, 0.5, 0.9)]
    assert change[0] > change[1] > change[2] > 0


def test_frames_do_not_depend_on_their_chunk_and_follow_the_seed(renderer, take, model):
    one = frames(renderer, take, model, chunk=1)
    assert torch.allclose(one, frames(renderer, take, model, chunk=4), atol=5e-3)  # the guide itself: 0.004
    assert not torch.allclose(one, frames(renderer, take, model, chunk=1, seed=1), atol=1e-3)


def test_own_teeth_stay_more_than_made_ones(shared, monkeypatch):
    torch.manual_seed(0)
    model = FrameDenoiser(replace(TINY, size=256)).eval().requires_grad_(False)
    torch.nn.init.normal_(model.unet.conv_out.weight, std=0.05)
    renderer = GuideRenderer(Portrait.from_image(load_image(shared / "portraits" / "01_smile_teeth_photo.png")))
    take = Motion(renderer.portrait.fitted.expression[None].clamp(0, 1).clone(), torch.zeros(1, 6), 25.0)
    take.units[0, UNIT_INDEX["mouthSmileLeft"]] += 0.2

    def change(weight):
        monkeypatch.setattr(preservation, "OWN", weight)
        painter = Painting(PaintSettings(), None, EmotionTrack()).painter(model, renderer, take)
        found = []

        def watched(drawn, first):
            before, own = drawn.frames.clone(), drawn.maps[:, KNOWN.index("own")] > 0.9
            after = painter(drawn, first)
            assert own.sum() > 50
            found.append(float((after - before).abs().mean(1)[own].mean()))
            return after

        list(renderer.stream(take, paint=watched))
        return found[0]

    assert change(preservation.OWN) < 0.5 * change(0.0)


def test_a_mask_limits_the_painting(renderer, take, model):
    height, width = renderer.portrait.image.shape[:2]
    mask = torch.zeros(height, width)
    x0, y0, x1, y1 = (int(v) for v in renderer.portrait.face.box)
    middle = (y0 + y1) // 2
    mask[middle:] = 1
    change = (frames(renderer, take, model, mask, preservation=0.9) - frames(renderer, take)).abs()
    whole = (frames(renderer, take, model, preservation=0.9) - frames(renderer, take)).abs()
    above, below = slice(y0, middle - 12), slice(middle + 12, y1)
    assert change[:, above, x0:x1].mean() < 0.5 * whole[:, above, x0:x1].mean()
    assert change[:, below, x0:x1].mean() > 0.8 * whole[:, below, x0:x1].mean()


def test_the_portrait_as_anchor_holds_the_face_still(renderer, model):
    units = torch.zeros(1, len(FACE_UNITS))
    units[:, UNIT_INDEX["jawOpen"]] = 0.6
    take = Motion(units, torch.zeros(1, 6), 25.0)
    rest = renderer.portrait.image
    by_guide, by_portrait = (
        float((frames(renderer, take, model, preservation=0.95, anchor=anchor)[0] - rest).abs().mean())
        for anchor in ("guide", "portrait")
    )
    assert by_portrait < by_guide


def test_steps_and_settings():
    assert time_steps(4, 1.0) == [999, 974, 949, 924]
    assert time_steps(3, 0.6) == [599, 579, 559]
    assert time_steps(5, 0.002) == [1]
    assert [painting_steps(name) for name in PRESETS] == [0, 4, 10]
    assert painting_steps("fast", 7) == 7 and painting_steps("rig only", 7) == 0
    with pytest.raises(UserError, match="frames is"):
        painting_steps("slow")
    for wrong in ({"preservation": 1.5}, {"denoise": -0.1}, {"steps": 51}, {"guidance": 9}, {"anchor": "nose"}):
        with pytest.raises(UserError, match=next(iter(wrong))):
            PaintSettings(**wrong)


def test_steering_hears_around_each_frame(talk, take):
    features = talk(1.0)
    steering = steering_of(take, features, EmotionTrack.constant(sad=0.7))
    assert steering.speech.shape == (6, EAR, 17) and steering.heard == 1
    assert torch.allclose(steering.speech[4, EAR // 2, :15], features.visemes[4], atol=1e-5)
    assert torch.allclose(steering.speech[4, EAR // 2 + 1], steering.speech[5, EAR // 2], atol=1e-5)
    assert torch.allclose(steering.strengths[:, 2], torch.full((6,), 0.7))
    assert steering_of(take, None, EmotionTrack()).heard == 0
    part = steering_of(take, features, EmotionTrack.constant(sad=0.7), 2, 5)
    for name in ("speech", "strengths", "motion"):
        assert torch.equal(getattr(part, name), getattr(steering, name)[2:5])


def test_masks_are_fitted_to_the_picture():
    image = torch.zeros(40, 60, 3)
    assert fitted_mask(torch.ones(20, 30), image).shape == (40, 60)
    with pytest.raises(UserError, match="mask"):
        fitted_mask(torch.ones(1, 20, 30), image)


def test_weight_files(tmp_path, model):
    tensors = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    good, foreign, broken = (tmp_path / f"{name}.safetensors" for name in ("good", "foreign", "broken"))
    save_file(tensors, good, {"format": KIND, "shape": json.dumps(TINY.to_dict())})
    save_file(tensors, foreign)
    broken.write_bytes(b"no weights")
    again = load_painter(good)
    assert again.shape == TINY and not any(value.requires_grad for value in again.parameters())
    with pytest.raises(UserError, match="no frame diffusion"):
        load_painter(foreign)
    for path in (broken, tmp_path / "none.safetensors"):
        with pytest.raises(UserError, match=path.name):
            load_painter(path)


def test_the_painter_knows_what_was_taken_from_the_portrait(renderer, model, take):
    portrait = renderer.portrait
    painting = Painting(PaintSettings(), None, EmotionTrack.constant(happy=0.5))
    taking = painting.painter(model, renderer, take)
    assert torch.allclose(taking.taken[0], portrait.fitted.expression) and taking.taken.max() > 0.2  # the sample smiles
    keeping = painting.painter(model, GuideRenderer(replace(portrait, neutralise=False)), take)
    assert torch.equal(keeping.taken, keeping.own)

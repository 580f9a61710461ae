"""Training of the frame diffusion: a tiny run learns, goes on where it stopped, and its weights paint."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from emotalker.arkit import FACE_UNITS, UNIT_INDEX
from emotalker.emotion.track import EmotionTrack
from emotalker.face.graph import Graph
from emotalker.face.portrait import Portrait
from emotalker.frames.denoiser import FrameDenoiser
from emotalker.frames.guide import MAPS, GuideRenderer
from emotalker.frames.painting import Painting, PaintSettings, load_painter
from emotalker.motion.motion import Motion
from emotalker.picture import load_image
from emotalker.training.frames.batches import FramePairs
from emotalker.training.frames.train import (
    AROUND,
    FEATURES,
    MOVING,
    SKIN,
    FramesRun,
    evenly,
    loss_weight,
    main,
    reduction,
    short_half,
    unlike,
)

STEPS = 100


def arguments(data, out, steps, *more):
    where = ["--data", str(data / "pairs"), "--out", str(out), "--device", "cpu"]
    return [*where, "--size", "smoke", "--drift-steps", "100", "--steps", str(steps), *more]


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """(weights file, card, losses of the same windows before and after) of a run of the smallest size."""
    out = tmp_path_factory.mktemp("weights")
    run = FramesRun(FramesRun.parse(arguments(data, out, STEPS)))
    before = loss_of_same(run)
    assert len(list(run.train())) == STEPS
    after = loss_of_same(run)
    run.keep(last=True)
    return out / "frames.safetensors", json.loads((out / "frames.json").read_text()), (before, after)


@torch.no_grad()
def loss_of_same(run: FramesRun) -> float:
    """Mean loss of the same windows with the same noise, whatever was drawn before."""
    run.draw, run.generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    losses = [float(run.total(run.losses_of(False))) for _ in range(10)]
    return sum(losses) / len(losses)


def test_the_loss_falls(trained):
    before, after = trained[2]
    assert after < 0.97 * before


def test_the_card_says_how_it_was_made(trained):
    card = trained[1]
    assert card["steps"] == STEPS and card["command"].startswith("python -m emotalker train frames")
    assert {"held_out_guide", "held_out_painted", "held_out_ratio"} <= set(card["metrics"]) and card["licence"] == "MIT"


def test_the_weights_load_and_paint(trained, request):
    model = load_painter(trained[0])
    picture = load_image(request.config.rootpath / "samples" / "emotalker_portrait.png")
    renderer = GuideRenderer(Portrait.from_image(picture))
    take = Motion(torch.full((2, len(FACE_UNITS)), 0.1), torch.zeros(2, 6), 25.0)
    painter = Painting(PaintSettings(), None, EmotionTrack()).painter(model, renderer, take)
    frames = torch.cat(list(renderer.stream(take, paint=painter)))
    assert frames.shape == (2, *picture.shape) and frames.isfinite().all()
    assert not torch.equal(frames, torch.cat(list(renderer.stream(take))))


def test_a_run_goes_on_where_it_stopped(trained, data, capsys, tmp_path):
    main(arguments(data, tmp_path, STEPS + 4))
    assert f"step {STEPS} of" in capsys.readouterr().out
    assert json.loads((tmp_path / "frames.json").read_text())["steps"] == STEPS + 4


def test_a_stopped_run_ends_as_one_that_was_not(data, tmp_path, compare_with_stopped):
    compare_with_stopped(lambda name: FramesRun(FramesRun.parse(arguments(data, tmp_path, 8, "--name", name))))


def test_a_smoke_run_writes_beside_its_data(data):
    main(["--data", str(data / "pairs"), "--smoke", "--steps", "3", "--device", "cpu"])
    assert json.loads((data / "pairs" / "frames.smoke" / "weights" / "frames.json").read_text())["steps"] == 3


def test_frozen_weights_stay_to_the_last_bit_and_the_others_learn(trained, data, tmp_path):
    prefix = "unet.up_blocks.0"
    more = ["--name", "tuned", "--start-from", str(trained[0]), "--freeze", prefix]
    run = FramesRun(FramesRun.parse(arguments(data, tmp_path, 2, *more)))
    list(run.train())
    run.export()
    before, after = load_file(trained[0]), load_file(tmp_path / "tuned.safetensors")
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert same >= {name for name in before if name.startswith(prefix)} and "unet.conv_in.weight" not in same
    assert f"--freeze {prefix}" in json.loads((tmp_path / "tuned.json").read_text())["command"]


def test_whole_faces_show_each_emotion_as_often():
    strengths = torch.zeros(100, 8)
    strengths[:10, 1], strengths[10:30, 4], strengths[30:32, 6] = 0.8, 0.5, 0.2
    often = evenly(strengths)
    assert [often[part].sum() for part in (slice(10), slice(10, 30), slice(30, 100))] == pytest.approx([1 / 3] * 3)


def test_batches_mirror_everything_together(data):
    pairs = FramePairs(data / "pairs" / "train")

    class Always:
        """Draws 0, so that everything that happens by chance happens, and nothing is varied."""

        def random(self):
            return 0.06  # below MIRROR, above GREY

        def normal(self, mean, spread, size=None):
            return 0.0 if size is None else torch.zeros(size).numpy()

    plain, mirrored = pairs.batch([0, 5]), pairs.batch([0, 5], Always())
    assert torch.equal(mirrored.truth, plain.truth.flip(-1))
    assert torch.equal(mirrored.conditions.guide, plain.conditions.guide.flip(-1))
    right = MAPS.index("right")
    assert torch.equal(mirrored.conditions.maps[:, right], -plain.conditions.maps[:, right].flip(-1))
    assert torch.allclose(mirrored.conditions.motion[:, 52], -plain.conditions.motion[:, 52])
    (_, own, taken, places, drifts), (_, other, lost, left, turned) = (
        pairs.movement(np.array([0, 5]), np.full(2, m)) for m in (False, True)
    )
    assert torch.allclose(left[..., 0], 256 - places[..., 0]) and turned.equal(drifts * torch.tensor([-1.0, 1.0]))
    for plain, mirrored in ((own, other), (taken, lost)):
        assert torch.equal(plain[:, UNIT_INDEX["mouthSmileLeft"]], mirrored[:, UNIT_INDEX["mouthSmileRight"]])


def test_windows_are_parts_of_the_crop(data):
    pairs = FramePairs(data / "pairs" / "train")
    batch = pairs.batch([0, 1, 2], np.random.default_rng(0), 128)
    assert batch.truth.shape == (3, 3, 128, 128) and batch.conditions.maps.shape == (3, len(MAPS), 32, 32)


def test_mouth_and_eyes_weigh_most():
    maps = torch.zeros(1, len(MAPS), 16, 16)
    maps[0, MAPS.index("face"), 3:14, 3:14] = 1
    maps[0, MAPS.index("mouth"), 9:11, 6:10] = 1
    weight = loss_weight(maps)[0, 0]
    assert weight[10, 8] == pytest.approx(MOVING) and weight[4, 4] == pytest.approx(SKIN)
    assert weight[0, 0] == pytest.approx(AROUND)


def test_blurred_pictures_are_unlike_where_it_counts(data):
    truth = FramePairs(data / "pairs" / "train").batch([0, 1]).truth
    network = Graph.load("face_landmarks", outputs=FEATURES)
    everywhere = torch.ones(2, 1, 64, 64)
    assert unlike(network, truth, truth, everywhere) == 0
    blurred = torch.nn.functional.avg_pool2d(truth, 9, 1, 4, count_include_pad=False)
    # Of two pictures with the same mean error the features prefer the sharp one.
    darker = truth - (blurred - truth).abs().mean()
    assert unlike(network, blurred, truth, everywhere) > 2 * unlike(network, darker, truth, everywhere)
    left = everywhere * (torch.arange(64) < 32)
    half = torch.cat([truth[..., :128], blurred[..., 128:]], 3)
    assert unlike(network, half, truth, left) < 0.2 * unlike(network, half, truth, everywhere - left)


def test_a_model_that_paints_nothing_reduces_nothing(trained, data):
    model = FrameDenoiser(load_painter(trained[0]).shape).eval()  # whose last layer begins at zero
    pairs = FramePairs(data / "pairs" / "held_out", model.shape.size)
    figures = reduction(model, pairs, [0, 1])
    assert figures["ratio"] == pytest.approx(1, abs=1e-4)


def test_stored_weights_are_rounded_to_the_nearest():
    values = torch.tensor([1.0, 1.01, 1.02, -3.0, -0.3, 0.0, 2e-5])
    stored = short_half(values)
    assert stored.dtype == torch.float16
    assert stored[:4].tolist() == [1.0, 1.0, 1.03125, -3.0] and stored[5] == 0
    assert ((stored.float() - values).abs() <= values.abs() / 63 + 1e-6).all()

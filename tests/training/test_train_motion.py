import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from emotalker import weights
from emotalker.emotion.track import EmotionTrack
from emotalker.face.arkit import FACE_UNITS, UNIT_INDEX
from emotalker.motion.denoiser import CHANNELS, MotionDenoiser, Shape
from emotalker.motion.sampling import OVERLAP, WINDOW, Settings, draw_motion, load_denoiser
from emotalker.training import train_motion
from emotalker.training.motion_corpus import MotionCorpus, write_shard
from emotalker.training.motion_losses import MotionLosses, perception_loss, soft_label
from emotalker.training.motion_windows import Windows
from emotalker.training.train_motion import LEAST_SPREAD, Run, channel_weights, parse, spreads


@pytest.fixture(scope="module")
def corpus() -> MotionCorpus:
    """Clips in which the jaw opens with the loudness, smiles follow happiness, and the head wanders."""
    draw = np.random.default_rng(0)
    parts = ([], [], [], [])
    for _ in range(45):
        frames = int(draw.integers(40, 260))
        features = np.zeros((frames, 17), dtype=np.float16)
        features[:, 10] = 1
        features[:, 16] = 0.5 + 0.5 * np.sin(np.arange(frames) / 3 + draw.uniform(0, 6))
        emotion = np.zeros((2, frames, 8), dtype=np.float16)
        emotion[:, :, 1] = draw.uniform(0, 1, (2, 1))
        motion = np.zeros((2, frames, CHANNELS), dtype=np.float16)
        motion[:, :, UNIT_INDEX["jawOpen"]] = 0.4 * features[:, 16]
        motion[:, :, UNIT_INDEX["mouthSmileLeft"]] = 0.6 * emotion[:, :, 1]
        motion[:, :, UNIT_INDEX["mouthSmileRight"]] = 0.2 * emotion[:, :, 1]
        motion[:, :, 52] = np.cumsum(draw.normal(0, 0.5, (2, frames)), 1)
        closure = (features[:, 16] < 0.1).astype(np.float16)
        for values, part in zip(parts, (features, closure, motion, emotion), strict=True):
            values.append(part)
    return MotionCorpus(*parts)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    shape = Shape(width=32, layers=2, heads=2, speech_width=8)
    monkeypatch.setattr(train_motion, "SIZES", {"small": (shape, 4), "full": (shape, 8)})
    monkeypatch.setattr(train_motion, "WARM_UP", 10)


def options(folder, *more: str):
    return parse(
        ["--data", str(folder), "--out", str(folder), "--device", "cpu", "--minutes", "1", "--reader-steps", "20", *more]
    )


def test_a_run_learns_stops_and_goes_on(corpus, tmp_path):
    run = Run(options(tmp_path), corpus)
    before = run.validate(4)["held_out_noise"]
    for _ in zip(run.train(), range(160), strict=False):
        pass
    after = run.validate(4)["held_out_noise"]
    assert after < 0.95 * before
    assert set(run.parts) == {"noise", "velocity", "lips", "closure", "perception"}
    run.minutes = 0.3
    run.save()
    again = Run(options(tmp_path), corpus)
    assert again.step == run.step and again.minutes == 0.3
    for kind in ("model", "reader"):
        for name, value in getattr(run, kind).state_dict().items():
            assert torch.equal(getattr(again, kind).state_dict()[name], value)
    assert again.validate(4)["held_out_noise"] == pytest.approx(after)
    next(again.train())
    assert again.step == run.step + 1


def test_an_export_is_what_sampling_loads(corpus, tmp_path, monkeypatch, talk_of):
    run = Run(options(tmp_path, "--name", "tried"), corpus)
    for _ in zip(run.train(), range(5), strict=False):
        pass
    metrics = run.export(tmp_path, 0.1)
    card = json.loads((tmp_path / "tried.json").read_text())
    assert "head" not in card
    run.export(tmp_path, 0.1, last=True)
    card = json.loads((tmp_path / "tried.json").read_text())
    assert {"name", "purpose", "data", "command", "seed", "commit", "metrics", "licence", "shape"} <= set(card)
    assert metrics["held_out_noise"] > 0
    tuned = Run(options(tmp_path, "--name", "tuned", "--start-from", str(tmp_path / "tried.safetensors")), corpus)
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    model = load_denoiser("tried")
    assert len(model.liveliness.gain) == 6 and card["head"] == model.liveliness.to_dict()
    motion = draw_motion(model, talk_of(5.0), EmotionTrack.constant(happy=1.0), 1, Settings(steps=2))
    assert len(motion) == 125
    for name, value in tuned.model.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


@pytest.fixture
def talk_of():
    from emotalker.speech.features import SpeechFeatures

    def make(seconds: float) -> SpeechFeatures:
        frames = round(seconds * 25)
        visemes = torch.zeros(frames, 15)
        visemes[:, 10] = 1
        return SpeechFeatures(25.0, visemes, torch.ones(frames), torch.ones(frames), torch.zeros(frames, 4), seconds)

    return make


def test_left_out_losses_are_left_out(corpus, tmp_path):
    run = Run(options(tmp_path, "--without", "lips", "--without", "perception"), corpus)
    next(run.train())
    assert set(run.parts) == {"noise", "velocity", "closure"}


def test_windows_vary_but_stay_true(corpus):
    windows = Windows(corpus, 0, torch.device("cpu"))
    given, lengths, mirrored = [], set(), 0
    for _ in range(40):
        batch = windows.batch(8)
        lengths.add(batch.motion.shape[1])
        assert batch.motion.shape[1] % 2 == 0 and torch.allclose(batch.speech[..., :15].sum(2), torch.ones(1), atol=1e-4)
        smiles = batch.motion[..., UNIT_INDEX["mouthSmileLeft"]] + batch.motion[..., UNIT_INDEX["mouthSmileRight"]]
        assert torch.allclose(smiles, 0.8 * batch.emotion[..., 1], atol=2e-3)
        right, left = (batch.motion[..., UNIT_INDEX[f"mouthSmile{side}"]].amax(1) for side in ("Right", "Left"))
        mirrored += int((right > left).sum())
        given += batch.given.sum(1).tolist()
        assert (batch.wanted.sum(1) > 0).all() and ((batch.valid == 1) | (batch.wanted == 0)).all()
    assert max(lengths) == WINDOW and len(lengths) > 3
    assert 0.3 < mirrored / 320 < 0.7 and given.count(0) > 80 and given.count(OVERLAP) > 40


def test_spreads_of_unused_channels_have_a_floor(corpus):
    mean, scale = spreads(corpus)
    assert scale.min() == pytest.approx(LEAST_SPREAD) and float(mean[UNIT_INDEX["jawOpen"]]) == pytest.approx(0.2, abs=0.03)


def test_soft_labels_carry_strength():
    emotion = torch.zeros(3, 10, 8)
    emotion[0, :, 1] = 0.6
    emotion[1, :, 1:3] = 1.0
    labels = soft_label(emotion)
    assert labels[0, :2].tolist() == pytest.approx([0.4, 0.6]) and labels[1, :3].tolist() == pytest.approx([0, 0.5, 0.5])
    assert labels[2, 0] == 1
    sure = torch.full((3, 8), -20.0)
    sure[2, 0] = 20
    assert perception_loss(sure, labels)[2] < 1e-6 < perception_loss(-sure, labels)[2]


def test_losses_of_the_lips_see_only_the_lips():
    losses = MotionLosses(MotionDenoiser(Shape(width=8, layers=1, heads=1, speech_width=4)))
    wanted = torch.zeros(1, 3, CHANNELS)

    def moved(name: str, by: float = 0.5):
        found = wanted.clone()
        found[..., FACE_UNITS.index(name)] = by
        return found

    distance = {
        name: float(losses.lip_distance(moved(name), wanted).mean()) for name in ("jawOpen", "browInnerUp", "mouthPucker")
    }
    assert distance["jawOpen"] > distance["mouthPucker"] > 100 * distance["browInnerUp"]
    shut = torch.ones(1, 3)
    assert losses.open_closures(moved("jawOpen"), wanted, shut).mean() > 1
    closed = moved("jawOpen")
    closed[..., FACE_UNITS.index("mouthClose")] = 0.5
    assert losses.open_closures(closed, wanted, shut).max() < 1e-6
    assert losses.open_closures(moved("jawOpen"), wanted, 0 * shut).max() == 0


def test_processes_share_what_they_learn(corpus, tmp_path):
    """Two processes with their own batches take the same steps: their weights stay one."""
    path = tmp_path / "motion_0000.npz"
    write_shard(path, [tuple(torch.from_numpy(part[i]) for part in vars(corpus).values()) for i in range(45)])
    code = (
        "import sys, torch\n"
        "from emotalker.training import train_motion as t\n"
        "t.SIZES['small'] = (t.Shape(width=32, layers=2, heads=2, speech_width=8), 4)\n"
        "from emotalker.training.motion_corpus import load_motion_corpus\n"
        "options = t.parse(sys.argv[1:])\n"
        "run = t.Run(options, load_motion_corpus(options.data))\n"
        "losses = [float(loss) for _, loss in zip(range(3), run.train())]\n"
        "own = torch.cat([value.flatten() for value in run.model.state_dict().values()])\n"
        "both, theirs = run.team.gather(own[None]), run.team.gather(torch.tensor([losses]))\n"
        "assert len(both) == 2 and torch.equal(both[0], both[1]), (both[0] - both[1]).abs().max()\n"
        "assert not torch.equal(theirs[0], theirs[1])\n"
        "t.keep(run, 0.1)\n"
        "run.team.end_training()\n"
    )
    script = tmp_path / "run.py"
    script.write_text(code)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    command += ["--data", str(tmp_path), "--out", str(tmp_path), "--device", "cpu", "--reader-steps", "2"]
    environment = os.environ | {"PYTHONPATH": str(train_motion.FOLDER.parents[1]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads((tmp_path / "motion.json").read_text())["steps"] == 3


def test_channel_weights_have_a_mean_of_one():
    weights = CHANNELS * channel_weights({"eyeLook": 2.0, "head": 3.0})
    assert float(weights.mean()) == pytest.approx(1)
    plain = weights[UNIT_INDEX["jawOpen"]]
    assert torch.allclose(weights[52:55] / plain, torch.tensor(3.0)) and weights[55] == plain
    assert float(weights[UNIT_INDEX["eyeLookInLeft"]] / plain) == pytest.approx(2)

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from emotalker import weights
from emotalker.arkit import FACE_UNITS, UNIT_INDEX
from emotalker.emotion.track import EmotionTrack
from emotalker.motion.denoiser import CHANNELS, MotionDenoiser, Shape
from emotalker.motion.sampling import OVERLAP, WINDOW, Settings, draw_motion, load_denoiser
from emotalker.training.motion.corpus import MotionCorpus, write_shard
from emotalker.training.motion.losses import MotionLosses, perception_loss, soft_label
from emotalker.training.motion.train import LEAST_SPREAD, MotionRun, channel_weights, main, spreads
from emotalker.training.motion.windows import Windows


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


def options(folder, *more: str):
    where = ["--data", str(folder), "--out", str(folder), "--device", "cpu"]
    return MotionRun.parse([*where, "--size", "smoke", "--steps", "160", "--reader-steps", "20", *more])


def test_a_run_learns_all_its_losses(corpus, tmp_path):
    run = MotionRun(options(tmp_path, "--steps", "400"), corpus)
    before = run.measure(4)["held_out_noise"]
    assert len(list(zip(range(160), run.train(), strict=False))) == run.step == 160
    assert run.measure(4)["held_out_noise"] < 0.95 * before
    assert set(run.parts) == {"noise", "velocity", "lips", "closure", "perception"}


def test_a_stopped_run_ends_as_one_that_was_not(corpus, tmp_path, compare_with_stopped):
    def make(name: str) -> MotionRun:
        return MotionRun(options(tmp_path, "--steps", "6", "--name", name), corpus)

    compare_with_stopped(make, also=("reader",))


def test_more_steps_go_on_where_a_run_ended(corpus, tmp_path):
    first = MotionRun(options(tmp_path, "--steps", "3"), corpus)
    list(first.train())
    first.save()
    assert len(list(MotionRun(options(tmp_path, "--steps", "5"), corpus).train())) == 2
    assert [path.name for path in (tmp_path / "motion.state").iterdir()] == ["3"]


def test_a_smoke_run_needs_no_option_and_never_writes_shipped_weights(corpus, tmp_path, capsys):
    write_shard(tmp_path / "motion_0000.npz", shard_of(corpus))
    arguments = ["--data", str(tmp_path), "--smoke", "--device", "cpu"]
    shipped = (weights.FOLDER / "motion.safetensors").read_bytes(), (weights.FOLDER / "motion.json").read_bytes()
    for _ in range(2):  # the second as the first: from the beginning
        main(arguments)
        card = json.loads((tmp_path / "motion.smoke" / "weights" / "motion.json").read_text())
        assert card["steps"] == 20 and "step 0 of 20" in capsys.readouterr().out
    assert ((weights.FOLDER / "motion.safetensors").read_bytes(), (weights.FOLDER / "motion.json").read_bytes()) == shipped
    with pytest.raises(SystemExit):
        main([*arguments, "--out", str(weights.FOLDER)])
    assert "must not replace the shipped weights" in capsys.readouterr().err


def test_the_card_names_the_command(corpus, tmp_path):
    run = MotionRun(options(tmp_path, "--without", "lips", "--without", "perception"), corpus)
    assert run.command() == (
        "python -m emotalker train motion --data DATA --size smoke --without lips --without perception --reader-steps 20 "
        "--steps 160 --seed 0"
    )
    assert run.data().endswith("No recording of a person.")
    write_shard(tmp_path / "motion_video_talk.npz", shard_of(corpus))
    assert run.data().endswith("And 1 videos of people (train prepare).")


def test_an_export_is_what_sampling_loads(corpus, tmp_path, monkeypatch, talk_of):
    run = MotionRun(options(tmp_path, "--name", "tried", "--steps", "5"), corpus)
    list(run.train())
    metrics = run.export()
    card = json.loads((tmp_path / "tried.json").read_text())
    assert "head" not in card
    run.export(last=True)
    card = json.loads((tmp_path / "tried.json").read_text())
    assert {"name", "purpose", "data", "command", "seed", "commit", "metrics", "licence", "shape"} <= set(card)
    assert metrics["held_out_noise"] > 0
    tuned = MotionRun(options(tmp_path, "--name", "tuned", "--start-from", str(tmp_path / "tried.safetensors")), corpus)
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    model = load_denoiser("tried")
    assert len(model.liveliness.gain) == 6 and card["head"] == model.liveliness.to_dict()
    motion = draw_motion(model, talk_of(5.0), EmotionTrack.constant(happy=1.0), 1, Settings(steps=2))
    assert len(motion) == 125
    for name, value in tuned.model.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def shard_of(corpus: MotionCorpus) -> list[tuple[torch.Tensor, ...]]:
    return [tuple(torch.from_numpy(part[i]) for part in vars(corpus).values()) for i in range(len(corpus.features))]


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
    run = MotionRun(options(tmp_path, "--without", "lips", "--without", "perception"), corpus)
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
    write_shard(tmp_path / "motion_0000.npz", shard_of(corpus))
    code = (
        "import sys, torch\n"
        "from emotalker.training.motion.train import MotionRun\n"
        "run = MotionRun(MotionRun.parse(sys.argv[1:]))\n"
        "losses = list(run.train())\n"
        "own = torch.cat([value.flatten() for value in run.model.state_dict().values()])\n"
        "both, theirs = run.team.gather(own[None]), run.team.gather(torch.tensor([losses]))\n"
        "assert len(both) == 2 and torch.equal(both[0], both[1]), (both[0] - both[1]).abs().max()\n"
        "assert not torch.equal(theirs[0], theirs[1])\n"
        "run.keep()\n"
        "again = MotionRun(run.options)\n"
        "assert again.step == 3 and all(map(torch.equal, again.averaged.parameters(), run.averaged.parameters()))\n"
        "run.team.end_training()\n"
    )
    script = tmp_path / "run.py"
    script.write_text(code)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    command += ["--data", str(tmp_path), "--out", str(tmp_path), "--device", "cpu", "--reader-steps", "2"]
    command += ["--size", "smoke", "--steps", "3"]
    environment = os.environ | {"PYTHONPATH": str(weights.FOLDER.parents[1]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads((tmp_path / "motion.json").read_text())["steps"] == 3


def test_channel_weights_have_a_mean_of_one():
    weights = CHANNELS * channel_weights({"eyeLook": 2.0, "head": 3.0})
    assert float(weights.mean()) == pytest.approx(1)
    plain = weights[UNIT_INDEX["jawOpen"]]
    assert torch.allclose(weights[52:55] / plain, torch.tensor(3.0)) and weights[55] == plain
    assert float(weights[UNIT_INDEX["eyeLookInLeft"]] / plain) == pytest.approx(2)

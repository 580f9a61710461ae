"""Training of the expression recogniser: a tiny run learns, goes on where it stopped, and what it is measured by."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from emotalker.emotion.taxonomy import EMOTION_INDEX
from emotalker.face.expression import MESH, SIZE, ExpressionHead, ExpressionRecogniser, Shown
from emotalker.training.heads.pictures import FacePictures, Picture
from emotalker.training.heads.train import SHAPE, PerceptionRun, accuracy, main

STEPS = 16


def arguments(data, out, steps):
    return ["--heads", str(data / "heads"), "--pairs", str(data / "pairs"), "--out", str(out), "--steps", str(steps),
            "--batch", "12", "--device", "cpu"]  # fmt: skip


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """(folder of the weights, losses) of a run of seconds."""
    out = tmp_path_factory.mktemp("weights")
    run = PerceptionRun(PerceptionRun.parse(arguments(data, out, STEPS)))
    losses = list(run.train())
    run.keep(last=True)
    return out, losses


def test_the_loss_falls(trained):
    losses = trained[1]
    assert sum(losses[-6:]) < 0.95 * sum(losses[:6])


def test_the_card_says_how_it_was_made(trained):
    card = json.loads((trained[0] / "expression.json").read_text())
    assert card["steps"] == STEPS and "held_out_macro" in card["metrics"] and card["licence"].startswith("MIT")
    assert (trained[0] / "expression.safetensors").stat().st_size < 6 << 20


def test_a_run_goes_on_where_it_stopped(trained, data, tmp_path, capsys):
    main(arguments(data, tmp_path, STEPS + 2))
    assert f"step {STEPS} of {STEPS + 2}" in capsys.readouterr().out


def test_a_stopped_run_ends_as_one_that_was_not(data, tmp_path, compare_with_stopped):
    compare_with_stopped(
        lambda name: PerceptionRun(PerceptionRun.parse([*arguments(data, tmp_path, 4), "--batch", "4", "--name", name]))
    )


def test_a_smoke_run_writes_beside_its_data(data):
    main(["--heads", str(data / "heads"), "--pairs", str(data / "pairs"), "--smoke", "--device", "cpu"])
    card = json.loads((data / "heads" / "expression.smoke" / "weights" / "expression.json").read_text())
    assert card["steps"] == PerceptionRun.SMOKE["steps"]


def test_frozen_weights_stay_to_the_last_bit_and_the_others_learn(trained, data, tmp_path):
    start = trained[0] / "expression.safetensors"
    frozen = ["--freeze", "eyes.", "--freeze", "head.trunk", "--freeze", "head.marks", "--name", "tuned"]
    run = PerceptionRun(PerceptionRun.parse([*arguments(data, tmp_path, 2), "--start-from", str(start), *frozen]))
    list(run.train())
    run.export()
    before, after = load_file(start), load_file(tmp_path / "tuned.safetensors")
    same = {name for name in before if torch.equal(before[name], after[name])}
    kept = {name for name in before if name.startswith(("eyes.", "head.trunk", "head.marks"))}
    assert same >= kept and not {"head.lips.1.weight", "head.lips.0.running_mean", "head.soft.bias"} & same
    assert "--freeze head.marks" in json.loads((tmp_path / "tuned.json").read_text())["command"]


def test_the_landmark_network_learns_too_but_for_its_first_layers(trained):
    fresh = ExpressionRecogniser(ExpressionHead(**SHAPE))
    stored = {name: value.float() for name, value in load_file(trained[0] / "expression.safetensors").items()}
    before = fresh.learned()
    eyes = [name for name in before if name.startswith("eyes.")]
    moved = [name for name in eyes if not torch.equal(before[name].half().float(), stored[name])]
    assert set(stored) == set(before) and len(moved) > 0.7 * len(eyes)
    assert len(dict(fresh.eyes.named_buffers())) > 0  # the first layers, in no file of this network


def test_a_run_can_start_from_other_weights(trained, data, tmp_path):
    weights = trained[0] / "expression.safetensors"
    run = PerceptionRun(PerceptionRun.parse([*arguments(data, tmp_path, 1), "--name", "other", "--start-from", str(weights)]))
    stored = load_file(weights)
    assert all(
        torch.equal(value.half(), stored[name]) for name, value in run.averaged.learned().items() if value.is_floating_point()
    )


def test_accuracy_counts_what_is_named():
    strengths = torch.zeros(4, 8)
    strengths[0, EMOTION_INDEX["happy"]] = strengths[1, EMOTION_INDEX["sad"]] = 0.9
    strengths[2, EMOTION_INDEX["happy"]], strengths[2, EMOTION_INDEX["sad"]] = 0.9, 0.8  # two emotions: not counted
    image, unknown = np.zeros((SIZE, SIZE, 3), dtype=np.uint8), torch.full((MESH, 2), torch.nan)
    faces = FacePictures([Picture(image, torch.eye(2, 3), unknown, row, torch.zeros(52), 0) for row in strengths])

    class Happy:
        head = ExpressionHead(8)

        def judge(self, faces):
            soft = torch.zeros(len(faces), 8)
            soft[:, EMOTION_INDEX["happy"]] = 1
            return Shown(soft, 0 * soft, torch.full((len(faces), 52), 0.1))

    figures = accuracy(Happy(), faces)
    assert figures["macro"] == pytest.approx(1 / 3)  # happy right, sad and neutral wrong
    assert figures["units_error"] == pytest.approx(0.1)

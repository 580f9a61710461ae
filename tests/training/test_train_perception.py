"""Training of the expression recogniser: a tiny run learns, goes on where it stopped, and what it is measured by."""

import json

import pytest
import torch

from emotalker.emotion.taxonomy import EMOTION_INDEX
from emotalker.face.arkit import UNIT_INDEX
from emotalker.perception.expression import SIZE, ExpressionRecogniser
from emotalker.training import train_perception
from emotalker.training.train_perception import KINDS, Faces, Run, accuracy, load_faces, main, parse

STEPS = 24


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """(folder of the weights, losses) of a run of seconds."""
    out = tmp_path_factory.mktemp("weights")
    run = Run(options(data, out, STEPS))
    losses = list(run.train())
    run.save()
    run.export(out)
    return out, losses


def options(data, out, steps):
    return parse(
        ["--heads", str(data / "heads"), "--pairs", str(data / "pairs"), "--out", str(out), "--steps", str(steps),
         "--batch", "16", "--device", "cpu"]
    )  # fmt: skip


def test_the_loss_falls(trained):
    losses = trained[1]
    assert sum(losses[-6:]) < 0.9 * sum(losses[:6])


def test_the_card_says_how_it_was_made(trained):
    card = json.loads((trained[0] / "expression.json").read_text())
    assert card["steps"] == len(trained[1]) and "held_out_macro" in card["metrics"] and card["licence"] == "MIT"
    assert (trained[0] / "expression.safetensors").stat().st_size < 6 << 20


def test_a_run_goes_on_where_it_stopped(trained, data, tmp_path, capsys):
    arguments = ["--heads", str(data / "heads"), "--pairs", str(data / "pairs"), "--out", str(tmp_path), "--device", "cpu"]
    main([*arguments, "--steps", str(STEPS + 2), "--batch", "16"])
    assert f"step {STEPS}," in capsys.readouterr().out


def test_all_kinds_of_faces_are_loaded(data):
    faces = load_faces(data / "heads" / "train", data / "pairs" / "train")
    assert torch.bincount(faces.kind).tolist() == [8, 3, 12, 12] and len(KINDS) == 4
    with pytest.raises(FileNotFoundError, match="make them first"):
        load_faces(data / "nothing", None)


def test_a_mirror_swaps_the_sides(data, tmp_path, monkeypatch):
    run = Run(options(data, tmp_path, STEPS))
    monkeypatch.setattr(torch, "rand", lambda *size, generator=None: torch.zeros(size))  # everything by chance happens
    units = torch.zeros(2, 52)
    units[:, UNIT_INDEX["mouthSmileLeft"]] = 1
    _, swapped = run.vary(run.faces.crops[:2], units)
    assert (swapped[:, UNIT_INDEX["mouthSmileRight"]] == 1).all() and (swapped[:, UNIT_INDEX["mouthSmileLeft"]] == 0).all()


def test_accuracy_counts_what_is_named(monkeypatch):
    strengths = torch.zeros(4, 8)
    strengths[0, EMOTION_INDEX["happy"]] = strengths[1, EMOTION_INDEX["sad"]] = 0.9
    strengths[2, EMOTION_INDEX["happy"]], strengths[2, EMOTION_INDEX["sad"]] = 0.9, 0.8  # two emotions: not counted
    faces = Faces(
        torch.zeros(4, 3, 112, 112, dtype=torch.uint8), strengths, torch.zeros(4, 52), torch.zeros(4, dtype=torch.long)
    )

    class Happy(ExpressionRecogniser):
        def forward(self, x):
            assert x.shape[1:] == (3, SIZE, SIZE)
            logits = torch.zeros(len(x), 8)
            logits[:, EMOTION_INDEX["happy"]] = 9
            return logits, torch.zeros(len(x), 8), torch.full((len(x), 52), 0.1)

    figures = accuracy(Happy(), faces)
    assert figures["macro"] == pytest.approx(1 / 3)  # happy right, sad and neutral wrong
    assert figures["units_error"] == pytest.approx(0.1)
    assert train_perception.STRONG < 0.9

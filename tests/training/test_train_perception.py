"""Training of the expression recogniser: a tiny run learns, goes on where it stopped, and what it is measured by."""

import json

import pytest
import torch

from emotalker.emotion.taxonomy import EMOTION_INDEX
from emotalker.face.arkit import UNIT_INDEX
from emotalker.perception.expression import POINTS, SIZE, ExpressionRecogniser, Found, place_points
from emotalker.training import train_perception
from emotalker.training.train_perception import (
    KINDS,
    Faces,
    Run,
    accuracy,
    load_faces,
    main,
    mean_landmarks,
    mirrored_points,
    parse,
)  # fmt: skip

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
    assert sum(losses[-6:]) < 0.95 * sum(losses[:6])


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
    chosen = torch.tensor([0, 1])  # heads: their true landmarks are known
    run.faces.units[chosen] = 0
    run.faces.units[chosen, UNIT_INDEX["mouthSmileLeft"]] = 1
    monkeypatch.setattr(torch, "rand", lambda *size, generator=None: torch.zeros(size))  # everything by chance happens
    monkeypatch.setattr(torch, "randn", lambda *size, generator=None: torch.zeros(*size))
    varied = run.vary(chosen)
    assert (varied.units[:, UNIT_INDEX["mouthSmileRight"]] == 1).all()
    assert (varied.units[:, UNIT_INDEX["mouthSmileLeft"]] == 0).all()
    right, left = 33, 263  # outer corners of the eyes
    truth = run.faces.truth[chosen]
    assert torch.allclose(varied.truth[:, right], truth[:, left] * torch.tensor([-1.0, 1.0]), atol=1e-5)
    assert torch.allclose(varied.points[:, right], run.faces.points[chosen, left] * torch.tensor([-1.0, 1.0]), atol=1e-5)


def test_landmarks_are_placed_in_the_crop():
    points = mean_landmarks(2)[None] - 1
    assert torch.allclose(place_points(200 + 30 * points)[0], points[0, :POINTS], atol=1e-4)  # wherever the face lies
    swap = mirrored_points()
    assert torch.equal(swap[swap], torch.arange(POINTS)) and swap[33] == 263 and swap[61] == 291


def test_landmarks_and_pixels_both_count():
    torch.manual_seed(0)
    network = ExpressionRecogniser().eval()
    faces, points = torch.rand(2, 3, SIZE, SIZE), torch.randn(2, POINTS, 2)
    both, alone = network(faces, points), network(faces)
    assert not torch.allclose(both.logits, alone.logits)
    assert torch.equal(network(faces, points, torch.zeros(2)).logits, alone.logits)
    assert not torch.allclose(network(faces.flip(0), points).logits, both.logits)
    assert both.strengths.shape == (2, 8) and (both.strengths[:, 0] == 0).all() and both.units.shape == (2, 52)


def test_accuracy_counts_what_is_named(monkeypatch):
    strengths = torch.zeros(4, 8)
    strengths[0, EMOTION_INDEX["happy"]] = strengths[1, EMOTION_INDEX["sad"]] = 0.9
    strengths[2, EMOTION_INDEX["happy"]], strengths[2, EMOTION_INDEX["sad"]] = 0.9, 0.8  # two emotions: not counted
    crops, kind = torch.zeros(4, 3, 112, 112, dtype=torch.uint8), torch.zeros(4, dtype=torch.long)
    points = torch.zeros(4, POINTS, 2)
    faces = Faces(crops, strengths, torch.zeros(4, 52), kind, points, points)

    class Happy(ExpressionRecogniser):
        def forward(self, x, points=None, known=None):
            assert x.shape[1:] == (3, SIZE, SIZE)
            logits = torch.zeros(len(x), 8)
            logits[:, EMOTION_INDEX["happy"]] = 9
            return Found(logits, torch.zeros(len(x), 8), torch.full((len(x), 52), 0.1), points)

    figures = accuracy(Happy(), faces)
    assert figures["macro"] == pytest.approx(1 / 3)  # happy right, sad and neutral wrong
    assert figures["units_error"] == pytest.approx(0.1)
    assert train_perception.STRONG < 0.9

"""Training of the expression recogniser: a tiny run learns, goes on where it stopped, and what it is measured by."""

import json

import numpy as np
import pytest
import torch

from emotalker.emotion.taxonomy import EMOTION_INDEX
from emotalker.face.arkit import UNIT_INDEX
from emotalker.perception.expression import SIZE, Found, Seen
from emotalker.training import train_perception
from emotalker.training.train_perception import KINDS, Faces, Picture, Run, accuracy, load_faces, look_at, main, parse

STEPS = 24


def arguments(data, out, steps):
    return ["--heads", str(data / "heads"), "--pairs", str(data / "pairs"), "--out", str(out), "--steps", str(steps),
            "--batch", "16", "--copies", "2", "--device", "cpu"]  # fmt: skip


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """(folder of the weights, losses) of a run of seconds."""
    out = tmp_path_factory.mktemp("weights")
    run = Run(parse(arguments(data, out, STEPS)))
    losses = list(run.train())
    run.save()
    run.export(out)
    return out, losses


def test_the_loss_falls(trained):
    losses = trained[1]
    assert sum(losses[-6:]) < 0.95 * sum(losses[:6])


def test_the_card_says_how_it_was_made(trained):
    card = json.loads((trained[0] / "expression.json").read_text())
    assert card["steps"] == STEPS and "held_out_macro" in card["metrics"] and card["licence"] == "MIT"
    assert (trained[0] / "expression.safetensors").stat().st_size < 6 << 20


def test_a_run_goes_on_where_it_stopped(trained, data, tmp_path, capsys):
    main(arguments(data, tmp_path, STEPS + 2))
    assert f"step {STEPS}," in capsys.readouterr().out


def test_all_kinds_of_faces_are_loaded_and_kept(data):
    faces = load_faces(data / "heads" / "train", data / "pairs" / "train", 2)
    assert torch.bincount(faces.kind).tolist() == [16, 6, 24, 24] and len(KINDS) == 4
    assert (data / "heads" / "train" / "heads-00000.seen2").is_file()
    assert faces.seen(slice(0, 3)).whole.shape == (3, 128, 16, 16)
    with pytest.raises(FileNotFoundError, match="make them first"):
        load_faces(data / "nothing", None)


def test_a_mirror_swaps_the_sides(monkeypatch):
    units = torch.zeros(52)
    units[UNIT_INDEX["mouthSmileLeft"]] = 1
    image = np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)

    class Mirror:
        """Every picture in a mirror, nothing else varied."""

        def random(self, size=None):
            return 0.3

        def normal(self, mean, spread, size=None):
            return 0.0 if size is None else np.zeros(size)

        def standard_normal(self, size, dtype):
            return np.zeros(size, dtype=dtype)

    faces = []

    class Watching(train_perception.Eyes):
        def forward(self, some):
            faces.append(some)
            return super().forward(some)

    monkeypatch.setattr(train_perception, "Eyes", Watching)
    found = look_at([Picture(image, torch.eye(2, 3), torch.zeros(8), units, 0)], 2, Mirror())
    assert found.units[0, UNIT_INDEX["mouthSmileLeft"]] == 1 and found.units[0, UNIT_INDEX["mouthSmileRight"]] == 0
    assert found.units[1, UNIT_INDEX["mouthSmileRight"]] == 1 and found.units[1, UNIT_INDEX["mouthSmileLeft"]] == 0
    assert torch.allclose(faces[0][1], faces[0][0].flip(-1), atol=1e-4)


def test_accuracy_counts_what_is_named():
    strengths = torch.zeros(4, 8)
    strengths[0, EMOTION_INDEX["happy"]] = strengths[1, EMOTION_INDEX["sad"]] = 0.9
    strengths[2, EMOTION_INDEX["happy"]], strengths[2, EMOTION_INDEX["sad"]] = 0.9, 0.8  # two emotions: not counted
    nothing = [torch.zeros(4, 1) for _ in Seen._fields]
    faces = Faces(*nothing, strengths, torch.zeros(4, 52), torch.zeros(4, dtype=torch.long))

    class Happy:
        soft = torch.nn.Linear(1, 1)

        def __call__(self, seen):
            count = len(seen.points)
            logits = torch.zeros(count, 8)
            logits[:, EMOTION_INDEX["happy"]] = 9
            return Found(logits, torch.zeros(count, 8), torch.full((count, 52), 0.1))

    figures = accuracy(Happy(), faces)
    assert figures["macro"] == pytest.approx(1 / 3)  # happy right, sad and neutral wrong
    assert figures["units_error"] == pytest.approx(0.1)

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from emotalker.speech.encoder import LEVEL, RATE, SpeechHead
from emotalker.speech.features import VISEME_INDEX
from emotalker.speech.phones import ARPABET
from emotalker.training.speech import augment as augment_audio
from emotalker.training.speech import train as train_speech
from emotalker.training.speech.augment import Augmenter
from emotalker.training.speech.corpus import Corpus
from emotalker.training.speech.train import Crops, SpeechRun, main


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Sixty sounds of 4 s: noise for S from 1 s to 2 s, silence elsewhere."""
    draw = np.random.default_rng(0)
    sounds = [np.zeros(4 * RATE, dtype=np.int16) for _ in range(60)]
    for sound in sounds:
        sound[RATE : 2 * RATE] = draw.normal(0, 3000, RATE)
    phones = np.array([ARPABET.index(name) for name in ("SIL", "S", "SIL")], dtype=np.uint8)
    ends = np.array([1.0, 2.0, 4.0], dtype=np.float32)
    return Corpus(sounds, [ends] * 60, [phones] * 60, [None] * 60)


@pytest.fixture(autouse=True)
def small_runs(monkeypatch):
    monkeypatch.setattr(augment_audio, "BACKGROUND_SECONDS", 6)
    monkeypatch.setattr(train_speech, "CROP_SECONDS", 2.0)
    monkeypatch.setattr(train_speech, "MEASURED_BATCHES", 1)
    monkeypatch.setattr(train_speech, "VALIDATED_BATCHES", 1)


def options(folder: Path, steps: int, name: str = "speech") -> Namespace:
    where = ["--data", str(folder), "--texts", "none", "--out", str(folder), "--name", name]
    return SpeechRun.parse([*where, "--device", "cpu", "--seed", "3", "--width", "32", "--steps", str(steps)])


def test_labels_lie_where_the_sound_lies(corpus):
    sounds, visemes, phones, voicing = Crops(corpus, 0, torch.device("cpu")).batch(16)
    level = sounds[:, : visemes.shape[1] * 320].unflatten(1, (-1, 320)).abs().mean(2)
    hiss = visemes[:, :, VISEME_INDEX["SS"]]
    assert hiss.max() == 1
    # A frame's label is read around its start, so that only whole frames between two edges can be compared.
    assert (
        level[hiss == 1].min() > 0.02 and (level[:, 1:][(hiss[:, 1:] == 0) & (hiss[:, :-1] == 0)] > 0.02).float().mean() < 0.02
    )
    assert torch.allclose(visemes.sum(2), torch.ones(16, visemes.shape[1])) and voicing.max() == 0
    assert torch.equal(phones[:, :, ARPABET.index("S")], hiss)


def test_augmentation_moves_no_sound_in_time():
    sounds = torch.zeros(64, RATE)
    sounds[:, RATE // 2 : RATE // 2 + 800] = torch.randn(800) * 0.3
    augmenter = Augmenter(0)
    augmenter.chances = type(augmenter.chances)(noise=0, music=0)
    changed = augmenter(sounds)
    assert changed.shape == sounds.shape and changed.isfinite().all()
    middle = changed.unflatten(1, (-1, 100)).square().sum(2).cumsum(1)
    halfway = (middle < middle[:, -1:] / 2).sum(1)
    assert ((halfway >= 80) & (halfway <= 92)).all()


def test_augmentation_keeps_the_level_that_moonshine_hears():
    speech = torch.randn(32, RATE) * torch.linspace(0.001, 1, 32)[:, None]
    augmenter = Augmenter(0)
    augmenter.chances = type(augmenter.chances)(**dict.fromkeys(vars(augmenter.chances), 0.0))
    level = augmenter(speech).square().mean(1).sqrt()
    assert level.min() > LEVEL / 4.1 and level.max() < LEVEL * 1.6


def test_a_run_learns_the_head_and_leaves_the_front(corpus, tmp_path):
    run = SpeechRun(options(tmp_path, 20), corpus)
    front = {name: value.clone() for name, value in run.encoder.front.state_dict().items()}
    losses = list(run.train())
    assert len(losses) == run.step == 20
    assert np.mean(losses[-4:]) < 0.8 * np.mean(losses[:4])
    assert all(torch.equal(value, front[name]) for name, value in run.encoder.front.state_dict().items())


def test_a_stopped_run_ends_as_one_that_was_not(corpus, tmp_path, compare_with_stopped):
    compare_with_stopped(lambda name: SpeechRun(options(tmp_path, 4, name), corpus))


def test_an_export_is_what_the_analysis_loads(corpus, tmp_path):
    SpeechRun(options(tmp_path, 1), corpus).export()
    tensors = load_file(tmp_path / "speech.safetensors")
    SpeechHead(width=32).load_state_dict({name: value.float() for name, value in tensors.items()})
    card = json.loads((tmp_path / "speech.json").read_text())
    assert {"name", "purpose", "data", "command", "seed", "commit", "metrics", "licence"} <= set(card)


def test_a_smoke_run_writes_beside_its_data(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(train_speech, "build_corpus", lambda folder, texts, hours, seed: None)
    monkeypatch.setattr(train_speech, "align_corpus", lambda folder, texts, seed: None)
    monkeypatch.setattr(train_speech, "load_corpus", lambda folder: corpus)
    main(["--data", str(tmp_path), "--texts", "none", "--smoke", "--device", "cpu"])
    card = json.loads((tmp_path / "speech.smoke" / "weights" / "speech.json").read_text())
    assert card["steps"] == SpeechRun.SMOKE["steps"] and card["command"].startswith(
        "python -m emotalker train speech --data DATA"
    )

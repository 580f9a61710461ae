import json
from argparse import Namespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from emotalker.speech.encoder import HOP, MELS, RATE, SpeechEncoder
from emotalker.speech.features import VISEME_INDEX
from emotalker.speech.phones import ARPABET
from emotalker.training import augment_audio
from emotalker.training.augment_audio import Augmenter
from emotalker.training.speech_corpus import Corpus
from emotalker.training.train_speech import Crops, Run


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
def short_backgrounds(monkeypatch):
    monkeypatch.setattr(augment_audio, "BACKGROUND_SECONDS", 6)


def options(folder, steps: float) -> Namespace:
    return Namespace(data=folder, out=folder, device="cpu", seed=3, width=16, minutes=steps, hours=0.1)


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
    augmenter.chances = type(augmenter.chances)(noise=0, music=0, masks=0)
    logmel = augmenter(sounds)
    assert logmel.shape == (64, RATE // HOP + 1, MELS) and logmel.isfinite().all()
    loudest = logmel.mean(2).argmax(1)
    assert ((loudest >= 49) & (loudest <= 57)).all()


def test_a_run_learns_stops_and_goes_on(corpus, tmp_path):
    run = Run(options(tmp_path, 1.0), corpus)
    losses = [loss for loss, _ in zip(run.train(), range(30), strict=False)]
    assert np.mean(losses[-5:]) < 0.95 * np.mean(losses[:5])
    run.minutes = 0.5
    run.save()
    again = Run(options(tmp_path, 1.0), corpus)
    assert again.step == run.step and again.minutes == 0.5
    for name, value in run.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], value)
    assert next(again.train()) < np.mean(losses[:5])


def test_an_export_is_what_the_analysis_loads(corpus, tmp_path):
    run = Run(options(tmp_path, 1.0), corpus)
    run.export(tmp_path, 0.1)
    tensors = load_file(tmp_path / "speech.safetensors")
    SpeechEncoder(width=16).load_state_dict({name: value.float() for name, value in tensors.items()})
    card = json.loads((tmp_path / "speech.json").read_text())
    assert {"name", "purpose", "data", "command", "seed", "commit", "metrics", "licence"} <= set(card)

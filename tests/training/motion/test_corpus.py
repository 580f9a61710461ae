import numpy as np
import pytest
import torch

from emotalker.motion.blend import lip_gap
from emotalker.speech.features import VISEME_INDEX
from emotalker.speech.phones import ARPABET
from emotalker.training.motion import corpus as motion_corpus
from emotalker.training.motion.corpus import (
    FPS,
    MotionCorpus,
    build_motion_corpus,
    draw_emotion,
    exact_visemes,
    load_motion_corpus,
)

RATE = 16000


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """A shard of six sounds of 2 s: noise where S is said, silence for the M between."""
    folder = tmp_path_factory.mktemp("speech")
    draw = np.random.default_rng(0)
    sound = np.zeros(2 * RATE, dtype=np.int16)
    sound[4000:14000] = draw.normal(0, 3000, 10000)
    sound[17000:28000] = draw.normal(0, 3000, 11000)
    names = ("SIL", "S", "M", "AA", "SIL")
    ends = np.array([0.25, 0.875, 1.0625, 1.75, 2.0], dtype=np.float32)
    np.savez(
        folder / "shard_0000.npz",
        audio=np.tile(sound, 6),
        lengths=np.full(6, 2 * RATE),
        ends=np.tile(ends, 6),
        phones=np.tile(np.array([ARPABET.index(name) for name in names], dtype=np.uint8), 6),
        counts=np.full(6, 5),
    )
    return folder


@pytest.fixture(scope="module")
def corpus(speech, tmp_path_factory) -> MotionCorpus:
    folder = tmp_path_factory.mktemp("motion")
    build_motion_corpus(speech, folder, 1, seed=4)
    return load_motion_corpus(folder)


def test_clips_hold_what_their_names_say(corpus):
    assert len(corpus.features) >= 2 and corpus.hours > 0
    for features, closure, motion, emotion in zip(*vars(corpus).values(), strict=True):
        count = len(features)
        assert features.shape == (count, 17) and closure.shape == (count,)
        assert motion.shape == (3, count, 58) and emotion.shape == (3, count, 8)
        assert motion[..., :52].min() >= 0 and motion[..., :52].max() <= 1 and np.isfinite(motion).all()
        assert emotion.min() >= 0 and emotion.max() <= 1.5


def test_lips_close_where_the_phones_say_whatever_is_felt(corpus):
    checked = 0
    for closure, motion in zip(corpus.closure, corpus.motion, strict=True):
        shut = torch.from_numpy(closure.astype(np.float32)) > 0.99
        for take in torch.from_numpy(motion.astype(np.float32)):
            checked += int(shut.sum())
            assert (lip_gap(take[shut, :52]) < 0.03).all()
    assert checked > 20


def test_takes_differ_and_a_seed_is_a_corpus(speech, corpus, tmp_path):
    take = corpus.motion[0].astype(np.float32)
    assert np.abs(take[0] - take[1]).max() > 0.1
    build_motion_corpus(speech, tmp_path, 1, seed=4)
    assert all((a == b).all() for a, b in zip(load_motion_corpus(tmp_path).motion, corpus.motion, strict=True))


def test_what_is_there_is_not_made_again(speech, tmp_path, monkeypatch):
    (tmp_path / "motion_0000.npz").touch()
    monkeypatch.setattr(motion_corpus, "write_shard", lambda *_: pytest.fail("made again"))
    build_motion_corpus(speech, tmp_path, 1)


def test_exact_visemes_lie_where_the_phones_lie():
    visemes = exact_visemes([(0.0, 0.4, "SIL"), (0.4, 0.8, "M"), (0.8, 1.2, "AA")], 30, 0.06)
    names = [VISEME_INDEX[name] for name in ("sil", "PP", "aa", "sil")]
    assert [int(visemes[frame].argmax()) for frame in (5, 15, 25, 29)] == [*names[:3], names[2]] or int(
        visemes[29].argmax()
    ) in (names[2], names[3])
    assert torch.allclose(visemes.sum(1), torch.ones(30))
    # frame 9 stands for 0.38 s: a quarter of the 60 ms around it and a little more is M
    assert 0.1 < float(visemes[9, VISEME_INDEX["PP"]]) < 0.4 and visemes[8, VISEME_INDEX["PP"]] == 0


def test_emotions_are_of_every_kind():
    draw = np.random.default_rng(0)
    times = torch.arange(200) / FPS
    tracks = [draw_emotion(8.0, draw) for _ in range(150)]
    strengths = torch.stack([asked.at(times) for asked, _ in tracks])
    assert (strengths.amax((0, 1))[1:] > 0.8).all()  # every emotion
    at_once = (strengths[..., 1:] > 0).sum(2).amax(1)
    assert (at_once == 0).any() and (at_once == 1).any() and (at_once >= 2).any()
    changes = strengths.diff(dim=1).abs().amax((1, 2)) > 0.01
    assert 0.1 < float(changes.float().mean()) < 0.5
    leaked = [bool((shown.at(times) != asked.at(times)).any()) for asked, shown in tracks]
    assert 0.1 < np.mean(leaked) < 0.45

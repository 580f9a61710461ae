import json

import numpy as np
import pytest
import torch

from emotalker.emotion.taxonomy import EMOTION_INDEX
from emotalker.motion.denoiser import CHANNELS, HEARD, MotionDenoiser, Shape
from emotalker.motion.motion import Motion
from emotalker.training.motion import liveliness as measure
from emotalker.training.motion.corpus import MotionCorpus
from emotalker.training.motion.head import SPEECH_RANGE, SPEECH_SD, SPEECH_SPEED

SAD = EMOTION_INDEX["sad"]
SPREADS = np.array([4.0, 2.0, 3.0, 0.03, 0.02, 0.02])


@pytest.fixture(scope="module")
def corpus():
    """Heads that sway about a posture: a sad one hangs by 5 degrees."""
    draw = np.random.default_rng(0)
    corpus = MotionCorpus([], [], [], [])
    for _ in range(6):
        frames = 250
        features = np.zeros((frames, HEARD), dtype=np.float16)
        features[:, 0] = 1
        emotion = np.zeros((2, frames, 8), dtype=np.float16)
        emotion[:, :, SAD] = draw.uniform(0, 1, (2, 1))
        motion = np.zeros((2, frames, CHANNELS), dtype=np.float16)
        phase = draw.uniform(0, 6.28, (2, 1, 6))
        sway = np.sin(np.arange(frames)[None, :, None] / draw.uniform(3, 6, (2, 1, 6)) + phase)
        motion[:, :, 52:] = np.sqrt(2) * SPREADS * sway
        motion[:, :, 53] -= 5 * emotion[:, :, SAD]
        for values, part in zip(vars(corpus).values(), (features, np.zeros(frames), motion, emotion), strict=True):
            values.append(part.astype(np.float16))
    return corpus


@pytest.fixture
def calm(monkeypatch):
    """Stands in for a model that moves the head by two thirds, and not at all by what chance allows to be more."""
    model = MotionDenoiser(Shape(width=8, layers=1, heads=1, speech_width=4)).eval()

    def draw(model, conditions, noise, settings):
        assert conditions.given.sum() == 0
        place = torch.arange(noise.shape[1])[None, :, None] / 5 + noise[:, :1, 52:]
        motion = torch.zeros_like(noise)
        motion[..., 52:] = 2**0.5 / 1.5 * torch.tensor(SPREADS).float() * torch.sin(place)
        motion[..., 53] -= 5 * conditions.emotion[..., SAD]
        motion[..., 57] *= 0.1
        return motion

    def take(model, features, track, seed):
        assert not track.segments and features.fps == 25
        turns = 4 * torch.sin(torch.arange(features.frames) / 10)[:, None].expand(-1, 6)
        return Motion(torch.zeros(features.frames, 52), turns, 25.0, {})

    monkeypatch.setattr(measure, "draw_window", draw)
    monkeypatch.setattr(measure, "draw_motion", take)
    return model


def test_gain_is_what_drawn_heads_lack_and_posture_where_emotions_hold_them(corpus, calm):
    found = measure.measure_liveliness(calm, corpus, 96)
    assert found.gain[3:5] == pytest.approx([1.5] * 2, rel=0.06)
    sd, span, speed = 4 / 2**0.5, 8.0, 25 * 4 * 2 / np.pi * 2 * np.sin(1 / 20)
    for axis, name in enumerate(("yaw", "pitch", "roll")):
        ratios = SPEECH_SD[name] / sd, SPEECH_RANGE[name] / span, SPEECH_SPEED[name] / speed
        wanted = min(np.prod(ratios) ** (1 / 3), measure.MOST_OVER * min(ratios))  # none far above what people do
        wanted = np.clip(wanted, measure.LEAST, measure.MOST)
        assert found.gain[axis] == pytest.approx(wanted, rel=0.02)
    assert min(found.gain[:3]) > measure.LEAST and len(set(found.gain[:3])) == 3
    assert found.gain[5] == pytest.approx(measure.MOST)  # a model that hardly moves at all is not shaken
    assert found.posture[SAD][1] == pytest.approx(-5, abs=0.8)
    assert np.abs(np.array(found.posture)[EMOTION_INDEX["happy"]]).max() < 1e-4  # the corpus does not know it


def test_the_command_writes_the_card(corpus, calm, tmp_path, monkeypatch):
    from safetensors.torch import save_file

    save_file({name: value.half() for name, value in calm.state_dict().items()}, tmp_path / "motion.safetensors")
    (tmp_path / "motion.json").write_text(json.dumps({"name": "motion", "shape": calm.shape.to_dict()}))
    monkeypatch.setattr(measure, "load_motion_corpus", lambda folder: corpus)
    measure.main(["--data", str(tmp_path), "--weights", str(tmp_path), "--windows", "32"])
    card = json.loads((tmp_path / "motion.json").read_text())
    assert card["name"] == "motion" and len(card["head"]["gain"]) == 6 and len(card["head"]["posture"]) == 9

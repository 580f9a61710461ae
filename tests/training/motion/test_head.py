import pytest
import torch

from emotalker.emotion.taxonomy import EMOTION_INDEX
from emotalker.motion.head import AXES, LIMITS
from emotalker.speech.prosody import RATE, analyse
from emotalker.training.motion.head import SPEECH_SD, SPEECH_SPEED, draw_head, nods


def strengths_of(prosody, **named):
    strengths = torch.zeros(prosody.size, 8)
    for name, value in named.items():
        strengths[:, EMOTION_INDEX[name]] = value
    return strengths


@pytest.fixture(scope="module")
def prosody(talk):
    return analyse(talk(1200.0))


def test_published_spread_and_speed_while_speaking(prosody):
    head = torch.cat([draw_head(prosody, strengths_of(prosody), seed) for seed in range(3)])
    speaking = (prosody.activity > 0.5).repeat(3)
    frames = head[:: round(RATE / 25), :3]
    speed = (frames.diff(dim=0) * 25).abs()
    talk = speaking[:: round(RATE / 25)]
    for index, axis in enumerate(AXES):
        assert frames[talk, index].std().item() == pytest.approx(SPEECH_SD[axis], rel=0.12), axis
        assert speed[talk[1:], index].mean().item() == pytest.approx(SPEECH_SPEED[axis], rel=0.12), axis


@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_limits_hold(prosody, gain):
    for emotion in ("sad", "contempt", "angry"):
        head = draw_head(prosody, strengths_of(prosody, **{emotion: 1.5}), 0, gain)
        for index, axis in enumerate(AXES):
            assert head[:, index].abs().max() <= LIMITS[axis]


def test_head_is_almost_still_in_silence(silence):
    quiet = analyse(silence(120.0))
    head = draw_head(quiet, strengths_of(quiet), 0)[200:]
    speed = (head[:, :3].diff(dim=0) * RATE).abs().mean(0)
    assert (speed < 1.5).all()
    assert (head[:, :3].std(0) < 1.5).all()
    assert head[:, 1].std() > 0.1  # but it breathes


def test_no_jitter_and_no_pop(prosody):
    head = draw_head(prosody, strengths_of(prosody, happy=1.0), 5)
    assert head[0].abs().max() == 0
    speed = head[:, :3].diff(dim=0) * RATE
    assert speed.abs().max() < 90
    spectrum = torch.fft.rfft(head[:, :3] - head[:, :3].mean(0), dim=0).abs().square()
    hertz = torch.fft.rfftfreq(head.shape[0], 1 / RATE)
    assert (spectrum[hertz > 5].sum(0) / spectrum.sum(0) < 0.002).all()


def test_stressed_syllables_nod_downwards(prosody):
    curve = nods(prosody, 0)
    assert curve.max() <= 0 and curve.min() < -1
    strong = [round(time * RATE) for time, strength in prosody.stresses if strength > 0.8]
    assert curve[[min(i + 6, prosody.size - 1) for i in strong]].mean() < 2 * curve.mean()


@pytest.mark.parametrize(
    ("emotion", "column", "sign"), [("sad", 1, -1), ("contempt", 1, 1), ("angry", 5, -1), ("fear", 5, 1), ("surprise", 5, 1)]
)
def test_posture_tells_the_mood(silence, emotion, column, sign):
    quiet = analyse(silence(60.0))
    calm, moved = (draw_head(quiet, strengths_of(quiet, **{emotion: s}), 0)[200:, column].mean() for s in (0.0, 1.0))
    assert sign * (moved - calm) > (1.5 if column == 1 else 0.03)


def test_gain_scales_and_zero_is_still(prosody):
    one, half = (draw_head(prosody, strengths_of(prosody), 0, gain) for gain in (1.0, 0.5))
    small = one[:, :3].abs() < 0.55 * torch.tensor([LIMITS[axis] for axis in AXES])
    torch.testing.assert_close(half[:, :3][small], one[:, :3][small] / 2)
    assert draw_head(prosody, strengths_of(prosody), 0, 0.0).abs().max() == 0

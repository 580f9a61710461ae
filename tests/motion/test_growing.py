"""A take that is drawn while it is asked for is the take that is drawn at once."""

import dataclasses
from pathlib import Path

import pytest
import torch

from emotalker.emotion.track import EmotionTrack, Segment
from emotalker.motion.sampling import Settings, load_denoiser
from emotalker.motion.take import make_take
from emotalker.speech import analyse
from emotalker.video.audio import Sound, read_audio

STEPS = Settings(1)
SAMPLE = Path(__file__).parents[2] / "samples" / "emotalker_voice.wav"
FELT = EmotionTrack.constant(happy=0.6)
STEERED = EmotionTrack((Segment(strengths={"sad": 0.5}), Segment(2.0, 21.0, units={"browInnerUp": 1.0, "eyeBlinkLeft": 1.0})))


@pytest.fixture(scope="module")
def voice() -> Sound:
    waveform, rate = read_audio(SAMPLE)
    return Sound(waveform.repeat(1, 7)[:, : 45 * rate], rate)


@pytest.fixture(scope="module")
def whole(voice):
    return analyse.analyse_speech(voice.waveform, voice.sample_rate)


def lazily(whole, on_progress=None):
    """The speech of `whole` as one that is heard piece by piece, without the encoder's time."""

    class Told(analyse.GrowingSpeech):
        def __init__(self):
            self.__dict__.update(fps=25.0, duration=whole.duration, heard=0, told=whole)

        frames = property(lambda self: self.told.frames)

        def whole(self):
            return self.part(0, self.frames)

        def part(self, first, last):
            if on_progress is not None:
                on_progress()
            self.__dict__.update(heard=max(self.heard, last))
            return self.told.part(first, last)

    return Told()


@pytest.mark.parametrize(
    ("fps", "track", "gains"),
    [(25.0, FELT, {}), (29.97, STEERED, {"mouth": 1.3, "blink": 0.5}), (60.0, FELT, {"blink": 0.0, "head": 0.4})],
)
def test_it_is_the_take_that_is_drawn_at_once(whole, fps, track, gains):
    at_once = make_take(load_denoiser(), whole, track, 3, STEPS, fps=fps, **gains)
    growing = make_take(load_denoiser(), lazily(whole), track, 3, STEPS, fps=fps, **gains)
    assert len(growing) == len(at_once) and growing.metadata == at_once.metadata and growing.fps == at_once.fps
    parts = [growing.part(first, first + 7) for first in range(0, len(growing), 7)]
    for name in ("units", "head"):
        shown = torch.cat([getattr(part, name) for part in parts])
        assert torch.allclose(shown, getattr(at_once, name), atol=1e-5)
        assert torch.equal(shown, getattr(growing, name))


def test_the_first_frames_need_no_more_than_the_first_windows(whole):
    speech = lazily(whole)
    take = make_take(load_denoiser(), speech, STEERED, 1, STEPS)
    assert take.ready == speech.heard == 0
    take.part(0, 8)
    assert take.ready >= 8 and speech.heard <= 2 * 100


def test_a_take_that_was_cancelled_goes_on(whole):
    def count():
        calls.append(0)
        if len(calls) == 3:
            raise KeyboardInterrupt

    calls = []
    take = make_take(load_denoiser(), lazily(whole, count), FELT, 3, STEPS)
    with pytest.raises(KeyboardInterrupt):
        _ = take.units
    assert take.ready > 0
    assert torch.allclose(take.units, make_take(load_denoiser(), whole, FELT, 3, STEPS).units, atol=1e-5)


def test_added_blinks_and_redone_ranges_are_drawn_at_once(whole):
    short = dataclasses.replace(whole.part(0, 60), duration=60 / 25)
    first = make_take(load_denoiser(), lazily(short), FELT, 1, STEPS, blink=2.0)
    assert not hasattr(first, "ready") and len(first) == 60
    again = make_take(load_denoiser(), lazily(short), FELT, 2, STEPS, keep=first, redo=(1.0, 2.0))
    assert torch.equal(again.units[:20], first.units[:20])

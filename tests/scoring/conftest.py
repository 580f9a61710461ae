from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from emotalker.arkit import UNIT_INDEX
from emotalker.face.portrait import Portrait
from emotalker.frames.guide import GuideRenderer
from emotalker.motion.motion import Motion
from emotalker.picture import load_image
from emotalker.scoring.score import Report, score_stream
from emotalker.speech.analyse import analyse_speech
from emotalker.speech.mouth import mouth_units
from emotalker.video.audio import Sound, read_audio


@dataclass
class Clip:
    """A rendered video of a portrait that speaks.

    Attributes:
        frames: [T, H, W, 3] uint8.
        fps: frames per second.
        sound: what is said.
        portrait: [H, W, 3] float 0..1.
        blinks: number of blinks.
    """

    frames: Tensor
    fps: float
    sound: Sound
    portrait: Tensor
    blinks: int


@pytest.fixture(scope="session")
def clip(pytestconfig, finder, close_up) -> Clip:
    """The sample portrait speaks the first three seconds of the sample voice, smiles more and more, sways and blinks twice."""
    samples = pytestconfig.rootpath / "samples"
    waveform, rate = read_audio(samples / "emotalker_voice.wav")
    sound = Sound(waveform[:, : 3 * rate], rate)
    units = mouth_units(analyse_speech(sound.waveform, rate, 25.0))
    time = torch.arange(len(units)) / 25
    for side in ("Left", "Right"):
        units[:, UNIT_INDEX[f"mouthSmile{side}"]] += 0.1 * time
        for blink in (0.7, 2.1):
            units[:, UNIT_INDEX[f"eyeBlink{side}"]] += (1.2 - (time - blink).abs() / 0.12).clamp(0, 1)
    head = torch.zeros(len(units), 6)
    head[:, 0], head[:, 1], head[:, 2] = 4 * (1.3 * time).sin(), 2 * (2.1 * time).sin(), 2 * (0.9 * time).cos()
    portrait = close_up(load_image(samples / "emotalker_portrait.png"), 256)
    renderer = GuideRenderer(Portrait.from_image(portrait, finder=finder))
    frames = torch.cat(list(renderer.stream(Motion(units.clamp(0, 1), head, 25.0), dtype=torch.uint8)))
    return Clip(frames, 25.0, sound, portrait, 2)


@pytest.fixture(scope="session")
def good(clip) -> Report:
    """The clip's own scores."""
    return score_stream(clip.frames.split(16), clip.fps, clip.sound, clip.portrait)

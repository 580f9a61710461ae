"""A take by motion diffusion: drawn motion, then what is not left to chance: gains, face units said outright, frame rate."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..emotion.track import EmotionTrack
from ..speech.features import VISEME_INDEX, SpeechFeatures
from . import prosody as rhythm
from .blend import join_speech
from .denoiser import RATE, MotionDenoiser
from .gains import apply_gains
from .gaze import gaze_units
from .motion import Motion, sample
from .sampling import Settings, draw_motion
from .steering import give_way, steered_units, take_gaze


def make_take(
    model: MotionDenoiser,
    features: SpeechFeatures,
    emotion: EmotionTrack,
    seed: int = 0,
    settings: Settings | None = None,
    mouth: float = 1.0,
    expression: float = 1.0,
    head: float = 1.0,
    blink: float = 1.0,
    fps: float | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Motion:
    """Draw a performance of a speech.

    Args:
        model: of load_denoiser.
        features: what is heard.
        emotion: which emotions show when, and which face units it steers directly.
        seed: another seed is another take.
        settings: denoising steps and guidance.
        mouth, expression, head, blink: gains 0..2, see apply_gains; they act after drawing, so that one seed stays one take.
        fps: frames per second of the result; None for the features' own.
        on_progress: called with (frames done, frames in all) after each window.

    Returns:
        Motion on the CPU.

    Raises:
        UserError: settings or gains out of range.
    """
    motion = draw_motion(model, features, emotion, seed, settings, on_progress=on_progress)
    motion = apply_gains(motion, features, seed, mouth, expression, head, blink)
    motion = lay_steered(motion, features, emotion, min(1.0, expression))
    return motion.resample(features.fps if fps is None else float(fps))


def lay_steered(motion: Motion, features: SpeechFeatures, emotion: EmotionTrack, gain: float = 1.0) -> Motion:
    """Lay the units that a track steers over drawn motion; they make way for the sounds as emotions do.

    Args:
        motion: as drawn, at RATE.
        features: the speech it was drawn for.
        emotion: the track; one that steers nothing leaves the motion as it is.
        gain: 0..1, how far they show.
    """
    times = (torch.arange(len(motion), dtype=torch.float64) + 0.5) / motion.fps
    steered = steered_units(emotion, rhythm.analyse(features), times)
    if steered is None:
        return motion
    steered, look = take_gaze(gain * steered)
    visemes = _at(features.visemes, features, times)
    shown = give_way(motion.units, steered)
    units = join_speech(shown, steered, visemes, _sure(visemes[:, VISEME_INDEX["PP"]]), 1.0, motion.fps)
    eyes = gaze_units(look)
    return Motion((units + eyes * (1 - units)).clamp(0, 1), motion.head, motion.fps, motion.metadata)


def _at(values: Tensor, features: SpeechFeatures, times: Tensor) -> Tensor:
    values = values.detach().float().cpu()
    if features.fps == RATE and len(values) == len(times):
        return values
    return sample(values, features.fps, times - 0.5 / features.fps)


def _sure(closure: Tensor) -> Tensor:
    """[T] 0..1 how surely the lips are shut, from the probability of PP."""
    return (2 * closure).clamp(0, 1)

"""A take by motion diffusion: drawn motion, then what is not left to chance: eyes, gains, face units said outright, frame rate.

Of a take that is kept a range can be drawn again. What is drawn goes on from what stays, so the model is shown the take as it
was before its gains; then gains and frame rate are laid over as for any take, and the range is joined to the kept frames.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..curves import sample
from ..emotion.track import EmotionTrack
from ..speech.analyse import GrowingSpeech
from ..speech.features import SpeechFeatures, frame_count
from .denoiser import RATE, MotionDenoiser
from .gains import apply_gains, undo_gains
from .growing import GrowingMotion
from .motion import Motion
from .redo import fit_take, range_of, splice
from .sampling import Drawing, Settings, draw_motion
from .settle import settle_eyes
from .steering import lay_units, steered_units


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
    keep: Motion | None = None,
    redo: tuple[float, float | None] = (0.0, None),
    ready: Callable[[], None] = lambda: None,
) -> Motion:
    """Draw a performance of a speech.

    Args:
        model: of load_denoiser.
        features: what is heard.
        emotion: which emotions show when, and which face units it steers directly.
        seed: another seed is another take.
        settings: denoising steps, guidance, window.
        mouth, expression, head, blink: gains 0..2, see apply_gains; they act after drawing, so that one seed stays one take.
        fps: frames per second of the result; None for the features' own.
        on_progress: called with (frames done, frames in all), see draw_motion.
        keep: a take of this speech, at any rate and with any gains, of which only a range is drawn again.
        redo: that range: start and end in seconds, None for the end of the speech.
        ready: called before each window of a take that is drawn as it is asked for, to bring the model to its device.

    Returns:
        Motion on the CPU, frame_count(features.duration, fps) frames. For a GrowingSpeech it is drawn as it is asked for,
        unless a range is redone or blinks are added, which need all of the speech. Of `keep` (see fit_take) the frames outside
        the range stay the same to the last bit, and its metadata too; they tell in addition what was redone.

    Raises:
        UserError: settings, gains or range out of range.
    """
    fps = features.fps if fps is None else float(fps)
    if isinstance(features, GrowingSpeech) and features.fps == RATE and keep is None and blink <= 1:
        gains = (mouth, expression, head, blink)
        drawing = Drawing(model, features, emotion, seed, settings, on_progress=on_progress, ready=ready)
        return GrowingMotion(drawing, features, emotion, seed, gains, fps)
    if keep is None:
        motion = draw_motion(model, features, emotion, seed, settings, on_progress=on_progress)
    else:
        redo = range_of(redo, features)
        context = fit_take(undo_gains(keep), features, RATE)
        motion = draw_motion(model, features, emotion, seed, settings, context, redo, on_progress)
    motion = apply_gains(settle_eyes(motion), features, seed, mouth, expression, head, blink)
    motion = lay_steered(motion, features, emotion, min(1.0, expression))
    motion = motion.resample(fps, frame_count(features.duration, fps))
    if keep is None:
        return motion
    motion = splice(fit_take(keep, features, fps), motion, redo)
    said = f"{redo[0]:g} to {redo[1]:g} s with seed {seed}"
    motion.metadata["redone"] = "; ".join(filter(None, (motion.metadata.get("redone"), said)))
    return motion


def lay_steered(motion: Motion, features: SpeechFeatures, emotion: EmotionTrack, gain: float = 1.0) -> Motion:
    """Lay the units that a track steers over drawn motion; they make way for the sounds as emotions do.

    Args:
        motion: as drawn, at RATE.
        features: the speech it was drawn for.
        emotion: the track; one that steers nothing leaves the motion as it is.
        gain: 0..1, how far they show.
    """
    times = (torch.arange(len(motion), dtype=torch.float64) + 0.5) / motion.fps
    steered = steered_units(emotion, features.frames / features.fps, times)
    if steered is None:
        return motion
    return lay_units(motion, gain * steered, _at(features.visemes, features, times))


def _at(values: Tensor, features: SpeechFeatures, times: Tensor) -> Tensor:
    values = values.detach().float().cpu()
    if features.fps == RATE and len(values) == len(times):
        return values
    return sample(values, features.fps, times - 0.5 / features.fps)

"""Draw facial motion from the denoiser: windows that go on from one another, and guidance by speech and by emotion."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from ..arkit import FACE_UNITS, UNIT_INDEX
from ..curves import sample
from ..diffusion import denoised, make_scheduler, noising
from ..emotion.track import EmotionTrack
from ..errors import UserError
from ..speech.features import SpeechFeatures, frame_count
from ..weights import load_card, load_weights
from .articulation import LIPS, articulate
from .denoiser import CHANNELS, PATCH, RATE, Conditions, MotionDenoiser, Shape
from .liveliness import Liveliness
from .motion import Motion
from .seams import Joiner

WINDOW = 100
"""Frames that are drawn at once at most, 4 s: what the model was trained on."""
OVERLAP = 25
"""Frames of the window before that the next one starts from, 1 s."""
POSE = slice(len(FACE_UNITS), CHANNELS)
SPOKEN = [*LIPS, *(UNIT_INDEX[f"mouth{name}{side}"] for name in ("Stretch", "Smile", "Dimple") for side in ("Left", "Right"))]
"""Face units that sounds move: those of the lips, and the corners, which emotions share."""
LIP_NOISE = 0.1
"""Noise that SPOKEN begin with, over that of the others: lips are drawn near to what is most likely said,
while heads, brows and eyes keep their variety. Measured: with 1 the lips follow the sound less (docs/evaluation.md)."""
GUIDANCE = 1.0
"""Of speech and of emotion, if nothing else is asked for: the model's own view. More brings lips closer to the sound and faces
closer to what is asked for, and takes variety and time (docs/evaluation.md)."""


@dataclass(frozen=True)
class Settings:
    """How motion is drawn.

    Attributes:
        steps: denoising steps, 1..100.
        speech_guidance: 0..5, γₐ: 1 is the model's own view of what was said, more exaggerates, 0 does not listen.
        emotion_guidance: 0..5, γₑ: 1 is the model's own view of the emotion asked for, more exaggerates, 0 ignores it.
        solver: "ddim" or "dpm", see make_scheduler.
        window: 2..4, seconds that are drawn at once; each window begins with the last second of the one before.
    """

    steps: int = 10
    speech_guidance: float = GUIDANCE
    emotion_guidance: float = GUIDANCE
    solver: str = "dpm"
    window: float = WINDOW / RATE

    def __post_init__(self):
        if not 1 <= self.steps <= 100:
            raise UserError(f"steps is {self.steps}: draw the motion in 1 to 100 denoising steps.")
        for name, value in (("speech", self.speech_guidance), ("emotion", self.emotion_guidance)):
            if not 0 <= value <= 5:
                raise UserError(f"{name}_guidance is {value:g}: use a number from 0 to 5.")
        if not 2 * OVERLAP <= self.window * RATE <= WINDOW:
            raise UserError(f"window is {self.window:g} s: use {2 * OVERLAP / RATE:g} to {WINDOW / RATE:g} seconds.")


@cache
def load_denoiser(name: str = "motion", device: str = "cpu") -> MotionDenoiser:
    """The shipped denoiser, ready to draw with.

    Raises:
        UserError: its weights are missing.
    """
    card = load_card(name)
    model = MotionDenoiser(Shape(**card["shape"]))
    model.liveliness = Liveliness.of_card(card)
    model.load_state_dict({key: value.float() for key, value in load_weights(name).items()})
    return model.to(device).eval().requires_grad_(False)


def draw_motion(
    model: MotionDenoiser,
    features: SpeechFeatures,
    emotion: EmotionTrack,
    seed: int = 0,
    settings: Settings | None = None,
    keep: Motion | None = None,
    redo: tuple[float, float] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Motion:
    """Facial motion for a speech.

    Args:
        model: of load_denoiser.
        features: what is heard; best at RATE frames per second.
        emotion: which emotions show when.
        seed: another seed is another take; a longer clip begins like a shorter one.
        settings: steps and guidance.
        keep: a take of the same speech at RATE, of which only the range `redo` is drawn anew.
        redo: start and end in seconds, with `keep`.
        on_progress: called with (frames done, frames in all) after each step of each window, which counts as its share of the
            window's frames; what it raises ends the drawing.

    Returns:
        Motion at RATE on the CPU, frame_count(features.duration, RATE) frames.

    Raises:
        UserError: a take to keep that does not fit, or settings out of range.
    """
    drawing = Drawing(model, features, emotion, seed, settings, keep, redo, on_progress)
    while not drawing.finished:
        drawing.draw_window()
    motion = drawing.shown(0, drawing.count)
    units = len(FACE_UNITS)
    motion[:, :units] = articulate(motion[:, :units], RATE)
    if keep is not None:  # frames that stay are the same to the last bit
        first, last = _range(redo, drawing.count)
        whole = torch.cat([keep.units, keep.head], 1).cpu().float()
        motion = torch.cat([whole[:first], motion[first:last], whole[last:]])
    return Motion(motion[:, :units].clamp(0, 1), motion[:, units:], RATE, drawing.metadata)


class Drawing:
    """The windows of a motion, drawn one after the other; see draw_motion for what it takes; `ready` is called before each.

    A window that fails or is cancelled can be drawn again: it leaves no trace.

    Attributes:
        count: frames in all, at RATE.
        known: frames from the first on that later windows leave as they are.
        metadata: of the motion.
    """

    def __init__(
        self,
        model: MotionDenoiser,
        features: SpeechFeatures,
        emotion: EmotionTrack,
        seed: int = 0,
        settings: Settings | None = None,
        keep: Motion | None = None,
        redo: tuple[float, float] | None = None,
        on_progress: Callable[[int, int], None] | None = None,
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        self.model, self.settings, self._on_progress = model, settings or Settings(), on_progress
        self._ready = ready
        self.count = count = frame_count(features.duration, RATE)
        padded = -(-count // PATCH) * PATCH
        self._features = features
        # Features at another rate are brought to this one as a whole; at this rate they are read window by window.
        self._speech = None if features.fps == RATE and features.frames == count else _heard(features, count)
        self._strengths = _pad(emotion.at((torch.arange(count, dtype=torch.float64) + 0.5) / RATE), padded)
        self._noise = _noise(seed, padded)
        self._motion, self._given = torch.zeros(padded, CHANNELS), torch.zeros(padded)
        self._centre = None if model.liveliness is None else model.liveliness.centre(self._strengths, RATE)
        if keep is not None:
            motion, given = self._motion, self._given
            _keep(keep, redo, count, motion, given)
            if model.liveliness is not None:
                motion[:, POSE] = model.liveliness.narrow(motion[:, POSE], self._strengths, RATE)
            device = model.mean.device
            self._motion = model.normalise(motion.to(device)).cpu() * given[:, None]
        spans = windows(padded, round(self.settings.window * RATE / PATCH) * PATCH)
        self._waiting = [span for span in spans if not bool(self._given[slice(*span)].all())]
        self._done = self.known = 0
        self.metadata = {"seed": str(seed), "emotion": emotion.to_json(), "steps": str(self.settings.steps)}
        guidance_notes = {"speech": self.settings.speech_guidance, "emotion": self.settings.emotion_guidance}
        self.metadata |= {f"{name}_guidance": f"{value:g}" for name, value in guidance_notes.items()}

    @property
    def finished(self) -> bool:
        """Nothing is left to draw."""
        return not self._waiting

    def draw_window(self) -> None:
        """Draws the next window."""
        first, last = self._waiting[0]
        self._ready()
        if self._speech is None:
            speech = _heard(self._features.part(first, min(last, self.count)), min(last, self.count) - first)
        else:
            speech = self._speech[first : min(last, self.count)]
        span, motion, given, device = slice(first, last), self._motion, self._given, self.model.mean.device
        conditions = Conditions(
            _pad(speech, last - first)[None],
            self._strengths[None, span],
            (torch.arange(first, last) / RATE)[None],
            (motion[span] * given[span, None])[None],
            given[None, span],
            torch.ones(1),
            torch.ones(1),
        )
        conditions = Conditions(**{name: value.to(device) for name, value in vars(conditions).items()})
        done, end = self._done, min(last, self.count)

        def step_done(part: float) -> None:
            if self._on_progress is not None:
                self._on_progress(done + int(part * (end - done)), self.count)

        noise = self._noise[None, span].to(device)
        motion[span] = draw_window(self.model, conditions, noise, self.settings, step_done)[0].cpu()
        given[span], self._done = 1, last
        self._waiting.pop(0)
        self.known = end if self._waiting else self.count

    def shown(self, first: int, last: int) -> Tensor:
        """[last - first, CHANNELS] what was drawn, as Motion has it, before lips are made crisp; units within 0..1."""
        rows = slice(first, last)
        motion = self.model.restore(self._motion[rows].to(self.model.mean.device)).cpu()
        if self._centre is not None:
            motion[:, POSE] = self.model.liveliness.widen_about(self._centre[rows], motion[:, POSE])
        motion[:, : len(FACE_UNITS)] = motion[:, : len(FACE_UNITS)].clamp(0, 1)
        return motion


@torch.inference_mode()
def draw_window(
    model: MotionDenoiser,
    conditions: Conditions,
    noise: Tensor,
    settings: Settings,
    on_step: Callable[[float], None] = lambda part: None,
) -> Tensor:
    """Denoise windows; given frames are noised anew, with their own noise, before every step.

    Args:
        model: the denoiser.
        conditions: of B windows.
        noise: [B, T, CHANNELS] Gaussian.
        settings: steps and guidance.
        on_step: called after each step with the part of the steps that is done, up to 1.

    Returns:
        [B, T, CHANNELS] normalised motion; given frames are as they were given.
    """
    process = noising()
    scheduler = make_scheduler(settings.solver, "sample")
    scheduler.set_timesteps(settings.steps, device=noise.device)
    given = conditions.given[..., None]
    branches, shares = guidance(settings)
    asked = conditions.repeat(*zip(*branches, strict=True))
    steering = model.steer(asked)
    join = Joiner(model.blurs, conditions.given, conditions.known)
    x = noise
    for number, step in enumerate(scheduler.timesteps, 1):
        times = step.expand(len(noise))
        x = torch.lerp(x, process.add_noise(conditions.known, noise, times), given)
        velocities = model(x.repeat(len(branches), 1, 1), step, asked, steering).chunk(len(branches))
        velocity = sum(share * part for share, part in zip(shares, velocities, strict=True))
        clean = join(denoised(process, x, velocity, times))
        x = scheduler.step(clean, step, x).prev_sample
        on_step(number / len(scheduler.timesteps))
    return torch.lerp(x, conditions.known, given)


def guidance(settings: Settings) -> tuple[list[tuple[float, float]], list[float]]:
    """Which (hear, feel) the denoiser is asked with, and the share of each answer.

    Nested: v(∅) + γₐ [v(a) - v(∅)] + γₑ [v(a, e) - v(a)]. Answers with the share 0 are not asked for.
    """
    by_speech, by_emotion = settings.speech_guidance, settings.emotion_guidance
    terms = [((0.0, 0.0), 1 - by_speech), ((1.0, 0.0), by_speech - by_emotion), ((1.0, 1.0), by_emotion)]
    used = [term for term in terms if term[1] != 0]
    return [branch for branch, _ in used], [share for _, share in used]


def windows(count: int, size: int = WINDOW) -> list[tuple[int, int]]:
    """(first, last) frame of each window of `size` frames: each begins OVERLAP or more before the end of the one before."""
    starts = list(range(0, max(count - OVERLAP, 1), size - OVERLAP))
    return [(min(start, max(count - size, 0)), min(start + size, count)) for start in starts]


def _heard(features: SpeechFeatures, count: int) -> Tensor:
    """[count, HEARD] of features at any rate."""
    heard = torch.cat([features.visemes, features.voicing[:, None], features.loudness[:, None]], 1).detach().float().cpu()
    if features.fps == RATE and len(heard) == count:
        return heard
    times = (torch.arange(count, dtype=torch.float64) + 0.5) / RATE
    return sample(heard, features.fps, times - 0.5 / features.fps)


def _pad(values: Tensor, count: int) -> Tensor:
    """Hold the last row until there are `count`."""
    return torch.cat([values, values[-1:].expand(count - len(values), -1)])


def _noise(seed: int, count: int) -> Tensor:
    """[count, CHANNELS]; a longer clip begins with the noise of a shorter one."""
    generator = torch.Generator().manual_seed(int(seed) % (1 << 63))
    noise = torch.cat([torch.randn(WINDOW, CHANNELS, generator=generator) for _ in range(-(-count // WINDOW))])[:count]
    noise[:, SPOKEN] *= LIP_NOISE
    return noise


def _range(redo: tuple[float, float], count: int) -> tuple[int, int]:
    return max(0, round(redo[0] * RATE)), min(count, round(redo[1] * RATE))


def _keep(keep: Motion, redo: tuple[float, float] | None, count: int, motion: Tensor, given: Tensor) -> None:
    """Write the frames of a take that stay into motion [T, CHANNELS] and mark them in given [T], both in place."""
    if redo is None:
        raise UserError("a take to keep was given without the range to redo: give its start and end in seconds.")
    if keep.fps != RATE or len(keep) != count:
        raise UserError(
            f"the take to keep has {len(keep)} frames at {keep.fps:g} per second, the speech needs {count} at {RATE:g}: "
            "give a take that was drawn for this speech."
        )
    first, last = _range(redo, count)
    if last <= first:
        raise UserError(f"the range to redo, {redo[0]:g} to {redo[1]:g} s, holds no frame: give a range inside the take.")
    motion[:count] = torch.cat([keep.units, keep.head], 1).cpu()
    motion[count:] = motion[count - 1]
    given[:] = 1
    given[first : len(given) if last == count else last] = 0

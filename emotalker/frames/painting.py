"""Paint guide frames: few denoising steps from the guide on, with the portrait's information preserved at every one."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor

from ..curves import sample
from ..diffusion import TRAIN_STEPS, make_scheduler, noising
from ..emotion.track import EmotionTrack
from ..errors import UserError, short
from ..face.crop import crop_matrices, cut, step_of
from ..face.expression import ExpressionRecogniser
from ..motion.denoiser import RATE
from ..motion.motion import Motion
from ..speech.features import SpeechFeatures
from ..weights import read_header, read_tensors, weights_path
from .denoiser import (
    BLOCK,
    EAR,
    STATE,
    FrameDenoiser,
    FrameShape,
    PaintConditions,
    fine,
    silence,
    to_change,
    to_state,
)
from .guide import MAPS, Drawn, GuideRenderer
from .paste_back import spread
from .preservation import identity_weight, paintable, preserve, with_texture
from .sampling import moved

BATCH = 8
"""Frames painted together at most."""
STILL = 1e-3
"""Pixels below which nothing moves."""
SPREAD = 0.9
"""Share of the first noise level down to which the steps go. Lower ones, where the residual shines through the noise, only
build on what the first steps found: on held-out heads they made errors larger."""
PRESETS = {"rig only": 0, "fast": 4, "best": 10}
"""Denoising steps of the words that artists choose from; without any the rig's frames stay as they are."""


@dataclass(frozen=True)
class PaintSettings:
    """How frames are painted.

    Attributes:
        preservation: ρ, 0..1: how much of the guide (the portrait moved by the rig) stays at every step, as far as M lets it,
            see preservation.identity_weight.
        steps: denoising steps, 0..50; with 0 nothing is painted.
        denoise: 0..1, how much noise the guide gets before it is denoised: how far the result may leave it.
        guidance: 1 is the model's own view of sound, emotion and motion; more exaggerates, and takes twice the time.
        anchor: "guide", or "portrait": the unmoved portrait, the paper's literal form, which holds the face still.
        seed: of the noise.
    """

    preservation: float = 0.5
    steps: int = 4
    denoise: float = 1.0
    guidance: float = 1.0
    anchor: str = "guide"
    seed: int = 0

    def __post_init__(self):
        for name, low, high in (("preservation", 0, 1), ("denoise", 0, 1), ("guidance", 0, 5), ("steps", 0, 50)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise UserError(f"{name} is {value:g}: use a number from {low} to {high}.")
        if self.anchor not in ("guide", "portrait"):
            raise UserError(f'anchor is "{self.anchor}": use "guide" or "portrait".')

    @property
    def paints(self) -> bool:
        """Whether anything is left to paint."""
        return self.denoise > 0 and self.steps > 0


def painting_steps(preset: str, steps: int = 0) -> int:
    """Denoising steps of a preset, or `steps` if they are not 0 and the preset paints at all.

    Raises:
        UserError: there is no such preset.
    """
    if preset not in PRESETS:
        raise UserError(f'frames is "{preset}": choose {", ".join(PRESETS)}.')
    return PRESETS[preset] and (steps or PRESETS[preset])


KIND = "emotalker frames"
"""What a weight file says in its metadata under "format"; under "shape" it has the network's."""


@cache
def load_painter(path: str | Path | None = None, device: str = "cpu") -> FrameDenoiser:
    """A frame denoiser, ready to paint.

    Args:
        path: weights of `train frames`, a .safetensors file; None for the shipped ones.
        device: where it computes.

    Raises:
        UserError: the file is missing or holds something else.
    """
    path = weights_path("frames") if path is None else Path(path)
    told, shapes = read_header(path)
    check_kind(path.name, told)
    try:
        shape = FrameShape(**json.loads(told["shape"]))
        with torch.device("meta"):  # nothing is allocated before it is known that the file has what the shape asks for
            wanted = {name: tuple(value.shape) for name, value in FrameDenoiser(shape).state_dict().items()}
        if wanted != shapes:
            raise ValueError("the tensors are not those of its shape")
        model = FrameDenoiser(shape)
        model.load_state_dict({key: value.float() for key, value in read_tensors(path).items()})
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{path.name} cannot be used as a frame diffusion ({short(error)}): download or train it again."
        ) from error
    return model.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)


def check_kind(name: str, told: Mapping[str, str]) -> None:
    """Whether a weight file is a frame diffusion, by the metadata in its header.

    Raises:
        UserError: it holds something else.
    """
    if told.get("format") != KIND:
        raise UserError(f"{name} holds no frame diffusion of EmoTalker: use a file that `train frames` has made.")


@dataclass(frozen=True, eq=False)
class Steering:
    """What steers the painting of a take, for each of its T frames.

    Attributes:
        speech: [T,EAR,HEARD] around each frame; heard 1, or 0 where there is no sound; strengths [T,8]; motion [T,58].
    """

    speech: Tensor
    heard: float
    strengths: Tensor
    motion: Tensor


def steering_of(
    motion: Motion, features: SpeechFeatures | None, emotion: EmotionTrack, first: int = 0, last: int | None = None
) -> Steering:
    """Speech around each frame first..last (not included) of a take, what is felt in it and what face and head do; without
    features nothing is heard."""
    last = len(motion) if last is None else min(last, len(motion))
    times = (torch.arange(first, last, dtype=torch.float64) + 0.5) / motion.fps
    motion = motion.part(first, last)
    if features is None:
        speech = silence().expand(len(motion), -1, -1)
    else:
        end = math.ceil((last / motion.fps + EAR / RATE) * features.fps) + 1
        features = features.part(0, min(features.frames, end))
        heard = torch.cat([features.visemes, features.voicing[:, None], features.loudness[:, None]], 1).detach().float().cpu()
        around = (torch.arange(EAR, dtype=torch.float64) - EAR // 2) / RATE
        at = (times[:, None] + around).flatten() - 0.5 / features.fps
        speech = sample(heard, features.fps, at).view(len(motion), EAR, -1)
    strengths = emotion.at(times)
    strengths[:, 0] = 0
    return Steering(speech, float(features is not None), strengths, torch.cat([motion.units, motion.head], 1).float().cpu())


@dataclass(frozen=True, eq=False)
class Painting:
    """How a take is to be painted; what travels with it until it is rendered.

    Attributes:
        settings: how.
        features: what is heard, None for nothing.
        emotion: what is felt.
        mask: [H,W] of the portrait's picture, 0..1: where painting is allowed; None for everywhere.
    """

    settings: PaintSettings
    features: SpeechFeatures | None
    emotion: EmotionTrack
    mask: Tensor | None = None

    def painter(
        self,
        model: FrameDenoiser,
        renderer: GuideRenderer,
        motion: Motion,
        on_step: Callable[[int, Tensor], None] | None = None,
    ) -> "FramePainter":
        """What renderer.stream takes to paint this take."""
        return FramePainter(
            model, renderer, partial(steering_of, motion, self.features, self.emotion), self.settings, self.mask, on_step
        )


def fitted_mask(mask: Tensor, image: Tensor) -> Tensor:
    """A mask [h,w] 0..1 at the size of a picture [H,W,C].

    Raises:
        UserError: it is no single mask.
    """
    if mask.dim() != 2:
        raise UserError(f"the mask has the shape {tuple(mask.shape)}: give one mask of [height, width].")
    mask = mask.detach().float().cpu().clamp(0, 1)
    if mask.shape != image.shape[:2]:
        mask = torch.nn.functional.interpolate(mask[None, None], size=image.shape[:2], mode="bilinear", antialias=True)[0, 0]
    return mask


class FramePainter:
    """Paints the face in a guide renderer's frames.

    Args:
        model: of load_painter.
        renderer: whose frames are painted.
        steering: given the first and last frame (not included), what steers them, see steering_of.
        settings: how.
        mask: [H,W] of the picture, 0..1: where painting is allowed; everywhere by default.
        on_step: called with (frames painted so far, a preview [3,s,s] of the one being painted) after each denoising step; what
            it raises ends the painting.
    """

    def __init__(
        self,
        model: FrameDenoiser,
        renderer: GuideRenderer,
        steering: Callable[[int, int], Steering],
        settings: PaintSettings | None = None,
        mask: Tensor | None = None,
        on_step: Callable[[int, Tensor], None] | None = None,
    ) -> None:
        self.model, self.renderer, self.steering = model, renderer, steering
        self.settings, self.on_step = settings or PaintSettings(), on_step
        self.size = model.shape.size
        parameter = next(model.parameters())
        self.device, self.dtype = parameter.device, parameter.dtype
        rest = renderer.fitted.landmarks(renderer.rest)[None, :, :2]
        self.portrait = cut(renderer.picture[None], crop_matrices(rest, self.size), self.size)
        self.own = ExpressionRecogniser.load().see(self.portrait.float().cpu()).units.to(self.portrait)
        # Where nothing is taken away from the portrait, nothing can have been mistaken.
        neutralised = renderer.portrait.neutralise
        self.taken = renderer.portrait.fitted.expression.to(self.own)[None] if neutralised else self.own
        self.step = step_of(crop_matrices(rest, self.size)[0])
        self.mask = None
        if mask is not None:
            rows, columns = renderer.crop.slices
            self.mask = mask.to(renderer.device)[rows, columns][None, None]
        cells = self.size // BLOCK
        generator = torch.Generator().manual_seed(int(self.settings.seed) % (1 << 63))
        # One noise for all frames, fixed in the crop, which follows the head: so nothing flickers.
        self.noise = torch.randn(1, STATE, cells, cells, generator=generator)
        self.batch = BATCH

    def __call__(self, drawn: Drawn, first: int) -> Tensor:
        """Frames [n,3,h,w] of a renderer's crop with the face painted; the first is number `first` of the take."""
        if not self.settings.paints or (self.mask is not None and not self.mask.any()):
            return drawn.frames
        frames = drawn.frames
        for begin in range(0, len(frames), self.batch):
            some = slice(begin, begin + self.batch)
            part = Drawn(frames[some], drawn.landmarks[some], drawn.maps[some])
            matrices = crop_matrices(part.landmarks, self.size)
            flow, change = self.paint(part, matrices, first + begin)
            flow = torch.einsum("nij,njhw->nihw", matrices[:, :, :2], flow.to(frames))  # in pixels of the frames
            box, values = spread(torch.cat([flow, change.to(frames)], 1), matrices, frames.shape[2:])
            rows, columns = box.slices
            flow, change = values.split([2, 3], 1)
            there = frames[some, :, rows, columns]
            # What does not move stays bit for bit.
            there = torch.where(flow.abs().amax(1, keepdim=True) > STILL, moved(there, flow), there)
            frames[some, :, rows, columns] = self._limited(there, change).clamp(0, 1)
        return frames

    def _limited(self, there: Tensor, change: Tensor) -> Tensor:
        """Frames [n,3,h,w] with a change, which adds no colour that the portrait has no room for."""
        painted = there + change
        limited = self.renderer.palette.limit(painted.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return torch.where(change == 0, painted, limited)

    @torch.inference_mode()
    def paint(self, drawn: Drawn, matrices: Tensor, first: int) -> tuple[Tensor, Tensor]:
        """[n,2,s,s] pixels by which the crops of n frames are moved (see sampling.moved), and [n,3,s,s] what is added then
        (0..1)."""
        settings, count = self.settings, len(drawn.frames)
        guide = cut(drawn.frames, matrices, self.size, self.step)
        cells = self.size // BLOCK
        coarse = crop_matrices(drawn.landmarks, cells)
        maps, own = cut(drawn.maps, coarse, cells, BLOCK * self.step).split([len(MAPS), 1], 1)
        steering = self.steering(first, first + count)
        ones = torch.ones(count)
        conditions = PaintConditions(
            guide,
            self.portrait.expand(count, -1, -1, -1),
            maps,
            steering.speech,
            ones * steering.heard,
            steering.strengths,
            steering.motion,
            self.own.expand(count, -1),
            self.taken.expand(count, -1),
            ones,
            torch.zeros(count, 2),
        ).to(self.device, self.dtype)
        weight = identity_weight(conditions.maps, own.to(self.device, self.dtype))
        share = fine(paintable(conditions.maps))
        if self.mask is not None:
            share = share * cut(self.mask.expand(count, -1, -1, -1), matrices, self.size, self.step).to(share)
        flow = share * settled_drift(self.model, conditions, weight, settings)
        conditions = conditions.drifted(flow)
        kept = conditions.portrait if settings.anchor == "portrait" else conditions.guide
        anchor = to_state(kept, conditions.guide)

        def preview(clean: Tensor) -> None:
            if self.on_step is not None:
                self.on_step(first, (conditions.guide[0] + to_change(clean[:1])[0]).float().clamp(0, 1))

        noise = self.noise.to(self.device, self.dtype)
        clean = denoise_residual(self.model, conditions, noise, anchor, weight, settings, preview)
        return flow, share * with_texture(to_change(clean), conditions.maps, settings.preservation)


def settled_drift(model: FrameDenoiser, conditions: PaintConditions, weight: Tensor, settings: PaintSettings) -> Tensor:
    """[n,2,s,s] the drift of n frames: less where more is preserved, none where all is."""
    return fine((1 - settings.preservation * weight).clamp(min=0) * model.drift_of(conditions).to(weight))


def denoise_residual(
    model: FrameDenoiser,
    conditions: PaintConditions,
    noise: Tensor,
    anchor: Tensor,
    weight: Tensor,
    settings: PaintSettings,
    on_step: Callable[[Tensor], None] = lambda clean: None,
) -> Tensor:
    """Denoise the residuals of n frames, preserving the anchor at each step.

    Args:
        model: the denoiser.
        conditions: of n frames.
        noise: [1 or n,48,h,w] Gaussian.
        anchor: [n,48,h,w] residual of what is preserved: 0 for the guide.
        weight: [n,1,h,w] M.
        settings: how.
        on_step: called with the estimate of the clean residual after each step.

    Returns:
        [n,48,h,w] the clean residual.
    """
    process, count = noising(), len(conditions.guide)
    noise = noise.expand(count, -1, -1, -1)
    steps = time_steps(settings.steps, settings.denoise)
    scheduler = make_scheduler("dpm1", "sample")
    scheduler.set_timesteps(timesteps=steps, device=noise.device)
    guided = settings.guidance != 1
    asked = conditions.unsteered() if guided else conditions
    tokens = model.look(asked)
    x = process.add_noise(torch.zeros_like(noise), noise, torch.full((count,), steps[0], device=noise.device))
    for step, after in zip(scheduler.timesteps, [*steps[1:], -1], strict=True):
        clean = model(torch.cat([x, x]) if guided else x, step, asked, tokens)
        if guided:
            clean = torch.lerp(*clean.chunk(2)[::-1], settings.guidance)
        x = preserve(scheduler.step(clean, step, x).prev_sample, anchor, noise, after, settings.preservation, weight)
        on_step(clean)
    return x


def time_steps(count: int, denoise: float) -> list[int]:
    """`count` time steps from the noise level that `denoise` (0..1] stands for down, evenly, to just above SPREAD of it."""
    top = max(1, round(denoise * TRAIN_STEPS))
    steps = torch.linspace(top, SPREAD * top, count + 1)[:-1].round().long() - 1
    return steps.clamp(min=0).unique().flip(0).tolist()

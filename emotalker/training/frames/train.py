"""Train the frame diffusion: python -m emotalker train frames --data PAIRS

PAIRS is a folder of pairs (emotalker.training.frames.pairs) with train/ and held_out/: portraits of synthetic people, what our
renderer makes of them under a motion, and the truth. Run again with the same options, it goes on where it was stopped.

Most batches are windows around mouths and eyes, where the rig is poor and a step is cheap; towards the end whole faces come in.
On a GPU: --size full.
"""

import argparse
import contextlib
import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import interpolate, normalize

from ...arguments import whole
from ...diffusion import TRAIN_STEPS, make_scheduler
from ...emotion.eib import EmotionIntensityBlock
from ...face.expression import ExpressionRecogniser
from ...face.graph import Graph
from ...face.identity import FaceEmbedder
from ...frames.denoiser import STATE, TOKENS, FrameDenoiser, FrameShape, fine, to_change, to_state
from ...frames.painting import KIND, SPREAD, PaintSettings, denoise_residual, settled_drift
from ...frames.preservation import FREE, IDENTITY, identity_weight, moving, with_texture
from ..run import MOST, Run, add_tuning_options
from .batches import FramePairs
from .drift import fit_drift
from .pairs import FRAMES

SIZES = {
    "small": (FrameShape(channels=(48, 64, 96, 128)), 8, 3, 0.5),  # for a processor, in an hour or two
    "full": (FrameShape(channels=(96, 160, 224, 320), layers=2), 64, 32, 0.3),  # for a GPU
    "smoke": (FrameShape(size=128, channels=(16, 16, 32, 32), tokens=32), 4, 2, 0.5),
}
"""Shape, windows in a step, whole faces in a step, and the part of the run after which every other step has whole faces."""
WINDOW = 128
DRIFT_STEPS = 4000
PEAK_RATE = 1e-3
TUNED = 0.5
"""Share of PEAK_RATE from which fine-tuning falls."""
UNSTEERED = 0.1
"""How often sound, emotion and motion are left out, so that guidance can tell what they do."""
SKIN, AROUND, MOVING = 1.0, 0.3, 5.0
"""Weights of the loss: on the face's skin, beside the face, and in mouth, eyes and lids."""
HIDDEN = (SPREAD, 0.95)
"""From this share of the scheduler's steps on noise hides the residual, so that it has to be told from the guide; below it
shows through. There frames are painted (painting.time_steps); how often a step is drawn from there; the others come from
anywhere."""
OWN = 0.85
"""How often what is noised is not the true residual but the one that the model finds from noise alone, as when it paints: from
true ones alone it learns to trust what shines through the noise, and then builds on its own errors."""
SOFT = 0.1
"""Errors, in units of RESIDUAL, below which the loss is quadratic; above it is linear, or a few lips that lie elsewhere than
the rig's, which nobody can foresee, would count for all the rest."""
SHARES = {"residual": 1.0, "coarse": 0.5, "coarser": 0.5, "features": 3.0, "perception": 0.05, "identity": 2.5}
"""Weights of the parts of the loss: the residual, also of pictures 4 and 8 times as coarse; how unlike the features are that a
face network sees in the denoised picture; emotions and face units that the recogniser finds in it; how unlike its person is to
that of portrait and true picture, 1 - cosine with the mean of both."""
FEATURES = {"half": 20, "quarter": 35, "eighth": 83}
"""Values of the published landmark network that are compared, at 1/2, 1/4 and 1/8 of a picture's side. Where several mouths are
possible, the mean error asks for the blurred mean of all; what a face network sees of it is like none of them."""
FELT = 0.3
"""Strength from which a frame counts as one of an emotion; whole faces, by which emotions are learned, are drawn evenly."""
MANTISSA = 5
"""Bits of the weights' mantissas that are kept: with five of ten held-out errors were the same (0.7644, before 0.7643 of the
guide's; 0.7654 with four), and the compressed file is 8 MB instead of 11, which counts where every version is kept."""
NEAR = 0.75
"""Share of preservation.moving from which a cell counts as mouth, eye or lid when errors are measured."""
PARTS = ("features", "perception", "identity", *TOKENS)


class FramesRun(Run):
    """A training run of the frame diffusion.

    Args:
        options: see `parse`.
    """

    PART = NAME = "frames"
    PURPOSE = "Frame diffusion: a face as the rig draws it, portrait, sound, emotion, motion to the finished face."
    STEPS = 24_000
    SMOKE: ClassVar = {"size": "smoke", "steps": 60, "drift_steps": 100}
    SHARES, EMA = SHARES, 0.999
    ADAM: ClassVar = {"weight_decay": 0.01, "betas": (0.9, 0.98)}

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        shape, self.windows, self.faces, self.whole_from = SIZES[options.size]
        if options.start_from is not None:
            self.whole_from = 0.0
        self.shape = FrameShape(**{**shape.to_dict(), "without": [name for name in options.without if name in TOKENS]})
        self.pairs = FramePairs(options.data / "train", self.shape.size)
        self.held_out = FramePairs(options.data / "held_out", self.shape.size)
        self.often = evenly(self.pairs.tables["strengths"].flatten(0, 1))
        self.scheduler = make_scheduler()
        self.recogniser = self.embedder = self.features = None
        if "perception" not in options.without:
            self.recogniser = ExpressionRecogniser.load(options.device)
        if "identity" not in options.without:
            self.embedder = FaceEmbedder.load(options.device)
        if "features" not in options.without:
            self.features = Graph.load("face_landmarks", device=self.device, outputs=FEATURES)
        self.start(FrameDenoiser(self.shape).to(self.device, memory_format=torch.channels_last))

    def begin(self) -> None:
        """Take the emotion tokens of the text model, and fit the drift."""
        self.model.strength_tokens.load_state_dict(EmotionIntensityBlock.load().heads.level.state_dict())
        super().begin()
        fit_drift(self.model, self.pairs, self.options.seed, self.options.drift_steps)

    def groups(self) -> list[dict[str, Any]]:
        return [{"params": self.learned, "lr": PEAK_RATE if self.options.start_from is None else TUNED * PEAK_RATE}]

    def losses(self) -> dict[str, Tensor]:
        """Losses of windows or, later in the run, of whole faces at every other step."""
        return self.losses_of(self.step > self.whole_from * self.options.steps and self.step % 2 == 0)

    def losses_of(self, whole: bool) -> dict[str, Tensor]:
        """Losses of a random batch of whole faces or windows."""
        count = self.faces if whole else self.windows
        chosen = self.draw.choice(len(self.pairs), size=count, p=self.often if whole else None).tolist()
        window = None if whole else min(WINDOW, self.shape.size)
        batch = self.pairs.batch(chosen, self.draw, window).to(self.device)
        c = batch.conditions
        c.steer[torch.rand(count, generator=self.generator, device=self.device) < UNSTEERED] = 0
        with torch.no_grad():
            c = c.drifted(fine(self.model.drift_of(c)))
        clean = to_state(batch.truth, c.guide)
        noise = torch.randn(clean.shape, generator=self.generator, device=self.device)
        steps = self._levels(count)
        begin = clean
        if self.draw.random() < OWN:
            with torch.no_grad(), half_precision(self.device):
                begin = self.model(noise, torch.full_like(steps, TRAIN_STEPS - 1), c).float()
        noisy = self.scheduler.add_noise(begin, noise, steps)
        with half_precision(self.device):
            found = self.model(noisy, steps, c).float()
        weight = loss_weight(c.maps)
        weight = weight / weight.mean()
        away = found - clean
        parts = {"residual": (_soft(away).mean(1, keepdim=True) * weight).mean()}
        # The same of pictures in which 4 and 8 pixels are one, whose colours must be right whatever lies beside its place.
        coarse = away.unflatten(1, (3, -1)).mean(2)
        parts["coarse"] = (_soft(coarse).mean(1, keepdim=True) * weight).mean()
        parts["coarser"] = (_soft(_halved(coarse)).mean(1, keepdim=True) * _halved(weight)).mean()
        # Seen as it will be shown; a window is too small a part of a face to tell what is coarse in it.
        change = with_texture(to_change(found), c.maps, PaintSettings().preservation) if whole else to_change(found)
        picture = (c.guide + change).clamp(0, 1)
        if self.features is not None:
            parts["features"] = unlike(self.features, picture, batch.truth, weight)
        if self.recogniser is not None and whole:
            parts["perception"] = (self.recogniser.loss(picture, c.strengths, c.motion[:, :52]) * c.steer).mean()
        if self.embedder is not None and whole:
            with torch.no_grad():
                wanted = normalize(self.embedder.see(batch.truth) + self.embedder.see(c.portrait), dim=1)
            parts["identity"] = 1 - (self.embedder.see(picture) * wanted).sum(1).mean()
        return parts

    def _levels(self, count: int) -> Tensor:
        """Scheduler steps [count], see HIDDEN."""
        place, kind = torch.rand(2, count, generator=self.generator, device=self.device)
        place = torch.where(kind < HIDDEN[1], HIDDEN[0] + (1 - HIDDEN[0]) * place, place)
        return (place * TRAIN_STEPS).long().clamp(max=TRAIN_STEPS - 1)

    def measure(self, frames: int = 48) -> dict[str, float]:
        """Held-out error of painted frames over the guide's, see `reduction`."""
        some = np.linspace(0, len(self.held_out) - 1, min(frames, len(self.held_out))).round().astype(int).tolist()
        return {f"held_out_{name}": round(value, 4) for name, value in reduction(self.averaged, self.held_out, some).items()}

    def stored(self) -> dict[str, Tensor]:
        """The averaged weights, see MANTISSA."""
        return {name: short_half(value) for name, value in self.averaged.state_dict().items()}

    def metadata(self) -> dict[str, str]:
        return {"format": KIND, "shape": json.dumps(self.shape.to_dict())}

    def data(self) -> str:
        return (
            f"{len(self.pairs)} frames of {len(self.pairs) // FRAMES} synthetic people (emotalker/training/frames/pairs.py: "
            "MakeHuman's CC0 shapes and skins, moved by the motion corpus), each as our renderer makes it and as it truly is. "
            "No picture of a person."
        )

    def details(self, last: bool) -> dict[str, Any]:
        return {"shape": self.shape.to_dict()}

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, required=True, help="pairs in train/ and held_out/; checkpoints lie there too")
        parser.add_argument("--size", choices=list(SIZES), default="small", help="small for a processor, full for a GPU")
        parser.add_argument("--without", action="append", default=[], choices=PARTS, help="leave out (ablation)")
        parser.add_argument(
            "--drift-steps", type=whole(0, MOST), default=DRIFT_STEPS, help="fit of the drift before the training"
        )
        add_tuning_options(parser)


def evenly(strengths: Tensor) -> np.ndarray:
    """[N] how often frames with the strengths [N,8] are taken, so that each emotion is as often the main one as another."""
    main = torch.where(strengths[:, 1:].amax(1) > FELT, strengths[:, 1:].argmax(1) + 1, 0)
    often = (1 / main.bincount(minlength=strengths.shape[1]).clamp(min=1))[main].double().numpy()
    return often / often.sum()


def half_precision(device: torch.device) -> contextlib.ExitStack:
    """Compute in bfloat16 on accelerators and processors with matrix units; weights, losses and optimiser stay in float32."""
    stack = contextlib.ExitStack()
    if device.type != "cpu":
        stack.enter_context(torch.autocast(device.type, torch.bfloat16))
    elif getattr(torch.cpu, "_is_amx_tile_supported", bool)():
        stack.enter_context(torch.autocast("cpu", torch.bfloat16))
        # The fused attention's gradient takes ten times as long in bfloat16 on a processor.
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
    return stack


def short_half(values: Tensor) -> Tensor:
    """Half precision rounded to MANTISSA bits."""
    dropped = 10 - MANTISSA
    bits = values.half().contiguous().view(torch.int16).int() + (1 << dropped - 1)
    return (bits >> dropped << dropped).to(torch.int16).view(torch.float16)


def _soft(values: Tensor) -> Tensor:
    return (values.square() + SOFT**2).sqrt() - SOFT


def _halved(values: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(values, 2)


def unlike(network: Graph, pictures: Tensor, truths: Tensor, weight: Tensor) -> Tensor:
    """How unlike a network's features of pictures and truths [n,3,s,s] are: squared distance of features scaled to length 1 (as
    in LPIPS, Zhang et al. 2018), mean over its layers and the pixels by `weight` [n,1,h,w]."""
    with torch.no_grad():
        wanted = network(truths)
    total = 0.0
    for name, seen in network(pictures).items():
        away = (normalize(seen, dim=1) - normalize(wanted[name], dim=1)).square().sum(1, keepdim=True)
        total = total + (away * interpolate(weight, size=away.shape[-2:], mode="bilinear")).mean()
    return total / len(wanted)


def loss_weight(maps: Tensor) -> Tensor:
    """[n,1,h,w] weights of the loss by guide.MAPS [n,8,h,w]."""
    kept = identity_weight(maps)
    skin = ((1 - kept) / (1 - IDENTITY)).clamp(max=1)
    moving = ((IDENTITY - kept) / (IDENTITY - FREE)).clamp(min=0)
    return AROUND + (SKIN - AROUND) * skin + (MOVING - SKIN) * moving


def reduction(
    model: FrameDenoiser, pairs: FramePairs, frames: list[int], settings: PaintSettings | None = None
) -> dict[str, float]:
    """Errors of painted frames against the truth over those of the guides, where mouth, eyes and lids are.

    Returns:
        guide and painted: mean absolute error 0..1 there; ratio: painted / guide (1 is no better); skin_ratio: of the rest of
        the face.
    """
    settings = settings or PaintSettings()
    totals = torch.zeros(2, 2, 2, dtype=torch.double)
    generator = torch.Generator().manual_seed(settings.seed)
    device = next(model.parameters()).device
    for begin in range(0, len(frames), 8):
        batch = pairs.batch(frames[begin : begin + 8]).to(device)
        c = batch.conditions
        painted = paint_batch(model, c, settings, generator)
        near = moving(c.maps) > NEAR
        for region, share in enumerate((near, ~near & (identity_weight(c.maps) < 0.9))):
            share = interpolate(share.float(), size=batch.truth.shape[-2:])
            for kind, picture in enumerate((c.guide, painted)):
                error = ((picture - batch.truth).abs().mean(1, keepdim=True) * share).sum()
                totals[region, kind] += torch.stack([error, share.sum()]).double().cpu()
    errors = totals[..., 0] / totals[..., 1].clamp(min=1)
    return {
        "guide": float(errors[0, 0]),
        "painted": float(errors[0, 1]),
        "ratio": float(errors[0, 1] / errors[0, 0]),
        "skin_ratio": float(errors[1, 1] / errors[1, 0]),
    }


@torch.inference_mode()
def paint_batch(model: FrameDenoiser, conditions, settings: PaintSettings, generator: torch.Generator) -> Tensor:
    """[n,3,s,s] the guides of PaintConditions with what the denoiser paints, noise of the generator."""
    side = conditions.maps.shape[-1]
    noise = torch.randn(len(conditions.guide), STATE, side, side, generator=generator)
    noise = noise.to(conditions.guide)
    weight = identity_weight(conditions.maps)
    conditions = conditions.drifted(settled_drift(model, conditions, weight, settings))
    change = denoise_residual(model, conditions, noise, torch.zeros_like(noise), weight, settings)
    return (conditions.guide + with_texture(to_change(change), conditions.maps, settings.preservation)).clamp(0, 1)


main = FramesRun.main

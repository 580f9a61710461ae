"""Train the expression recogniser: python -m emotalker train perception --heads HEADS --pairs PAIRS

HEADS is a folder of synthetic heads (emotalker.training.heads.make), PAIRS one of pairs (emotalker.training.frames.pairs), both
with train/ and held_out/ in it: direct pictures of heads, and portraits of heads re-expressed by our renderer. Run again, it
goes on where it was stopped.

The landmark network starts as published; the true landmarks of the heads teach it along with what the faces show.
"""

import argparse
import math
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ...arguments import whole
from ...emotion.soft_label import soft_label
from ...emotion.taxonomy import EMOTIONS
from ...face.expression import MARKS, ExpressionHead, ExpressionRecogniser, expression_loss
from ..run import MOST, Run, add_tuning_options
from .pictures import KINDS, FacePictures

SHAPE = {"width": 96}
BATCH = 32
PEAK_RATE = 1.2e-3
TUNED = 0.25
"""Share of PEAK_RATE from which fine-tuning falls."""
EYES_RATE = 0.5
"""How fast the landmark network learns, over the head's rate."""
LOSSES = {"marks": 100.0, "points": 10.0}
"""Weights of the mean error, in half sides of the face, of the head's marks and of the network's own landmarks, beside the loss
of what faces show."""
SHARES = {"head": 0.5, "portrait": 0.1, "truth": 0.2, "guide": 0.2}
"""How often each kind is shown. Portraits are calm faces in the main: without them a calm face would look like a feeling."""
CALM = 2.0
"""How often calm faces are drawn over each emotion: most of those drawn as neutral show a trace of something, and a calm mouth
that speaks would be called surprised."""
STRONG, CLEARLY = 0.6, 0.5
"""An emotion counts in the measured accuracy from this strength on, if the next is at most this share of it."""


class PerceptionRun(Run):
    """A training run of the expression recogniser.

    Args:
        options: see `parse`.
    """

    PART, NAME, HOME = "perception", "expression", "heads"
    PURPOSE = (
        "Expression recogniser: a face to the strengths of eight emotions, their soft label and 52 face units. "
        "A copy of the landmark network (weights/face_landmarks) trained further but for its first layers, and a head."
    )
    LICENCE = "MIT; the landmark network Apache-2.0, The MediaPipe Authors"
    STEPS = 7000
    SMOKE: ClassVar = {"steps": 4, "batch": 4}
    SHARES, EMA, CLIP = LOSSES, 0.998, 5.0

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self.faces = FacePictures.load(options.heads / "train", options.pairs / "train")
        self.held_out = FacePictures.load(options.heads / "held_out", options.pairs / "held_out")
        count = torch.bincount(self.faces.kind, minlength=len(KINDS)).clamp(min=1)
        chance = (torch.tensor([SHARES[kind] for kind in KINDS]) / count)[self.faces.kind]
        # Every emotion as often as any other, or what is rare or hard to see would be called neutral.
        emotion = soft_label(self.faces.strengths).argmax(1)
        self.chance = chance / torch.zeros(len(EMOTIONS)).index_add(0, emotion, chance)[emotion]
        self.chance[emotion == 0] *= CALM
        self.start(ExpressionRecogniser(ExpressionHead(**SHAPE)).to(self.device))

    def restore(self, tensors: dict[str, Tensor]) -> None:
        self.model.restore(tensors)

    def groups(self) -> list[dict[str, Any]]:
        peak = PEAK_RATE if self.options.start_from is None else TUNED * PEAK_RATE
        return [
            {"params": list(self.model.head.parameters()), "lr": peak, "weight_decay": 0.05},
            {"params": list(self.model.eyes.parameters()), "lr": EYES_RATE * peak, "weight_decay": 0.0},
        ]

    def train_mode(self) -> None:
        for name, part in self.model.named_modules():
            part.training = not f"{name}.".startswith(tuple(self.options.freeze))

    def losses(self) -> dict[str, Tensor]:
        """Losses of what is found in faces, and of where their landmarks are taken to be."""
        draw = torch.Generator().manual_seed(self.random.getrandbits(40))  # faces are drawn on the processor
        chosen = torch.multinomial(self.chance, self.options.batch, replacement=True, generator=draw)
        batch = self.faces.batch(chosen, draw).to(self.device)
        seen = self.model.eyes(batch.faces)
        found = self.model.head(seen)
        known = batch.points.isfinite().all(2).all(1)
        truth = batch.points[known]
        points, marks = (
            away.abs().sum(2).mean(1).sum() / known.sum().clamp(min=1)
            for away in (seen.points[known] - truth, found.marks[known] - truth[:, MARKS])
        )
        return {"shown": expression_loss(found, batch.strengths, batch.units).mean(), "points": points, "marks": marks}

    def measure(self) -> dict[str, float]:
        """Figures of the held-out faces, see `accuracy`."""
        return {f"held_out_{name}": round(value, 4) for name, value in accuracy(self.averaged, self.held_out).items()}

    def stored(self) -> dict[str, Tensor]:
        """What was learned, in half precision."""
        return {name: v.half().contiguous() if v.is_floating_point() else v for name, v in self.averaged.learned().items()}

    def data(self) -> str:
        count = torch.bincount(self.faces.kind, minlength=len(KINDS)).tolist()
        return (
            f"synthetic people (MakeHuman's CC0 shapes and skins): {count[0]} heads (emotalker/training/heads/make.py); "
            f"{count[1]} portraits, {count[2]} frames of them as they truly are, {count[3]} as our renderer re-expresses the "
            "portraits (emotalker/training/frames/pairs.py). No picture of a person."
        )

    def details(self, last: bool) -> dict[str, Any]:
        return {"shape": SHAPE}

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--heads", type=Path, required=True, help="heads in train/ and held_out/; checkpoints too")
        parser.add_argument("--pairs", type=Path, required=True, help="folder with pairs in train/ and held_out/")
        parser.add_argument("--batch", type=whole(1, MOST), default=BATCH, help="faces in a step")
        add_tuning_options(parser)


@torch.inference_mode()
def accuracy(model: ExpressionRecogniser, faces: FacePictures) -> dict[str, float]:
    """How well faces are read.

    Returns:
        macro: mean over the eight emotions of the share that is named rightly, of faces with one emotion of STRONG or more and
            without any other near it, and of neutral ones; macro_<kind> the same of each of KINDS that is there; units_error:
            mean absolute error of the face units; strengths_error: of the emotions' strengths.
    """
    device = model.head.soft.weight.device
    found = [model.judge(batch.faces.to(device)) for batch in faces.whole(64)]
    soft, strengths, units = (torch.cat([getattr(some, name) for some in found]) for name in ("soft", "strengths", "units"))
    top = faces.strengths[:, 1:].topk(2, dim=1)
    clear = (top.values[:, 0] >= STRONG) & (top.values[:, 1] <= CLEARLY * top.values[:, 0])
    neutral = faces.strengths[:, 1:].amax(1) == 0
    truth = torch.where(neutral, 0, top.indices[:, 0] + 1)
    named = soft.argmax(1)

    def macro(some: Tensor) -> float:
        rates = []
        for emotion in range(len(EMOTIONS)):
            chosen = some & (clear | neutral) & (truth == emotion)
            if chosen.any():
                rates.append(float((named[chosen] == emotion).float().mean()))
        return float(np.mean(rates)) if rates else math.nan

    figures = {"macro": macro(torch.ones(len(faces), dtype=torch.bool))}
    figures |= {f"macro_{name}": macro(faces.kind == i) for i, name in enumerate(KINDS) if (faces.kind == i).any()}
    figures["soft_error"] = float((soft - soft_label(faces.strengths)).abs().sum(1).mean() / 2)
    figures["units_error"] = float((units - faces.units).abs().mean())
    figures["strengths_error"] = float((strengths - faces.strengths)[:, 1:].abs().mean())
    return figures


main = PerceptionRun.main

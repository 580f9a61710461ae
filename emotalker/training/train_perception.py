"""Train the expression recogniser: python -m emotalker train perception --heads HEADS --pairs PAIRS

HEADS is a folder of synthetic heads (emotalker.training.heads), PAIRS one of pairs (emotalker.training.pairs), both with
train/ and held_out/ in it: direct pictures of heads, and portraits of heads re-expressed by our renderer. Goes on where it
stopped:

    python -m emotalker.training.heads --shared ../shared --count 20000 --out HEADS/train
    python -m emotalker.training.heads --shared ../shared --count 1200 --out HEADS/held_out --split held_out
    python -m emotalker train perception --heads HEADS --pairs PAIRS --minutes 40

The landmark network starts as published; the true landmarks of the heads teach it along with what the faces show.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..emotion.soft_label import soft_label
from ..emotion.taxonomy import EMOTIONS
from ..perception.expression import MARKS, ExpressionHead, ExpressionRecogniser, expression_loss
from ..weights import FOLDER
from .commit import commit_name
from .face_pictures import KINDS, FacePictures, Faces
from .options import add_freeze_option, add_run_options

SHAPE = {"width": 96}
BATCH = 32
PEAK_RATE, LAST_RATE = 1.2e-3, 1e-5
TUNED = 0.25
"""Share of PEAK_RATE from which fine-tuning falls."""
EYES_RATE = 0.5
"""How fast the landmark network learns, over the head's rate."""
WARM_UP = 200
EMA = 0.998
MARKS_WEIGHT, POINTS_WEIGHT = 100.0, 10.0
"""Weights of the mean error, in half sides of the face, of the head's marks and of the network's own landmarks, beside the loss
of what faces show."""
SHARES = {"head": 0.5, "portrait": 0.1, "truth": 0.2, "guide": 0.2}
"""How often each kind is shown. Portraits are calm faces in the main: without them a calm face would look like a feeling."""
CALM = 2.0
"""How often calm faces are drawn over each emotion: most of those drawn as neutral show a trace of something, and a calm mouth
that speaks would be called surprised."""
STRONG, CLEARLY = 0.6, 0.5
"""An emotion counts in the measured accuracy from this strength on, if the next is at most this share of it."""


class Run:
    """A training run that can stop and go on.

    Args:
        options: see `parse`.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.device = options, torch.device(options.device)
        torch.manual_seed(options.seed)
        self.faces = FacePictures.load(options.heads / "train", options.pairs / "train")
        self.held_out = FacePictures.load(options.heads / "held_out", options.pairs / "held_out")
        count = torch.bincount(self.faces.kind, minlength=len(KINDS)).clamp(min=1)
        chance = (torch.tensor([SHARES[kind] for kind in KINDS]) / count)[self.faces.kind]
        # Every emotion as often as any other, or what is rare or hard to see would be called neutral.
        emotion = soft_label(self.faces.strengths).argmax(1)
        self.chance = chance / torch.zeros(len(EMOTIONS)).index_add(0, emotion, chance)[emotion]
        self.chance[emotion == 0] *= CALM
        self.model = ExpressionRecogniser(ExpressionHead(**SHAPE)).to(self.device)
        self.frozen = tuple(options.freeze)
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(not name.startswith(self.frozen))
        self.peak = PEAK_RATE if options.start_from is None else TUNED * PEAK_RATE
        groups = [
            {"params": list(self.model.head.parameters()), "share": 1.0, "weight_decay": 0.05},
            {"params": list(self.model.eyes.parameters()), "share": EYES_RATE, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=PEAK_RATE)
        self.step, self.minutes = 0, 0.0
        self.parts: dict[str, Tensor] = {}
        self.state_path = options.heads / f"{options.name}.train.safetensors"
        if self.state_path.is_file():
            self._resume()
        else:
            if options.start_from is not None:
                self.model.restore({name: value.float() for name, value in load_file(options.start_from).items()})
            self.average = {name: value.detach().clone() for name, value in self.model.learned().items()}
        self.draw = torch.Generator().manual_seed(options.seed * 1_000_003 + self.step)

    def train(self) -> Iterator[float]:
        """Train until the minutes (or --steps) are over; yields the loss of each step. Other programs' time does not count."""
        began, before = time.thread_time(), self.minutes
        for name, part in self.model.named_modules():
            part.training = not f"{name}.".startswith(self.frozen)
        while True:
            self.minutes = before + (time.thread_time() - began) / 60
            steps = self.options.steps
            progress = self.step / steps if steps else self.minutes / self.options.minutes
            if progress >= 1:
                return
            rate = LAST_RATE + (self.peak - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * progress))
            for group in self.optimiser.param_groups:
                group["lr"] = rate * group["share"] * min(1.0, (self.step + 1) / WARM_UP)
            chosen = torch.multinomial(self.chance, self.options.batch, replacement=True, generator=self.draw)
            loss = self.loss(self.faces.batch(chosen, self.draw).to(self.device))
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
            self.optimiser.step()
            self.step += 1
            keep = min(EMA, (1 + self.step) / (10 + self.step))
            with torch.no_grad():
                for name, value in self.model.learned().items():
                    if value.is_floating_point():
                        self.average[name].lerp_(value, 1 - keep)
                    else:
                        self.average[name].copy_(value)
            yield float(loss.detach())

    def loss(self, batch: Faces) -> Tensor:
        """Loss of what is found in faces, and of where their landmarks are taken to be."""
        seen = self.model.eyes(batch.faces)
        found = self.model.head(seen)
        known = batch.points.isfinite().all(2).all(1)
        truth = batch.points[known]
        points, marks = (
            away.abs().sum(2).mean(1).sum() / known.sum().clamp(min=1)
            for away in (seen.points[known] - truth, found.marks[known] - truth[:, MARKS])
        )
        shown = expression_loss(found, batch.strengths, batch.units).mean()
        self.parts = {"shown": shown.detach(), "points": points.detach(), "marks": marks.detach()}
        return shown + POINTS_WEIGHT * points + MARKS_WEIGHT * marks

    def averaged(self) -> ExpressionRecogniser:
        """The recogniser with averaged weights."""
        model = ExpressionRecogniser(ExpressionHead(**SHAPE)).to(self.device)
        model.restore(self.average)
        return model.eval().requires_grad_(False)

    def measure(self) -> dict[str, float]:
        """Figures of the held-out faces, see `accuracy`."""
        return {f"held_out_{name}": round(value, 4) for name, value in accuracy(self.averaged(), self.held_out).items()}

    def save(self) -> None:
        """Keep everything needed to go on."""
        tensors = {f"model.{name}": value for name, value in self.model.learned().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        for name, parameter in self.model.named_parameters():
            tensors |= {f"adam.{key}.{name}": value for key, value in self.optimiser.state[parameter].items()}
        partial = self.state_path.with_suffix(".part")
        told = {"step": str(self.step), "minutes": str(self.minutes)}
        save_file({name: value.contiguous() for name, value in tensors.items()}, partial, told)
        partial.rename(self.state_path)

    def _resume(self) -> None:
        tensors = load_file(self.state_path, device=str(self.device))
        with safe_open(self.state_path, "pt") as file:
            self.step, self.minutes = int(file.metadata()["step"]), float(file.metadata()["minutes"])
        self.model.restore({name[6:]: value for name, value in tensors.items() if name.startswith("model.")})
        self.average = {name[8:]: value for name, value in tensors.items() if name.startswith("average.")}
        for name, parameter in self.model.named_parameters():
            if f"adam.exp_avg.{name}" in tensors:
                keys = ("step", "exp_avg", "exp_avg_sq")
                self.optimiser.state[parameter] = {key: tensors[f"adam.{key}.{name}"] for key in keys}

    def export(self, folder: Path) -> dict[str, float]:
        """Write the averaged weights in half precision with their card; returns the metrics."""
        metrics = self.measure()
        tensors = {name: v.half().contiguous() if v.is_floating_point() else v for name, v in self.average.items()}
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, folder / f"{self.options.name}.safetensors")
        length = f"--steps {self.options.steps}" if self.options.steps else f"--minutes {self.options.minutes:g}"
        length += " --start-from WEIGHTS" if self.options.start_from is not None else ""
        length += "".join(f" --freeze {prefix}" for prefix in self.options.freeze)
        count = torch.bincount(self.faces.kind, minlength=len(KINDS)).tolist()
        card = {
            "name": self.options.name,
            "purpose": "Expression recogniser: a face to the strengths of eight emotions, their soft label and 52 face units. "
            "A copy of the landmark network (weights/face_landmarks) trained further but for its first layers, and a head.",
            "parameters": sum(value.numel() for value in tensors.values()),
            "shape": SHAPE,
            "data": f"synthetic people (MakeHuman's CC0 shapes and skins): {count[0]} heads (emotalker/training/heads.py); "
            f"{count[1]} portraits, {count[2]} frames of them as they truly are, {count[3]} as our renderer re-expresses the "
            "portraits (emotalker/training/pairs.py). No picture of a person.",
            "command": f"python -m emotalker train perception --heads HEADS --pairs PAIRS {length} --seed {self.options.seed}",
            "seed": self.options.seed,
            "commit": commit_name(),
            "steps": self.step,
            "minutes": round(self.minutes, 1),
            "metrics": metrics,
            "licence": "MIT; the landmark network Apache-2.0, The MediaPipe Authors",
        }
        (folder / f"{self.options.name}.json").write_text(json.dumps(card, indent=2) + "\n")
        return metrics


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


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Options of the command."""
    parser = argparse.ArgumentParser(
        prog="emotalker train perception", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--heads", type=Path, required=True, help="folder with heads in train/ and held_out/; the state too")
    parser.add_argument("--pairs", type=Path, required=True, help="folder with pairs in train/ and held_out/")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the weights and their card")
    parser.add_argument("--name", default="expression", help="of the weights")
    parser.add_argument("--minutes", type=float, default=40.0, help="minutes of the main thread in all, earlier runs included")
    parser.add_argument("--steps", type=int, default=0, help="train for so many steps instead")
    parser.add_argument("--batch", type=int, default=BATCH, help="faces in a step")
    parser.add_argument("--start-from", type=Path, help="weights to begin with instead of the published landmark network")
    add_freeze_option(parser)
    parser.add_argument("--export-every", type=float, default=10.0, help="minutes between exports")
    add_run_options(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Train and export."""
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    run = Run(options)
    print(f"{len(run.faces)} faces, {len(run.held_out)} held out, step {run.step}, {run.minutes:.1f} minutes done", flush=True)
    exported, mean = run.minutes, None
    for loss in run.train():
        mean = loss if mean is None else 0.99 * mean + 0.01 * loss
        if run.step % 50 == 0:
            parts = "  ".join(f"{name} {float(value):.4f}" for name, value in run.parts.items())
            print(f"step {run.step}  {run.minutes:.1f} min  loss {mean:.3f}  {parts}", flush=True)
        if run.minutes - exported >= options.export_every:
            exported = run.minutes
            run.save()
            print(run.export(options.out), flush=True)
    run.save()
    print(run.export(options.out), flush=True)


if __name__ == "__main__":
    main()

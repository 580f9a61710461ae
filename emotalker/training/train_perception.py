"""Train the expression recogniser: python -m emotalker train perception --heads HEADS --pairs PAIRS

HEADS is a folder of synthetic heads (emotalker.training.heads), PAIRS one of pairs (emotalker.training.pairs), both with train/
and held_out/ in it: direct pictures of heads, and portraits of heads re-expressed by our renderer. Goes on where it stopped:

    python -m emotalker.training.heads --shared ../shared --count 8000 --out HEADS/train
    python -m emotalker.training.heads --shared ../shared --count 1600 --out HEADS/held_out --split held_out
    python -m emotalker train perception --heads HEADS --pairs PAIRS --minutes 60
"""

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..emotion.soft_label import soft_label
from ..emotion.taxonomy import EMOTIONS
from ..face.arkit import FACE_UNITS
from ..face.crop import crop_matrices, cut
from ..perception.expression import SIZE, ExpressionRecogniser, expression_loss
from ..weights import FOLDER
from .commit import commit_name
from .heads import Head
from .heads import read_shard as read_heads
from .motion_windows import mirror
from .options import add_run_options
from .pairs import FRAMES
from .pairs import read_shard as read_pairs

STORED = 112
"""Pixels of the crops that training keeps: the same square as the network sees."""
SMALL = {"channels": [32, 64, 96, 160], "blocks": 2}
BATCH = 64
PEAK_RATE, LAST_RATE = 2e-3, 2e-5
WARM_UP = 200
EMA = 0.999
STRONG, CLEARLY = 0.6, 0.5
"""An emotion counts in the measured accuracy from this strength on, if the next is at most this share of it."""
# Variations: shift and size in shares of the side, turn in degrees; the face finder's errors are about half as large.
SHIFT, GROW, TURN = 0.035, 0.06, 4.0
LIGHT, TINT, CONTRAST, GREY, BLUR, NOISE, HIDDEN = 0.2, 0.08, 0.15, 0.15, 0.25, 0.02, 0.25
KINDS = ("head", "portrait", "truth", "guide")


@dataclass(frozen=True, eq=False)
class Faces:
    """Faces with what they show.

    Attributes:
        crops: uint8 [N,3,STORED,STORED].
        strengths: [N,8]; units [N,52].
        kind: [N] index into KINDS: a head, a portrait or a frame of a pair as it truly is, or as our renderer makes it.
    """

    crops: Tensor
    strengths: Tensor
    units: Tensor
    kind: Tensor

    def __len__(self) -> int:
        return len(self.kind)


def load_faces(heads: Path | None, pairs: Path | None) -> Faces:
    """All faces of a folder of heads and one of pairs (either may be None).

    Raises:
        FileNotFoundError: there are none.
    """
    crops, strengths, units, kinds = [], [], [], []

    def add(crop: Tensor, felt: Tensor, shown: Tensor, kind: str) -> None:
        crops.append((crop.clamp(0, 1) * 255).round().byte())
        strengths.append(felt)
        units.append(shown)
        kinds.append(KINDS.index(kind))

    for path in sorted(heads.glob("heads-*.safetensors")) if heads else []:
        found = faces_of(read_heads(path))
        for crop, felt, shown in zip(found.crops, found.strengths, found.units, strict=True):
            add(crop / 255, felt, shown, "head")
    for path in sorted(pairs.glob("pairs-*.safetensors")) if pairs else []:
        for pair in read_pairs(path):
            add(_small(pair.portrait), pair.own_strengths, pair.own_units, "portrait")
            for row in range(FRAMES):
                add(_small(pair.truths[row]), pair.strengths[row], pair.units[row], "truth")
                add(_small(pair.guides[row]), pair.strengths[row], pair.units[row], "guide")
    if not crops:
        raise FileNotFoundError(f"no heads and no pairs in {heads} and {pairs}: make them first, see --help")
    return Faces(torch.stack(crops), torch.stack(strengths).float(), torch.stack(units).float(), torch.tensor(kinds))


def faces_of(heads: list[Head]) -> Faces:
    """Faces of synthetic heads."""
    crops = []
    for head in heads:
        picture = torch.from_numpy(head.image).permute(2, 0, 1)[None].float() / 255
        crops.append((cut(picture, crop_matrices(head.landmarks[None], STORED), STORED)[0] * 255).round().byte())
    strengths, units = (torch.stack([getattr(head, name) for head in heads]) for name in ("strengths", "units"))
    return Faces(torch.stack(crops), strengths, units, torch.zeros(len(heads), dtype=torch.long))


def _small(picture: np.ndarray) -> Tensor:
    """[3,STORED,STORED] 0..1 of a face crop uint8 [s,s,3]."""
    planes = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    return F.interpolate(planes, size=(STORED, STORED), mode="bilinear", antialias=True, align_corners=False)[0]


class Run:
    """A training run that can stop and go on.

    Args:
        options: see `parse`.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.device = options, torch.device(options.device)
        torch.manual_seed(options.seed)
        self.faces = load_faces(options.heads / "train", options.pairs / "train")
        self.held_out = load_faces(options.heads / "held_out", options.pairs / "held_out")
        self.network = ExpressionRecogniser(**SMALL).to(self.device, memory_format=torch.channels_last)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=PEAK_RATE, weight_decay=0.02)
        self.step, self.minutes = 0, 0.0
        self.state_path = options.heads / f"{options.name}.train.safetensors"
        if self.state_path.is_file():
            self._resume()
        else:
            self.average = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.draw = torch.Generator().manual_seed(options.seed * 1_000_003 + self.step)
        self.swap = torch.from_numpy(mirror()[0][: len(FACE_UNITS)])

    def train(self) -> Iterator[float]:
        """Train until the minutes (or --steps) are over; yields the loss of each step. Other programs' time does not count."""
        began, before = time.thread_time(), self.minutes
        self.network.train()
        while True:
            self.minutes = before + (time.thread_time() - began) / 60
            steps = self.options.steps
            progress = self.step / steps if steps else self.minutes / self.options.minutes
            if progress >= 1:
                return
            rate = LAST_RATE + (PEAK_RATE - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * progress))
            for group in self.optimiser.param_groups:
                group["lr"] = rate * min(1.0, (self.step + 1) / WARM_UP)
            chosen = torch.randint(len(self.faces), (self.options.batch,), generator=self.draw)
            faces, units = self.vary(self.faces.crops[chosen], self.faces.units[chosen])
            found = self.network(faces.to(self.device, memory_format=torch.channels_last))
            loss = expression_loss(found, self.faces.strengths[chosen].to(self.device), units.to(self.device)).mean()
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.optimiser.step()
            self.step += 1
            keep = min(EMA, (1 + self.step) / (10 + self.step))
            with torch.no_grad():
                for name, value in self.network.state_dict().items():
                    if value.is_floating_point():
                        self.average[name].lerp_(value, 1 - keep)
                    else:
                        self.average[name].copy_(value)
            yield float(loss.detach())

    def vary(self, crops: Tensor, units: Tensor) -> tuple[Tensor, Tensor]:
        """Crops uint8 [n,3,STORED,STORED] as other cameras, finders and lights would have them, and their units [n,52]."""
        count, draw = len(crops), self.draw

        def normal(*size: int) -> Tensor:
            return torch.randn(*size, generator=draw)

        def chance(share: float) -> Tensor:
            return (torch.rand(count, generator=draw) < share)[:, None, None, None]

        angle, size = torch.deg2rad(TURN * normal(count)), torch.exp(GROW * normal(count))
        flip = torch.where(torch.rand(count, generator=draw) < 0.5, -1.0, 1.0)
        cos, sin = size * angle.cos(), size * angle.sin()
        rows = torch.stack([torch.stack([flip * cos, -sin], 1), torch.stack([flip * sin, cos], 1)], 1)
        matrix = torch.cat([rows, 2 * SHIFT * normal(count, 2, 1)], 2)
        grid = F.affine_grid(matrix, [count, 3, SIZE, SIZE], align_corners=False)
        faces = F.grid_sample(crops.float() / 255, grid, padding_mode="border", align_corners=False)
        grey = faces.mean(1, keepdim=True)
        faces = torch.where(chance(GREY), grey, faces)
        faces = faces * torch.exp(LIGHT * normal(count, 1, 1, 1) + TINT * normal(count, 3, 1, 1))
        faces = 0.45 + (faces - 0.45) * torch.exp(CONTRAST * normal(count, 1, 1, 1))
        faces = torch.where(chance(BLUR), F.avg_pool2d(faces, 3, 1, 1, count_include_pad=False), faces)
        faces = faces + NOISE * normal(count, 1, 1, 1).abs() * normal(*faces.shape)
        # Glasses, hands, hair: something hides a part.
        x, y = (torch.rand(count, 1, 1, 1, generator=draw) * SIZE for _ in range(2))
        wide, high = (torch.rand(count, 1, 1, 1, generator=draw) * 0.15 * SIZE + 4 for _ in range(2))
        column, row = torch.arange(SIZE)[None, None, None], torch.arange(SIZE)[None, None, :, None]
        hidden = ((column - x).abs() < wide) & ((row - y).abs() < high) & chance(HIDDEN)
        faces = torch.where(hidden, torch.rand(count, 3, 1, 1, generator=draw), faces)
        units = torch.where((flip < 0)[:, None], units[:, self.swap], units)
        return faces.clamp(0, 1), units

    def averaged(self) -> ExpressionRecogniser:
        """The network with averaged weights."""
        network = ExpressionRecogniser(**SMALL).to(self.device)
        network.load_state_dict(self.average)
        return network.eval().requires_grad_(False)

    def measure(self) -> dict[str, float]:
        """Figures of the held-out faces, see `accuracy`."""
        return {f"held_out_{name}": round(value, 4) for name, value in accuracy(self.averaged(), self.held_out).items()}

    def save(self) -> None:
        """Keep everything needed to go on."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        for name, parameter in self.network.named_parameters():
            tensors |= {f"adam.{key}.{name}": value for key, value in self.optimiser.state[parameter].items()}
        partial = self.state_path.with_suffix(".part")
        told = {"step": str(self.step), "minutes": str(self.minutes)}
        save_file({name: value.contiguous() for name, value in tensors.items()}, partial, told)
        partial.rename(self.state_path)

    def _resume(self) -> None:
        tensors = load_file(self.state_path, device=str(self.device))
        with safe_open(self.state_path, "pt") as file:
            self.step, self.minutes = int(file.metadata()["step"]), float(file.metadata()["minutes"])
        self.network.load_state_dict({name[8:]: value for name, value in tensors.items() if name.startswith("network.")})
        self.average = {name[8:]: value for name, value in tensors.items() if name.startswith("average.")}
        for name, parameter in self.network.named_parameters():
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
        count = torch.bincount(self.faces.kind, minlength=len(KINDS)).tolist()
        card = {
            "name": self.options.name,
            "purpose": "Expression recogniser: a face to the strengths of eight emotions, their soft label and 52 face units.",
            "parameters": sum(value.numel() for value in tensors.values()),
            "shape": SMALL,
            "data": f"synthetic people (MakeHuman's CC0 shapes and skins): {count[0]} heads (emotalker/training/heads.py); "
            f"{count[1]} portraits, {count[2]} frames of them as they truly are, {count[3]} as our renderer re-expresses the "
            "portraits (emotalker/training/pairs.py). No picture of a person.",
            "command": f"python -m emotalker train perception --heads HEADS --pairs PAIRS {length} --seed {self.options.seed}",
            "seed": self.options.seed,
            "commit": commit_name(),
            "steps": self.step,
            "minutes": round(self.minutes, 1),
            "metrics": metrics,
            "licence": "MIT",
        }
        (folder / f"{self.options.name}.json").write_text(json.dumps(card, indent=2) + "\n")
        return metrics


def accuracy(network: ExpressionRecogniser, faces: Faces) -> dict[str, float]:
    """How well a network reads faces.

    Returns:
        macro: mean over the eight emotions of the share that is named rightly, of faces with one emotion of STRONG or more and
            without any other near it, and of neutral ones; macro_<kind> the same of each of KINDS that is there; units_error:
            mean absolute error of the face units; strengths_error: of the emotions' strengths.
    """
    found = [network(part.float() / 255) for part in _sized(faces.crops).split(256)]
    logits, strengths, units = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
    top = faces.strengths[:, 1:].topk(2, dim=1)
    clear = (top.values[:, 0] >= STRONG) & (top.values[:, 1] <= CLEARLY * top.values[:, 0])
    neutral = faces.strengths[:, 1:].amax(1) == 0
    truth = torch.where(neutral, 0, top.indices[:, 0] + 1)
    named = logits.argmax(1)

    def macro(some: Tensor) -> float:
        rates = []
        for emotion in range(len(EMOTIONS)):
            chosen = some & (clear | neutral) & (truth == emotion)
            if chosen.any():
                rates.append(float((named[chosen] == emotion).float().mean()))
        return float(np.mean(rates)) if rates else math.nan

    figures = {"macro": macro(torch.ones(len(faces), dtype=torch.bool))}
    figures |= {f"macro_{name}": macro(faces.kind == i) for i, name in enumerate(KINDS) if (faces.kind == i).any()}
    figures["soft_error"] = float((logits.softmax(1) - soft_label(faces.strengths)).abs().sum(1).mean() / 2)
    figures["units_error"] = float((units - faces.units).abs().mean())
    figures["strengths_error"] = float((strengths - faces.strengths)[:, 1:].abs().mean())
    return figures


def _sized(crops: Tensor) -> Tensor:
    """uint8 [N,3,STORED,STORED] to [N,3,SIZE,SIZE]."""
    parts = [F.interpolate(part.float(), size=(SIZE, SIZE), mode="area").round().byte() for part in crops.split(1024)]
    return torch.cat(parts)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Options of the command."""
    parser = argparse.ArgumentParser(
        prog="emotalker train perception", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--heads", type=Path, required=True, help="folder with heads in train/ and held_out/; the run's state too"
    )
    parser.add_argument("--pairs", type=Path, required=True, help="folder with pairs in train/ and held_out/")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the weights and their card")
    parser.add_argument("--name", default="expression", help="of the weights")
    parser.add_argument("--minutes", type=float, default=60.0, help="minutes of the main thread in all, earlier runs included")
    parser.add_argument("--steps", type=int, default=0, help="train for so many steps instead")
    parser.add_argument("--batch", type=int, default=BATCH, help="faces in a step")
    parser.add_argument("--export-every", type=float, default=15.0, help="minutes between exports")
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
        if run.step % 100 == 0:
            print(f"step {run.step}  {run.minutes:.1f} min  loss {mean:.3f}", flush=True)
        if run.minutes - exported >= options.export_every:
            exported = run.minutes
            run.save()
            print(run.export(options.out), flush=True)
    run.save()
    print(run.export(options.out), flush=True)


if __name__ == "__main__":
    main()

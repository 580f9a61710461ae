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
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ..emotion.soft_label import soft_label
from ..emotion.taxonomy import EMOTIONS
from ..face.arkit import FACE_UNITS, UNIT_INDEX
from ..face.crop import crop_matrices, cut
from ..face.finder import Face, FaceFinder
from ..face.rig import Rig
from ..perception.expression import POINTS, SIZE, ExpressionRecogniser, expression_loss, place_points
from ..weights import FOLDER
from .commit import commit_name
from .heads import Head
from .heads import read_shard as read_heads
from .motion_windows import mirror
from .options import add_run_options
from .pairs import CROP, FRAMES
from .pairs import read_shard as read_pairs

STORED = 112
"""Pixels of the crops that training keeps: the same square as the network sees."""
SHAPE = {"channels": [24, 48, 96, 128], "blocks": [1, 2, 2, 1]}
POINT_LOSS = 30.0
"""Weight of the landmarks that the network must find by itself, where the true ones are known (synthetic heads): finding them
teaches it what to look at."""
POINT_NOISE, NO_POINTS = 0.012, 0.3
"""Spread of noise on the landmarks that it is told (the crop's half side is 1), and how often it is told none."""
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
        points: [N,POINTS,2] landmarks that the face finder sees, see perception.expression.place_points.
        truth: [N,POINTS,2] where they truly are; NaN where that is not known.
    """

    crops: Tensor
    strengths: Tensor
    units: Tensor
    kind: Tensor
    points: Tensor
    truth: Tensor

    def __len__(self) -> int:
        return len(self.kind)


def load_faces(heads: Path | None, pairs: Path | None) -> Faces:
    """All faces of a folder of heads and one of pairs (either may be None). Each shard's are kept beside it (*.faces).

    Raises:
        FileNotFoundError: there are none.
    """
    found = []
    for folder, name, read in ((heads, "heads", _faces_of_heads), (pairs, "pairs", _faces_of_pairs)):
        for path in sorted(folder.glob(f"{name}-*.safetensors")) if folder else []:
            kept = path.with_suffix(".faces")
            if not kept.is_file():
                partial = path.with_suffix(".part")
                save_file({name: value.contiguous() for name, value in vars(read(path)).items()}, partial)
                partial.rename(kept)
            found.append(Faces(**load_file(kept)))
    if not found:
        raise FileNotFoundError(f"no heads and no pairs in {heads} and {pairs}: make them first, see --help")
    return Faces(**{field.name: torch.cat([getattr(part, field.name) for part in found]) for field in fields(Faces)})


def _faces_of_heads(path: Path) -> Faces:
    return faces_of(read_heads(path))


def faces_of(heads: list[Head]) -> Faces:
    """Faces of synthetic heads, as the face finder sees them once it has found them."""
    finder, crops, points = FaceFinder.load(), [], []
    for head in heads:
        seen, _ = finder.track(torch.from_numpy(head.image)[None], Face.from_landmarks(head.landmarks, 1.0))
        picture = torch.from_numpy(head.image).permute(2, 0, 1)[None].float() / 255
        crops.append((cut(picture, crop_matrices(head.landmarks[None], STORED), STORED)[0] * 255).round().byte())
        points.append(place_points(seen)[0])
    strengths, units, truth = (torch.stack([getattr(head, n) for head in heads]) for n in ("strengths", "units", "landmarks"))
    kind = torch.zeros(len(heads), dtype=torch.long)
    return Faces(torch.stack(crops), strengths, units, kind, torch.stack(points), place_points(truth))


def _faces_of_pairs(path: Path) -> Faces:
    """Portraits, truths and guides of a file of pairs."""
    finder, rows = FaceFinder.load(), []
    for pair in read_pairs(path):
        rows.append((pair.portrait, pair.own_strengths, pair.own_units, "portrait"))
        for frame in range(FRAMES):
            for kind, pictures in (("truth", pair.truths), ("guide", pair.guides)):
                rows.append((pictures[frame], pair.strengths[frame], pair.units[frame], kind))
    mean = torch.zeros(478, 3)
    mean[:, :2] = mean_landmarks(CROP)
    pictures = torch.from_numpy(np.stack([row[0] for row in rows]))
    points = []
    for some in pictures.split(16):
        points.append(place_points(finder.track(some, Face.from_landmarks(mean, 1.0))[0]))
    planes = pictures.permute(0, 3, 1, 2).float()
    crops = F.interpolate(planes, size=(STORED, STORED), mode="bilinear", antialias=True, align_corners=False)
    points = torch.cat(points)
    return Faces(
        crops.round().byte(),
        torch.stack([row[1] for row in rows]),
        torch.stack([row[2] for row in rows]),
        torch.tensor([KINDS.index(row[3]) for row in rows]),
        points,
        torch.full_like(points, math.nan),
    )


def mean_landmarks(size: int) -> Tensor:
    """[478,2] landmarks of the rig's mean face in a face crop of `size` pixels."""
    rig = Rig.load()
    flat = rig.landmarks(rig.vertices)[:, :2] * torch.tensor([1.0, -1.0])
    matrix = crop_matrices(flat[None], size)[0]
    return (flat - matrix[:, 2]) @ torch.linalg.inv(matrix[:, :2]).T


def mirrored_points() -> Tensor:
    """[POINTS] the landmark that each becomes in a mirror."""
    rig = Rig.load()
    # With an open mouth: closed lips lie on each other.
    places = rig.landmarks(rig.vertices + 0.5 * rig.units[UNIT_INDEX["jawOpen"]])[:POINTS]
    distance = torch.cdist(places * torch.tensor([-1.0, 1.0, 1.0]), places)
    return torch.from_numpy(linear_sum_assignment((distance**2).numpy())[1])


class Varied(NamedTuple):
    """Varied faces: pictures [n,3,SIZE,SIZE], units [n,52], points and truth [n,POINTS,2] as of Faces."""

    faces: Tensor
    units: Tensor
    points: Tensor
    truth: Tensor


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
        self.network = ExpressionRecogniser(**SHAPE).to(self.device, memory_format=torch.channels_last)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=PEAK_RATE, weight_decay=0.02)
        self.step, self.minutes = 0, 0.0
        self.state_path = options.heads / f"{options.name}.train.safetensors"
        if self.state_path.is_file():
            self._resume()
        else:
            self.network.mean.copy_(self.faces.points.mean(0).flatten())
            self.network.scale.copy_(self.faces.points.std(0).flatten().clamp(min=1e-3))
            self.average = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.draw = torch.Generator().manual_seed(options.seed * 1_000_003 + self.step)
        self.swap, self.swap_points = torch.from_numpy(mirror()[0][: len(FACE_UNITS)]), mirrored_points()

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
            loss = self.loss(torch.randint(len(self.faces), (self.options.batch,), generator=self.draw))
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

    def loss(self, chosen: Tensor) -> Tensor:
        """Loss of the faces with the numbers `chosen` [n], varied."""
        varied = self.vary(chosen)
        known = (torch.rand(len(chosen), generator=self.draw) >= NO_POINTS).float()
        told = varied.points + POINT_NOISE * torch.randn(varied.points.shape, generator=self.draw)
        faces, told, known, units, truth = (
            value.to(self.device) for value in (varied.faces, told, known, varied.units, varied.truth)
        )
        found = self.network(faces.contiguous(memory_format=torch.channels_last), told, known)
        loss = expression_loss(found, self.faces.strengths[chosen].to(self.device), units).mean()
        sure = truth.isfinite()
        away = torch.where(sure, found.points - truth.nan_to_num(), 0.0).abs().sum() / sure.sum().clamp(min=1)
        return loss + POINT_LOSS * away

    def vary(self, chosen: Tensor) -> Varied:
        """Faces with the numbers `chosen` [n] as other cameras, finders and lights would have them."""
        crops, units = self.faces.crops[chosen], self.faces.units[chosen]
        points, truth = self.faces.points[chosen], self.faces.truth[chosen]
        count, draw = len(crops), self.draw

        def normal(*size: int) -> Tensor:
            return torch.randn(*size, generator=draw)

        def chance(share: float) -> Tensor:
            return (torch.rand(count, generator=draw) < share)[:, None, None, None]

        angle, size = torch.deg2rad(TURN * normal(count)), torch.exp(GROW * normal(count))
        flip = torch.where(torch.rand(count, generator=draw) < 0.5, -1.0, 1.0)
        cos, sin = size * angle.cos(), size * angle.sin()
        rows = torch.stack([torch.stack([flip * cos, -sin], 1), torch.stack([flip * sin, cos], 1)], 1)
        shift = 2 * SHIFT * normal(count, 2, 1)
        grid = F.affine_grid(torch.cat([rows, shift], 2), [count, 3, SIZE, SIZE], align_corners=False)
        faces = F.grid_sample(crops.float() / 255, grid, padding_mode="border", align_corners=False)
        mirrored = flip < 0
        units = torch.where(mirrored[:, None], units[:, self.swap], units)
        # What the network must find moves with the picture; what it is told is always upright in its own square.
        truth = torch.where(mirrored[:, None, None], truth[:, self.swap_points], truth)
        truth = (truth - shift.transpose(1, 2)) @ torch.linalg.inv(rows).transpose(1, 2)
        points = torch.where(mirrored[:, None, None], points[:, self.swap_points] * torch.tensor([-1.0, 1.0]), points)
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
        return Varied(faces.clamp(0, 1), units, points, truth)

    def averaged(self) -> ExpressionRecogniser:
        """The network with averaged weights."""
        network = ExpressionRecogniser(**SHAPE).to(self.device)
        network.load_state_dict(self.average)
        return network.eval().requires_grad_(False)

    def measure(self) -> dict[str, float]:
        """Figures of the held-out faces, see `accuracy`."""
        network = self.averaged()
        figures = accuracy(network, self.held_out)
        figures["macro_by_pixels_alone"] = accuracy(network, self.held_out, told=False)["macro"]
        return {f"held_out_{name}": round(value, 4) for name, value in figures.items()}

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
            "licence": "MIT",
        }
        (folder / f"{self.options.name}.json").write_text(json.dumps(card, indent=2) + "\n")
        return metrics


@torch.inference_mode()
def accuracy(network: ExpressionRecogniser, faces: Faces, told: bool = True) -> dict[str, float]:
    """How well a network reads faces, told the landmarks or not.

    Returns:
        macro: mean over the eight emotions of the share that is named rightly, of faces with one emotion of STRONG or more and
            without any other near it, and of neutral ones; macro_<kind> the same of each of KINDS that is there; units_error:
            mean absolute error of the face units; strengths_error: of the emotions' strengths; points_error: of the landmarks
            that it finds itself (half the crop's side is 1).
    """
    parts = zip(_sized(faces.crops).split(256), faces.points.split(256), strict=True)
    found = [network(crops.float() / 255, points if told else None) for crops, points in parts]
    logits, strengths, units, guess = (torch.cat(values).cpu() for values in zip(*found, strict=True))
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
    sure = faces.truth.isfinite()
    if sure.any():
        figures["points_error"] = float((guess - faces.truth)[sure].abs().mean())
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

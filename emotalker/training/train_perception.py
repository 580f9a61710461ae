"""Train the expression recogniser: python -m emotalker train perception --heads HEADS --pairs PAIRS

HEADS is a folder of synthetic heads (emotalker.training.heads), PAIRS one of pairs (emotalker.training.pairs), both with
train/ and held_out/ in it: direct pictures of heads, and portraits of heads re-expressed by our renderer. Goes on where it
stopped:

    python -m emotalker.training.heads --shared ../shared --count 6000 --out HEADS/train
    python -m emotalker.training.heads --shared ../shared --count 1200 --out HEADS/held_out --split held_out
    python -m emotalker train perception --heads HEADS --pairs PAIRS --minutes 20

What the landmark network sees in each picture, varied a few times, is worked out once and kept beside it (*.seen).
"""

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from ..emotion.soft_label import soft_label
from ..emotion.taxonomy import EMOTIONS
from ..face.arkit import FACE_UNITS
from ..face.crop import crop_matrices, cut
from ..perception.expression import SIZE, ExpressionHead, Eyes, Seen, expression_loss, zoomed
from ..weights import FOLDER
from .commit import commit_name
from .heads import Head
from .heads import read_shard as read_heads
from .motion_windows import mirror
from .options import add_run_options
from .pairs import CROP, FRAMES
from .pairs import read_shard as read_pairs

SHAPE = {"width": 96}
BATCH = 128
PEAK_RATE, LAST_RATE = 1e-3, 1e-5
WARM_UP = 200
EMA = 0.999
COPIES = 4
"""How often each training picture is varied; the first time it stays as it is."""
NOISE = 0.2
"""Spread of the noise on features, over their own."""
STRONG, CLEARLY = 0.6, 0.5
"""An emotion counts in the measured accuracy from this strength on, if the next is at most this share of it."""
# Variations: shift and size in shares of the side, turn in degrees: about twice the face finder's errors; then light and film.
SHIFT, GROW, TURN = 0.02, 0.04, 3.0
LIGHT, TINT, CONTRAST, GREY, BLUR, GRAIN, HIDDEN = 0.2, 0.08, 0.15, 0.15, 0.25, 0.02, 0.15
KINDS = ("head", "portrait", "truth", "guide")


@dataclass(frozen=True, eq=False)
class Faces:
    """What the landmark network sees in N pictures of faces, and what they show.

    Attributes:
        whole, face, lips, left, right, points: see perception.expression.Seen, float16.
        strengths: [N,8]; units [N,52].
        kind: [N] index into KINDS: a head, a portrait or a frame of a pair as it truly is, or as our renderer makes it.
    """

    whole: Tensor
    face: Tensor
    lips: Tensor
    left: Tensor
    right: Tensor
    points: Tensor
    strengths: Tensor
    units: Tensor
    kind: Tensor

    def __len__(self) -> int:
        return len(self.kind)

    def seen(self, chosen: Tensor | slice) -> Seen:
        """What was seen in some of them."""
        return Seen(*(getattr(self, name)[chosen].float() for name in Seen._fields))


@dataclass(frozen=True, eq=False)
class Picture:
    """A face to be looked at: `image` uint8 [h,w,3], `matrix` [2,3] of its crop of SIZE pixels, `strengths` [8], `units` [52]
    and index into KINDS."""

    image: np.ndarray
    matrix: Tensor
    strengths: Tensor
    units: Tensor
    kind: int


def load_faces(heads: Path | None, pairs: Path | None, copies: int = 1) -> Faces:
    """All faces of a folder of heads and one of pairs (either may be None); each file's are kept beside it.

    Raises:
        FileNotFoundError: there are none.
    """
    paths = [(path, _of_heads) for path in (sorted(heads.glob("heads-*.safetensors")) if heads else [])]
    paths += [(path, _of_pairs) for path in (sorted(pairs.glob("pairs-*.safetensors")) if pairs else [])]
    if not paths:
        raise FileNotFoundError(f"no heads and no pairs in {heads} and {pairs}: make them first, see --help")
    found = []
    for path, read in tqdm(paths, unit="file", disable=None):
        kept = path.with_suffix(f".seen{copies}")
        if not kept.is_file():
            faces = look_at(read(path), copies, np.random.default_rng(int(path.stem[-5:])))
            partial = path.with_suffix(".part")
            save_file({name: value.contiguous() for name, value in vars(faces).items()}, partial)
            partial.rename(kept)
        found.append(Faces(**load_file(kept)))
    return Faces(**{field.name: torch.cat([getattr(part, field.name) for part in found]) for field in fields(Faces)})


def _of_heads(path: Path) -> list[Picture]:
    return pictures_of(read_heads(path))


def pictures_of(heads: list[Head]) -> list[Picture]:
    """Synthetic heads as pictures to look at."""
    matrices = crop_matrices(torch.stack([head.landmarks for head in heads]), SIZE)
    return [
        Picture(head.image, matrix, head.strengths, head.units, KINDS.index("head"))
        for head, matrix in zip(heads, matrices, strict=True)
    ]


def _of_pairs(path: Path) -> list[Picture]:
    """Portraits, truths and guides of a file of pairs, which are face crops already."""
    whole = torch.eye(2, 3) * (CROP / SIZE)
    pictures = []
    for pair in read_pairs(path):
        pictures.append(Picture(pair.portrait, whole, pair.own_strengths, pair.own_units, KINDS.index("portrait")))
        for row in range(FRAMES):
            for kind, images in (("truth", pair.truths), ("guide", pair.guides)):
                pictures.append(Picture(images[row], whole, pair.strengths[row], pair.units[row], KINDS.index(kind)))
    return pictures


def look_at(pictures: list[Picture], copies: int, draw: np.random.Generator) -> Faces:
    """What the landmark network sees in pictures, each `copies` times, varied but for the first time."""
    eyes, swap = Eyes().eval().requires_grad_(False), torch.from_numpy(mirror()[0][: len(FACE_UNITS)])
    rows: list[Seen] = []
    units, strengths, kinds = [], [], []
    waiting: list[Tensor] = []

    def see() -> None:
        with torch.inference_mode():
            rows.append(Seen(*(value.half() for value in eyes(torch.cat(waiting)))))
        waiting.clear()

    for picture in pictures:
        planes = torch.from_numpy(picture.image).permute(2, 0, 1)[None].float() / 255
        for copy in range(copies):
            matrix, flip = picture.matrix, False
            if copy:
                matrix, flip = matrix @ _nudge(draw), draw.random() < 0.5
            face = cut(planes, zoomed(matrix[None]), SIZE)
            waiting.append(_vary(face, flip, draw) if copy else face)
            units.append(picture.units[swap] if flip else picture.units)
            strengths.append(picture.strengths)
            kinds.append(picture.kind)
            if len(waiting) == 32:
                see()
    if waiting:
        see()
    seen = (torch.cat(parts) for parts in zip(*rows, strict=True))
    return Faces(*seen, torch.stack(strengths).float(), torch.stack(units).float(), torch.tensor(kinds))


def _nudge(draw: np.random.Generator) -> Tensor:
    """[3,3] a random turn, size and shift of a crop of SIZE pixels about its middle."""
    angle, size = math.radians(draw.normal(0, TURN)), math.exp(draw.normal(0, GROW))
    turn = size * torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    middle = torch.full((2,), SIZE / 2)
    shift = middle - turn @ middle + SIZE * torch.from_numpy(draw.normal(0, SHIFT, 2)).float()
    return torch.cat([torch.cat([turn, shift[:, None]], 1), torch.tensor([[0.0, 0.0, 1.0]])])


def _vary(face: Tensor, flip: bool, draw: np.random.Generator) -> Tensor:
    """A face [1,3,SIZE,SIZE] in another light, on other film, perhaps in a mirror, perhaps partly hidden."""
    if flip:
        face = face.flip(-1)
    if draw.random() < GREY:
        face = face.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    tint = torch.from_numpy(np.exp(draw.normal(0, LIGHT) + draw.normal(0, TINT, 3))).float()
    face = 0.45 + (face * tint[:, None, None] - 0.45) * math.exp(draw.normal(0, CONTRAST))
    if draw.random() < BLUR:
        width = int(draw.integers(1, 3))
        face = F.avg_pool2d(face, 2 * width + 1, 1, width, count_include_pad=False)
    grain = torch.from_numpy(draw.standard_normal(tuple(face.shape), dtype=np.float32))
    face = face + abs(draw.normal(0, GRAIN)) * grain
    if draw.random() < HIDDEN:  # glasses, a hand, hair
        x, y = (int(v) for v in draw.uniform(0, SIZE, 2))
        wide, high = (int(v) for v in draw.uniform(0.04, 0.14, 2) * SIZE)
        colour = torch.from_numpy(draw.random(3)).float()[:, None, None]
        face = face.clone()
        face[..., max(0, y - high) : y + high, max(0, x - wide) : x + wide] = colour
    return face.clamp(0, 1)


class Run:
    """A training run that can stop and go on.

    Args:
        options: see `parse`.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.device = options, torch.device(options.device)
        torch.manual_seed(options.seed)
        self.faces = load_faces(options.heads / "train", options.pairs / "train", options.copies)
        self.held_out = load_faces(options.heads / "held_out", options.pairs / "held_out")
        self.head = ExpressionHead(**SHAPE).to(self.device)
        self.optimiser = torch.optim.AdamW(self.head.parameters(), lr=PEAK_RATE, weight_decay=0.05)
        self.step, self.minutes = 0, 0.0
        self.state_path = options.heads / f"{options.name}.train.safetensors"
        if self.state_path.is_file():
            self._resume()
        else:
            self.average = {name: value.detach().clone() for name, value in self.head.state_dict().items()}
        self.draw = torch.Generator().manual_seed(options.seed * 1_000_003 + self.step)

    def train(self) -> Iterator[float]:
        """Train until the minutes (or --steps) are over; yields the loss of each step. Other programs' time does not count."""
        began, before = time.thread_time(), self.minutes
        self.head.train()
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
            seen = Seen(*(self._noisy(value).to(self.device) for value in self.faces.seen(chosen)))
            strengths, units = (value[chosen].to(self.device) for value in (self.faces.strengths, self.faces.units))
            loss = expression_loss(self.head(seen), strengths, units).mean()
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.head.parameters(), 5.0)
            self.optimiser.step()
            self.step += 1
            keep = min(EMA, (1 + self.step) / (10 + self.step))
            with torch.no_grad():
                for name, value in self.head.state_dict().items():
                    if value.is_floating_point():
                        self.average[name].lerp_(value, 1 - keep)
                    else:
                        self.average[name].copy_(value)
            yield float(loss.detach())

    def _noisy(self, values: Tensor) -> Tensor:
        return values + NOISE * values.std() * torch.randn(values.shape, generator=self.draw)

    def averaged(self) -> ExpressionHead:
        """The head with averaged weights."""
        head = ExpressionHead(**SHAPE).to(self.device)
        head.load_state_dict(self.average)
        return head.eval().requires_grad_(False)

    def measure(self) -> dict[str, float]:
        """Figures of the held-out faces, see `accuracy`."""
        return {f"held_out_{name}": round(value, 4) for name, value in accuracy(self.averaged(), self.held_out).items()}

    def save(self) -> None:
        """Keep everything needed to go on."""
        tensors = {f"head.{name}": value for name, value in self.head.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        for name, parameter in self.head.named_parameters():
            tensors |= {f"adam.{key}.{name}": value for key, value in self.optimiser.state[parameter].items()}
        partial = self.state_path.with_suffix(".part")
        told = {"step": str(self.step), "minutes": str(self.minutes)}
        save_file({name: value.contiguous() for name, value in tensors.items()}, partial, told)
        partial.rename(self.state_path)

    def _resume(self) -> None:
        tensors = load_file(self.state_path, device=str(self.device))
        with safe_open(self.state_path, "pt") as file:
            self.step, self.minutes = int(file.metadata()["step"]), float(file.metadata()["minutes"])
        self.head.load_state_dict({name[5:]: value for name, value in tensors.items() if name.startswith("head.")})
        self.average = {name[8:]: value for name, value in tensors.items() if name.startswith("average.")}
        for name, parameter in self.head.named_parameters():
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
        count = (torch.bincount(self.faces.kind, minlength=len(KINDS)) // self.options.copies).tolist()
        card = {
            "name": self.options.name,
            "purpose": "Expression recogniser: features of the landmark network (weights/face_landmarks, which stays as it is) "
            "to the strengths of eight emotions, their soft label and 52 face units.",
            "parameters": sum(value.numel() for value in tensors.values()),
            "shape": SHAPE,
            "data": f"synthetic people (MakeHuman's CC0 shapes and skins): {count[0]} heads (emotalker/training/heads.py); "
            f"{count[1]} portraits, {count[2]} frames of them as they truly are, {count[3]} as our renderer re-expresses the "
            f"portraits (emotalker/training/pairs.py); each varied {self.options.copies} times. No picture of a person.",
            "command": f"python -m emotalker train perception --heads HEADS --pairs PAIRS {length} --seed {self.options.seed} "
            f"--copies {self.options.copies}",
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
def accuracy(head: ExpressionHead, faces: Faces) -> dict[str, float]:
    """How well faces are read.

    Returns:
        macro: mean over the eight emotions of the share that is named rightly, of faces with one emotion of STRONG or more and
            without any other near it, and of neutral ones; macro_<kind> the same of each of KINDS that is there; units_error:
            mean absolute error of the face units; strengths_error: of the emotions' strengths.
    """
    device = head.soft.weight.device
    found = []
    for begin in range(0, len(faces), 256):
        found.append(head(Seen(*(value.to(device) for value in faces.seen(slice(begin, begin + 256))))))
    logits, strengths, units = (torch.cat(values).cpu() for values in zip(*found, strict=True))
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


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Options of the command."""
    parser = argparse.ArgumentParser(
        prog="emotalker train perception", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--heads", type=Path, required=True, help="folder with heads in train/ and held_out/; the state too")
    parser.add_argument("--pairs", type=Path, required=True, help="folder with pairs in train/ and held_out/")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the weights and their card")
    parser.add_argument("--name", default="expression", help="of the weights")
    parser.add_argument("--minutes", type=float, default=20.0, help="minutes of the main thread in all, earlier runs included")
    parser.add_argument("--steps", type=int, default=0, help="train for so many steps instead")
    parser.add_argument("--batch", type=int, default=BATCH, help="faces in a step")
    parser.add_argument("--copies", type=int, default=COPIES, help="how often each training picture is varied")
    parser.add_argument("--export-every", type=float, default=5.0, help="minutes between exports")
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
        if run.step % 200 == 0:
            print(f"step {run.step}  {run.minutes:.1f} min  loss {mean:.3f}", flush=True)
        if run.minutes - exported >= options.export_every:
            exported = run.minutes
            run.save()
            print(run.export(options.out), flush=True)
    run.save()
    print(run.export(options.out), flush=True)


if __name__ == "__main__":
    main()

"""Train the motion diffusion: python -m emotalker train motion --data CORPUS

CORPUS is a folder of motion shards, by emotalker.training.motion_corpus (the rules perform synthetic speech), by
`train prepare` (talking videos), or of both. Trains for so many minutes of processor time; run again with more minutes, it
goes on where it stopped:

    python -m emotalker.training.motion_corpus --speech SPEECH_CORPUS --data CORPUS
    python -m emotalker train prepare --videos DIR --data CORPUS
    python -m emotalker train motion --data CORPUS --minutes 60

Several GPUs, or several processors' worth of processes with --cpu, each with its own batches and the mean of their gradients:

    accelerate launch --multi_gpu --num_processes 4 -m emotalker.training.train_motion --data CORPUS --size full
"""

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..diffusion import TRAIN_STEPS, denoised, make_scheduler
from ..emotion.eib import EmotionIntensityBlock
from ..face.arkit import FACE_UNITS
from ..motion.denoiser import CHANNELS, CONDITIONS, MotionDenoiser, Shape
from ..weights import FOLDER
from .commit import commit_name
from .measure_liveliness import measure_liveliness
from .motion_corpus import MotionCorpus, load_motion_corpus
from .motion_losses import EmotionReader, MotionLosses, perception_loss, soft_label
from .motion_windows import Windows

SIZES = {
    "small": (Shape(), 16),  # for one processor core
    "full": (Shape(width=512, layers=10, heads=8, speech_width=192), 256),  # for a GPU
}
"""Shape and batch of each size."""
PEAK_RATE, LAST_RATE = 1e-3, 2e-5
WARM_UP = 300
EMA = 0.9985
DEAF, UNFELT = 0.1, 0.12
"""How often speech and emotion, each by itself, are left out, so that guidance can tell what each does."""
WEIGHTS = {"velocity": 4.0, "lips": 4.0, "closure": 10.0, "perception": 0.2}
"""Weights of the losses beside denoising. That of the lips is measured: after five minutes of training 4 instead of 1 brings
the lips' correlation with the sound from 0.772 to 0.780 (0.795 to 0.805 with a guidance of 2), and nothing else changes."""
HARD = {"eyeLook": 2.0, "eyeBlink": 2.0, "head": 2.0, "brow": 1.5}
"""Weights in the denoising loss of channels whose names begin so, over 1: eyes, lids, head and brows follow from no sound, so
that a model takes longest to draw them as lively as they are (measured: gaze without saccades and head movement a quarter too
small after 3,400 steps with equal weights)."""
CALM = {"eyeLook": 0.0, "eyeBlink": 0.0, "head": 0.25, "brow": 0.5}
"""Weights of channels in the velocity loss, over 1: eyes and lids jump, and heads and brows have their own blur."""
READER_STEPS = 500
LEAST_SPREAD = 0.02
"""Smallest spread by which a channel is divided: units that nobody uses are not blown up."""
HELD_OUT = 40
"""Every so many clips one is kept for validation."""


class Run:
    """A training run that can stop and go on.

    Args:
        options: see `parse`.
        corpus: what to train on; some clips are kept for validation.
    """

    def __init__(self, options: argparse.Namespace, corpus: MotionCorpus) -> None:
        self.options = options
        self.team = Accelerator(cpu=options.device == "cpu")
        self.device = torch.device(options.device) if self.team.num_processes == 1 else self.team.device
        torch.manual_seed(options.seed)
        self.state_path = options.data / f"{options.name}.train.safetensors"
        shape, batch = SIZES[options.size]
        self.shape = replace(shape, without=tuple(name for name in options.without if name in CONDITIONS))
        self.batch = options.batch or batch
        shown = corpus.part([i for i in range(len(corpus.features)) if i % HELD_OUT])
        self.windows = Windows(shown, options.seed, self.device)
        self.held_out = Windows(held_out(corpus), 1, self.device)
        self.model = MotionDenoiser(self.shape).to(self.device)
        self.reader = EmotionReader().to(self.device)
        self.scheduler = make_scheduler()
        self.weights = {name: value for name, value in WEIGHTS.items() if name not in options.without}
        self.optimiser = torch.optim.AdamW(self._learned(), lr=PEAK_RATE, weight_decay=0.01, betas=(0.9, 0.98))
        self.step, self.minutes = 0, 0.0
        self.parts: dict[str, float] = {}
        if self.state_path.is_file():
            self._resume()
        else:
            mean, scale = spreads(corpus)
            self.model.mean.copy_(mean)
            self.model.scale.copy_(scale)
            self.model.strength_tokens.load_state_dict(EmotionIntensityBlock.load().heads.level.state_dict())
            if options.start_from is not None:
                self._start_from(options.start_from)
            self.average = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
            self._train_reader()
        self.reader.requires_grad_(False).eval()
        self.losses = MotionLosses(self.model).to(self.device)
        self.hard, self.calm = (channel_weights(table).to(self.device) for table in (HARD, CALM))
        self._seed()

    def _seed(self) -> None:
        """Draw what no process has drawn: another stretch of the same random numbers would show the same windows again."""
        seed = [self.options.seed, self.step, self.team.process_index]
        self.windows.draw = np.random.default_rng(seed)
        self.generator = torch.Generator(self.device).manual_seed(int(np.random.default_rng([*seed, 1]).integers(1 << 40)))

    def _share_gradients(self) -> None:
        """Give every process the mean of all gradients."""
        gradients = [parameter.grad for parameter in self._learned() if parameter.grad is not None]
        mean = self.team.reduce(torch.cat([gradient.flatten() for gradient in gradients]), "mean")
        for gradient, part in zip(gradients, mean.split([gradient.numel() for gradient in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def _learned(self) -> list[torch.nn.Parameter]:
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def _train_reader(self) -> None:
        """Learn to read emotions from clean motion; what it reads then judges the denoised."""
        optimiser = torch.optim.Adam(self.reader.parameters(), lr=2e-3)
        for _ in range(self.options.reader_steps):
            batch = self.windows.batch(2 * self.batch)
            loss = perception_loss(
                self.reader(self.model.normalise(batch.motion)), soft_label(batch.emotion, batch.valid)
            ).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()

    def train(self) -> Iterator[float]:
        """Train until the minutes are over; yields the loss of each step. Time that other programs take does not count."""
        began, before = time.thread_time(), self.minutes
        self.model.train()
        while True:
            self.minutes = before + (time.thread_time() - began) / 60
            if self.team.num_processes > 1:  # the first one's clock, so that all stop at the same step
                self.minutes = float(broadcast(torch.tensor(self.minutes, device=self.device)))
            progress = self.minutes / self.options.minutes
            if progress >= 1:
                return
            rate = LAST_RATE + (PEAK_RATE - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * progress))
            for group in self.optimiser.param_groups:
                group["lr"] = rate * min(1.0, (self.step + 1) / WARM_UP)
            loss = self.loss(self.windows, self.batch, self.generator)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            if self.team.num_processes > 1:
                self._share_gradients()
            torch.nn.utils.clip_grad_norm_(self._learned(), 1.0)
            self.optimiser.step()
            self.step += 1
            keep = min(EMA, (1 + self.step) / (10 + self.step))
            with torch.no_grad():
                for name, value in self.model.state_dict().items():
                    self.average[name].lerp_(value, 1 - keep)
            yield float(loss.detach())

    def loss(self, windows: Windows, size: int, generator: torch.Generator, model: MotionDenoiser | None = None) -> Tensor:
        """Loss of a random batch; keeps its parts in `parts`."""
        model = model or self.model
        batch = windows.batch(size)
        clean = model.normalise(batch.motion)

        def flips(chance: float) -> Tensor:
            return (torch.rand(size, generator=generator, device=self.device) >= chance).float()

        conditions = batch.conditions(clean, flips(DEAF), flips(UNFELT))
        noise = torch.randn(clean.shape, generator=generator, device=self.device)
        # Noise levels spread evenly over the batch: the loss of a small batch then says more.
        place = torch.rand((), generator=generator, device=self.device) + torch.arange(size, device=self.device) / size
        steps = ((place % 1) * TRAIN_STEPS).long().clamp(max=TRAIN_STEPS - 1)
        noisy = self.scheduler.add_noise(clean, noise, steps)
        velocity = model(noisy, steps, conditions)
        target = self.scheduler.get_velocity(clean, noise, steps)
        count = batch.wanted / batch.wanted.sum().clamp(min=1)
        parts = {"noise": (((velocity - target).square() @ self.hard) * count).sum()}
        found = model.steady(denoised(self.scheduler, noisy, velocity, steps))
        # How much of the motion is there to be seen: the less noise, the more the other losses ask.
        trust = self.scheduler.alphas_cumprod.to(self.device)[steps]
        seen = count * trust[:, None]
        if "velocity" in self.weights:
            speed = (found - clean).diff(dim=1).square() @ self.calm
            parts["velocity"] = (speed * seen[:, 1:]).sum()
        if "lips" in self.weights:
            parts["lips"] = (self.losses.lip_distance(found, clean) * seen).sum()
        if "closure" in self.weights:
            heard = conditions.hear[:, None] * batch.closure
            parts["closure"] = (self.losses.open_closures(found, clean, heard) * seen).sum()
        if "perception" in self.weights:
            wrong = perception_loss(self.reader(found), soft_label(batch.emotion, batch.valid))
            parts["perception"] = (wrong * trust * conditions.feel).mean()
        self.parts = {name: float(value.detach()) for name, value in parts.items()}
        return sum(value * self.weights.get(name, 1.0) for name, value in parts.items())

    @torch.no_grad()
    def validate(self, batches: int = 8) -> dict[str, float]:
        """The parts of the loss on held-out clips, with the averaged weights."""
        self.held_out.draw = np.random.default_rng(1)
        generator = torch.Generator(self.device).manual_seed(1)
        model = MotionDenoiser(self.shape).to(self.device)
        model.load_state_dict(self.average)
        total: dict[str, float] = {}
        for _ in range(batches):
            self.loss(self.held_out, self.batch, generator, model.eval())
            total = {name: total.get(name, 0.0) + value / batches for name, value in self.parts.items()}
        return {f"held_out_{name}": round(value, 4) for name, value in total.items()}

    def save(self) -> None:
        """Keep everything needed to go on."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        tensors |= {f"reader.{name}": value for name, value in self.reader.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            tensors |= {f"adam.{key}.{name}": value for key, value in self.optimiser.state[parameter].items()}
        partial = self.state_path.with_suffix(".part")
        save_file(
            {name: value.contiguous() for name, value in tensors.items()},
            partial,
            {"step": str(self.step), "minutes": str(self.minutes)},
        )
        partial.rename(self.state_path)

    def _resume(self) -> None:
        tensors = load_file(self.state_path, device=str(self.device))
        with safe_open(self.state_path, "pt") as file:
            self.step, self.minutes = int(file.metadata()["step"]), float(file.metadata()["minutes"])
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "reader": {}}
        for name, value in tensors.items():
            kind, _, rest = name.partition(".")
            if kind in parts:
                parts[kind][rest] = value
        self.model.load_state_dict(parts["model"])
        self.reader.load_state_dict(parts["reader"])
        self.average = parts["average"]
        for name, parameter in self.model.named_parameters():
            if f"adam.exp_avg.{name}" in tensors:
                keys = ("step", "exp_avg", "exp_avg_sq")
                self.optimiser.state[parameter] = {key: tensors[f"adam.{key}.{name}"] for key in keys}

    def _start_from(self, path: Path) -> None:
        """Begin with exported weights (fine-tuning), their normalisation included."""
        self.model.load_state_dict({name: value.float() for name, value in load_file(path).items()})

    def export(self, folder: Path, hours: float, last: bool = False) -> dict[str, float]:
        """Write the averaged weights in half precision with their card; the last one's says how lively heads are.

        Returns:
            The metrics.
        """
        metrics = self.validate()
        tensors = {name: value.half().contiguous() for name, value in self.average.items()}
        save_file(tensors, folder / f"{self.options.name}.safetensors")
        without = "".join(f" --without {name}" for name in self.options.without)
        card = {
            "name": self.options.name,
            "purpose": "Motion diffusion: speech features and emotion strengths to 52 face units and head pose at 25 frames/s.",
            "parameters": sum(value.numel() for value in tensors.values()),
            "shape": self.shape.to_dict(),
            "data": f"{hours:.1f} hours of motion: synthetic speech (comments of GoEmotions, Demszky et al. 2020, CC BY 4.0, "
            "spoken by flite, festival and espeak-ng) performed by this project's rules with random emotions and styles "
            "(emotalker/training/motion_corpus.py). No recording of a person.",
            "command": f"python -m emotalker train motion --data FOLDER --size {self.options.size} "
            f"--minutes {self.options.minutes:g} --seed {self.options.seed}{without}",
            "seed": self.options.seed,
            "commit": commit_name(),
            "steps": self.step,
            "minutes": round(self.minutes, 1),
            "metrics": metrics,
            "licence": "MIT",
        }
        if last:
            model = MotionDenoiser(self.shape).to(self.device).eval()
            model.load_state_dict(self.average)
            card["head"] = measure_liveliness(model, self.held_out.corpus).to_dict()
        (folder / f"{self.options.name}.json").write_text(json.dumps(card, indent=2) + "\n")
        return metrics


def held_out(corpus: MotionCorpus) -> MotionCorpus:
    """The clips that are kept for validation."""
    return corpus.part(list(range(0, len(corpus.features), HELD_OUT)))


def channel_weights(table: dict[str, float]) -> Tensor:
    """[CHANNELS] weights of a table of name beginnings ("head" for its angles), 1 for others, with a mean of 1 over them."""
    names = (*FACE_UNITS, "head", "head", "head", "x", "y", "z")
    weights = [next((value for start, value in table.items() if name.startswith(start)), 1.0) for name in names]
    return torch.tensor(weights) / sum(weights)


def spreads(corpus: MotionCorpus) -> tuple[Tensor, Tensor]:
    """Mean and spread [CHANNELS] of a corpus's motion, the spread not below LEAST_SPREAD."""
    count, total, squares = 0, np.zeros(CHANNELS), np.zeros(CHANNELS)
    for motion in corpus.motion:
        values = motion.reshape(-1, CHANNELS).astype(np.float64)
        count, total, squares = count + len(values), total + values.sum(0), squares + (values**2).sum(0)
    mean = total / count
    spread = np.sqrt(np.maximum(squares / count - mean**2, 0)).clip(min=LEAST_SPREAD)
    return torch.from_numpy(mean).float(), torch.from_numpy(spread).float()


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Options of the command."""
    parser = argparse.ArgumentParser(
        prog="train_motion", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of motion shards; the state of the run lies there too")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the weights and their card")
    parser.add_argument("--name", default="motion", help="of the weights")
    parser.add_argument("--size", choices=list(SIZES), default="small", help="small for a processor core, full for a GPU")
    parser.add_argument("--batch", type=int, default=0, help="windows in a step; 0 for the size's own")
    parser.add_argument("--minutes", type=float, default=60.0, help="minutes of processor time in all, earlier runs included")
    parser.add_argument("--export-every", type=float, default=10.0, help="minutes between exports")
    parser.add_argument("--without", action="append", default=[], choices=[*WEIGHTS, *CONDITIONS], help="leave out (ablation)")
    parser.add_argument("--reader-steps", type=int, default=READER_STEPS, help="training of the emotion reader")
    parser.add_argument("--start-from", type=Path, help="exported weights to fine-tune")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="processor threads")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Train and export."""
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    corpus = load_motion_corpus(options.data)
    run = Run(options, corpus)
    say = run.team.print
    say(f"{corpus.hours:.1f} hours of motion, step {run.step}, {run.minutes:.1f} minutes done", flush=True)
    exported, mean = run.minutes, None
    for loss in run.train():
        mean = loss if mean is None else 0.99 * mean + 0.01 * loss
        if run.step % 100 == 0:
            parts = "  ".join(f"{name} {value:.3f}" for name, value in run.parts.items())
            say(f"step {run.step}  {run.minutes:.1f} min  loss {mean:.3f}  {parts}", flush=True)
        if run.minutes - exported >= options.export_every:
            exported = run.minutes
            keep(run, corpus.hours)
    keep(run, corpus.hours, last=True)
    run.team.end_training()  # or threads of the processes' connections may outlive Python, which ends in an abort


def keep(run: Run, hours: float, last: bool = False) -> None:
    """Save and export, by the first process alone."""
    if run.team.is_main_process:
        run.save()
        print(run.export(run.options.out, hours, last), flush=True)
    run.team.wait_for_everyone()


if __name__ == "__main__":
    main()

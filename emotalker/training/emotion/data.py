"""Texts that train the Emotion Intensity Block: FED with strengths, GoEmotions with labels, and text that says nothing."""

import gzip
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from ...emotion.eib import EKMAN, GO_EMOTIONS
from ...emotion.taxonomy import EMOTIONS
from ...errors import UserError
from .fed import generate_fed, load_fed
from .fed.noise import disturb

SILENT_KINDS = ("no emotion",)
"""Kinds of generated FED items that speak of no emotion."""
SPLIT_FILES = {split: f"goemotions_{split}.tsv.gz" for split in ("train", "dev", "test")}


@dataclass(frozen=True)
class Described:
    """A text and what it asks of the face.

    Attributes:
        text: as typed.
        strengths: [8] 0..1 in the order of EMOTIONS.
        said: 1 if it speaks of emotion, 0 if not, None if nobody knows.
    """

    text: str
    strengths: tuple[float, ...]
    said: float | None


@dataclass(frozen=True)
class Comment:
    """A GoEmotions comment: `ekman` [7] and `fine` [28], 1 where a label is given, in the order of its label files."""

    text: str
    ekman: np.ndarray
    fine: np.ndarray


def load_goemotions(folder: Path, split: str) -> list[Comment]:
    """Read GoEmotions (Demszky et al., ACL 2020; CC BY 4.0) as ../shared/text holds it.

    Raises:
        UserError: the file is not there.
    """
    path = Path(folder) / SPLIT_FILES[split]
    if not path.is_file():
        raise UserError(f"{path.name} is missing in {path.parent}: name the folder that has GoEmotions with --texts.")
    rows = gzip.decompress(path.read_bytes()).decode("utf-8").removesuffix("\n").split("\n")[1:]
    comments = []
    for row in rows:
        _, fine, ekman, text = row.split("\t")
        comments.append(Comment(text, _marked(ekman, len(EKMAN)), _marked(fine, GO_EMOTIONS)))
    return comments


def hand_written(split: str, share: float = 1.0) -> list[Described]:
    """FED's hand-written items of a split, or the first share of them in an order that never changes."""
    items = load_fed(split)
    Random(0).shuffle(items)
    return [
        Described(item.text, item.strengths, None if item.kind == "neutral" else 1.0)
        for item in items[: round(len(items) * share)]
    ]


def generated(count: int, seed: int) -> list[Described]:
    """FED's generated items."""
    return [
        Described(item.text, item.strengths, 0.0 if item.kind in SILENT_KINDS else 1.0) for item in generate_fed(count, seed)
    ]


def gibberish(random: Random, comments: list[Comment]) -> Described:
    """Text without sense: keys hit at random, digits, or the letters of a comment's words in another order."""
    shape = random.randrange(4)
    if shape == 0:
        text = "".join(random.choice("asdfghjklqwertyuiopzxcvbnm") for _ in range(random.randint(2, 14)))
    elif shape == 1:
        text = " ".join(str(random.randrange(10**6)) for _ in range(random.randint(1, 4)))
    else:
        words = random.choice(comments).text.lower().split()[: random.randint(1, 12)]
        text = " ".join("".join(random.sample(word, len(word))) for word in words)
    strengths = [0.0] * len(EMOTIONS)
    strengths[EMOTIONS.index("neutral")] = 0.55
    return Described(text, tuple(strengths), 0.0)


def mistyped(item: Described, random: Random, share: float) -> Described:
    """The item, with this probability with unusual case, punctuation or a spelling mistake."""
    return Described(disturb(item.text, random), item.strengths, item.said) if random.random() < share else item


def _marked(ids: str, size: int) -> np.ndarray:
    row = np.zeros(size, dtype=np.float32)
    row[[int(i) for i in ids.split(",")]] = 1
    return row

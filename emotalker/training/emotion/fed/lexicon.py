"""What the generator builds with: words of emotion (lexicon.tsv) and words of degree (degrees.tsv)."""

import csv
import functools
import math
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

MARKED = 0.55
"""Strength of an emotion word without a word of degree, such as "sad": FACS intensity C, see README.md."""


@dataclass(frozen=True)
class Word:
    """A word or phrase of emotion.

    Attributes:
        text: as written after "she is" (adjective) or "with" (noun).
        strengths: emotion to strength, 0..1, without a word of degree.
    """

    text: str
    strengths: MappingProxyType

    @property
    def main(self) -> str:
        """Its strongest emotion."""
        return max(self.strengths, key=self.strengths.get)


@dataclass(frozen=True)
class Degree:
    """A hedge or booster.

    Attributes:
        phrase: "slightly", "a hint of", "beyond words".
        form: "adjective" (stands before one), "noun" (before one) or "after" (follows an adjective).
        target: the strength that it makes of a MARKED emotion word.
    """

    phrase: str
    form: str
    target: float

    def of(self, text: str) -> str:
        """The word with its degree."""
        return f"{text} {self.phrase}" if self.form == "after" else f"{self.phrase} {text}"


def scaled(strength: float, target: float) -> float:
    """Strength of a word under a word of degree.

    A hedge multiplies: target / MARKED. A booster cannot multiply past 1, so it takes away a share of what is
    missing to 1: 1 - (1 - strength)^k, with k such that MARKED becomes target. Both keep the order of the degrees for
    every strength in 0..1 and give exactly `target` for MARKED.
    """
    if target <= MARKED:
        return strength * target / MARKED
    return 1 - (1 - strength) ** (math.log(1 - target) / math.log(1 - MARKED))


def apply_degree(strengths: MappingProxyType | dict[str, float], target: float) -> dict[str, float]:
    """Scale a word's emotions by a degree: the main one by `scaled`, the others by the same ratio (none above 1)."""
    peak = max(strengths.values())
    ratio = scaled(peak, target) / peak
    return {name: min(value * ratio, 1.0) for name, value in strengths.items()}


@functools.cache
def words(form: str) -> tuple[Word, ...]:
    """The emotion words of one form, "adjective" or "noun"; none of them occurs in the dev or test split."""
    return tuple(
        Word(row["phrase"], MappingProxyType({n: float(v) for n, v in (p.split("=") for p in row["strengths"].split())}))
        for row in _table("lexicon.tsv")
        if row["form"] == form
    )


@functools.cache
def degrees() -> tuple[Degree, ...]:
    """All hedges and boosters, weakest first within a form."""
    return tuple(Degree(row["phrase"], row["form"], float(row["target"])) for row in _table("degrees.tsv"))


def _table(name: str) -> list[dict[str, str]]:
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))

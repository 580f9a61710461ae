"""How far FED's second rating agrees with its labels, by the figures that a model gets on the same items.

    python -m emotalker.training.emotion.agreement

prints the figures over the test split and for each kind of item.
"""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...emotion.taxonomy import EMOTIONS
from ...errors import UserError
from .fed.data import FED_PATH, KINDS, Item, load_fed, row_of
from .measure import measure_described

SECOND_RATING_PATH = FED_PATH.with_name("second_rating.tsv")


class Rating(NamedTuple):
    """What the second rater saw in one text: emotion -> strength (0..1), none that is 0."""

    strengths: dict[str, float]


class SecondRater:
    """Answers like an EmotionIntensityBlock, with the second rater's strengths instead of a model's.

    Args:
        items: items that may be read.
        ratings: id of each of them -> emotion -> strength.
    """

    def __init__(self, items: Sequence[Item], ratings: dict[str, dict[str, float]]):
        self._ratings = {item.text: Rating(ratings[item.id]) for item in items}

    def read(self, texts: Sequence[str]) -> list[Rating]:
        """The ratings of `texts`."""
        return [self._ratings[text] for text in texts]


def load_second_rating(path: Path | str = SECOND_RATING_PATH) -> dict[str, dict[str, float]]:
    """Id of each item of the test split -> emotion -> strength; what a rating does not name is 0.

    Raises:
        UserError: no such file, other columns, an unknown emotion, a strength outside 0..1, or an id twice.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"the second rating {path.name} is missing: restore it from the EmoTalker repository.")
    head, *rows = csv.reader(path.read_text(encoding="utf-8").splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    if head != ["id", "strengths"]:
        raise UserError(f"the second rating {path.name} has other columns: its first line must name id and strengths.")
    ratings: dict[str, dict[str, float]] = {}
    for number, row in enumerate(rows, 2):
        try:
            id_, text = row
            strengths = {name: float(value) for name, value in (part.split("=") for part in text.split())}
        except ValueError:
            strengths = {}
        if not strengths or id_ in ratings or not all(n in EMOTIONS and 0 < s <= 1 for n, s in strengths.items()):
            raise UserError(f"line {number} of the second rating {path.name}: give a new id and emotions as in 'sad=0.5'.")
        ratings[id_] = strengths
    return ratings


def agreement(items: Sequence[Item], ratings: dict[str, dict[str, float]]) -> dict[str, float]:
    """The figures of `measure_described`, and main_kappa: Cohen's kappa of the main emotion (of equals, the first)."""
    second = [Item(i.id, i.split, i.kind, i.text, row_of(ratings[i.id])) for i in items]
    kappa = cohens_kappa([item.main for item in items], [item.main for item in second])
    return {**measure_described(SecondRater(items, ratings), items), "main_kappa": round(kappa, 4)}


def cohens_kappa(first: Sequence[str], second: Sequence[str]) -> float:
    """Agreement of two lists of names beyond chance; NaN if both hold one and the same name only."""
    agreed = sum(a == b for a, b in zip(first, second, strict=True)) / len(first)
    chance = sum(first.count(name) * second.count(name) for name in set(first)) / len(first) ** 2
    return (agreed - chance) / (1 - chance) if chance < 1 else math.nan


def table() -> str:
    """The agreement over the test split and for each kind, as Markdown."""
    items, ratings = load_fed("test"), load_second_rating()
    names = ("main_emotion", "main_kappa", "present_f1", "strength_error", "strength_error_present")
    rows = [
        "| kind | items | main emotion | kappa | micro-F1 | error, all eight | error, present |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for kind in ("all", *KINDS):
        part = [item for item in items if kind in ("all", item.kind)]
        if part:
            figures = agreement(part, ratings)
            cells = ("-" if math.isnan(figures[name]) else f"{figures[name]:.3f}" for name in names)
            rows.append(f"| {kind} | {len(part)} | {' | '.join(cells)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())

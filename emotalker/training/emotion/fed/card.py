"""The card of FED: how many items there are of each kind, emotion, strength and length, counted from the data."""

from collections import Counter
from collections.abc import Iterable, Sequence

from ....emotion.taxonomy import EMOTIONS
from .data import KINDS, SPLITS, Item, load_fed
from .generator import generate_fed

BANDS = {"trace": 0.225, "slight": 0.425, "marked": 0.675, "severe": 0.875, "maximum": 1.0}
"""Upper end of each FACS intensity A to E on our scale: half-way between the anchors of the guideline in README.md."""
LENGTHS = {"1-2 words": 2, "3-5": 5, "6-9": 9, "10 and more": 10**6}


def band_of(strength: float) -> str | None:
    """FACS band of a strength in 0..1; None for 0, which is no emotion."""
    return next(name for name, top in BANDS.items() if strength <= top) if strength > 0 else None


def band_counts(items: Iterable[Item]) -> dict[str, Counter]:
    """Emotion to the number of items that have it in each band."""
    counts = {name: Counter() for name in EMOTIONS}
    for item in items:
        for name, strength in zip(EMOTIONS, item.strengths, strict=True):
            band = band_of(strength)
            if band:
                counts[name][band] += 1
    return counts


def card(generated: int = 30_000, seed: int = 0) -> str:
    """The tables as text (Markdown).

    Args:
        generated: how many generated items to count, 0 to leave them out.
        seed: seed of the generator.
    """
    parts = {split: load_fed(split) for split in SPLITS}
    if generated:
        parts["generated"] = generate_fed(generated, seed)
    handwritten = [item for split in SPLITS for item in parts[split]]
    text = [f"FED: {len(handwritten)} hand-written items" + (f", {generated} generated (seed {seed})" if generated else "")]
    text += _table("main emotion", EMOTIONS, {n: Counter(i.main for i in items) for n, items in parts.items()})
    lengths = {name: Counter(_length(i.text) for i in items) for name, items in parts.items()}
    text += _table("length", LENGTHS, lengths)
    amounts = {name: Counter(str(len(i.present)) for i in items) for name, items in parts.items()}
    text += _table("emotions present", sorted(set().union(*amounts.values())), amounts)
    kinds = {split: Counter(i.kind for i in parts[split]) for split in SPLITS}
    text += _table("kind", KINDS, kinds)
    for name, items in parts.items():
        counts = band_counts(items)
        text += _table(f"{name}: strength", BANDS, counts)
    return "\n".join(text)


def _length(text: str) -> str:
    return next(name for name, top in LENGTHS.items() if len(text.split()) <= top)


def _table(head: str, rows: Sequence[str] | Iterable[str], columns: dict[str, Counter]) -> list[str]:
    lines = ["", f"| {head} | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    lines += [f"| {row} | {' | '.join(str(counts[row]) for counts in columns.values())} |" for row in rows]
    return lines

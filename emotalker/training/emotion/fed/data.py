"""The hand-written part of FED: one row a description, read from fed.tsv.gz."""

import gzip
import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ....emotion.taxonomy import EMOTION_INDEX, EMOTIONS
from ....errors import UserError, quoted

FED_PATH = Path(__file__).with_name("fed.tsv.gz")
SPLITS = ("train", "dev", "test")
KINDS = (
    "adjective", "synonym", "neutral", "idiom", "situation", "direction", "mixed", "compound", "negation", "degree",
    "comparative", "slang", "spelling", "sarcasm",
)  # fmt: skip
COLUMNS = ("id", "split", "kind", "text", *EMOTIONS)
PRESENT = 0.2
"""From this strength on an emotion counts as present (between trace and slight, see the guideline in README.md)."""


@dataclass(frozen=True)
class Item:
    """One description and what it asks of the face.

    Attributes:
        id: name that never changes, such as "train-0012" or "generated-3-000012".
        split: "train", "dev" or "test"; what the generator makes is "train".
        kind: one of KINDS for hand-written items, the template's family for generated ones.
        text: the description as an artist would type it.
        strengths: eight numbers from 0 to 1 in the order of EMOTIONS; they need not sum to 1.
    """

    id: str
    split: str
    kind: str
    text: str
    strengths: tuple[float, ...]

    @property
    def main(self) -> str:
        """The strongest emotion; of equals, the first in the order of EMOTIONS."""
        return EMOTIONS[self.strengths.index(max(self.strengths))]

    @property
    def present(self) -> tuple[str, ...]:
        """Emotions of strength PRESENT or more, in the order of EMOTIONS."""
        return tuple(name for name, value in zip(EMOTIONS, self.strengths, strict=True) if value >= PRESENT)


def row_of(strengths: dict[str, float]) -> tuple[float, ...]:
    """Eight strengths in the order of EMOTIONS, rounded to hundredths; what is not named is 0."""
    row = [0.0] * len(EMOTIONS)
    for name, value in strengths.items():
        row[EMOTION_INDEX[name]] = round(min(max(value, 0.0), 1.0), 2)
    return tuple(row)


def load_fed(split: str | None = None, path: Path | str = FED_PATH) -> list[Item]:
    """Read the hand-written items.

    Args:
        split: "train", "dev", "test", or None for all three.
        path: another file of the same columns (gzip, UTF-8, tab-separated, no quoting).

    Returns:
        the items in the file's order.

    Raises:
        UserError: unknown split, no such file, or a file that does not follow the format; the message names the line.
    """
    if split is not None and split not in SPLITS:
        raise UserError(f"FED has no split {quoted(split)}: use one of {', '.join(SPLITS)}.")
    path = Path(path)
    try:
        text = gzip.decompress(path.read_bytes()).decode("utf-8")
    except FileNotFoundError:
        raise UserError(f"the FED file {path.name} is missing: restore it from the EmoTalker repository.") from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        raise UserError(f"the FED file {path.name} is damaged: restore it from the EmoTalker repository.") from None
    lines = text.removesuffix("\n").split("\n")
    if tuple(lines[0].split("\t")) != COLUMNS:
        raise UserError(f"the FED file {path.name} has other columns: its first line must name {', '.join(COLUMNS)}.")
    items = [_item(line, number, path.name) for number, line in enumerate(lines[1:], 2)]
    _refuse_doubles(items, path.name)
    return [item for item in items if split in (None, item.split)]


def dump_fed(items: Iterable[Item], path: Path | str) -> None:
    """Write items as a FED file; equal items give equal bytes."""
    rows = ["\t".join(COLUMNS)]
    rows += ["\t".join((i.id, i.split, i.kind, i.text, *(f"{s:g}" for s in i.strengths))) for i in items]
    Path(path).write_bytes(gzip.compress(("\n".join(rows) + "\n").encode("utf-8"), 9, mtime=0))


def _item(line: str, number: int, name: str) -> Item:
    where = f"line {number} of the FED file {name}"
    cells = line.split("\t")
    if len(cells) != len(COLUMNS):
        raise UserError(f"{where} has {len(cells)} columns: it needs {len(COLUMNS)}, separated by tabs.")
    id_, split, kind, text, *numbers = cells
    if split not in SPLITS or kind not in KINDS:
        raise UserError(
            f"{where} says split {quoted(split)} and kind {quoted(kind)}: use splits and kinds that README.md lists."
        )
    if not text.strip():
        raise UserError(f"{where} has no text: write a description or remove the line.")
    try:
        strengths = tuple(float(n) for n in numbers)
    except ValueError:
        strengths = (math.nan,)
    if not all(0 <= s <= 1 for s in strengths) or not any(strengths):
        raise UserError(f"{where} has strengths that make no sense: give eight numbers from 0 to 1, at least one above 0.")
    return Item(id_, split, kind, text, strengths)


def _refuse_doubles(items: list[Item], name: str) -> None:
    for what, keys in (("id", [i.id for i in items]), ("text", [i.text.casefold() for i in items])):
        seen: set[str] = set()
        for key in keys:
            if key in seen:
                raise UserError(f"the FED file {name} has the {what} {quoted(key)} twice: remove one of the two lines.")
            seen.add(key)

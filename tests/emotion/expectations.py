"""The small language in which data/negation_mixture.tsv says what must hold of the emotions read from a pair of texts.

    a: happy>=0.2, fear<0.2; b: sad|angry>=0.3, sad>happy; a>b: happy

Clauses are separated by ";", the conditions of a clause by ",", and all of them must hold.

    a: happy>=0.2      in text a, happy is 0.2 or more
    a: happy<0.2       in text a, happy is under 0.2
    b: sad>happy       in text b, sad is at least ORDER_MARGIN above happy
    a>b: sad           sad is at least CHANGE_MARGIN stronger in a than in b
    sad|angry          instead of one emotion: the stronger one of them
"""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from emotalker.emotion.taxonomy import EMOTIONS

CHANGE_MARGIN = 0.15
"""`a>b: sad` asks for this much: half a step of the scale of strengths, so that it can be seen."""
ORDER_MARGIN = 0.05
"""`sad>happy` within one text asks for this much."""
KINDS = ("negation", "mixture")
COLUMNS = ("id", "kind", "a", "b", "expect")

_EMOTION = "(?:{0})(?:\\|(?:{0}))*".format("|".join(EMOTIONS))
_LIMIT = re.compile(rf"({_EMOTION})(>=|<)(0?\.\d+|0|1)")
_ORDER = re.compile(rf"({_EMOTION})>({_EMOTION})")
_NAMES = re.compile(_EMOTION)


@dataclass(frozen=True)
class Condition:
    """One thing that must hold: `left` of text `side` is >= or < `limit`, or stronger (">") than `right` of text `other`."""

    side: str
    left: tuple[str, ...]
    sign: str
    limit: float = 0.0
    other: str = ""
    right: tuple[str, ...] = ()

    def holds(self, strengths: Mapping[str, Mapping[str, float]]) -> bool:
        """Whether it holds of `strengths`: text "a" or "b" -> emotion -> strength (an emotion left out counts as 0)."""
        left = _strongest(strengths[self.side], self.left)
        if self.sign == ">=":
            return left >= self.limit
        if self.sign == "<":
            return left < self.limit
        margin = ORDER_MARGIN if self.side == self.other else CHANGE_MARGIN
        return left - _strongest(strengths[self.other], self.right) >= margin - 1e-9

    def __str__(self):
        left, right = "|".join(self.left), "|".join(self.right)
        if self.sign != ">":
            return f"{self.side}: {left}{self.sign}{self.limit:g}"
        return f"{self.side}: {left}>{right}" if self.side == self.other else f"{self.side}>{self.other}: {left}"


@dataclass(frozen=True)
class Pair:
    """Two texts that differ by a negation or by what is mixed in, and what must hold of the emotions read from them."""

    id: str
    kind: str
    a: str
    b: str
    conditions: tuple[Condition, ...]

    def failures(self, a: Mapping[str, float], b: Mapping[str, float]) -> list[Condition]:
        """The conditions that the strengths (emotion -> 0..1) read from the texts `a` and `b` do not meet."""
        return [condition for condition in self.conditions if not condition.holds({"a": a, "b": b})]


def parse_expectation(text: str) -> tuple[Condition, ...]:
    """Conditions written as the module's description says. Raises ValueError with the part it cannot read."""
    conditions = []
    for clause in text.split(";"):
        head, colon, body = (part.strip() for part in clause.partition(":"))
        if not colon or head not in ("a", "b", "a>b", "b>a"):
            raise ValueError(f"no 'a:', 'b:', 'a>b:' or 'b>a:' before '{clause.strip()}'")
        conditions += [_condition(head, part.strip()) for part in body.split(",")]
    return tuple(conditions)


def load_pairs(path: Path | str) -> list[Pair]:
    """All pairs of a table with the columns COLUMNS (UTF-8, tabs, no quoting). Raises ValueError naming a bad line."""
    with open(path, encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    if tuple(head) != COLUMNS:
        raise ValueError(f"line 1: the columns are not {', '.join(COLUMNS)}")
    pairs = []
    for number, row in enumerate(rows, start=2):
        if len(row) != len(COLUMNS) or row[1] not in KINDS or not all(part.strip() == part != "" for part in row):
            raise ValueError(f"line {number}: not {len(COLUMNS)} trimmed columns with a kind out of {', '.join(KINDS)}")
        try:
            pairs.append(Pair(*row[:4], parse_expectation(row[4])))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
    return pairs


def _condition(head: str, text: str) -> Condition:
    if ">" in head:
        if _NAMES.fullmatch(text):
            names = tuple(text.split("|"))
            return Condition(head[0], names, ">", other=head[2], right=names)
    elif match := _LIMIT.fullmatch(text):
        return Condition(head, tuple(match[1].split("|")), match[2], float(match[3]))
    elif match := _ORDER.fullmatch(text):
        return Condition(head, tuple(match[1].split("|")), ">", other=head, right=tuple(match[2].split("|")))
    raise ValueError(f"cannot read '{text}' after '{head}:'")


def _strongest(strengths: Mapping[str, float], names: tuple[str, ...]) -> float:
    return max(strengths.get(name, 0.0) for name in names)

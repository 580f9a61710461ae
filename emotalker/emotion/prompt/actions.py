"""Facial actions that a description says outright ("raised eyebrows", "a wink"), as face units.

Only words that name a movement of the face count; what names a feeling ("smiling", "in tears") is left to the emotion reader.
The table is action_words.py.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .action_words import DEGREES, ROWS, Action

EVENT_REPEAT = re.compile(
    r"\b(?:keeps? (?:on )?|keeping |constantly |repeatedly |again and again |always |continually )", re.IGNORECASE
)
_NEGATION = re.compile(
    r"(?:\b(?:not|no|never|without|doesn't|don't|isn't|aren't|didn't|won't|can't|cannot|nor|neither|"
    r"stop|stops|avoid|avoids|avoiding|resist|resists|resisting|"
    r"instead of|rather than)|n['’]t)(?: (?:any|a|an|her|his|their|the|even|really|to|more|of|being|having|with|ever))*\s*$",
    re.IGNORECASE,
)
_ALIKE = re.compile(r"(?:\b(?:like|as if|as though)\b[^,.;]*)$", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """What find_actions found.

    Attributes:
        units: face unit to weight 0..1, held for as long as the description shows.
        rest: the description without the words that only name actions.
        names: the actions found, for the report.
        events: short movements, each a face unit to weight mapping.
        repeated: the events come again and again.
    """

    units: Mapping[str, float]
    rest: str
    names: tuple[str, ...] = ()
    events: tuple[Mapping[str, float], ...] = ()
    repeated: bool = False


def _compiled() -> tuple[tuple[re.Pattern, Action], ...]:
    degree = "|".join(pattern for pattern, _ in DEGREES)
    table = []
    for action in ROWS:
        numbered = re.sub(r"\(\?P<side>left\|right\)(\d?)", lambda m: rf"(?P<side{m[1]}>left|right)", action.pattern)
        table.append(
            (
                re.compile(
                    rf"(?<![\w'’-])(?:(?:with|and) )?(?:(?:a|an|her|his|their|the|my|your|both) )?"
                    rf"(?:(?P<degree>{degree}) )?(?:{numbered})(?![\w'’])(?: (?P<after>{degree})(?![\w'’]))?",
                    re.IGNORECASE,
                ),
                action,
            )
        )
    return tuple(table)


_TABLE = _compiled()


def find_actions(text: str) -> Found:
    """Facial actions that a description says outright.

    Args:
        text: one passage of a prompt.

    Returns:
        The units to hold, the events, and what is left to read for emotions: words that only name an action are taken out,
        words that also name a feeling ("frowning", "smirk") stay. Negated actions ("without raising her eyebrows") move
        nothing.
    """
    units: dict[str, float] = {}
    names, events, gaps = [], [], []
    for pattern, action in _TABLE:
        for match in pattern.finditer(text):
            start, end = match.span()
            if any(start < b and end > a for a, b, _ in gaps):
                continue
            if _NEGATION.search(text[:start]) or _ALIKE.search(text[:start]):
                gaps.append((start, end, True))
                continue
            gaps.append((start, end, action.stays))
            factor = _degree(match["degree"]) * _degree(match["after"])
            said = next((v for k, v in match.groupdict().items() if k.startswith("side") and v), None)
            side = said.capitalize() if said else action.side
            moved = {_sided(name, side): min(1.0, weight * factor) for name, weight in action.units.items()}
            names.append(action.name)
            if action.event:
                events.append(MappingProxyType(moved))
            else:
                for name, weight in moved.items():
                    units[name] = max(units.get(name, 0.0), weight)
    rest = _without(text, [(a, b) for a, b, stays in gaps if not stays])
    return Found(
        MappingProxyType(units), rest, tuple(names), tuple(events), bool(events) and EVENT_REPEAT.search(text) is not None
    )


def _degree(words: str | None) -> float:
    if words is None:
        return 1.0
    return next(factor for pattern, factor in DEGREES if re.fullmatch(pattern, words, re.IGNORECASE))


def _sided(name: str, side: str | None) -> str:
    return name.removesuffix("Side") + side if name.endswith("Side") else name


def _without(text: str, gaps: list[tuple[int, int]]) -> str:
    """The text without these pieces and without the joints that hung on them."""
    for start, end in sorted(gaps, reverse=True):
        text = text[:start] + " , " + text[end:]
    if gaps:
        text = EVENT_REPEAT.sub(" ", text) if not re.search(r"\w", EVENT_REPEAT.sub("", text)) else text
        text = re.sub(
            r"(?:\b(?:and|with|but|while|plus|or)\s*)?(?:\s*,\s*)+(?:(?:and|but|with)\b\s*)?", ", ", text, flags=re.IGNORECASE
        )
        text = re.sub(r"^[\s,.;]+|[\s,;]+$", "", text)
        if not re.search(r"\w{2}", text) or re.fullmatch(
            r"(?i)(?:she|he|they|it|her|his|face|is|are|the|a|has|have|with|and|\W)+", text
        ):
            text = ""
    return text

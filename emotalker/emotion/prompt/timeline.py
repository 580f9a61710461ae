"""A prompt becomes passages: pieces of description, each with what the prompt says about when and how it shows.

Rules of ours, which the placing follows where a prompt leaves time open:
* Passages share the speech equally. A border that nobody stated moves to a pause if one lies within 10 % of the length.
* "halfway" is 50 %, "towards the end" 75 %; "finally", "ends in", "at the end" are the last passage with its equal share.
* "for a moment" lasts 0.8 s, or 15 % of the speech if that is less; if nothing follows, what was before comes back.
* "suddenly" changes at once; "slowly" changes over as long as the passage itself lasts; a prompt that begins "slowly" rises
  from a fifth of its strength; "more and more" rises from a quarter to a little more than the plain word.
* A mark without an end, on a time or on a word, lasts until the next mark or the end of the speech.
* Text before a mark shows until that mark, and after it again if the mark has an end and nothing follows.
"""

import re
from dataclasses import dataclass, replace

from ...errors import short
from .marks import END, START, Mark, split_marks
from .order import Draft, cut

SLOW_START = 0.2
"""Share of its strength at which a first passage begins that comes slowly out of nothing."""


_MOMENTARY = re.compile(r"(?:(?:a|one|her|his) )?(?:quick )?(?:winks?|blinks?)(?: (?:with|of) .*)?", re.IGNORECASE)
"""Descriptions of something that only takes a moment."""


@dataclass(frozen=True)
class Passage:
    """A piece of a prompt that is shown at one time.

    Attributes:
        text: the description without its order words and marks.
        start, end: stated points, or None where they follow from the neighbours.
        length: stated length (as a Mark from the start), or None.
        later: stated time since the start of the passage before, or None.
        easing: "step", "linear" or "smooth": how it comes.
        slow: it takes its own length to come.
        brief: only for a moment.
        final: told as the ending.
        weight: share of the open time, 1 unless stated ("mostly").
        ramp: factors on the strengths at its start and its end.
        factor: on its strengths ("a little less").
        window: number of the explicit mark it stands under, with the passages that share it; None without one.
        warning: what could not be read, for the artist.
    """

    text: str
    start: Mark | None = None
    end: Mark | None = None
    length: Mark | None = None
    later: Mark | None = None
    easing: str = "smooth"
    slow: bool = False
    brief: bool = False
    final: bool = False
    weight: float = 1.0
    ramp: tuple[float, float] = (1.0, 1.0)
    factor: float = 1.0
    window: int | None = None
    warning: str = ""


def parse_timeline(prompt: str) -> tuple[Passage, ...]:
    """Cut a prompt into passages by its marks and its order words.

    Args:
        prompt: for example "[0-2.5s] calm [2.5s-] furious", '{word: "never"} angry' or "starts calm, then grows furious and
            ends in tears". A prompt without marks and order words is one passage.

    Returns:
        passages as they are told, marks in any order; none for an empty prompt.
    """
    passages: list[Passage] = []
    pieces = split_marks(prompt)
    for number, piece in enumerate(pieces):
        drafts = cut(piece.text)
        found = _return(_passages(drafts))
        if piece.marked and found:
            found = [replace(passage, window=number) for passage in found]
            found[0] = replace(found[0], start=piece.start or found[0].start or START)
            if piece.end is not None:
                found[-1] = replace(found[-1], end=piece.end)
        if found and piece.unread:
            note = f'{short(piece.unread)} in the prompt is no time: write for example [0-2.5s], [40%-] or {{word: "never"}}.'
            found[0] = replace(found[0], warning=note)
        passages += found
    return tuple(_around(passages))


def _passages(drafts: list[Draft]) -> list[Passage]:
    passages = []
    for index, draft in enumerate(drafts):
        ramp = draft.ramp or ((SLOW_START, 1.0) if draft.slow and index == 0 and not draft.start else (1.0, 1.0))
        only = len(drafts) == 1
        start = draft.start
        end = draft.end
        if draft.middle and index == len(drafts) - 1 and not draft.brief:
            start, end = (Mark(100 / 3, "%"), Mark(200 / 3, "%")) if only else (Mark(50.0, "%"), end)
        elif draft.late and only:
            start = start or Mark(200 / 3, "%")
        passages.append(
            Passage(
                draft.text,
                START if index == 0 and draft.first else start,
                end,
                draft.length,
                draft.later,
                "step" if draft.sudden else "linear" if draft.slow else "smooth",
                draft.slow,
                draft.brief or _MOMENTARY.fullmatch(draft.text) is not None,
                draft.final and not only,
                draft.weight,
                ramp,
                draft.factor,
            )
        )
    return passages


def _return(passages: list[Passage]) -> list[Passage]:
    """After a moment with nothing behind it, what was before comes back."""
    if len(passages) > 1 and passages[-1].brief and not passages[-1].final and passages[-1].start is None:
        before = passages[-2]
        half = replace(before, weight=before.weight / 2)
        back = replace(
            half, start=None, end=None, length=None, later=None, easing="smooth", slow=False, ramp=(before.ramp[1],) * 2
        )
        passages = [*passages[:-2], half, passages[-1], back]
    return passages


def _around(passages: list[Passage]) -> list[Passage]:
    """Unmarked words before the first mark show up to it, and again after a last mark that ends."""
    if len(passages) < 2 or passages[0].window is not None or passages[-1].window is None:
        return passages
    before = next(p for p in reversed(passages) if p.window is None)
    last = passages[-1]
    if last.end is None:
        return passages
    return [*passages, replace(before, start=last.end, end=END, slow=False, easing="smooth", window=last.window + 1)]

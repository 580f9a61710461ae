"""Passages get their seconds: stated times first, then equal shares of the speech, borders at its pauses."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import quoted
from .marks import Mark
from .timeline import Passage

MOMENT, MOMENT_SHARE = 0.8, 0.15
"""A moment in seconds, and the share of the speech that it takes at most."""
SNAP = 0.1
"""How far a border moves to a pause, as a share of the speech."""
SHORTEST = 0.05
"""Seconds below which nothing is shown: about one frame."""


LEFT_OUT, BY_ORDER = "its passage is left out", "the order of the words places it"


@dataclass(frozen=True)
class Placed:
    """A passage and its start and end in seconds."""

    passage: Passage
    start: float
    end: float


@dataclass(frozen=True)
class Placement:
    """Passages in order, and what could not be done, a sentence each."""

    placed: tuple[Placed, ...]
    warnings: tuple[str, ...] = ()


def place(
    passages: Sequence[Passage],
    seconds: float,
    pauses: Sequence[tuple[float, float]] = (),
    words: Sequence[tuple[str, float, float]] = (),
    speech: tuple[float, float] | None = None,
) -> Placement:
    """Lay passages over a speech.

    Args:
        passages: from parse_timeline.
        seconds: length of the speech, > 0.
        pauses: (start s, end s) of silences; borders that nobody stated move to the middle of one.
        words: (word, start s, end s) of the transcript, for marks on words.
        speech: (start s, end s) of what is shared equally; None for all of it.

    Returns:
        Every passage that has a place, from 0 to `seconds`; what lies outside is left out, with a warning.
    """
    warnings: list[str] = []
    placed: list[Placed] = []
    groups: list[list[Passage]] = []
    for passage in passages:
        if groups and passage.window == groups[-1][0].window:
            groups[-1].append(passage)
        else:
            groups.append([passage])
    for group in groups:
        if len(passages) == 1 and group[0].brief and not (group[0].start or group[0].end or group[0].length):
            half = _length(group[0], seconds) / 2
            placed.append(Placed(group[0], seconds / 2 - half, seconds / 2 + half))
            continue
        marked = group[0].window is not None
        start = _stated(group[0].start, seconds, words, warnings) if marked else 0.0
        end = _stated(group[-1].end, seconds, words, warnings, LEFT_OUT if marked else BY_ORDER)
        if start is None:
            continue
        if end is None:
            others = (_stated(g[0].start, seconds, words, []) for g in groups if g[0].window is not None)
            end = min((at for at in others if at is not None and at > start), default=seconds)
        if end - start < SHORTEST:
            text = group[0].text
            if any(one.passage.text == text for one in placed):  # words around a mark need no place after it
                continue
            outside = group[0].window is not None and start >= seconds - SHORTEST
            warnings.append(
                f"{quoted(text)} begins after the end of the speech ({seconds:g} s): it is left out."
                if outside
                else f"{quoted(text)} has no time of its own and is left out: give it an end after its start."
            )
            continue
        whole = group[0].window is None and len(groups) == 1
        inner = _spread(group, start, end, seconds, words, speech if whole else None, warnings)
        placed += _snap(inner, group, seconds, pauses)
    placed = sorted((p for p in placed if p.end - p.start >= SHORTEST), key=lambda p: p.start)
    return Placement(tuple(placed), tuple(dict.fromkeys(warnings)))


def _stated(mark: Mark | None, seconds: float, words, warnings: list[str], instead: str = LEFT_OUT) -> float | None:
    if mark is None:
        return None
    at = mark.seconds(seconds, words)
    if at is None:
        warnings.append(
            f"The word {quoted(mark.word)} is not in the transcript, so {instead}: give the transcript as it is spoken."
            if words
            else f"Nothing tells when the word {quoted(mark.word)} is spoken, so {instead}: give the transcript."
        )
    return at


def _spread(group, start: float, end: float, seconds: float, words, speech, warnings: list[str]) -> list[Placed]:
    """A row of passages from start to end: known borders stay, the others share what lies between."""
    count = len(group)
    known: list[float | None] = [start, *[None] * (count - 1), end]
    lead: list[float | None] = [None] * count  # where a passage starts later than the one before ends
    lengths = [_length(passage, seconds) for passage in group]
    for index, passage in enumerate(group):
        if index + 1 < count and group[index + 1].later is not None:
            lengths[index] = group[index + 1].later.seconds(seconds)
        begin = _stated(passage.start, seconds, words, warnings, BY_ORDER) if index or passage.window is None else None
        if begin is not None and start <= begin < end and (index or begin > start):
            if index == 0:
                known[0] = begin
            else:
                known[index] = begin
        stop = _stated(passage.end, seconds, words, warnings, BY_ORDER) if index + 1 < count else None
        if stop is not None and start < stop <= end:
            following = _stated(group[index + 1].start, seconds, words, [])
            if following is not None and following > stop:
                lead[index] = stop
            elif following is None:
                known[index + 1] = stop
    last = known[0]
    for index in range(1, count):
        if known[index] is not None and known[index] <= last:
            warnings.append(
                f"{quoted(group[index].text)} is told after something that begins later: its stated time is not used."
            )
            known[index] = None
        last = known[index] if known[index] is not None else last
    borders = _fill(known, lengths, [p.weight for p in group], speech)
    return [
        Placed(passage, borders[i], min(borders[i + 1], lead[i] if lead[i] is not None else borders[i + 1]))
        for i, passage in enumerate(group)
    ]


def _length(passage: Passage, seconds: float) -> float | None:
    if passage.length is not None:
        return passage.length.seconds(seconds)
    return min(MOMENT, MOMENT_SHARE * seconds) if passage.brief else None


def _fill(known: list[float | None], lengths: list[float | None], weights: list[float], speech) -> list[float]:
    """Borders between those known: stated lengths first, the rest shared by weight."""
    borders, first = list(known), 0
    while first < len(known) - 1:
        last = next(i for i in range(first + 1, len(known)) if known[i] is not None)
        low, high = borders[first], borders[last]
        if speech and first == 0 and last == len(known) - 1 and all(n is None for n in lengths):
            low, high = max(low, speech[0]), min(high, speech[1])
        span = high - low
        taken = sum(n for n in lengths[first:last] if n is not None)
        shared = sum(w for w, n in zip(weights[first:last], lengths[first:last], strict=True) if n is None)
        # Stated lengths that leave no room shrink; if nothing else is there, the last one lasts to the end.
        squeeze = min(1.0, (0.8 if shared else 1.0) * span / taken) if taken else 1.0
        rest = max(0.0, span - squeeze * taken)
        at = low
        for index in range(first, last - 1):
            at += squeeze * lengths[index] if lengths[index] is not None else rest * weights[index] / shared
            borders[index + 1] = at
        first = last
    return borders


def _snap(placed: list[Placed], group, seconds: float, pauses) -> list[Placed]:
    """Move borders that follow from equal shares to the nearest pause."""
    middles = [(a + b) / 2 for a, b in pauses if a > 0 and b < seconds]
    borders = [placed[0].start, *(p.end for p in placed)]
    for index in range(1, len(placed)):
        here, before = placed[index].passage, placed[index - 1].passage
        stated = here.start or here.later or before.end or before.length
        if stated or here.brief or before.brief or placed[index].start != placed[index - 1].end or not middles:
            continue
        nearest = min(middles, key=lambda m, at=borders[index]: abs(m - at))
        if abs(nearest - borders[index]) <= SNAP * seconds and borders[index - 1] < nearest < borders[index + 1]:
            borders[index] = nearest
    moved = []
    for index, one in enumerate(placed):
        gap = index + 1 < len(placed) and placed[index + 1].start != one.end
        start = one.start if index and placed[index - 1].end != one.start else borders[index]
        moved.append(Placed(one.passage, start, one.end if gap else borders[index + 1]))
    return moved

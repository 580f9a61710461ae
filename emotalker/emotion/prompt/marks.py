"""Points in time as people write them: seconds, per cent, words of the transcript; and the brackets around them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

NUMBER_WORDS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "half a": 0.5, "half": 0.5,
    "a half": 0.5, "a couple of": 2, "a couple": 2, "a few": 3, "one and a half": 1.5, "two and a half": 2.5,
}  # fmt: skip
UNITS = {"s": 1.0, "sec": 1.0, "second": 1.0, "ms": 0.001, "millisecond": 0.001, "min": 60.0, "minute": 60.0, "m": 60.0}
_NUMBER = r"\d+:\d{1,2}(?:[.,]\d+)?|\d+(?:[.,]\d+)?|[.,]\d+"
_WORDS = "|".join(sorted(NUMBER_WORDS, key=len, reverse=True))
_UNIT = r"milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|%|per ?cents?"
POINT = rf"(?:{_NUMBER})\s*(?:{_UNIT})?(?![a-z])"
"""Pattern of a point in a bracket: 2.5s, 2,5 s, 1:05, 40 %, 800ms; without a unit it means seconds."""
SPOKEN = rf"(?:(?:{_NUMBER})|(?:{_WORDS})\b)[\s-]*(?:{_UNIT})(?![a-z])"
"""Pattern of a stretch of time in a sentence: two seconds, 2.5 s, half a second, 40 per cent."""
_QUOTE = "\"'“”„‘’«»`"
_BRACKET = re.compile(r"\[([^\[\]]*)\]|\{([^{}]*)\}")
_WITH_UNIT = rf"(?:{_NUMBER})\s*(?:{_UNIT})(?![a-z])"
_UNBRACKETED = re.compile(
    rf"(?:^|(?<=[\n;.,]))\s*((?:{POINT})\s*(?:[-–—]|to|until)\s*(?:{POINT})|(?:{POINT})\s*[-–—]?)\s*:(?!\d)|"
    rf"\(((?:{POINT})\s*(?:[-–—]|to)\s*(?:{_WITH_UNIT})?|{_WITH_UNIT})\)\s*:?|"
    rf"(?:^|(?<=[\n;.,]))\s*((?:{POINT})\s*[-–—]\s*{_WITH_UNIT})(?=\s+[a-z])",
    re.IGNORECASE,
)
"""Times that stand for a mark without brackets: "0-2s: calm", "calm (0-2s)", "0-2s calm"."""


@dataclass(frozen=True)
class Mark:
    """A point in time.

    Attributes:
        value: seconds, or per cent.
        unit: "s", "%" or "word".
        from_end: counted back from the end.
        word: the word or words of the transcript, for the unit "word".
        last: the end of the word instead of its start.
        nth: which time that the word is spoken, from 0.
    """

    value: float = 0.0
    unit: str = "s"
    from_end: bool = False
    word: str = ""
    last: bool = False
    nth: int = 0

    def seconds(self, length: float, words: Sequence[tuple[str, float, float]] = ()) -> float | None:
        """Seconds from the start of a speech.

        Args:
            length: of the speech, seconds.
            words: (word, start s, end s) of the transcript.

        Returns:
            0 to length, or None if the word is not spoken.
        """
        if self.unit == "word":
            return _find(self.word, words, self.last, self.nth)
        value = self.value * length / 100 if self.unit == "%" else self.value
        return min(max(length - value if self.from_end else value, 0.0), length)


START, END = Mark(), Mark(100.0, "%")


def read_point(text: str) -> Mark | None:
    """A point in time out of words like "2,5 s", "1:05", "40%" or "two seconds"; None if it is none."""
    text = text.strip().lower()
    match = re.fullmatch(rf"({_NUMBER}|{_WORDS})[\s-]*({_UNIT})?", text)
    if not match:
        return None
    number, unit = match.groups()
    if ":" in number:
        minutes, seconds = number.replace(",", ".").split(":")
        return Mark(60 * float(minutes) + float(seconds))
    value = NUMBER_WORDS[number] if number in NUMBER_WORDS else float(number.replace(",", "."))
    if unit and (unit == "%" or unit.startswith("per")):
        return Mark(value, "%")
    return Mark(value * UNITS[(unit or "s").rstrip("s") or "s"] if unit != "ms" else value / 1000)


def _range(text: str) -> tuple[Mark | None, Mark | None] | None:
    """Start and end out of the inside of a [ ] bracket; None if it cannot be read."""
    text = re.sub(r"^(?:from|at|between)\s+", "", text.strip().lower().replace("–", "-").replace("—", "-").replace("−", "-"))
    last = re.fullmatch(rf"(?:the )?(first|last) ({POINT}|{SPOKEN})", text)
    if last and (point := read_point(last[2])):
        first = last[1] == "first"
        return (None, point) if first else (Mark(point.value, point.unit, from_end=True), None)
    if text.startswith(("until ", "till ", "to ", "up to ")):
        text = "-" + re.sub(r"^\D*?to\s+|^\w+\s+", "", text)
    parts = [part.strip() for part in re.split(r"\s*(?:-|→|->|\.\.+|\bto\b|\buntil\b|\band\b)\s*", text, maxsplit=1)]
    if len(parts) == 1:
        parts = [text.rstrip("+").strip(), "…"] if text.endswith(("+", "onwards", "on")) else parts
        parts[0] = re.sub(r"\s*on(?:wards?)?$", "", parts[0])
    ends = ("", "end", "the end", "…")
    first = START if parts[0] in ("start", "the start", "begin", "beginning") else read_point(parts[0])
    if len(parts) == 1:
        return None if first is None else (first, None)
    second = None if parts[1] in ends else read_point(parts[1])
    if (first is None and parts[0]) or (second is None and parts[1] not in ends) or not any(parts):
        return None
    if first and second and first.unit != second.unit and not re.search(r"[a-z%]", parts[0]):
        first = Mark(first.value, second.unit)  # [0-40%], [500-900ms]: the unit is written once
    elif first and second and second.value < first.value and "ms" in parts[1] and not re.search(r"[a-z%]", parts[0]):
        first = Mark(first.value / 1000)
    if first and second and first.unit == second.unit and second.value < first.value:
        first, second = second, first
    return first or START, second


def _words(text: str) -> tuple[Mark | None, Mark | None] | None:
    """Start and end out of the inside of a { } bracket: word: "never" - "again"."""
    text = re.sub(r"^\s*words?\s*[:=]?\s*", "", text, flags=re.IGNORECASE)
    quoted = re.findall(rf"[{_QUOTE}]([^{_QUOTE}]+(?:['’][a-z]+)?)[{_QUOTE}]", text)
    parts = quoted or [part for part in re.split(r"\s*[-–—]\s*", text) if part.strip()]
    parts = [part.strip() for part in parts]
    if not parts or len(parts) > 2 or not all(re.search(r"\w", part) for part in parts):
        return None
    end = Mark(unit="word", word=parts[1], last=True) if len(parts) == 2 else None
    return Mark(unit="word", word=parts[0]), end


@dataclass(frozen=True)
class Marked:
    """A piece of a prompt and the marks before it.

    Attributes:
        text: the words up to the next mark.
        start, end: None where nothing is said.
        marked: False for words before the first mark.
        unread: a bracket that could not be read as a time, if there was one.
    """

    text: str
    start: Mark | None = None
    end: Mark | None = None
    marked: bool = False
    unread: str = ""


def split_marks(prompt: str) -> list[Marked]:
    """Cut a prompt at its explicit marks.

    `[0-2.5s]`, `[40%-]`, `[2s]`, `{word: "never"}`, `{word: "never" - "again"}`, and times before a
    colon at the start of a line or clause ("0-2s: calm").
    A mark belongs to the words after it; if words come before the first mark and none after the last, to those before it.

    Returns:
        at least one piece; without any mark, the whole prompt unmarked.
    """
    prompt = _UNBRACKETED.sub(lambda m: f" [{m[1] or m[2] or m[3]}] ", prompt)
    texts, marks, position, unread = [""], [], 0, []
    for match in _BRACKET.finditer(prompt):
        read = _words(match[2]) if match[2] is not None else _range(match[1])
        texts[-1] += prompt[position : match.start()]
        position = match.end()
        if read is None:
            unread.append(match[0])
            texts[-1] += f" {match[1] if match[1] is not None else match[2]} "
        else:
            marks.append(read)
            texts.append("")
    marks = _counted(marks)
    texts[-1] += prompt[position:]
    texts = [re.sub(r"^[\s:,;.\-–]+|[\s,;\-–]+$", "", text) for text in texts]
    note = unread[0] if unread else ""
    if not marks:
        return [Marked(texts[0], unread=note)]
    if texts[0] and not texts[-1]:
        pieces = [Marked(text, *mark, True) for text, mark in zip(texts, marks, strict=False)]
    else:
        pieces = [Marked(text, *mark, True) for text, mark in zip(texts[1:], marks, strict=True)]
        pieces = ([Marked(texts[0])] if texts[0] else []) + pieces
    pieces[0] = Marked(pieces[0].text, pieces[0].start, pieces[0].end, pieces[0].marked, note)
    return pieces


def _counted(marks: list[tuple[Mark | None, Mark | None]]) -> list[tuple[Mark | None, Mark | None]]:
    """The same word marked again means the next time that it is spoken."""
    seen: dict[str, int] = {}
    counted = []
    for first, second in marks:
        if first is not None and first.unit == "word":
            nth = seen.get(first.word.lower(), 0)
            seen[first.word.lower()] = nth + 1
            first = replace(first, nth=nth)
            second = replace(second, nth=nth) if second is not None and second.word.lower() == first.word.lower() else second
        counted.append((first, second))
    return counted


def _find(phrase: str, words: Sequence[tuple[str, float, float]], last: bool, nth: int) -> float | None:
    """Where a word or run of words is spoken for the nth time (else the last time), seconds; None if it is not."""

    def plain(text: str) -> list[str]:
        return re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.lower().replace("’", "'"))

    wanted, spoken = plain(phrase), [" ".join(plain(word)) for word, _, _ in words]
    found = [i for i in range(len(spoken) - len(wanted) + 1) if wanted and spoken[i : i + len(wanted)] == wanted]
    if not found:
        return None
    index = found[min(nth, len(found) - 1)]
    return words[index + len(wanted) - 1][2] if last else words[index][1]

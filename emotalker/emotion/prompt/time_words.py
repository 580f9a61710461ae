"""The words that place a feeling in time: names of its parts ("the last third"), stated times ("after two seconds").

The vocabulary is ours, collected from how acting directions and descriptions of scenes are worded.
"""

import re

from .cues import Cue
from .marks import SPOKEN, Mark, read_point

OF = (
    r"(?: (?:of|in|through|into) (?:the|her|his|their|this) (?:speech|sentence|line|clip|video|audio|"
    r"recording|take|scene|talk|words?|phrase|whole thing))?"
)
_BRIEF = (
    r"(?:just |only )?(?:for (?:just |only )?(?:a|one|an|half a) (?:brief |short |split |fleeting |"
    r"single |little |tiny )?(?:moment|instant|beat|heartbeat|flash)|for (?:just |only )?(?:a|"
    r"half a) (?:brief |short |split |fleeting |single |little |tiny )?second|(?:very )?briefly|"
    r"momentarily|fleetingly|for a split second|for the briefest (?:moment|second|of moments))"
)
_ABOUT = r"(?:about |around |roughly |exactly |some |just )?"
_SHARE = {"half": (50, 2), "third": (100 / 3, 3), "quarter": (25, 4), "fourth": (25, 4), "fifth": (20, 5)}
_PLACE = {"first": 0, "opening": 0, "second": 1, "middle": 1, "third": 2, "fourth": 3, "last": -1, "final": -1, "closing": -1}


def _percent(value: float) -> Mark:
    return Mark(value, "%")


def _shares(match: re.Match) -> Cue:
    """The first half, the last third: a span."""
    share, parts = _SHARE[match["share"]]
    place = _PLACE[match["place"]] % parts
    start, end = place * share, (place + 1) * share
    return Cue("clause", start=_percent(start), end=None if place == parts - 1 else _percent(end), first=place == 0)


def _way(match: re.Match) -> Cue:
    """A third of the way in, three quarters through."""
    value = {"half": 50, "a third": 100 / 3, "one third": 100 / 3, "two thirds": 200 / 3, "a quarter": 25, "one quarter": 25}
    return Cue("clause", start=_percent(value.get(re.sub(r"[\s-]+", " ", match["way"].lower()), 75)))


def _edge(match: re.Match) -> Cue:
    """For the first two seconds, in the last second."""
    point = read_point(match["time"] if match["time"][0].isdigit() or match["time"][0] in ".," else _one(match["time"]))
    if match["edge"] in ("first", "opening"):
        return Cue("clause", start=Mark(), end=point, first=True)
    return Cue("clause", start=Mark(point.value, point.unit, from_end=True))


def _one(text: str) -> str:
    """ "second" is one second, "couple of seconds" a couple of seconds."""
    text = text.lower()
    return text if read_point(text) else ("a " if text.startswith(("couple", "few", "half")) else "1 ") + text


def _span(match: re.Match) -> Cue:
    end = read_point(match["to"])
    start = read_point(match["from"]) or read_point(match["from"] + " " + re.sub(r"^[\d.,:\s]+", "", match["to"]))
    return Cue("clause", start=start, end=end)


def _point(name: str):
    return lambda match: Cue("clause", **{name: read_point(match["time"])})


def _until(match: re.Match) -> Cue:
    text = match["when"].lower()
    if "end" in text:
        return Cue("mode")
    point = read_point(text) or _percent(50)
    return Cue("until", end=point)


def _until_word(match: re.Match) -> Cue:
    return Cue("until", end=Mark(unit="word", word=match["word"]))


def _word(match: re.Match) -> Cue:
    return Cue("clause", start=Mark(unit="word", word=match["word"]))


_TIME = rf"(?P<time>{SPOKEN})"
_EDGE_TIME = rf"(?P<time>(?:{SPOKEN})|(?:couple of |few |half )?seconds?\b)"
_QUOTED = '["\'“”‘’](?P<word>[^"“”]+?)["\'“”‘’]'

# Pattern, and what it says: a Cue, or a function of the match. The first pattern that fits wins.
TIMES: tuple[tuple[str, object], ...] = (
    # Names of places in time
    (
        (
            rf"(?:(?:in|for|during|over|throughout|only in) )?(?:the )?(?P<place>first|opening|second|middle|"
            rf"third|fourth|last|final|closing)[ -](?P<share>half|third|quarter|fourth|fifth)\b{OF}(?: is|"
            rf" are)?"
        ),
        _shares,
    ),
    (
        (
            rf"(?:(?:in|for|during|over|throughout|only in) )?(?:just )?the (?:very )?(?P<edge>first|opening|"
            rf"last|final|closing) {_EDGE_TIME}{OF}"
        ),
        _edge,
    ),
    (
        (
            rf"(?P<way>half|a third|one third|two[ -]thirds|a quarter|one quarter|"
            rf"three[ -]quarters)(?: of)? ?(?:the )?way (?:in|through|along)(?:to)?(?: it)?{OF}"
        ),
        _way,
    ),
    (rf"(?P<way>a third|one third|two[ -]thirds|three[ -]quarters) (?:in|through)\b(?:to it)?{OF}", _way),
    (
        (
            rf"(?:at |by |from |around )?(?:the )?(?:half[ -]?way|midway|midpoint)(?: (?:point|"
            rf"mark))?(?: (?:through|in|along|on|onwards?))?(?:to it)?{OF}"
        ),
        Cue("clause", start=_percent(50)),
    ),
    (rf"(?:right |somewhere )?in (?:the middle|between)\b{OF}(?! of\b)|mid[ -](?:sentence|speech|line|way)", Cue("middle")),
    (
        rf"(?:only )?(?:just|right|shortly) before the (?:very )?(?:end|close|finish){OF}(?! of\b)",
        Cue("clause", start=_percent(85), final=True),
    ),
    (
        rf"(?:towards?|near|nearing|close to|approaching) the (?:very )?(?:end|close|finish){OF}(?! of\b)",
        Cue("clause", start=_percent(75), final=True),
    ),
    (
        rf"(?:only )?(?:at|by|in|on) the (?:very )?(?:end|close|finish|ending){OF}(?! of\b)",
        Cue("clause", final=True, late=True),
    ),
    (
        rf"(?:right )?(?:at|in|from|near) the (?:very )?(?:start|beginning|outset|opening){OF}(?! of\b)(?: on)?",
        Cue("clause", first=True),
    ),
    (r"(?:start|beginning|opening|intro)\s*:", Cue("clause", first=True)),
    (r"(?:middle|mid)\s*:", Cue("next")),
    (r"(?:end|ending|finale|outro)\s*:", Cue("next", final=True)),
    # Stated times
    (rf"(?:from|between) (?P<from>{SPOKEN}|\d+(?:[.,]\d+)?|\d+:\d\d) (?:to|and|until|till|-) (?P<to>{SPOKEN})", _span),
    (
        (
            rf"(?:until|till|up to|up until) {_ABOUT}(?P<when>{SPOKEN}|(?:the )?(?:half[ -]?way|midway|middle|"
            rf"midpoint)(?: (?:point|mark|through))?|the (?:very )?end){OF}(?! of\b)"
        ),
        _until,
    ),
    (
        (
            rf"(?:then |but )?(?:after|at|from|past|starting at|starting from|beginning at|"
            rf"by) {_ABOUT}(?:the )?{_TIME}(?:[ -]mark)?(?: in| on(?:wards?)?| mark| have passed)?"
        ),
        _point("start"),
    ),
    (rf"{_ABOUT}{_TIME} (?:later|after that|afterwards)", _point("later")),
    (rf"{_ABOUT}{_TIME} in(?:to (?:it|the \w+))?(?= |,|$)", _point("start")),
    (rf"(?:until|till|up to) (?:the words? |(?:she|he|they) (?:says|say|reaches) )?{_QUOTED}", _until_word),
    (_BRIEF, Cue("clause", brief=True)),
    (rf"{_TIME} of ", _point("length")),
    (rf"{_TIME}(?=\s*(?:$|[,.;]))", _point("length")),
    (r"before(?=\s*(?:$|[,.;]|but\b))", Cue("clause", first=True, weak=True)),
    (r"after(?=\s*(?:$|[.;]))", Cue("clause", weak=True)),
    (r"(?:second|third|fourth)(?:ly)? (?=(?:a|an|the|she|he|they)\b)", Cue("verb", weak=True)),
    (
        r"(?:with )?(?:just )?an? (?:brief |short |quick |sudden )?(?:moment|flash|flicker|second|split second|instant) of ",
        Cue("verb", brief=True, weak=True),
    ),
    (r"(?:a |an )?(?:brief|fleeting|momentary|short-lived|short|quick) (?=[a-z])", Cue("verb", brief=True, weak=True)),
    (r"(?=(?:an? )?(?:sudden )?(?:burst|outburst|explosion) of )", Cue("verb", sudden=True, weak=True)),
    (rf"(?:for|over|during) {_ABOUT}(?:the next )?{_TIME}", _point("length")),
    (rf"(?:from |on |at |with |after )(?:the words? )?{_QUOTED}(?: on(?:wards?)?)?", _word),
    (
        (
            rf"(?:from )?(?:when|as|where) (?:she|he|they|it) (?:says|say|reaches|"
            rf"speaks) {_QUOTED}(?: on(?:wards?)?)?"
        ),
        _word,
    ),
)

"""The words that put feelings in order: a table of cues, and the cutting of a sentence at them.

The vocabulary is ours, collected from how acting directions and descriptions of scenes are worded.
"""

import re
from dataclasses import dataclass

from .marks import SPOKEN, Mark, read_point

_WHO = (
    r"(?:she|he|they|it|i|you|we|(?:the|her|his|their|my|your|its) (?:face|voice|expression|mood|tone|"
    r"speaker|woman|man|girl|boy|person|character))"
)
_OF = (
    r"(?: (?:of|in|through|into) (?:the|her|his|their|this) (?:speech|sentence|line|clip|video|audio|"
    r"recording|take|scene|talk|words?|phrase|whole thing))?"
)
_INTO = r"(?:in)?to"
_BY = r"(?: off| out| by)?(?: (?:as|with|by|being|by being|looking|feeling|on))?"
_NOT_THEN = r"(?<!now and )(?<!even )(?<!since )(?<!by )(?<!back )(?<!until )"
_SLOW = r"(?:very |ever so )?(?:slowly|gradually|little by little|bit by bit|step by step|over time|steadily|progressively)"
_SUDDEN = (
    r"(?:very |quite )?(?:suddenly|all of a sudden|all at once|abruptly|out of nowhere|"
    r"out of the blue|in an instant|in a flash|in the blink of an eye|"
    r"instantly|without warning|from one (?:second|moment) to the next)"
)
_BRIEF = (
    r"(?:just |only )?(?:for (?:just |only )?(?:a|one|an|half a) (?:brief |short |split |fleeting |"
    r"single |little |tiny )?(?:moment|instant|beat|heartbeat|flash)|for (?:just |only )?(?:a|"
    r"half a) (?:brief |short |split |fleeting |single |little |tiny )?second|(?:very )?briefly|"
    r"momentarily|fleetingly|for a split second|for the briefest (?:moment|second|of moments))"
)
_ABOUT = r"(?:about |around |roughly |exactly |some |just )?"
_FEEL = (
    r"turn|becom|grow|get|laugh|cry|sob|smil|break|burst|explod|erupt|giv|fall|los|settl|calm|scream|"
    r"soften|melt|fad|end|dissolv|collaps|snap|slip|shift|go|frown|giggl|weep|shout|cheer|relax|"
    r"harden|return|start|begin|look|feel|be|com|turn|seeth|rag|panick|crumbl|sneer|smirk|grin|sigh|"
    r"whimper|chang"
)
_OWN = (
    r"calm(?:s|ing) (?:down|herself|himself)|cheer(?:s|ing) up|break(?:s|ing) down|explod(?:es|ing)|"
    r"erupt(?:s|ing)|soften(?:s|ing)?|relax(?:es|ing)|los(?:es|ing) (?:it|her temper|his temper|"
    r"control)|snap(?:s|ping)|crumbl(?:es|ing)|melt(?:s|ing)|panic(?:s|king)|brighten(?:s|ing)|"
    r"collaps(?:es|ing)|burst(?:s|ing) out|break(?:s|ing) out|start(?:s|ing) to|begin(?:s|ning) to|"
    r"cr(?:ies|ying)|laugh(?:s|ing)|smil(?:es|ing)|scream(?:s|ing)|sob(?:s|bing)"
)
_SHARE = {"half": (50, 2), "third": (100 / 3, 3), "quarter": (25, 4), "fourth": (25, 4), "fifth": (20, 5)}
_PLACE = {"first": 0, "opening": 0, "second": 1, "middle": 1, "third": 2, "fourth": 3, "last": -1, "final": -1, "closing": -1}


@dataclass(frozen=True)
class Cue:
    """What an order word says.

    Attributes:
        kind: "next" and "change" (something new begins here, wherever it stands), "clause" (begins something new at the head of
            a clause, and may also stand after what it belongs to), "how" (the same, of manner), "verb" (only at the head of a
            clause), "until" (ends what it belongs to), "middle", "mode" (says how, begins nothing).
        start, end: points it names.
        length: how long it says.
        later: how long after what went before.
        first, final: it is the beginning, the ending; late: the ending only ("at the end", unlike "finally").
        sudden, slow, brief: how it comes.
        ramp: strength from and to, as factors.
        keep: words that stay in the description.
        weak: counts only beside another order word.
        swap: what follows it is told in the other order: at the "head" of a sentence (before she cries, she laughs), or at its
            "tail" (she cries after laughing).
        trigger: what follows may be an event that ends a feeling instead of a feeling.
        weight: share of the time.
    """

    kind: str
    start: Mark | None = None
    end: Mark | None = None
    length: Mark | None = None
    later: Mark | None = None
    first: bool = False
    final: bool = False
    late: bool = False
    sudden: bool = False
    slow: bool = False
    brief: bool = False
    ramp: tuple[float, float] | None = None
    keep: str = ""
    weak: bool = False
    swap: str = ""
    trigger: bool = False
    weight: float = 1.0


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
TABLE: tuple[tuple[str, object], ...] = (
    # Names of places in time
    (
        (
            rf"(?:(?:in|for|during|over|throughout|only in) )?(?:the )?(?P<place>first|opening|second|middle|"
            rf"third|fourth|last|final|closing)[ -](?P<share>half|third|quarter|fourth|fifth)\b{_OF}(?: is|"
            rf" are)?"
        ),
        _shares,
    ),
    (
        (
            rf"(?:(?:in|for|during|over|throughout|only in) )?(?:just )?the (?:very )?(?P<edge>first|opening|"
            rf"last|final|closing) {_EDGE_TIME}{_OF}"
        ),
        _edge,
    ),
    (
        (
            rf"(?P<way>half|a third|one third|two[ -]thirds|a quarter|one quarter|"
            rf"three[ -]quarters)(?: of)? ?(?:the )?way (?:in|through|along)(?:to)?(?: it)?{_OF}"
        ),
        _way,
    ),
    (rf"(?P<way>a third|one third|two[ -]thirds|three[ -]quarters) (?:in|through)\b(?:to it)?{_OF}", _way),
    (
        (
            rf"(?:at |by |from |around )?(?:the )?(?:half[ -]?way|midway|midpoint)(?: (?:point|"
            rf"mark))?(?: (?:through|in|along|on|onwards?))?(?:to it)?{_OF}"
        ),
        Cue("clause", start=_percent(50)),
    ),
    (rf"(?:right |somewhere )?in (?:the middle|between)\b{_OF}(?! of\b)|mid[ -](?:sentence|speech|line|way)", Cue("middle")),
    (
        rf"(?:only )?(?:just|right|shortly) before the (?:very )?(?:end|close|finish){_OF}(?! of\b)",
        Cue("clause", start=_percent(85), final=True),
    ),
    (
        rf"(?:towards?|near|nearing|close to|approaching) the (?:very )?(?:end|close|finish){_OF}(?! of\b)",
        Cue("clause", start=_percent(75), final=True),
    ),
    (
        rf"(?:only )?(?:at|by|in|on) the (?:very )?(?:end|close|finish|ending){_OF}(?! of\b)",
        Cue("clause", final=True, late=True),
    ),
    (
        rf"(?:right )?(?:at|in|from|near) the (?:very )?(?:start|beginning|outset|opening){_OF}(?! of\b)(?: on)?",
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
            rf"midpoint)(?: (?:point|mark|through))?|the (?:very )?end){_OF}(?! of\b)"
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
    # Beginning
    (
        (
            rf"(?:to (?:start|begin) with|at first(?! sight| glance)|initially|first of all|firstly|"
            rf"early on)(?: {_WHO} (?:is|are|was))?"
        ),
        Cue("clause", first=True),
    ),
    (
        (
            r"first(?:,|:)?(?= )(?! (?:time|love|day|date|thing|kiss|night|of|place|one|name|sight|class|"
            r"prize|half|second|third|person)\b)(?! \d)"
        ),
        Cue("verb", first=True),
    ),
    (r"(?:start|begin)(?:s|ning|ing)? to (?=[a-z])|(?:started|began) to (?=[a-z])", Cue("verb", first=True)),
    (
        (
            rf"(?:starts?|begins?|starting|beginning|started|began|(?:opens?|opening)(?= (?:with|as|on)\b)|kicks off|"
            rf"sets out)\b{_BY}(?! (?:the|her|his|their|a|over|at|from)\b(?= (?:day|week|job|talk|speech|"
            rf"engine)))"
        ),
        Cue("verb", first=True),
    ),
    # One after the other
    (r"(?:-+>|→|⇒|=>|(?<=\s)>>?(?=\s)|➔|➜|»)", Cue("next")),
    (
        (
            rf"(?:(?:go|goes|going|come|comes|return|returns|returning|revert|reverts|switch|switches|turn|"
            rf"turns|settle|settles|settling|fall|falls|falling) )?back (?:again )?(?:{_INTO} (?:being )?)"
        ),
        Cue("change"),
    ),
    (r"return(?:s|ing)? to (?:being )?|revert(?:s|ing)? to ", Cue("change")),
    (
        (
            rf"(?:{_NOT_THEN}then|only to|followed by|to be followed by|following that|which is followed by|"
            rf"(?:is |are )?replaced by|only then)\b(?: just)?(?! some\b)"
        ),
        Cue("next"),
    ),
    (
        (
            r"(?:after(?:wards?| that| this| which)|thereafter|subsequently|later(?: on)?(?! than)|"
            r"before long|soon(?: after(?:wards)?)?|after a (?:little )?(?:while|moment|bit|pause|beat|"
            r"second)|a (?:moment|second|beat|little|bit|while|little while) later|moments? later|"
            r"(?:in )?the next (?:moment|second|instant)|from there(?: on)?|from then on)\b"
        ),
        Cue("clause"),
    ),
    (
        (
            r"(?:next|second(?:ly)?|third(?:ly)?)(?:,|:)|next\b(?! to| door| week| day| year| time| one| of)|"
            r"now\b"
        ),
        Cue("verb", weak=False),
    ),
    (r"(?:but |and )?(?:when|once|as soon as|the moment)\b[^,.;!?]+,", Cue("verb")),
    (r"(?:but |and )?(?:when|once|as soon as)\b(?= (?:she|he|they|it)\b)", Cue("verb", weak=True)),
    (r"(?:until|till|'til|up until)\b(?! now)", Cue("next", trigger=True)),
    (
        (
            rf"(?:just |right |shortly )?before (?=(?:(?:she|he|they|it) (?!goes on|speaks|leaves|has to|knows|"
            rf"meets|walks|steps)|finally|suddenly|slowly)|(?:{_FEEL})\w*ing\b(?! on stage| on|! to))"
        ),
        Cue("next", swap="head"),
    ),
    (
        (
            r"after (?=(?:laughing|crying|smiling|sobbing|being|feeling|frowning|giggling|screaming|"
            r"shouting)\b)|after first "
        ),
        Cue("next", swap="tail"),
    ),
    # The ending
    (
        (
            r"(?:finally|in the end|at (?:long )?last|eventually|ultimately|lastly|to finish|to end|"
            r"in conclusion)\b"
        ),
        Cue("next", final=True),
    ),
    (
        (
            r"(?:ends?|ending|ended|finish(?:es|ing)?|clos(?:es|ing)|conclud(?:es|ing)|culminat(?:es|"
            r"ing))\b(?: up)?(?: (?:as|with|by|being|on|looking|feeling|by being))?(?= )(?! (?:of|it|"
            r"the (?:call|talk|conversation))\b)"
        ),
        Cue("verb", final=True),
    ),
    (r"last(?:,|:)", Cue("verb", final=True)),
    # Growing and fading away
    (
        r"(?:keeps? )?(?:grow|build|ris|swell|mount)(?:s|es|ing)?(?: and (?:grow|build|ris|swell)(?:s|es|ing)?)?(?: up)?"
        r"(?=\s*(?:$|[,.;!]|and\b|then\b|until\b))",
        Cue("mode", ramp=(0.25, 1.2), slow=True),
    ),
    (
        r"(?:fad|di|ebb|subsid|wan|wear)(?:s|es|ing)?(?: away| off| out)(?=\s*(?:$|[,.;!]|and\b|then\b|until\b))|"
        r"(?:fades|fading|subsides|subsiding)(?=\s*(?:$|[,.;!]|and\b|then\b|until\b))",
        Cue("mode", ramp=(1.0, 0.2), slow=True),
    ),
    # Changing into
    (
        (
            rf"(?:snap|jump|flip|switch|leap|jerk|explod|erupt|lurch)(?:s|es|ping|ing|ching)? (?:over |back |"
            rf"straight |right )?{_INTO} (?:being )?"
        ),
        Cue("change", sudden=True),
    ),
    (
        (
            r"(?=(?:burst|break|erupt|dissolv|crumbl|collaps)(?:s|es|ing|e)? (?:out )?(?:in)?to (?:tears|"
            r"laughter|sobs|a sob|a smile|a grin|a laugh))"
        ),
        Cue("verb", sudden=True),
    ),
    (r"(?:burst|break)(?:s|ing)? (?:out )?(?:in)?to ", Cue("change", sudden=True)),
    (
        (
            rf"(?:fad|melt|dissolv|morph|soften|harden|drift|sink|build|ris|escalat|swell|develop|evolv|settl|"
            rf"cool|warm|simmer|eas|descend|deepen|mellow|blossom|bloom|spiral|mount|work)(?:s|es|e|"
            rf"ing)? (?:up |down |away |herself up |himself up |off )?(?:back )?{_INTO} (?:being )?(?!her |"
            rf"his )"
        ),
        Cue("change", slow=True),
    ),
    (r"grow(?:s|ing)? (?:in)?to (?:being )?", Cue("change", slow=True)),
    (
        (
            rf"(?:turn|chang|shift|transform|transition|convert|slip|slid|mov|go|pass|progress|chang|veer|"
            rf"swing|tip|flow|com|collaps|crumbl|tumbl)(?:s|es|e|ing|ning)? (?:over |straight |right |"
            rf"on )?{_INTO} (?:being )?(?!(?:the|her|his|camera|look|face|go|do|be|get|say|bed|work|school)\b)"
        ),
        Cue("change"),
    ),
    (r"(?:giv|mak)(?:es|ing|e) way to |(?:lead|yield)(?:s|ing)? to (?!the )|is overtaken by |turns out ", Cue("change")),
    (r"becom(?:es|ing|e)\b|became\b", Cue("change")),
    (r"(?:turn|turning|turns)\b(?! (?:her|his|their|the|around|away|to|left|right|on|off|up|down|out|back)\b)", Cue("change")),
    (r"(?:gets?|getting|goes)\b(?! (?:the|a|an|her|his|on|to|off|out|up|back|it|away|over)\b)", Cue("verb")),
    (r"grow(?:s|ing)?\b(?= )", Cue("verb", slow=True)),
    (rf"(?=(?:{_OWN})\b)", Cue("verb", weak=True)),
    # How it comes
    (
        (
            r"(?:more and more|increasingly|ever more|progressively more|with (?:growing|rising|mounting|"
            r"increasing))\b|(?:grow|ris|mount|increas|build|swell)ing\b(?= (?:and \w+ing )?(?:anger|rage|"
            r"fury|fear|panic|joy|sadness|grief|disgust|contempt|excitement|surprise|dread|horror|worry|"
            r"anxiety|terror|irritation|frustration|happiness|despair|delight|unease|amusement|annoyance))"
        ),
        Cue("mode", ramp=(0.25, 1.2), slow=True),
    ),
    (r"less and less\b", Cue("mode", ramp=(1.0, 0.25), slow=True)),
    (rf"{_SLOW}\b", Cue("how", slow=True)),
    (rf"{_SUDDEN}\b", Cue("how", sudden=True)),
    (r"(?:quickly|rapidly|swiftly)\b", Cue("mode")),
    # Words that say nothing
    (
        (
            rf"from (?:the )?(?:very )?(?:start|beginning|first) to (?:the )?(?:very )?(?:finish|end|last)\b|"
            rf"for (?:a while|a bit|a time|some time|a little while|the time being)\b|throughout\b{_OF}|"
            rf"the (?:whole|entire) time|all the way through|all along|over the course of (?:the|her|his) \w+|"
            rf"as (?:she|he|they) (?:speaks?|talks?|goes on|continues|says it|say it)\b"
        ),
        Cue("mode"),
    ),
    (
        (
            r"(?:mostly|for the most part|most of the time|for most of (?:it|the (?:speech|clip|time|line))|"
            r"mainly)\b"
        ),
        Cue("mode", weight=2.0),
    ),
    # Between descriptions
    (r"[,;.!?\n]+|\s[-–—]+\s|:(?= )|\b(?:and|but|yet|plus)\b|&|\+", None),
)

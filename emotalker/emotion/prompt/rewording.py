"""Roundabout ways of telling an order, said plainly before a prompt is cut."""

import re

_BACK_AGAIN = re.compile(r",? and (?:then )?(?:goes |comes )?back(?: again)?(?=[\s.!]*$)", re.IGNORECASE)
_ADVERB = r"(?:(?:very )?(?:slowly|gradually|steadily|suddenly|abruptly|quickly|little by little|all at once|bit by bit))"
_FROM = re.compile(
    rf"\b(?:(?P<a1>{_ADVERB}) )?(?:(?P<verb>goes|go|going|moves?|moving|snaps?|erupts?|leaps?|shifts?|shifting|"
    rf"changes?|changing|swings?|slides?|drifts?|passes|turns?|transitions?|progress(?:es)?|switches|jumps?|builds?|travels?|develops?|evolves?|fades?|"
    rf"morphs?|flips?|ranges?) )?"
    rf"(?:(?P<a2>{_ADVERB}) )?from (?!time to time|ear to ear|head to|bad to worse|top to|(?:the )?(?:very )?(?:start|"
    rf"beginning|first)|\d|one \w+ to the)"
    rf"(?P<x>(?:[\w'’-]+ ){{0,6}}?[\w'’-]+)(?: (?P<a3>{_ADVERB}))?,? (?:over |on |all the way )?(?:in)?to (?=[\w])",
    re.IGNORECASE,
)
_AND_ON = re.compile(
    (
        r"(→ (?:[\w'’-]+ ){0,3}?(?!(?:ready|about|able|close|going|trying|want|wants|has|ought|used|start|"
        r"starts|begins)\b)[\w'’-]+),? (?:and )?(?:then )?(?:in)?to (?=\w)"
    ),
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"(?:^|[\s,;])\(?(\d)[.)](?!\d)\s*")
_DASHED = re.compile(r"(?:[\w'’]+ ){1,3}[-–—](?: [\w'’]+){1,3}(?: [-–—](?: [\w'’]+){1,3})+\W*")
_GROWS = re.compile(
    r"\b((?:gets?|getting|grows?|growing|becomes?|becoming) )"
    r"(?:more (?!and\b)(?=[a-z]+\b(?! than| and))|(?=(?:\w+ier|sadder|madder|calmer|colder|weaker|stronger|warmer|"
    r"tenser|prouder|meaner)\b(?! than| and)))(\w+)",
    re.IGNORECASE,
)
_TWICE = re.compile(r"\b(\w{2,}er) and \1\b", re.IGNORECASE)


def reword(text: str) -> str:
    """The same in plain words: "from calm to furious" is "calm → furious", "angrier and angrier" "more and more angry"."""

    def arrow(match: re.Match) -> str:
        at_once = re.match(r"(?:snap|erupt|leap|jump|flip)", match["verb"] or "", re.IGNORECASE)
        adverb = match["a1"] or match["a2"] or match["a3"] or ("suddenly" if at_once else "")
        return f"{re.sub(r' (?:through|via|over) ', ' → ', match['x'])} → {adverb} "

    def base(match: re.Match) -> str:
        word = match[1][:-2]
        if word.endswith("i"):
            word = word[:-1] + "y"
        elif len(word) > 2 and word[-1] == word[-2] and word[-1] not in "ls":
            word = word[:-1]
        return f"more and more {word}"

    def grown(match: re.Match) -> str:
        more = match[2] if "more" in match[0] else base(re.fullmatch(r"(\w+)", match[2])).removeprefix("more and more ")
        return f"{match[1]}more and more {more}"

    text = " ".join(text.replace("\n", " . ").split())
    text = " ".join(_FROM.sub(arrow, text).split())
    if _DASHED.fullmatch(text):
        text = re.sub(r"\s+[-–—]\s+", " → ", text)
    if "→" in text:
        while (longer := _AND_ON.sub(r"\1 → ", text)) != text:
            text = longer
    text = _BACK_AGAIN.sub(", then back again", text)
    numbers = [match[1] for match in _NUMBERED.finditer(text)]
    if len(numbers) > 1 and numbers == [str(n) for n in range(1, len(numbers) + 1)]:
        text = _NUMBERED.sub(" → ", text)
    return _GROWS.sub(grown, _TWICE.sub(base, text))

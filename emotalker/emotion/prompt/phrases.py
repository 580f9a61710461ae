"""What a description is without the words that only join it to others."""

import re

_FILLER = frozenset(
    re.findall(
        r"\S+",
        "she he they it i you we her his their my your its the a an this that speaker woman man girl boy person "
        "character actor actress face voice expression mood tone is are was were be being been am s just also so "
        "and but or yet as with by to at of on in he's she's it's they're there comes come feel feels feeling look "
        "looks looking seem seems sound sounds appear appears stay stays remain remains then there's have has "
        "having does do ",
    )
)
_WHO = (
    r"(?:(?:the|this|a|an|our) (?:speaker|woman|man|girl|boy|person|character|actor|actress|narrator|lady|guy)|"
    r"(?:the|her|his|their|my|your|its) (?:face|voice|expression|mood|tone|features|feelings?|emotions?)|"
    r"(?:she|he|they|it|i|you|we)(?:'s|’s|'re|’re|'m|’m)?|there(?:'s|’s)?)"
)
_BE = (
    r"(?:(?:is|are|was|were|am|be|being|been|seems?|seeming|sounds?|sounding|feels?|feeling|appears?|stays?|staying|remains?|"
    r"remaining|keeps|has become|gets?|getting|becomes?|becoming|turns?(?! (?:her|his|around|away|to|"
    r"left|right))|grow(?:s|ing)?|"
    r"looks?(?! (?:left|right|up|down|away|at|into|to|straight|around|off|back|over|from|sideways|like|as))|"
    r"looking(?! (?:left|right|up|down|away|at|into|to|straight|around|off|back|over|from|sideways|like|as)))(?! a lot)\b)"
)
_SOMEONE = (
    r"(?:(?:the|this|a|an|our) (?:speaker|woman|man|girl|boy|person|character|actor|actress|narrator|lady|guy)|"
    r"(?:she|he|they|it|i|you|we)(?:'s|’s|'re|’re|'m|’m)?)"
)
_LEAD = re.compile(
    rf"^(?:[\s,;:.!?\-–—…\"“”]+|(?:and|but|then|so|yet|or|also|just|with|as|by|being|to|into|of|except|"
    rf"there (?:is|are|comes))\b(?! (?:if|though|well|much|best|you|usual))|"
    rf"{_WHO} {_BE}(?= )|{_BE}(?= )|{_SOMEONE}(?= ))\s*",
    re.IGNORECASE,
)
_TAIL = re.compile(
    rf"(?:[\s,;:.\-–—…\"“”]+|\s(?:and|but|or|yet|then|with|as|to|into|of|for|until|before|which|who|that|she|he|they|is|are|though|although|except|now|"
    rf"only|just|again|{_WHO} {_BE}))$",
    re.IGNORECASE,
)


def clean(text: str) -> str:
    """A description without what only joins it to others: leading "and", "she is", trailing "and"; negation and degree stay."""
    text = " ".join(text.split())
    while (shorter := _TAIL.sub("", _LEAD.sub("", text))) != text:
        text = shorter
    return text


def substantive(text: str) -> bool:
    """Whether words describe something, beyond who it is and how it is joined."""
    return any(word not in _FILLER for word in re.findall(r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s,;.!?:'\"-]", text.lower()))

"""A description in plain words, cut into the feelings it tells one after the other."""

import re
from dataclasses import dataclass, field, fields, replace

from .cues import Cue, Said
from .order_words import TABLE
from .phrases import clean, substantive
from .rewording import reword

_HEAD = r"(?<![\w'’-])"
_PATTERNS = [(re.compile((_HEAD if re.match(r"[a-z(]", p) else "") + p, re.IGNORECASE), what) for p, what in TABLE]
_ANY = re.compile(
    "|".join(f"({re.sub(r'[(][?]P<[a-z]+>', '(?:', pattern.pattern)})" for pattern, _ in _PATTERNS), re.IGNORECASE
)
_GUARD = re.compile(
    r"(?:\b(?:while|whilst|as|(?P<aside>although|though)|despite|even|not|never|because|if|or|(?P<joint>that|who|which)|without|almost|nearly|cannot|could|"
    r"would|might|may|must|should|will|won't|can|about to|trying to|tries to|wants to|to|as if (?:she|"
    r"he|they|it)|(?:while|as|because|if|though) (?:she|he|they|it)(?: is)?)|n't|n’t)(?: [a-z]+ly)?\s*$",
    re.IGNORECASE,
)
_OWNER = re.compile(r"^\W*(?:and |but )?(?:her|his|their|the|my|your|its|a|an) [\w-]+(?: [\w-]+)?\W*$", re.IGNORECASE)
_LINKS = frozenset(re.findall(r"\w+", "the a an of in on at to for from with by like as when who that which her his their my"))
_EVENT = re.compile(
    r"^\W*(?:(?:she|he|they|it|someone|somebody|everyone|the [\w-]+|her [\w-]+|his [\w-]+) (?!is\b|"
    r"are\b|feels?\b|looks?\b|seems?\b|"
    r"becomes?\b|turns?\b|gets?\b|bursts?\b|breaks?\b|explodes?\b|cries\b|laughs?\b|smiles?\b|"
    r"sobs?\b)[\w']+|reading|hearing|seeing|the [\w-]+$)",
    re.IGNORECASE,
)
_BACK = re.compile(
    r"^(?:(?:goes |go |going |comes |and )?(?:right )?back(?: again)?|again|(?:to )?(?:how|the way|"
    r"what|where) (?:she|he|it|they) (?:was|were|is|started|began)(?: before)?|"
    r"(?:the )?(?:start|beginning)|as before|(?:to )?before)$",
    re.IGNORECASE,
)
_MIXES = re.compile(
    r"(?:a (?:little|bit|touch|hint)|slightly|somewhat|with|but|and|almost|not|yet|even|in|on|at|very|rather|quite|while|also|"
    r"as|like|no|her|his|the|still)\b|.*\b(?:and|but|while)\b",
    re.IGNORECASE,
)
_WHAT = r"(?: so| (?P<what>[a-z]+))?$"
RELATIVE = (
    (re.compile(r"^(?:just |only )?(?:a (?:little|bit|touch)|slightly|somewhat) less" + _WHAT, re.IGNORECASE), 0.65),
    (re.compile(r"^(?:(?:much|a lot|far|way|even) )less" + _WHAT, re.IGNORECASE), 0.3),
    (re.compile(r"^less" + _WHAT, re.IGNORECASE), 0.5),
    (re.compile(r"^(?:just |only )?(?:a (?:little|bit|touch)|slightly|somewhat) more" + _WHAT, re.IGNORECASE), 1.2),
    (re.compile(r"^(?:(?:much|a lot|far|way|even|still) )?more" + _WHAT, re.IGNORECASE), 1.4),
)
"""Words that change what was there before, and the factor on its strengths."""
_TAKEN = [part.name for part in fields(Said) if part.name != "weight"]


@dataclass
class Draft(Said):
    """One feeling of the sequence: the words for it, and everything its order words say.

    Attributes:
        text: the description.
        middle: it lies between what is told around it.
        front: it is the beginning, wherever it is told.
        hard: it surely follows what was told before.
        cued: order words say more of it than how.
        closed: what comes next is another feeling.
        factor: on its strengths.
    """

    text: str = ""
    middle: bool = False
    front: bool = False
    hard: bool = False
    cued: bool = False
    closed: bool = False
    factor: float = 1.0

    def take(self, cues: list[Cue]) -> None:
        """Add what these cues say."""
        for cue in cues:
            for name in _TAKEN:
                setattr(self, name, getattr(cue, name) or getattr(self, name))
            self.middle |= cue.kind == "middle"
            self.hard |= cue.kind == "next"
            self.front |= cue.first and cue.kind == "clause"
            self.cued |= cue.kind != "mode"
            self.weight *= cue.weight


@dataclass
class _Clause:
    separator: str = ""
    head: list[Cue] = field(default_factory=list)
    text: str = ""
    tail: list[Cue] = field(default_factory=list)

    @property
    def says(self) -> bool:
        return substantive(self.text)


def cut(text: str) -> list[Draft]:
    """The feelings of a description in the order in which they show; one if no word puts them in order.

    Args:
        text: English, without explicit marks.

    Returns:
        at least one draft unless there are no words at all.
    """
    clauses = _clauses(_tokens(reword(text)))
    if not any(clause.says for clause in clauses):
        cleaned = clean(text)
        return [Draft(cleaned)] if cleaned else []
    drafts = _real(_merge(clauses))
    for draft in drafts:
        draft.text = clean(draft.text)
    drafts = [draft for draft in drafts if draft.text] or [Draft(clean(text))]
    return _finish(drafts)


@dataclass(frozen=True)
class _Token:
    """A piece of text as written; with a cue if it is one, or as a separator between clauses."""

    raw: str
    cue: Cue | None = None
    parts: bool = False


def _tokens(text: str) -> list[_Token]:
    found, position, search = [], 0, 0
    while match := _ANY.search(text, search):
        pattern, what = _PATTERNS[match.lastindex - 1] if match.lastindex else (None, None)
        start, end = match.span()
        search = max(end, start + 1)
        if start < position:
            continue
        before = text[position:start]
        if what is not None and _guarded(what, text[max(0, start - 60) : start]):
            continue
        if before.strip():
            found.append(_Token(before))
        if what is None:
            found.append(_Token(match[0].strip(), parts=True))
        else:
            found.append(_Token(match[0], what if isinstance(what, Cue) else what(pattern.match(text, start))))
        position = end
    if text[position:].strip():
        found.append(_Token(text[position:]))
    return found


def _guarded(what: object, before: str) -> bool:
    """Whether the words before an order word take it for a part of the description ("not suddenly", "while finally")."""
    found = _GUARD.search(before)
    if found is None:
        return False
    if not isinstance(what, Cue) or what.kind == "clause":
        return not found["aside"]
    return not (found["joint"] and (what.kind == "change" or what.ramp))


def _clauses(tokens: list[_Token]) -> list[_Clause]:
    """Tokens to clauses: each with the cues before and after its words."""
    strong = any(token.cue and token.cue.kind != "mode" and not token.cue.weak for token in tokens)
    clauses = [_Clause()]
    for token in tokens:
        clause, cue = clauses[-1], token.cue
        if token.parts:
            if clause.says or clause.head or clause.tail:
                clauses.append(_Clause(token.raw))
        elif cue is None:
            if clause.tail and clause.says:
                _words_after_cue(clauses, token.raw)
            else:
                clause.text += token.raw
        elif cue.weak and not strong:
            clause.text += token.raw
        elif cue.kind in ("next", "change") and clause.says:
            moved = [c for c in clause.tail if c.kind == "how"] if cue.kind == "change" else []
            clause.tail = [c for c in clause.tail if c not in moved]
            clauses.append(_Clause("", [*moved, cue]))
        elif not clause.says:
            clause.head.append(cue)
        elif cue.kind != "verb":
            clause.tail.append(cue)
        elif cue.final or (token.raw.lower() in ("getting", "growing") and not _OWNER.match(clause.text)):
            moved = [c for c in clause.tail if c.kind == "how"]
            clause.tail = [c for c in clause.tail if c not in moved]
            clauses.append(_Clause("", [*moved, cue]))
        else:
            clause.text += token.raw
    return clauses


def _words_after_cue(clauses: list[_Clause], text: str) -> None:
    """Words follow a cue that stands inside a clause: it belongs to what is before, to what comes, or to both."""
    clause = clauses[-1]
    last = clause.tail[-1]
    if not substantive(text) or last.kind in ("mode", "until") or (last.slow and not last.sudden):
        clause.text += " " + text
        return
    if last.kind == "verb" or (last.kind == "how" and not _bare(clause.text)) or last.brief or last.length:
        clause.text += " " + text
        return
    if last.first:
        clauses.append(_Clause("", [], text))
        return
    clause.tail.pop()
    clauses.append(_Clause("", [last], text))


def _bare(text: str) -> bool:
    """Whether words only name a feeling, so that "suddenly" right after them begins another ("calm suddenly furious")."""
    words = clean(text).lower().split()
    return len(words) <= 3 and not _OWNER.match(text) and not _LINKS.intersection(words)


def _merge(clauses: list[_Clause]) -> list[Draft]:
    """Clauses to drafts: a clause begins a new one or belongs to the one before."""
    drafts: list[Draft] = []
    carried: list[Cue] = []
    for number, clause in enumerate(clauses):
        cues = clause.head + clause.tail
        more = any(other.says for other in clauses[number + 1 :])
        if not clause.says:
            follows = next((c for c in clauses[number + 1 :] if c.says or c.head), None)
            starts_anew = follows is not None and any(c.kind == "next" for c in follows.head)
            after = all(c.kind in ("mode", "how") or c.first or c.brief or c.length for c in cues)
            if drafts and (not more or (starts_anew and after and cues)):
                drafts[-1].take(cues)
            else:
                carried += cues
            continue
        head, carried = carried + clause.head, []
        if not drafts or _begins(drafts[-1], clause, head):
            drafts.append(Draft())
            drafts[-1].take(head)
            drafts[-1].text = clause.text
        else:
            joint = clause.separator if clause.separator in (",", ";", ".", "!", "?", ":") else f" {clause.separator}"
            drafts[-1].text += f"{joint} {clause.text}"
            drafts[-1].take(head)
        drafts[-1].take(clause.tail)
        drafts[-1].closed |= any(c.first or c.end or c.length for c in clause.tail)
    return drafts


def _begins(draft: Draft, clause: _Clause, head: list[Cue]) -> bool:
    """Whether a clause begins a feeling of its own after this draft."""
    if any(cue.kind != "mode" for cue in head) or draft.closed or (draft.swap and clause.separator == ","):
        return True
    if clause.separator in (",", ";", ".") and any(cue.ramp for cue in head):
        return True
    placed = [c for c in clause.tail if c.kind in ("clause", "middle", "until", "how") and not (c.slow or c.length)]
    if not placed:
        return any(c.length for c in clause.tail) and clause.separator != "and"
    if any(c.first for c in placed) and not draft.cued:
        return False
    return clause.separator != "and" or not draft.cued or not draft.hard


def _real(drafts: list[Draft]) -> list[Draft]:
    """Without the events that only end a feeling (calm until she hears the news, then sad)."""
    return [
        draft
        for index, draft in enumerate(drafts)
        if not (
            draft.trigger and 0 < index < len(drafts) - 1 and drafts[index + 1].cued and _EVENT.match(draft.text.lstrip(" ,"))
        )
    ]


def _finish(drafts: list[Draft]) -> list[Draft]:
    """What only the whole sequence tells: lists, changed order, going back, more and less."""
    drafts = _in_order(_listed(drafts))
    for index in range(1, len(drafts)):
        head, tail = index == 1 and drafts[0].swap == "head" and not drafts[1].hard, drafts[index].swap == "tail"
        if head or tail:
            drafts[index - 1], drafts[index] = drafts[index], drafts[index - 1]
    for index in range(1, len(drafts)):
        draft, before = drafts[index], drafts[index - 1]
        if _BACK.match(draft.text):
            once = re.fullmatch(r"(?i)(?:right )?back(?: again)?|again", draft.text)
            source = drafts[index - 2] if once and index > 1 else drafts[0]
            draft.text, draft.factor = source.text, source.factor
            continue
        for pattern, factor in RELATIVE:
            if (match := pattern.match(draft.text)) and (match["what"] or "").lower() in before.text.lower():
                draft.text, draft.factor = before.text, before.factor * factor
                break
    return drafts


def _in_order(drafts: list[Draft]) -> list[Draft]:
    """What is told out of its place: "at first" goes to the front, "at the end" behind "in between"."""
    fronts = [draft for draft in drafts if draft.front and not draft.hard]
    lasts = [draft for draft in drafts if draft.final and any(later.middle for later in drafts[drafts.index(draft) :])]
    rest = [draft for draft in drafts if not any(draft is other for other in (*fronts, *lasts))]
    return [*fronts, *rest, *lasts]


def _listed(drafts: list[Draft]) -> list[Draft]:
    """ "calm, angry, then sad" lists three feelings: short items before a "then", joined by commas alone, follow each other."""
    first = drafts[0]
    items = [item.strip() for item in first.text.split(",")]
    plain = all(len(item.split()) <= 3 and not _MIXES.match(item) for item in items)
    if len(items) < 2 or len(drafts) < 2 or not drafts[1].hard or not plain or first.closed or first.start or first.end:
        return drafts
    added = [replace(first, text=item, first=first.first and item is items[0]) for item in items]
    return [*added, *drafts[1:]]

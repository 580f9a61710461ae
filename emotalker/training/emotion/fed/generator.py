"""Makes descriptions by the thousand from the training vocabulary; the same seed gives the same items.

Every template is a function from a random source to (text, strengths). The strengths follow the guideline in README.md;
the shares that templates use are in the table SHARES.
"""

import functools
import re
from collections.abc import Callable
from random import Random

from ....emotion.taxonomy import EMOTIONS
from ....errors import UserError, short
from .data import Item, load_fed, row_of
from .denial import CALM, DENIED, denied
from .lexicon import MARKED, Degree, Word, apply_degree, degrees, words
from .noise import disturb

Strengths = dict[str, float]
MOST = 500_000
"""Largest count that was tried (all texts differ)."""

SHARES = {  # strengths of constructions, as the guideline in README.md gives them
    "hardly": {"neutral": 0.45},
    "not very": {"neutral": 0.3},
    "sarcasm": {"contempt": 0.55, "angry": 0.2},
    "no emotion said": {"neutral": 0.55},
}
HARDLY, NOT_VERY, LESS, MORE, RECORD = 0.12, 0.25, 0.3, 0.65, 0.95  # what these make of a marked emotion word
HALF = 0.45  # "half sad, half angry" gives this for marked words
COMMON = (
    "neutral", "calm", "happy", "cheerful", "sad", "unhappy", "angry", "mad", "scared", "afraid", "disgusted", "surprised",
    "contemptuous", "arrogant",
)  # fmt: skip
OFTEN = 0.12  # share of the COMMON words within their emotion: people type them far more often than the rest
KEPT = ("idiom", "situation", "slang", "direction")  # hand-written training items that templates take up as a whole
DENIALS = (*("not {}",) * 6, "never {}", "no longer {}", "not {} any more", "not feeling {}", "not really {}", "not that {}")
FIRM_DENIALS = (
    "not {} at all",
    "anything but {}",
    "far from {}",
    "by no means {}",
    "not the least bit {}",
    "not even slightly {}",
)
LACKS = (", no {}", ", without {}", ", without a trace of {}", " with no {}", ", not a hint of {}")
RECORDS = ("couldn't be more {}", "has never been more {}", "has never been so {}", "can't be more {}")
NOT_ONLY = ("not only {} but {}", "not just {}, also {}", "not just {} but also {}")
PEOPLE = (
    "she", "he", "the woman", "the man", "the girl", "the boy", "my sister", "my brother", "the teacher", "the nurse",
    "the old man", "the queen", "the singer", "the actor", "the soldier", "your friend", "the child", "the doctor",
)  # fmt: skip
VERBS = ("is", "looks", "sounds", "feels", "seems", "seems to be", "is visibly", "appears")
FRAMES = (
    "{}", "make it {}", "I am {}", "I feel {}", "act {}", "be {}", "say it as if you were {}", "please make them {}",
    "the mood is {}", "sounding {}", "looking {}", "talk like someone {}", "{} the whole time", "emotion: {}", "I want her {}",
    "keep him {}", "make the character {}", "clearly {}",
)  # fmt: skip
NOUN_FRAMES = (
    "{} face", "a {} face", "{} expression", "{} voice", "speaks in a {} way", "{} look", "a {} person talking",
    "a {} woman talks to the camera", "{} tone",
)  # fmt: skip
"""Frames for an adjective of one word; phrases such as "at a loss" cannot stand before a noun."""
HAIR = ("blond", "dark", "grey", "red", "short", "long", "curly")
WEAR = ("a hat", "a red scarf", "a blue shirt", "a suit", "a white dress", "a raincoat", "a black jacket", "a crown")
PLACES = ("in a kitchen", "on a stage", "at a desk", "in a studio", "in front of a wall", "in a garden", "in a car", "")
TOPICS = ("the bus", "the recipe", "the rules", "the map", "the menu", "the numbers", "the news", "the agenda")


def generate_fed(count: int = 30_000, seed: int = 0, noise: float = 0.25) -> list[Item]:
    """Make items whose texts all differ, also from every hand-written text.

    Args:
        count: how many, 0 to MOST.
        seed: the same seed gives the same items, and a smaller count gives the first of them.
        noise: share of items with unusual case, punctuation or a spelling mistake, 0..1.

    Returns:
        items of split "train", with ids such as "generated-0-000012".

    Raises:
        UserError: count or noise out of range.
    """
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= MOST:
        raise UserError(f"the count of FED items to generate is {short(count)}: use a whole number from 0 to {MOST}.")
    if not 0 <= noise <= 1:
        raise UserError(f"the noise of the FED generator is {short(noise)}: use a number from 0 to 1.")
    random = Random(f"fed {seed}")  # a string seeds the same on every platform
    seen = {item.text.casefold() for item in load_fed()}
    names, weights = list(TEMPLATES), [weight for _, weight in TEMPLATES.values()]
    items: list[Item] = []
    while len(items) < count:
        kind = random.choices(names, weights)[0]
        text, strengths = TEMPLATES[kind][0](random)
        if random.random() < noise:
            text = disturb(text, random)
        if text.casefold() not in seen:
            seen.add(text.casefold())
            items.append(Item(f"generated-{seed}-{len(items):06d}", "train", kind, text, row_of(strengths)))
    return items


def merged(*parts: Strengths) -> Strengths:
    """Several things said of one face: each emotion as strong as its strongest mention."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: max(part.get(name, 0.0) for part in parts) for name in names}


@functools.cache
def _by_emotion(form: str) -> dict[str, list[Word]]:
    groups: dict[str, list[Word]] = {}
    for word in words(form):
        groups.setdefault(word.main, []).append(word)
    return groups


@functools.cache
def _common(form: str) -> dict[str, list[Word]]:
    groups = {emotion: [w for w in group if w.text in COMMON] for emotion, group in _by_emotion(form).items()}
    return {emotion: group for emotion, group in groups.items() if group}


def _word(random: Random, form: str = "adjective", unlike: str | None = None) -> Word:
    """A word, with each emotion equally likely; one that joins another (is `unlike` it) is never neutral."""
    groups = _by_emotion(form)
    barred = () if unlike is None else (unlike, "neutral")
    emotion = random.choice([e for e in groups if e not in barred])
    common = _common(form).get(emotion)
    return random.choice(common if common and random.random() < OFTEN else groups[emotion])


@functools.cache
def _forms() -> dict[str, list[Degree]]:
    return {form: [d for d in degrees() if d.form == form] for form in ("adjective", "noun", "after")}


def _phrase(random: Random, unlike: str | None = None, plain: float = 0.35) -> tuple[str, Strengths, Word]:
    """An adjective, usually with a degree: (text, strengths, the word itself)."""
    word = _word(random, unlike=unlike)
    if random.random() < plain:
        return word.text, dict(word.strengths), word
    degree = random.choice(_forms()["after" if random.random() < 0.1 else "adjective"])
    return degree.of(word.text), apply_degree(word.strengths, degree.target), word


def _noun_phrase(random: Random, unlike: str | None = None, small: bool = False) -> tuple[str, Strengths]:
    word = _word(random, "noun", unlike)
    options = [d for d in _forms()["noun"] if not small or d.target <= MARKED / 2]
    degree = random.choice(options)
    return degree.of(word.text), apply_degree(word.strengths, degree.target)


def _stated(random: Random) -> tuple[str, Strengths]:
    text, strengths, word = _phrase(random, plain=0.25)
    if random.random() < 0.5:
        return f"{random.choice(PEOPLE)} {random.choice(VERBS)} {text}", strengths
    frames = FRAMES if " " in word.text else FRAMES + NOUN_FRAMES
    return re.sub(r"\ba (?=[aeiou])", "an ", random.choice(frames).format(text)), strengths


def _noun(random: Random) -> tuple[str, Strengths]:
    text, strengths = _noun_phrase(random)
    frame = random.choice(
        ("with {}", "{}", "say it with {}", "{} in the voice", "eyes full of it: {}", "there is {} in the face", "show {}")
    )
    return frame.format(text), strengths


def _pair(random: Random) -> tuple[str, Strengths]:
    first, one, word = _phrase(random)
    second, two, _ = _phrase(random, unlike=word.main)
    link = random.choice(("{} and {}", "{} but {}", "{}, {}", "{} yet {}", "{} and also {}", "{} + {}", "both {} and {}"))
    text = link.format(first, second)
    if random.random() < 0.5:
        text = f"{random.choice(PEOPLE)} {random.choice(VERBS)} {text}"
    return text, merged(one, two)


def _hint(random: Random) -> tuple[str, Strengths]:
    first, one, word = _phrase(random)
    second, two = _noun_phrase(random, unlike=word.main, small=True)
    return random.choice(("{} with {}", "{}, plus {}", "mostly {}, with {}", "{} and {}")).format(first, second), merged(
        one, two
    )


def _triple(random: Random) -> tuple[str, Strengths]:
    first, one, word = _phrase(random)
    second, two, _ = _phrase(random, unlike=word.main)
    third, three, _ = _phrase(random, unlike=word.main)
    return random.choice(("{}, {} and {}", "{}, {}, {}")).format(first, second, third), merged(one, two, three)


def _halves(random: Random) -> tuple[str, Strengths]:
    one = _word(random)
    two = _word(random, unlike=one.main)
    if random.random() < 0.5:
        text = f"half {one.text}, half {two.text}"
        return text, merged(apply_degree(one.strengths, HALF), apply_degree(two.strengths, HALF))
    return f"more {one.text} than {two.text}", merged(dict(one.strengths), apply_degree(two.strengths, LESS))


def _deniable(random: Random) -> Word:
    word = _word(random)
    while word.main == "neutral" and word.text not in CALM:
        word = _word(random)
    return word


def _negation(random: Random) -> tuple[str, Strengths]:
    word = _deniable(random)
    who = random.choice(("", "", *(f"{p} is " for p in PEOPLE)))
    shape = random.randrange(11)
    if shape in (0, 1):
        firmly = shape == 1
        return f"{who}{random.choice(FIRM_DENIALS if firmly else DENIALS).format(word.text)}", denied(word, firmly)
    if shape in (2, 3):
        start, target, key = (("hardly", HARDLY, "hardly"), ("not very", NOT_VERY, "not very"))[shape - 2]
        rest = SHARES[key] if word.main != "neutral" else DENIED["neutral"]
        return f"{who}{start} {word.text}", merged(apply_degree(word.strengths, target), rest)
    if shape == 4:
        text, strengths, _ = _phrase(random, unlike=word.main)
        return f"{who}not {word.text} {random.choice(('but', 'just', 'only'))} {text}", strengths
    if shape in (5, 6):
        noun = _word(random, "noun")
        text, strengths, _ = _phrase(random, unlike=noun.main)
        return f"{who}{text}{random.choice(LACKS).format(noun.text)}", strengths
    if shape == 7:  # what is denied is that it could be more
        word = _word(random)
        return f"{random.choice(PEOPLE)} {random.choice(RECORDS).format(word.text)}", apply_degree(word.strengths, RECORD)
    if shape == 8:
        one, (text, strengths, _) = _word(random), _phrase(random)
        while one.main == "neutral":
            one = _word(random)
        return f"{who}{random.choice(NOT_ONLY).format(one.text, text)}", merged(dict(one.strengths), strengths)
    if shape == 9:
        text, strengths, _ = _phrase(random, unlike=word.main)
        return f"{who}{text}, {random.choice(DENIALS + FIRM_DENIALS).format(word.text)}", strengths
    other = _word(random, unlike=word.main)
    # both may be mild or strong: only "neutral" denied leaves something else to show
    left = DENIED["neutral"] if "neutral" in (word.main, other.main) else DENIED["plain firmly"]
    return f"{who}neither {word.text} nor {other.text}", dict(left)


def _comparative(random: Random) -> tuple[str, Strengths]:
    word = _word(random)
    shapes = (("more {} than ever", RECORD), ("less {} than before", LESS), ("even more {} now", MORE), ("a lot less {}", 0.2))
    shape, target = random.choice(shapes)
    text = shape.format(word.text)
    if random.random() < 0.75:
        text = f"{random.choice(PEOPLE)} {random.choice(VERBS)} {text}"
    return text, apply_degree(word.strengths, target)


def _direction(random: Random) -> tuple[str, Strengths]:
    text, strengths, _ = _phrase(random, plain=0.2)
    start = random.choice(
        ("deliver the line", "say this", "read it", "speak", "play the scene", "sing it", "answer the phone", "tell the story")
    )
    return f"{start} {random.choice(('as if', 'like'))} you were {text}", strengths


@functools.cache
def _kept() -> tuple[Item, ...]:
    return tuple(item for item in load_fed("train") if item.kind in KEPT and not item.text.endswith(("!", ".", "?")))


def _kept_with(random: Random) -> tuple[str, Strengths]:
    item = random.choice(_kept())
    known = {n: v for n, v in zip(EMOTIONS, item.strengths, strict=True) if v > 0}
    text, strengths, _ = _phrase(random, unlike=item.main)
    if random.random() < 0.3:
        text = f"{random.choice(PEOPLE)} {random.choice(VERBS)} {text}"
    return random.choice(("{}, {}", "{}; {}", "{1}: {0}", "{1}, {0}")).format(item.text, text), merged(known, strengths)


def _level(random: Random) -> tuple[str, Strengths]:
    word = _word(random, "noun" if random.random() < 0.5 else "adjective")
    while len(word.strengths) > 1:  # a level of a blend would need a level for each part
        word = _word(random)
    step = random.randint(1, 10)
    text = random.choice((f"{word.text} {step}/10", f"{word.text} {10 * step}%", f"{10 * step} percent {word.text}"))
    return text, {word.main: step / 10}


def _sarcasm(random: Random) -> tuple[str, Strengths]:
    word = random.choice(_by_emotion("adjective")[random.choice(("happy", "surprise", "fear", "sad"))])
    frames = (
        "sarcastically: I'm {}",
        "oh, so {} (sarcasm)",
        "I am {}, said with irony",
        "{}. yeah right. /s",
        "(sarcastic) {}",
    )
    start = random.choice(("", "", "ha, ", "sure, ", "right, ", "wow, "))
    return start + random.choice(frames).format(word.text), dict(SHARES["sarcasm"])


def _no_emotion(random: Random) -> tuple[str, Strengths]:
    who, hair, wear = random.choice(PEOPLE[2:]), random.choice(HAIR), random.choice(WEAR)
    place, topic = random.choice(PLACES), random.choice(TOPICS)
    shapes = (
        f"{who} with {hair} hair and {wear}",
        f"{who} talks about {topic} {place}",
        f"{who} in {wear} explains {topic}",
        f"{who} {place}, wearing {wear}",
    )
    return " ".join(random.choice(shapes).replace(" ,", ",").split()), dict(SHARES["no emotion said"])


TEMPLATES: dict[str, tuple[Callable[[Random], tuple[str, Strengths]], float]] = {
    "stated": (_stated, 6), "noun": (_noun, 1), "pair": (_pair, 5), "hint": (_hint, 2), "triple": (_triple, 1.5),
    "halves": (_halves, 1.5), "negation": (_negation, 4), "comparative": (_comparative, 1.5), "direction": (_direction, 2),
    "kept": (_kept_with, 5), "level": (_level, 0.7), "sarcasm": (_sarcasm, 0.5), "no emotion": (_no_emotion, 0.7),
}  # fmt: skip

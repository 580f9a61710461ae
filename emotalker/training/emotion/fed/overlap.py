"""How far the splits are kept apart: the test (and dev) wording must be new to whatever was trained on the rest.

Three things may not be shared: words that carry meaning (all but those in shared_words.txt, compared by stem and with
one spelling mistake allowed), runs of four words, and sentence patterns with the words of meaning blanked out.
"""

import functools
import re
from collections.abc import Iterable
from pathlib import Path

SUFFIXES = (
    "ingly", "edly", "fully", "iness", "ness", "ment", "ions", "ion", "ful", "ing", "ies", "ied", "ier", "iest", "ed", "ly",
    "er", "est", "es", "s", "y", "e",
)  # fmt: skip
STEM = 3  # letters that a stem keeps at least
MISTAKE = 7  # letters from which one spelling mistake still leaves a word recognisable
RUN = 4
PATTERN = 6  # words of the shortest pattern that counts as a template: shorter ones ("very _") are plain English


def tokens(text: str) -> list[str]:
    """Lower-case words and single emoji of a text, in order; an apostrophe belongs to its word, a hyphen parts two."""
    return re.findall(r"[a-z]+(?:'[a-z]+)*|[^\W_a-z]|[\U0001F000-\U0001FAFF]", text.lower().replace("’", "'"))


def stem(word: str) -> str:
    """A word without its endings, coarsely: rather too short than too long, so that related words meet."""
    word = word.removesuffix("'s")
    while True:
        ending = next((s for s in SUFFIXES if word.endswith(s) and len(word) - len(s) >= STEM), None)
        if ending is None:
            return word
        word = word.removesuffix(ending)


@functools.cache
def shared_words() -> frozenset[str]:
    """Words that every split may use, because they say nothing about emotion."""
    lines = Path(__file__).with_name("shared_words.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def meaning_words(texts: Iterable[str]) -> dict[str, str]:
    """Every word of meaning to one text that has it."""
    return {w: text for text in texts for w in tokens(text) if w not in shared_words() and not w.isdigit()}


def shared_stems(one: Iterable[str], other: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Words of meaning that occur on both sides, also in another form or with a letter dropped, doubled or changed.

    Returns:
        stem to the pair of texts where it occurs.
    """
    ours, theirs = meaning_words(one), meaning_words(other)
    stems = {stem(w): text for w, text in theirs.items()}
    blurred = {b: text for w, text in theirs.items() if len(w) >= MISTAKE for b in _blur(w)}
    found = {}
    for word, text in ours.items():
        matches = [stems.get(stem(word)), *(blurred.get(b) for b in (_blur(word) if len(word) >= MISTAKE else ()))]
        match = next((m for m in matches if m is not None), None)
        if match is not None:
            found[stem(word)] = (text, match)
    return found


def shared_runs(one: Iterable[str], other: Iterable[str]) -> set[str]:
    """Runs of RUN words that occur on both sides."""
    return _runs(one) & _runs(other)


def shared_patterns(one: Iterable[str], other: Iterable[str]) -> set[str]:
    """Whole texts of PATTERN or more words that are the same on both sides once words of meaning are blanked out."""
    return _patterns(one) & _patterns(other)


def _blur(word: str) -> set[str]:
    return {word} | {word[:i] + word[i + 1 :] for i in range(1, len(word))}  # hardly anybody mistakes the first letter


def _runs(texts: Iterable[str]) -> set[str]:
    lists = (tokens(text) for text in texts)
    return {" ".join(words[i : i + RUN]) for words in lists for i in range(len(words) - RUN + 1)}


def _patterns(texts: Iterable[str]) -> set[str]:
    found = set()
    for text in texts:
        words = [w if w in shared_words() else "_" for w in tokens(text)]
        if len(words) >= PATTERN and len(set(words)) > 1:
            found.add(" ".join(words))
    return found

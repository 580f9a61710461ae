"""What order words say: the cues of a sentence, which both tables of words give."""

from dataclasses import dataclass

from .marks import Mark


@dataclass(kw_only=True)
class Said:
    """What words say of when and how a feeling comes.

    Attributes:
        start, end: points named.
        length: how long.
        later: how long after what went before.
        first, final: it is the beginning, the ending; late: the ending only ("at the end", unlike "finally").
        sudden, slow, brief: how it comes.
        ramp: strength from and to, as factors.
        swap: what follows is told in the other order: at the "head" of a sentence (before she cries, she laughs), or at its
            "tail" (she cries after laughing).
        trigger: what follows may be an event that ends a feeling instead of a feeling.
        weight: share of the time.
    """

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
    swap: str = ""
    trigger: bool = False
    weight: float = 1.0


@dataclass
class Cue(Said):
    """What one order word says.

    Attributes:
        kind: "next" and "change" (something new begins here, wherever it stands), "clause" (begins something new at the head of
            a clause, and may also stand after what it belongs to), "how" (the same, of manner), "verb" (only at the head of a
            clause), "until" (ends what it belongs to), "middle", "mode" (says how, begins nothing).
        weak: counts only beside another order word.
    """

    kind: str
    weak: bool = False

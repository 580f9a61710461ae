"""What a denied word leaves on the face ("not angry", "not flirty at all"), by the guideline in README.md."""

from .data import PRESENT
from .lexicon import Word

DENIED: dict[str, dict[str, float]] = {
    "plain": {"neutral": 0.55},
    "plain firmly": {"neutral": 0.6},
    "happy": {"sad": 0.35, "neutral": 0.15},
    "happy firmly": {"sad": 0.4, "angry": 0.25},
    "neutral": {"fear": 0.35, "angry": 0.35},  # of CALM words; "not blank" says nothing about what is felt
    "sure": {"fear": 0.35, "neutral": 0.15},
    "kind": {"neutral": 0.3, "angry": 0.25, "contempt": 0.2},
}
"""Kind of word to the strengths that its denial leaves; "firmly" is for "not at all"."""
CALM = (
    "calm", "relaxed", "unbothered", "chilled out", "steady", "composed", "placid", "peaceful", "serene", "at peace",
    "tranquil", "level-headed", "cool-headed", "self-possessed", "collected", "poised", "untroubled",
    "unconcerned", "unperturbed",
)  # fmt: skip
SURE = ("confident", "self-assured", "reassured", "comfortable")  # who is not is uneasy rather than sad
KIND = ("friendly", "kind-hearted", "warm", "warm-hearted", "welcoming", "genial", "cordial", "gracious", "amiable", "gentle")
PLAYFUL = (
    "playful", "flirtatious", "flirty", "seductive", "romantic", "in love", "smitten", "infatuated", "love-struck", "silly",
    "goofy", "cheeky", "mischievous", "impish", "coy", "tipsy", "giggly", "giddy", "laughing", "chuckling", "honeymooning",
    "crying with laughter", "in stitches", "in hysterics", "frisky", "lucky", "flattered", "fired up", "eager",
)  # fmt: skip
"""Cheerful words whose denial is no complaint: "not flirty" leaves a neutral face."""


def denied(word: Word, firmly: bool) -> dict[str, float]:
    """Strengths (0..1) of a face that "not {word}" describes, or "not {word} at all" where it is said firmly."""
    felt = [name for name, value in word.strengths.items() if value >= PRESENT and name != "neutral"]
    if word.text in SURE + KIND:
        key = "sure" if word.text in SURE else "kind"
    elif len(felt) > 1 or word.text in PLAYFUL or word.main not in ("happy", "neutral"):
        key = "plain"  # also for blends: "not happily surprised" is no complaint
    else:
        key = word.main
    return dict(DENIED.get(f"{key} firmly", DENIED[key]) if firmly else DENIED[key])

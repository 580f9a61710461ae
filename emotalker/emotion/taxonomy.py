"""The eight emotions, and the 21 felt mixtures of them that people tell apart.

EMOTIONS are the eight classes of MEAD (Wang et al., "MEAD: A Large-scale Audio-visual Dataset for Emotional
Talking-face Generation", ECCV 2020). COMPOUNDS are the 21 categories of Du, Tao and Martinez, "Compound facial
expressions of emotion", PNAS 111(15), 2014, E1454-E1462, Table 1, each as a blend of the eight.
"""

from dataclasses import dataclass
from types import MappingProxyType

from ..errors import UserError, quoted

EMOTIONS: tuple[str, ...] = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise", "contempt")
EMOTION_INDEX: dict[str, int] = {name: index for index, name in enumerate(EMOTIONS)}
MAX_STRENGTH = 1.5
"""1 is a clear, full expression; up to 1.5 is exaggeration."""

ALIASES: dict[str, str] = {
    "calm": "neutral", "happiness": "happy", "joy": "happy", "joyful": "happy", "sadness": "sad", "anger": "angry",
    "fearful": "fear", "afraid": "fear", "scared": "fear", "disgusted": "disgust", "surprised": "surprise",
    "contemptuous": "contempt",
}  # fmt: skip


@dataclass(frozen=True)
class Compound:
    """A named mixture of emotions.

    Attributes:
        blend: strength of each emotion in it, 0..1 (a full mixture shows its parts at about 0.7, so that the
            action units they share do not add up to a grimace).
        core: action units that more than 70 % of 230 people show.
        optional: action unit to the percentage of people who show it.
    """

    name: str
    blend: MappingProxyType
    core: tuple[int, ...]
    optional: MappingProxyType


def _compound(name: str, blend: dict[str, float], core: tuple[int, ...], optional: dict[int, int]) -> Compound:
    return Compound(name, MappingProxyType(blend), core, MappingProxyType(optional))


# Action units and percentages: Du, Tao, Martinez 2014, Table 1. Blends are ours: the two emotions in
# the name at 0.7 each; appalled is disgust with some anger, hatred anger with some disgust, awed surprise with some fear.
COMPOUNDS: dict[str, Compound] = {
    c.name: c
    for c in (
        _compound("happy", {"happy": 1.0}, (12, 25), {6: 51}),
        _compound("sad", {"sad": 1.0}, (4, 15), {1: 60, 6: 50, 11: 26, 17: 67}),
        _compound("fearful", {"fear": 1.0}, (1, 4, 20, 25), {2: 57, 5: 63, 26: 33}),
        _compound("angry", {"angry": 1.0}, (4, 7, 24), {10: 26, 17: 52, 23: 29}),
        _compound("surprised", {"surprise": 1.0}, (1, 2, 25, 26), {5: 66}),
        _compound("disgusted", {"disgust": 1.0}, (9, 10, 17), {4: 31, 24: 26}),
        _compound("happily surprised", {"happy": 0.7, "surprise": 0.7}, (1, 2, 12, 25), {5: 64, 26: 67}),
        _compound("happily disgusted", {"happy": 0.7, "disgust": 0.7}, (10, 12, 25), {4: 32, 6: 61, 9: 59}),
        _compound("sadly fearful", {"sad": 0.7, "fear": 0.7}, (1, 4, 20, 25), {2: 46, 5: 24, 6: 34, 15: 30}),
        _compound("sadly angry", {"sad": 0.7, "angry": 0.7}, (4, 15), {6: 26, 7: 48, 11: 20, 17: 50}),
        _compound("sadly surprised", {"sad": 0.7, "surprise": 0.7}, (1, 4, 25, 26), {2: 27, 6: 31}),
        _compound(
            "sadly disgusted", {"sad": 0.7, "disgust": 0.7}, (4, 10), {1: 49, 6: 61, 9: 20, 11: 35, 15: 54, 17: 47, 25: 43}
        ),
        _compound("fearfully angry", {"fear": 0.7, "angry": 0.7}, (4, 20, 25), {5: 40, 7: 39, 10: 30, 11: 33}),
        _compound("fearfully surprised", {"fear": 0.7, "surprise": 0.7}, (1, 2, 5, 20, 25), {4: 47, 10: 35, 11: 22, 26: 51}),
        _compound(
            "fearfully disgusted", {"fear": 0.7, "disgust": 0.7}, (1, 4, 10, 20, 25), {2: 64, 5: 50, 6: 26, 9: 28, 15: 33}
        ),
        _compound("angrily surprised", {"angry": 0.7, "surprise": 0.7}, (4, 25, 26), {5: 35, 7: 50, 10: 34}),
        _compound("angrily disgusted", {"angry": 0.7, "disgust": 0.7}, (4, 10, 17), {7: 60, 9: 57, 24: 36}),
        _compound("disgustedly surprised", {"disgust": 0.7, "surprise": 0.7}, (1, 2, 5, 10), {4: 45, 9: 37, 17: 66, 24: 33}),
        _compound("appalled", {"disgust": 0.85, "angry": 0.45}, (4, 10), {6: 25, 9: 56, 17: 67, 24: 36}),
        _compound("hatred", {"angry": 0.85, "disgust": 0.45}, (4, 10), {7: 57, 9: 27, 17: 63, 24: 37}),
        _compound("awed", {"surprise": 0.85, "fear": 0.4}, (1, 2, 5, 25), {4: 21, 20: 62, 26: 56}),
    )
}


def resolve(name: str, where: str = "the emotion") -> MappingProxyType:
    """Blend of the eight emotions that a name stands for.

    Args:
        name: one of EMOTIONS, an everyday form of one (ALIASES) or one of COMPOUNDS; capitals and "_" or "-" do not matter.
        where: what to call the input in an error.

    Returns:
        emotion to strength, 0..1.

    Raises:
        UserError: nobody knows this name.
    """
    key = " ".join(str(name).lower().replace("_", " ").replace("-", " ").split())
    key = ALIASES.get(key, key)
    if key in EMOTION_INDEX:
        return MappingProxyType({key: 1.0})
    if key in COMPOUNDS:
        return COMPOUNDS[key].blend
    known = ", ".join(EMOTIONS)
    raise UserError(
        f"{where} names {quoted(name)}, which is no known emotion: use one of {known}, or a mixture such as 'happily "
        "surprised'."
    )

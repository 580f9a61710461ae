"""Where speech and emotion share a mouth: the expression gives way where a sound needs the lips."""

import torch
from torch import Tensor

from ..arkit import FACE_UNITS, UNIT_INDEX
from ..speech.features import VISEME_INDEX

# What the expression's mouth units do to speech, and how far each gives way: to a lip closure (p b m), to the lower lip on the
# teeth (f v), to rounding (w, oo, oh, sh) and to an open vowel. 1 means it gives way wholly.
YIELD: dict[str, tuple[float, float, float, float]] = {
    "jawOpen": (1.0, 0.9, 0.7, 0.5),
    "mouthLowerDown": (1.0, 1.0, 0.6, 0.0),
    "mouthUpperUp": (1.0, 0.5, 0.6, 0.0),
    "noseSneer": (0.45, 0.1, 0.1, 0.0),  # it lifts the upper lip a little
    "mouthStretch": (0.55, 0.4, 0.75, 0.2),
    "mouthSmile": (0.25, 0.2, 0.6, 0.0),
    "mouthDimple": (0.2, 0.2, 0.5, 0.0),
    "mouthFrown": (0.2, 0.3, 0.4, 0.2),
    "mouthPress": (0.0, 0.5, 0.7, 0.9),
    "mouthRollLower": (0.0, 0.2, 0.8, 0.9),
    "mouthRollUpper": (0.0, 0.8, 0.8, 0.9),
    "mouthShrugLower": (0.3, 0.8, 0.4, 0.6),
    "mouthShrugUpper": (0.3, 0.3, 0.4, 0.4),
    "jawForward": (0.0, 0.5, 0.3, 0.3),
    # What only a prompt steers ("pursed lips", "tongue out")
    "mouthPucker": (0.0, 0.5, 0.0, 0.8),
    "mouthFunnel": (1.0, 0.8, 0.0, 0.3),
    "mouthClose": (0.0, 0.8, 0.5, 1.0),
    "cheekPuff": (0.3, 0.7, 0.7, 0.9),
    "tongueOut": (1.0, 1.0, 0.8, 0.4),
    "mouth": (0.2, 0.3, 0.2, 0.2),  # to the left or the right
    "jaw": (0.2, 0.3, 0.2, 0.2),
}  # fmt: skip
CONTACT_LEAD, SHAPE_LEAD = 0.05, 0.12  # s, both ways: lips make room for a contact quickly, a smile fades and returns calmly
JAW_WITH_SPEECH = 0.35  # share of the emotion's open jaw that is left while any sound is made

# How far each unit parts the lips at weight 1, in units of jawOpen; negative ones close. Measured on the rig: mean change of
# the distance between the lips' seam vertices over the middle third of the mouth.
GAP = {
    "jawOpen": 1.0, "mouthClose": -1.0, "mouthFunnel": 0.23, "jawForward": 0.04,
    "mouthShrugUpper": 0.10, "mouthShrugLower": -0.125, "mouthPucker": -0.068,
    "mouthLowerDownLeft": 0.072, "mouthLowerDownRight": 0.072, "mouthUpperUpLeft": 0.085, "mouthUpperUpRight": 0.085,
    "mouthRollLower": -0.064, "mouthRollUpper": -0.028, "mouthPressLeft": -0.024, "mouthPressRight": -0.024,
    "mouthSmileLeft": -0.038, "mouthSmileRight": -0.038,
}  # fmt: skip


def lip_gap(units: Tensor) -> Tensor:
    """[T] proxy of the opening between the lips, in units of jawOpen: 0 or less means they touch.

    The sum of units [T, 52] weighted by GAP: what opens (jaw, funnel, lips apart) less what closes.
    """
    weights = units.new_zeros(len(FACE_UNITS))
    for name, value in GAP.items():
        weights[UNIT_INDEX[name]] = value
    return units @ weights


def join_speech(speech: Tensor, felt: Tensor, visemes: Tensor, closure: Tensor, weight: float, fps: float) -> Tensor:
    """Lay an expression over speech so that every sound can still be read from the lips.

    Args:
        speech: [T, 52] mouth units of the speech, 0..1.
        felt: [T, 52] face units of the expression, 0..1.
        visemes: [T, 15] posteriors.
        closure: [T] 0..1, how far the lips are shut for p, b or m.
        weight: 0..1, how much of the speech is shown (0: the expression yields to nothing).
        fps: frames per second.

    Returns:
        [T, 52] weights 0..1; where the lips must close, `lip_gap` is 0 or less as far as the speech closed them.
    """

    def need(*parts: tuple[str, float]) -> Tensor:
        return sum(share * visemes[:, VISEME_INDEX[name]] for name, share in parts).clamp(0, 1)

    contacts = [
        _make_room(contact, fps, CONTACT_LEAD) for contact in (torch.maximum(closure, need(("PP", 1.2))), need(("FF", 1.6)))
    ]
    shapes = [need(("ou", 1.2), ("oh", 0.8), ("CH", 0.8), ("RR", 0.4)), need(("aa", 1.2), ("E", 0.9), ("oh", 0.9), ("ih", 0.5))]
    shapes = [_soften(_make_room(curve, fps, CONTACT_LEAD), fps, SHAPE_LEAD) for curve in shapes]
    needs = weight * torch.stack(contacts + shapes, 1)
    sound = _soften(1 - visemes[:, VISEME_INDEX["sil"]], fps, SHAPE_LEAD)
    felt = felt.clone()
    for index, name in enumerate(FACE_UNITS):
        shares = YIELD.get(name.removesuffix("Left").removesuffix("Right"))
        if shares is not None:
            felt[:, index] *= (1 - needs * needs.new_tensor(shares)).prod(1)
    felt[:, UNIT_INDEX["jawOpen"]] *= 1 - (1 - JAW_WITH_SPEECH) * weight * sound
    joined = speech + felt * (1 - speech)
    return _seal(joined, speech, needs[:, 0])


def _seal(joined: Tensor, speech: Tensor, closure: Tensor) -> Tensor:
    """Take out what the expression added to the gap where the lips close: first its openers, then by mouthClose."""
    joined = joined.clone()
    for name, value in GAP.items():
        if value > 0:
            index = UNIT_INDEX[name]
            joined[:, index] = torch.lerp(joined[:, index], torch.minimum(joined[:, index], speech[:, index]), closure)
    excess = (lip_gap(joined) - lip_gap(speech).clamp(min=0)).clamp(min=0) * closure
    index = UNIT_INDEX["mouthClose"]
    joined[:, index] = (joined[:, index] + excess).clamp(max=1)
    return joined


def _make_room(curve: Tensor, fps: float, seconds: float) -> Tensor:
    """Widen a need [T] by `seconds` both ways with soft edges, never lowering it: the face gives way in time."""
    reach = max(1, round(seconds * fps))
    return _soften(torch.nn.functional.max_pool1d(curve[None, None], 2 * reach + 1, 1, reach)[0, 0], fps, seconds)


def _soften(curve: Tensor, fps: float, seconds: float) -> Tensor:
    """Moving average of a curve [T] over `seconds` both ways with a raised-cosine window; the ends are held."""
    reach = max(1, round(seconds * fps))
    window = torch.hann_window(2 * reach + 3, periodic=False)[1:-1].to(curve)
    padded = torch.nn.functional.pad(curve[None, None], (reach, reach), mode="replicate")
    return torch.nn.functional.conv1d(padded, (window / window.sum())[None, None])[0, 0]

"""Visemes become movements of lips, jaw and tongue, with co-articulation by dominance functions.

After Cohen and Massaro, "Modeling coarticulation in synthetic visual speech" (1993): every sound pulls each articulator
towards a target, with a dominance that fades before and after it; the articulator goes where the dominances, as weights,
put it. There a sound is a segment with a middle; here it is a viseme's probability over time, and fading is a convolution.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv1d, max_pool1d, pad

from ..arkit import FACE_UNITS, UNIT_INDEX
from ..curves import smoothstep
from .features import VISEME_INDEX, VISEMES, SpeechFeatures

ARTICULATORS: dict[str, tuple[str, ...]] = {
    "jaw": ("jawOpen",),
    "lower lip": ("mouthLowerDownLeft", "mouthLowerDownRight", "mouthShrugLower"),
    "upper lip": ("mouthUpperUpLeft", "mouthUpperUpRight", "mouthShrugUpper"),
    "rounding": ("mouthFunnel", "mouthPucker"),
    "spreading": ("mouthStretchLeft", "mouthStretchRight", "mouthSmileLeft", "mouthSmileRight"),
    "tongue": ("tongueOut",),
}
"""The face units that move together."""

TARGET_UNITS = (
    "jawOpen", "mouthLowerDown", "mouthShrugLower", "mouthUpperUp", "mouthShrugUpper", "mouthFunnel", "mouthPucker",
    "mouthStretch", "mouthSmile", "tongueOut",
)  # fmt: skip
TARGETS: dict[str, tuple[float, ...]] = {
    #      jaw   lower shrL  upper shrU  funn  puck  stre  smil  tong
    "sil": (0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00),
    "PP": (0.06, 0.00, 0.05, 0.00, 0.05, 0.00, 0.00, 0.00, 0.00, 0.00),
    "FF": (0.03, 0.00, 0.10, 0.28, 0.00, 0.00, 0.00, 0.05, 0.00, 0.00),
    "TH": (0.14, 0.18, 0.00, 0.10, 0.00, 0.00, 0.00, 0.06, 0.00, 0.28),
    "DD": (0.13, 0.14, 0.00, 0.12, 0.00, 0.00, 0.00, 0.08, 0.04, 0.06),
    "kk": (0.18, 0.10, 0.00, 0.10, 0.00, 0.00, 0.00, 0.06, 0.03, 0.00),
    "CH": (0.10, 0.10, 0.00, 0.16, 0.05, 0.36, 0.20, 0.00, 0.00, 0.00),
    "SS": (0.06, 0.16, 0.00, 0.15, 0.00, 0.00, 0.00, 0.22, 0.08, 0.00),
    "nn": (0.14, 0.10, 0.00, 0.10, 0.00, 0.00, 0.00, 0.05, 0.03, 0.08),
    "RR": (0.15, 0.10, 0.00, 0.06, 0.00, 0.18, 0.34, 0.00, 0.00, 0.00),
    "aa": (0.42, 0.08, 0.00, 0.12, 0.00, 0.00, 0.00, 0.04, 0.00, 0.00),
    "E": (0.28, 0.12, 0.00, 0.13, 0.00, 0.00, 0.00, 0.20, 0.08, 0.00),
    "ih": (0.18, 0.12, 0.00, 0.13, 0.00, 0.00, 0.00, 0.24, 0.12, 0.00),
    "oh": (0.33, 0.02, 0.00, 0.00, 0.00, 0.22, 0.42, 0.00, 0.00, 0.00),
    "ou": (0.11, 0.00, 0.00, 0.00, 0.00, 0.12, 0.75, 0.00, 0.00, 0.00),
}
"""Face units of each viseme, spoken loudly and alone; both sides alike. Our own, after the pictures of the Oculus viseme
reference; the jaw of conversation reaches about 0.3 to 0.4 of ARKit's range."""

DOMINANCE: dict[str, tuple[float, ...]] = {
    #      jaw  lower upper round spread tongue
    "sil": (0.8, 0.6, 0.6, 0.4, 0.5, 1.0),
    "PP": (1.6, 6.0, 6.0, 0.3, 0.5, 1.0),
    "FF": (1.6, 6.0, 5.0, 0.6, 0.5, 1.0),
    "TH": (1.0, 1.2, 1.0, 0.4, 0.5, 5.0),
    "DD": (0.9, 0.7, 0.7, 0.25, 0.4, 2.0),
    "kk": (0.5, 0.5, 0.5, 0.2, 0.3, 1.0),
    "CH": (1.6, 1.5, 1.5, 2.5, 1.0, 1.0),
    "SS": (1.8, 1.0, 1.0, 0.3, 0.9, 1.0),
    "nn": (0.7, 0.6, 0.6, 0.25, 0.3, 2.0),
    "RR": (0.9, 0.8, 0.8, 1.6, 0.8, 1.0),
    "aa": (1.5, 1.0, 1.0, 0.7, 0.8, 1.0),
    "E": (1.2, 1.0, 1.0, 0.9, 1.2, 1.0),
    "ih": (1.0, 1.0, 1.0, 0.9, 1.3, 1.0),
    "oh": (1.4, 1.0, 1.0, 2.2, 1.2, 1.0),
    "ou": (1.1, 1.0, 1.0, 2.8, 1.4, 1.0),
}
"""How strongly each viseme claims each articulator: lips for closures, the tongue for TH, rounding for oh, ou, CH, RR."""

CLOSED_UNITS = {"mouthPressLeft": 0.22, "mouthPressRight": 0.22, "mouthRollUpper": 0.15, "mouthRollLower": 0.18}
"""Face units of lips that are shut for PP, beside mouthClose."""
BITTEN_UNITS = {"mouthRollLower": 0.75}
"""Face units of a lower lip at the upper teeth for FF, beside those of TARGETS."""
PARTING_UNITS = (
    "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight", "mouthFunnel", "tongueOut",
)  # fmt: skip
"""Face units that part the lips and so give way to a closure."""

FADE: dict[str, tuple[float, float]] = {
    "jaw": (0.050, 0.050),
    "lower lip": (0.030, 0.030),
    "upper lip": (0.030, 0.030),
    "rounding": (0.080, 0.045),
    "spreading": (0.060, 0.050),
    "tongue": (0.025, 0.025),
}
"""Seconds in which a dominance falls to 1/e before and after its sound: rounding begins about 100 ms early, the jaw is
slow, closures are quick."""

REST_FADE = 0.12
"""Seconds in which the mouth comes to rest in a pause."""
REST_BELOW, MOVE_ABOVE = 0.10, 0.30
"""Speech activity below which the mouth is exactly at rest, and above which it moves fully."""
CLOSURE_REACH = 0.045
"""Seconds on each side within which the most probable frame of a closure is looked for."""
CLOSURE_SEEN = (0.2, 0.4)
"""Probability of PP or FF, at that frame, from which a closure begins to count and counts fully."""
CLOSURE_SHAPE = (0.3, 0.85)
"""Probability relative to that frame at which the lips begin to meet and are shut."""
LOUDNESS_FADE = 0.08
LOUDNESS_GAIN = (0.45, 0.65)
"""Size of the movement: the first at loudness 0, the sum at loudness 1."""

_TABLE = torch.tensor([TARGETS[name] for name in VISEMES])
_CLAIMS = torch.tensor([DOMINANCE[name] for name in VISEMES])


def mouth_units(features: SpeechFeatures, gain: float = 1.0) -> Tensor:
    """Face units of the speaking mouth.

    Args:
        features: T frames of speech.
        gain: size of the movements, 1 is natural; lips meet in closures at any gain above 0.

    Returns:
        [T, 52] weights 0..1 in the order of FACE_UNITS; only mouth, jaw and tongue are ever above 0. Where lips close,
        mouthClose equals jawOpen, which by ARKit's definition brings them together.
    """
    visemes, fps = features.visemes.float(), features.fps
    closed, bitten = lip_closure(features), _closure(visemes[:, VISEME_INDEX["FF"]], fps)
    emphasised = visemes.clone()
    for index, strength in ((VISEME_INDEX["PP"], closed), (VISEME_INDEX["FF"], bitten)):
        others = 1 - emphasised[:, index].clamp(max=1 - 1e-4)
        scale = (1 - torch.maximum(strength, emphasised[:, index])) / others
        kept = torch.maximum(strength, emphasised[:, index])
        emphasised = emphasised * scale[:, None]
        emphasised[:, index] = kept
    size = gain * _size(features)
    table, claim_table = _TABLE.to(visemes), _CLAIMS.to(visemes)
    units = visemes.new_zeros(len(visemes), len(FACE_UNITS))
    for part, (articulator, names) in enumerate(ARTICULATORS.items()):
        claims = _faded(emphasised, fps, *FADE[articulator]) * claim_table[:, part]
        shares = claims / claims.sum(1, keepdim=True).clamp(min=1e-6)
        for name in names:
            column = TARGET_UNITS.index(name.removesuffix("Left").removesuffix("Right"))
            units[:, UNIT_INDEX[name]] = shares @ table[:, column] * size
    # Lips that must meet do so however softly one speaks.
    for strength, weights in ((closed, CLOSED_UNITS), (bitten, BITTEN_UNITS)):
        for name, weight in weights.items():
            index = UNIT_INDEX[name]
            units[:, index] = torch.maximum(units[:, index], strength * weight * min(gain, 1.0))
    for name in PARTING_UNITS:
        units[:, UNIT_INDEX[name]] *= 1 - closed
    units[:, UNIT_INDEX["mouthClose"]] = units[:, UNIT_INDEX["jawOpen"]] * closed
    return (units * _activity(visemes, fps)[:, None]).clamp(0, 1)


def lip_closure(features: SpeechFeatures) -> Tensor:
    """How far the lips are shut for p, b or m, [T] 0..1: reaches 1 on at least one frame of every closure that is heard."""
    return _closure(features.visemes[:, VISEME_INDEX["PP"]].float(), features.fps)


def _closure(probability: Tensor, fps: float) -> Tensor:
    """Sharpened probability [T] whose local peaks reach 1."""
    reach = max(1, round(CLOSURE_REACH * fps))
    peak = max_pool1d(probability[None, None], 2 * reach + 1, 1, reach)[0, 0]
    return smoothstep(probability / peak.clamp(min=1e-6), *CLOSURE_SHAPE) * smoothstep(peak, *CLOSURE_SEEN)


def _faded(track: Tensor, fps: float, before: float, after: float) -> Tensor:
    """[T, C] convolved with a two-sided exponential that sums to 1; the ends are held."""
    reach = max(1, round(4 * max(before, after) * fps))
    offset = torch.arange(-reach, reach + 1, device=track.device) / fps
    # A sound at offset > 0 lies ahead: it is felt early, by `before`.
    kernel = torch.exp(-offset.clamp(min=0) / before + offset.clamp(max=0) / after)
    padded = pad(track.T[:, None], (reach, reach), mode="replicate")
    return conv1d(padded, (kernel / kernel.sum())[None, None])[:, 0].T


def _size(features: SpeechFeatures) -> Tensor:
    """[T] size of the movements by loudness, which counts over a syllable, not a sound."""
    base, range_ = LOUDNESS_GAIN
    return base + range_ * _faded(features.loudness.float()[:, None], features.fps, LOUDNESS_FADE, LOUDNESS_FADE)[:, 0]


def _activity(visemes: Tensor, fps: float) -> Tensor:
    """[T] 0 in pauses, 1 in speech, slow enough not to close the mouth between words."""
    speech = 1 - visemes[:, :1]
    return smoothstep(_faded(speech, fps, REST_FADE, REST_FADE)[:, 0], REST_BELOW, MOVE_ABOVE)

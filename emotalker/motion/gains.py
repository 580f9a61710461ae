"""How far drawn motion shows: gains for mouth, expression, head and blinks, applied after it was drawn."""

import torch
from torch import Tensor

from ..arkit import FACE_UNITS, UNIT_INDEX
from ..errors import UserError
from ..speech.features import SpeechFeatures
from ..speech.prosody import analyse, stream
from .blend import lip_gap
from .blink import blink_closure, close_lids, draw_blinks
from .head import AXES, LIMITS
from .motion import Motion

MOUTH = (
    "jawOpen", "jawForward", "jawLeft", "jawRight", "mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft", "mouthPressRight",
    "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight", "tongueOut",
)  # fmt: skip
"""Face units that make the sounds."""
EXPRESSION = tuple(name for name in FACE_UNITS if name not in MOUTH and not name.startswith(("eyeBlink", "eyeLook")))
"""Face units that show what is felt: brows, cheeks, nose, lids, and the mouth's corners."""
LIDS = ("eyeBlinkLeft", "eyeBlinkRight")
GAZE = tuple(name for name in FACE_UNITS if name.startswith("eyeLook"))
SHUT = 0.5
"""Closure of both lids from which a movement of theirs is a blink."""
MET = 0.03
"""Gap, in units of jawOpen, below which lips have met: then no gain parts them."""
LEAST = 0.2
"""Smallest gain that can be undone: less leaves hardly anything to enlarge."""
REACH = 0.32
"""Seconds around a shut lid that belong to the blink: the longest closing and opening of `blink`."""


def apply_gains(
    motion: Motion,
    features: SpeechFeatures,
    seed: int,
    mouth: float = 1.0,
    expression: float = 1.0,
    head: float = 1.0,
    blink: float = 1.0,
    dropping: torch.Generator | None = None,
) -> Motion:
    """Motion with its parts made larger or smaller. With all gains at 1 it is unchanged.

    Args:
        motion: as drawn.
        features: the speech it was drawn for.
        seed: of the motion; it also draws which blinks go or come.
        mouth: 0..2 times the movement of jaw, lips and tongue. Lips that meet still meet.
        expression: 0..2 times brows, cheeks, nose, lids and the mouth's corners.
        head: 0..2 times the head's movement, softly kept within its limits.
        blink: 0..2 times as many blinks: below 1 some are left out and the gaze wanders less, above 1 some are added. At 0 the
            eyes stay open and look straight, so that all gains at 0 mean no motion at all.
        dropping: of `drop_chances`, for a motion that comes piece by piece; it goes on from piece to piece.

    Raises:
        UserError: a gain outside its range.
    """
    check_gains(mouth, expression, head, blink)
    units = motion.units.clone()
    for names, gain in ((MOUTH, mouth), (EXPRESSION, expression)):
        index = [UNIT_INDEX[name] for name in names]
        units[:, index] = (gain * units[:, index]).clamp(0, 1)
    before = lip_gap(motion.units)
    parted = (lip_gap(units) - before.clamp(min=0)).clamp(min=0) * (before < MET)
    units[:, UNIT_INDEX["mouthClose"]] = (units[:, UNIT_INDEX["mouthClose"]] + parted).clamp(max=1)
    if blink < 1:
        _drop_blinks(units, motion.fps, dropping or drop_chances(seed), blink)
        units[:, [UNIT_INDEX[name] for name in GAZE]] *= blink
        units[:, [UNIT_INDEX[name] for name in LIDS]] *= blink > 0
    elif blink > 1:
        times = (torch.arange(len(motion), dtype=torch.float64) + 0.5) / motion.fps
        more = draw_blinks(analyse(features), seed + 1, gain=blink - 1)
        close_lids(units, blink_closure(more, times).to(units))
    pose = motion.head.clone()
    if head != 1:
        limits = pose.new_tensor([LIMITS[axis] for axis in AXES])
        pose = torch.cat([(head * pose[:, :3]).clamp(-limits, limits), head * pose[:, 3:]], 1)
    return Motion(units, pose, motion.fps, motion.metadata | gain_notes(mouth, expression, head, blink))


def gain_notes(mouth: float, expression: float, head: float, blink: float) -> dict[str, str]:
    """What a take's metadata tell of its gains."""
    gains = {"mouth": mouth, "expression": expression, "head": head, "blink": blink}
    return {name: f"{gain:g}" for name, gain in gains.items()}


def drop_chances(seed: int) -> torch.Generator:
    """What decides which blinks are left out."""
    return stream(seed, "blink gain")


def check_gains(mouth: float, expression: float, head: float, blink: float) -> None:
    """Raises UserError for a gain outside its range."""
    for name, value in (("mouth", mouth), ("expression", expression), ("head", head), ("blink", blink)):
        if not 0 <= value <= 2:
            raise UserError(f"the {name} gain is {value}: use a number from 0 to 2.")


def undo_gains(motion: Motion) -> Motion:
    """A take about as it was drawn, before `apply_gains`; what a gain took away for good (blinks, clipped peaks) stays away.

    Args:
        motion: a take. Its metadata tell the gains; what they do not tell, and gains below LEAST, are not undone.
    """
    units, head = motion.units.clone(), motion.head.clone()
    gains = {name: _told(motion, name) for name in ("mouth", "expression", "head", "blink")}
    for names, gain in ((MOUTH, gains["mouth"]), (EXPRESSION, gains["expression"]), (GAZE, min(1.0, gains["blink"]))):
        index = [UNIT_INDEX[name] for name in names]
        units[:, index] = (units[:, index] / gain).clamp(0, 1)
    return Motion(units, head / gains["head"], motion.fps, dict(motion.metadata))


def _told(motion: Motion, name: str) -> float:
    """A gain that the metadata tell, LEAST or more; 1 where they tell none."""
    try:
        gain = float(motion.metadata.get(name, 1.0))
    except ValueError:
        return 1.0
    return gain if gain >= LEAST else 1.0


def find_blinks(units: Tensor, fps: float) -> list[tuple[int, int]]:
    """(first, last) frame, last not included, of each blink with its closing and opening, of units [T, 52]."""
    lids = units[:, [UNIT_INDEX[name] for name in LIDS]].amin(1)
    shut = torch.nn.functional.pad((lids > SHUT).int(), (1, 1))
    edges = shut.diff().nonzero()[:, 0].tolist()
    reach = round(REACH * fps)
    return [(max(0, a - reach // 2), min(len(units), b + reach)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _drop_blinks(units: Tensor, fps: float, generator: torch.Generator, share: float) -> None:
    """Leave each blink with the chance `share`; the others' lids move straight over from before to after, in place."""
    for first, last in find_blinks(units, fps):
        if float(torch.rand(1, generator=generator)) < share:
            continue
        way = torch.linspace(0, 1, last - first).to(units)
        for name in LIDS:
            column = UNIT_INDEX[name]
            straight = torch.lerp(units[first, column], units[last - 1, column], way)
            units[first:last, column] = torch.minimum(units[first:last, column], straight)

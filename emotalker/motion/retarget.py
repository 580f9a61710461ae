"""From a take's absolute face units to changes of a portrait that already has an expression of its own."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..arkit import UNIT_INDEX
from .motion import Motion

# Units that part the lips. Speech needs them for itself: a portrait that laughs could never close its lips on an m.
_PARTING = ("jawOpen", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight", "mouthFunnel")
# Units whose use tells that the mouth speaks.
_SPEAKING = (*_PARTING, "mouthClose", "mouthPucker", "mouthPressLeft", "mouthPressRight", "mouthRollLower", "mouthRollUpper")
# Seconds for which the mouth stays the speech's around each use, and over which it is handed over.
_HOLD, _HANDOVER = 0.6, 0.3


def unit_changes(motion: Motion, expression: Tensor, neutralise: bool) -> Tensor:
    """Changes of the portrait's face units, frame by frame.

    Args:
        motion: the take; its weights are absolute.
        expression: [52] weights that the portrait has.
        neutralise: take the portrait's expression away, so that the take's weights are what shows. Otherwise the take is
            added to it, up to each unit's full weight, and only what parts the portrait's lips makes way for speech.

    Returns:
        [T,52]. Without `neutralise` a take of zeros gives zeros.
    """
    own = expression.to(motion.units)
    if neutralise:
        return motion.units - own
    kept = own.expand(len(motion), -1).clone()
    parting = [UNIT_INDEX[name] for name in _PARTING]
    kept[:, parting] *= 1 - speaking(motion)[:, None]
    wanted = torch.minimum(kept + motion.units, kept.clamp(min=1))
    return wanted - own


def part_changes(motion: Motion, expression: Tensor, neutralise: bool, first: int, last: int) -> Tensor:
    """Rows first..last (not included) of unit_changes; of a motion that is made as it is asked for no more than they need."""
    reach = round(_HOLD * motion.fps / 2) + round(_HANDOVER * motion.fps / 2)
    before = max(0, first - reach)
    return unit_changes(motion.part(before, last + reach), expression, neutralise)[first - before : last - before]


def speaking(motion: Motion) -> Tensor:
    """[T] 0..1 how far the mouth is in use by speech, with soft ends."""
    units = motion.units[:, [UNIT_INDEX[name] for name in _SPEAKING]]
    use = (units.abs().amax(1) / 0.06).clamp(0, 1)[None, None]
    hold, handover = (max(0, round(seconds * motion.fps / 2)) for seconds in (_HOLD, _HANDOVER))
    use = F.max_pool1d(use, 2 * hold + 1, 1, hold)
    return F.avg_pool1d(F.pad(use, (handover, handover), mode="replicate"), 2 * handover + 1, 1)[0, 0]

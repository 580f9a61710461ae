"""Lips made as crisp as speech is: what is drawn moves a little less than sounds ask for."""

from torch import Tensor
from torch.nn.functional import conv1d, pad

from ..arkit import UNIT_INDEX
from ..curves import gaussian
from .gains import MOUTH

LIPS = [UNIT_INDEX[name] for name in MOUTH]
"""Face units of the sounds."""
CRISPNESS, REACH = 0.2, 0.1
"""How far movement faster than REACH (seconds, sigma of a Gaussian) is enlarged: so that the gap of the lips varies as the
speaker's own does (sd, benchmarks/lips.py); more makes lips tremble."""


def articulate(units: Tensor, rate: float) -> Tensor:
    """Units [T, 52] 0..1 at `rate` frames a second with crisper lips, jaw and tongue."""
    sigma = REACH * rate
    reach = max(1, round(3 * sigma))
    kernel = gaussian(sigma, reach, units)
    lips = units[:, LIPS]
    smooth = conv1d(pad(lips.T[:, None], (reach, reach), mode="replicate"), kernel[None, None])[:, 0].T
    result = units.clone()
    result[:, LIPS] = (lips + CRISPNESS * (lips - smooth)).clamp(0, 1)
    return result

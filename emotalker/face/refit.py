"""Face units and head movement of tracked frames, measured with a rig that was fitted to the first picture."""

import torch
from torch import Tensor

from .fitted import FittedRig
from .landmarks478 import FACE_OVAL

PRIOR = 0.02
"""Landmark noise, in shares of the distance between the eyes, over the expected size (1) of a weight."""
SWEEPS = 60
OVAL_WEIGHT = 0.2


def fit_units(fitted: FittedRig, landmarks: Tensor) -> Tensor:
    """Absolute face unit weights of tracked frames.

    Args:
        fitted: the rig fitted to the portrait.
        landmarks: [T,478,3] pixels in the portrait's picture; depth is not used.

    Returns:
        [T,52] weights, 0 or more, that include the portrait's own expression: regularised non-negative least squares after
        the head's movement is taken out.
    """
    device = fitted.rest.device
    seen = landmarks.to(fitted.rest)[..., :2]
    base = fitted.landmarks(fitted.rest)
    effects = fitted.landmarks(fitted.units)
    weight = torch.ones(478, device=device)
    weight[list(FACE_OVAL)] = OVAL_WEIGHT
    share = fitted.landmarks(fitted.head_weight[:, None].expand(-1, 3))[:, :1]
    arms = (base - fitted.pivot) * share
    turns = torch.stack([torch.linalg.cross(axis.expand_as(arms), arms) for axis in torch.eye(3, device=device)])
    shifts = torch.eye(3, device=device)[:2, None, :].expand(-1, 478, -1) * fitted.scale
    growth = (base - base.mean(0))[None]
    pose = torch.cat([turns, shifts, growth])
    columns = torch.cat([pose, effects])[..., :2]
    scale = weight.sqrt()[:, None] / fitted.scale
    matrix = (columns * scale).flatten(1).double()
    normal = matrix @ matrix.T
    count = len(pose)
    diagonal = torch.full((len(matrix),), PRIOR**2 * 478 / 50, device=device, dtype=torch.double)
    diagonal[:count] = 1e-9
    normal = normal + torch.diag(diagonal)
    start = fitted.expression.double().expand(len(seen), -1)
    wanted = ((seen - base[:, :2]) * scale).flatten(1).double() @ matrix.T
    # Unknowns: pose changes, then weights measured from the portrait's; the prior draws them to no change.
    low = torch.cat([torch.full((count,), -1e9, device=device), -fitted.expression]).double()
    solution = torch.zeros(len(seen), len(matrix), device=device, dtype=torch.double)
    for _ in range(SWEEPS):
        for i in range(len(matrix)):
            gradient = wanted[:, i] - solution @ normal[:, i] + solution[:, i] * normal[i, i]
            solution[:, i] = (gradient / normal[i, i]).clamp(min=float(low[i]))
    return (start + solution[:, count:]).float()

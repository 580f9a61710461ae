"""Facial information preservation (EmoTalker, arXiv 2401.08049): at every denoising step the portrait is mixed back in.

The paper says only that the denoised output is combined with the noised input portrait by a preservation ratio; the rule below
is this project's reconstruction, and DiffTalk's masked denoising is its special case ρ = 1.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..diffusion import noising
from .guide import MAPS

IDENTITY, FREE = 0.4, 0.1
"""The weight M on the face's skin, where folds and shadows may be painted, and in mouth, eyes and lids, which must articulate.
Beside the face it is 1. So ρ = 1 is masked denoising: it does not stop the painting, only M ≡ 1 does."""
OWN = 2.0
"""M on the portrait's own teeth, which need no painting: from ρ = 0.5 on they stay as they are."""
REACH = 3
"""Cells of 4 pixels by which mouth, eyes and lids reach beyond their outline: lips, lashes and folds beside them."""
FADE = 2
"""Cells over which painting fades out beside the face."""
COARSE = 24
"""Parts of the face's side: what is finer is texture."""
WHOLE = 0.45, 0.725
"""Of the soft edge around mouth, eyes and lids, the shares between which painting goes over from coarse to whole."""
LINES = 1.6
"""Share of the ratio, as far as 1, by which lips keep the guide's texture too: their lines and edges, which the rig draws sharp
and the model, which cannot know where to the pixel they lie, paints soft."""


def preserve(estimate: Tensor, anchor: Tensor, noise: Tensor, step: int, ratio: float, weight: Tensor) -> Tensor:
    """x_t ← (1 - ρM) x̂_t + ρM q(a, t), with q(a, t) = √ᾱ_t a + √(1 - ᾱ_t) ε.

    Args:
        estimate: [n,C,h,w] x̂_t, the state after a denoising step, at noise level t.
        anchor: [n,C,h,w] a, clean, in the same space.
        noise: [n,C,h,w] ε, the noise that the frames began with.
        step: t, a time step of the scheduler; -1 stands for no noise.
        ratio: ρ, 0..1.
        weight: M [n,1,h,w], 0 or more; ρM counts as 1 where it is more.

    Returns:
        [n,C,h,w]; the estimate where ρM is 0, the anchor at its noise level where it is 1.
    """
    known = anchor
    if step >= 0:
        known = noising().add_noise(anchor, noise, torch.full((len(anchor),), step, device=anchor.device))
    return torch.lerp(estimate, known, (ratio * weight).clamp(max=1))


def moving(maps: Tensor) -> Tensor:
    """[n,1,h,w] 0..1 where mouth, eyes and lids are, with REACH around them, by guide.MAPS [n,8,h,w]."""
    shares = maps[:, [MAPS.index(name) for name in ("mouth", "eyes", "lids")]]
    return _grown(shares.amax(1, keepdim=True), REACH)


def identity_weight(maps: Tensor, own: Tensor | None = None) -> Tensor:
    """M [n,1,h,w]: 1 or more where the picture must stay as it is, lower where it may be painted.

    Args:
        maps: [n,8,h,w] in the order of guide.MAPS.
        own: [n,1,h,w] share that is the portrait's own teeth; none by default.
    """
    face = _grown(maps[:, MAPS.index("face") :][:, :1], 1)
    weight = 1 - torch.maximum((1 - IDENTITY) * face, (1 - FREE) * moving(maps))
    return weight if own is None else torch.maximum(weight, OWN * own)


def with_texture(change: Tensor, maps: Tensor, ratio: float) -> Tensor:
    """What is painted, but on skin only what is coarser than its texture: pores, wrinkles and brush strokes are the guide's.
    Eyes, lids and the inside of the mouth are painted whole, and lips but for LINES.

    Args:
        change: [n,3,s,s] what is added to the guide.
        maps: [n,8,h,w] in the order of guide.MAPS.
        ratio: ρ, 0..1.

    Returns:
        [n,3,s,s].
    """
    width = 2 * (change.shape[-1] // COARSE // 2) + 1
    soft = change
    for window in ((1, width), (width, 1)):  # one after the other: a fifth of the work of both at once
        soft = F.avg_pool2d(soft, window, 1, [side // 2 for side in window], count_include_pad=False)
    low, high = WHOLE
    whole = ((moving(maps) - low) / (high - low)).clamp(0, 1)
    mouth = maps[:, MAPS.index("mouth") : MAPS.index("mouth") + 1]
    lips = (_grown(mouth, REACH) - _grown(mouth, 0)).clamp(min=0)
    whole = whole * (1 - min(1.0, LINES * ratio) * lips)
    return torch.lerp(soft, change, F.interpolate(whole, scale_factor=change.shape[-1] / maps.shape[-1], mode="bilinear"))


def paintable(maps: Tensor) -> Tensor:
    """[n,1,h,w] 1 where the face can be painted, by guide.MAPS [n,8,h,w], softly falling to 0 beside it: hair, clothes and
    background are the guide's, whatever the ratio."""
    face = ((1 - identity_weight(maps)) / (1 - IDENTITY)).clamp(max=1)
    return F.avg_pool2d(face, 2 * FADE + 1, 1, FADE, count_include_pad=False)


def _grown(share: Tensor, reach: int) -> Tensor:
    """[n,1,h,w] grown by `reach` cells, with soft edges."""
    grown = F.max_pool2d(share, 2 * reach + 1, 1, reach)
    return F.avg_pool2d(grown, 3, 1, 1, count_include_pad=False)

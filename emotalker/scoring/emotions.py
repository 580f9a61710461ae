"""Emotions of a clip over time, and how well they are those that were asked for."""

import torch
from torch import Tensor

from ..emotion.soft_label import soft_label
from ..emotion.taxonomy import EMOTIONS

POOL = 0.8
"""Seconds over which what single frames show is averaged: a mouth that speaks looks like many things for moments."""
LATE = 0.2
"""Seconds by which a face follows what is asked, about: onset of an expression (0.3 to 0.5 s from trace to apex), halved."""


def pooled(values: Tensor, fps: float) -> Tensor:
    """Values [T,C] averaged over POOL seconds around each frame, without rows that are NaN; NaN where there are none."""
    known = values.isfinite().all(1)
    reach = max(0, round(POOL * fps / 2))
    window = torch.hann_window(2 * reach + 3, periodic=False)[1:-1].to(values)
    rows = torch.cat([torch.where(known[:, None], values, 0.0), known[:, None].to(values)], 1).T[:, None]
    sums = torch.nn.functional.conv1d(rows, window[None, None], padding=reach)[:, 0].T
    return torch.where(sums[:, -1:] > 1e-6, sums[:, :-1] / sums[:, -1:].clamp(min=1e-6), torch.nan)


def emotion_match(asked: Tensor, shown: Tensor, fps: float) -> float | None:
    """How much of what is asked for is seen, 0..1: what the two soft labels have in common, mean over the frames.

    Args:
        asked: [T,8] strengths 0..1.5; where nothing is asked for a neutral face is.
        shown: [T,8] soft labels that were read, NaN where no face was.
        fps: frames per second.

    Returns:
        1 where every frame shows just the emotions asked for, in their shares; None where no frame has a face.
    """
    late = round(LATE * fps)
    asked = torch.cat([asked[:1].expand(late, -1), asked])[: len(shown)]
    common = torch.minimum(pooled(soft_label(asked), fps), pooled(shown, fps)).sum(1)
    known = common.isfinite()
    return float(common[known].mean()) if known.any() else None


def main_emotions(shown: Tensor) -> dict[str, float]:
    """Mean share of each emotion in soft labels [T,8], largest first; frames without a face (NaN) do not count."""
    known = shown[shown.isfinite().all(1)]
    if not len(known):
        return {}
    shares = known.mean(0)
    return {EMOTIONS[i]: float(shares[i]) for i in shares.argsort(descending=True).tolist()}

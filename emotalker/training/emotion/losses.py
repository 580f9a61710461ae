"""What training of the Emotion Intensity Block asks of embeddings: near where feelings are near."""

import torch
from torch import Tensor
from torch.nn import functional

from ...emotion.taxonomy import EMOTIONS

VALENCE_AROUSAL = {
    "neutral": (0.0, 0.0), "happy": (0.76, 0.48), "sad": (-0.63, -0.27), "angry": (-0.51, 0.59), "fear": (-0.64, 0.60),
    "disgust": (-0.60, 0.35), "surprise": (0.40, 0.67), "contempt": (-0.55, 0.43),
}  # fmt: skip
"""Russell and Mehrabian, J. Research in Personality 11 (1977), 273-294; contempt is ours, between anger and disgust."""


def near_loss(vectors: Tensor, strengths: Tensor) -> Tensor:
    """Distances of embeddings against distances of strengths, where emotions of like valence and arousal are near.

    Args:
        vectors: [B, D] embeddings.
        strengths: [B, 8] of the emotions, 0..1.

    Returns:
        [] the mean over all pairs.
    """
    plane = torch.tensor([VALENCE_AROUSAL[name] for name in EMOTIONS], device=strengths.device)
    place = torch.cat((strengths, strengths @ plane), 1)
    wanted, got = ((v[:, None] - v[None]).pow(2).sum(2).clamp(min=1e-6).sqrt() for v in (place, vectors))
    return functional.smooth_l1_loss(got, wanted, beta=0.2)

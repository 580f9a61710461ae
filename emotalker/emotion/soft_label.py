"""The soft label of emotions shown: each one's share."""

from torch import Tensor

from .taxonomy import EMOTION_INDEX

CLEAR = 0.5
"""Strength from which a face counts as wholly emotional; below, the rest of it is neutral: a trace is mostly a neutral face."""


def soft_label(strengths: Tensor) -> Tensor:
    """Shares [N,8] of emotions of strengths [N,8]: each over their sum; what a weak expression leaves is neutral."""
    felt = strengths.clone()
    felt[:, EMOTION_INDEX["neutral"]] = 0
    weight = (felt.amax(1, keepdim=True) / CLEAR).clamp(max=1)
    result = felt / felt.sum(1, keepdim=True).clamp(min=1e-6) * weight
    result[:, EMOTION_INDEX["neutral"]] = 1 - weight[:, 0]
    return result

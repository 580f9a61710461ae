"""Tokens of bare emotion strengths, as the Emotion Intensity Block makes them for emotions that come from no text."""

import torch
from torch import Tensor, nn

from .taxonomy import EMOTIONS

TOKEN = 64
"""Width of an emotion token and of the embedding."""


class StrengthTokens(nn.Sequential):
    """Strengths to one token an emotion, near for like strengths; trained within the Emotion Intensity Block to lie where
    the tokens of texts with those strengths lie, and kept as it is by the models that it steers."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(2 + len(EMOTIONS), 2 * TOKEN), nn.GELU(), nn.Linear(2 * TOKEN, TOKEN))

    def forward(self, strengths: Tensor) -> Tensor:
        """[..., 8] strengths 0..1.5 to tokens [..., 8, TOKEN]."""
        names = torch.eye(len(EMOTIONS), device=strengths.device, dtype=strengths.dtype)
        names = names.expand(*strengths.shape[:-1], *names.shape)
        level = strengths.unsqueeze(-1)
        return super().forward(torch.cat((level, level.clamp(min=0).sqrt(), names), -1))

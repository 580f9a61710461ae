"""What motion is trained for beside denoising: its speed, where the lips are, that they close, and that the emotion shows."""

import torch
from torch import Tensor, nn

from ...arkit import FACE_UNITS
from ...emotion.taxonomy import EMOTIONS
from ...face.rig import Rig
from ...motion.blend import lip_gap
from ...motion.denoiser import CHANNELS, MotionDenoiser

LIPS = (
    61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 146, 91, 181, 84, 17, 314, 405, 321, 375,
    78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 95, 88, 178, 87, 14, 317, 402, 318, 324,
)  # fmt: skip
"""The landmarks of mediapipe's face mesh on the outer and the inner contour of the lips."""
UNITS = len(FACE_UNITS)


def soft_label(emotion: Tensor, weight: Tensor | None = None) -> Tensor:
    """Soft label of a window: each emotion's mean strength, all scaled down to a sum of 1 if more; the rest is neutral.

    Args:
        emotion: [B, T, 8] strengths.
        weight: [B, T] of the frames; None counts all.

    Returns:
        [B, 8], rows sum to 1.
    """
    if weight is None:
        weight = torch.ones_like(emotion[..., 0])
    felt = (emotion[..., 1:] * weight[..., None]).sum(1) / weight.sum(1, keepdim=True).clamp(min=1)
    felt = felt / felt.sum(1, keepdim=True).clamp(min=1)
    return torch.cat([1 - felt.sum(1, keepdim=True), felt], 1)


class EmotionReader(nn.Module):
    """Reads the soft label from a window of normalised motion: the perception block of motion.

    Args:
        width: channels.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(CHANNELS, width, 5, stride=2, padding=2),
            nn.GELU(),
            nn.Conv1d(width, width, 5, stride=2, padding=2),
            nn.GELU(),
        )
        self.head = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, len(EMOTIONS)))

    def forward(self, motion: Tensor) -> Tensor:
        """[B, T, CHANNELS] to logits [B, 8]."""
        x = self.layers(motion.transpose(1, 2))
        return self.head(torch.cat([x.mean(2), x.amax(2)], 1))


def perception_loss(logits: Tensor, target: Tensor) -> Tensor:
    """[B] Kullback-Leibler divergence of the read soft label from the asked one."""
    return (target * (target.clamp(min=1e-6).log() - logits.log_softmax(1))).sum(1)


class MotionLosses(nn.Module):
    """Auxiliary losses of estimated motion; each is about 1 for motion that only shows the corpus's mean.

    Args:
        model: whose normalisation holds.
    """

    def __init__(self, model: MotionDenoiser) -> None:
        super().__init__()
        rig = Rig.load()
        effects = rig.landmarks(rig.units)[:, list(LIPS)].flatten(1)
        spread = (model.scale[:UNITS, None].cpu() * effects).square().sum(0).mean().sqrt()
        self.register_buffer("lips", effects / spread)
        self.register_buffer("mean", model.mean.clone())
        self.register_buffer("scale", model.scale.clone())

    def lip_distance(self, found: Tensor, wanted: Tensor) -> Tensor:
        """[B, T] mean squared distance of the lips' contours, by the rig, of normalised motion [B, T, CHANNELS]."""
        change = (found - wanted)[..., :UNITS] * self.scale[:UNITS]
        return (change @ self.lips).square().mean(2)

    def open_closures(self, found: Tensor, wanted: Tensor, closure: Tensor) -> Tensor:
        """[B, T] how far lips part that must be shut: the excess of the gap in tenths of the jaw, squared, where closed."""
        gaps = [lip_gap((x * self.scale + self.mean)[..., :UNITS].clamp(min=0)) for x in (found, wanted)]
        excess = (gaps[0] - gaps[1].clamp(min=0)).clamp(min=0)
        return closure * (10 * excess).square()

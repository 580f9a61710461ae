"""Fit the drift of a frame denoiser: how far the fit's motion carries each place of a face away from where it truly goes."""

import numpy as np
import torch
from torch import Tensor

from ...frames.denoiser import FrameDenoiser
from .batches import FramePairs

RATE = 3e-3


def fit_drift(model: FrameDenoiser, pairs: FramePairs, seed: int, steps: int, count: int = 256) -> None:
    """Fit the drift to the landmarks' own, in a minute, before anything is trained; mirrored frames count as well."""
    draw = np.random.default_rng([seed, 1])
    learned = [model.drift.weight, model.drift.bias]
    for parameter in learned:
        parameter.requires_grad_(True)
    optimiser = torch.optim.AdamW(learned, lr=RATE, weight_decay=0.0)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = RATE * (1 - step / steps)
        frames, mirrored = draw.integers(len(pairs), size=count), draw.random(count) < 0.5
        loss = drift_error(model, *(value.to(learned[0]) for value in pairs.movement(frames, mirrored)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    for parameter in learned:
        parameter.requires_grad_(False)


def drift_error(model: FrameDenoiser, motion: Tensor, own: Tensor, taken: Tensor, places: Tensor, drifts: Tensor) -> Tensor:
    """How far the drift is from that of the landmarks, in pixels; arguments as of FramePairs.movement."""
    found = model.drift_at(motion, own, taken, motion.new_ones(len(motion)), places[:, None])[:, :, 0]
    inside = ((places > 0) & (places < model.shape.size)).all(2)[:, None]
    return ((found - drifts.transpose(1, 2)).abs() * inside).mean()

"""Curves over time: read between their samples."""

import torch
from torch import Tensor


def sample(values: Tensor, rate: float, times: Tensor) -> Tensor:
    """Curves on a regular grid at any times, linear between samples, held at both ends.

    Args:
        values: [N, ...] value i at i / rate seconds, N >= 1.
        rate: samples per second.
        times: [T] seconds.

    Returns:
        [T, ...] in the type and on the device of `values`.
    """
    position = (times.to(device=values.device, dtype=torch.float64) * rate).clamp(0, values.shape[0] - 1)
    low = position.floor().long()
    high = (low + 1).clamp(max=values.shape[0] - 1)
    share = (position - low).to(values.dtype).reshape(-1, *[1] * (values.ndim - 1))
    return values[low] * (1 - share) + values[high] * share

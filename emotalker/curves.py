"""Curves: read between their samples, steps without corners, Gaussian weights."""

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


def smoothstep(value: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    """0 at `low`, 1 at `high` (which may be the lower number), smooth between, held outside."""
    x = ((value - low) / (high - low)).clamp(0, 1)
    return x * x * (3 - 2 * x)


def gaussian(sigma: float, reach: int, like: Tensor | None = None) -> Tensor:
    """[2 reach + 1] weights of a Gaussian that sum to 1; `sigma` and `reach` in samples, type and device of `like`."""
    kind = {} if like is None else {"dtype": like.dtype, "device": like.device}
    offsets = torch.arange(-reach, reach + 1, **({"dtype": torch.float32} | kind))
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    return kernel / kernel.sum()

"""Weights in one byte each: matrices as int8 with a scale per row, everything else in half precision."""

import torch
from torch import Tensor

SCALE = ".scale"


def pack(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Matrices to int8 with their scales beside them (name + ".scale"); other tensors to float16.

    Args:
        tensors: floating-point tensors of any shape.

    Returns:
        tensors to save; `unpack` makes float32 of them again, off by at most 1/254 of a row's largest weight.
    """
    packed: dict[str, Tensor] = {}
    for name, value in tensors.items():
        value = value.detach().float().cpu()
        if value.dim() == 2:
            scale = value.abs().amax(1).clamp(min=1e-8) / 127
            packed[name] = (value / scale[:, None]).round().to(torch.int8)
            packed[name + SCALE] = scale
        else:
            packed[name] = value.half().contiguous()
    return packed


def unpack(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """What `pack` made, as float32 on the same device."""
    return {
        name: value.float() * tensors[name + SCALE][:, None] if value.dtype == torch.int8 else value.float()
        for name, value in tensors.items()
        if not name.endswith(SCALE)
    }

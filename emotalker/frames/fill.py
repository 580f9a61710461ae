"""Paint what the picture does not show: smooth fill of masked pixels, with the picture's own grain."""

import torch
import torch.nn.functional as F
from torch import Tensor

# Pyramid levels up to this many pixels are relaxed fully.
_RELAXED_SIZE = 320


def blur(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of [H,W,C] or [H,W] with standard deviation `sigma` in pixels; borders are reflected."""
    if sigma <= 0:
        return image
    flat = image.dim() == 2
    planes = (image[..., None] if flat else image).permute(2, 0, 1)[:, None]
    for axis in (2, 3):
        radius = min(max(1, round(3 * sigma)), planes.shape[axis] - 1)
        if radius < 1:
            continue
        x = torch.arange(-radius, radius + 1, device=image.device, dtype=image.dtype)
        kernel = torch.exp(-0.5 * (x / sigma) ** 2)
        kernel = (kernel / kernel.sum()).view((1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1))
        pad = (0, 0, radius, radius) if axis == 2 else (radius, radius, 0, 0)
        planes = F.conv2d(F.pad(planes, pad, mode="reflect"), kernel)
    result = planes[:, 0].permute(1, 2, 0)
    return result[..., 0] if flat else result


def smooth_fill(image: Tensor, known: Tensor, relax: int = 30) -> Tensor:
    """Fill unknown pixels from their surroundings: pull-push over a pyramid, then relaxation towards a membrane.

    Args:
        image: [H,W,C].
        known: [H,W] weight of each pixel as a source, 0 (paint over) to 1 (keep).
        relax: Jacobi steps on each pyramid level; more is smoother.

    Returns:
        [H,W,C]; pixels with known = 1 are unchanged.
    """
    weight = known.to(image.dtype)[None, None]
    colour = image.permute(2, 0, 1)[None] * weight
    levels = [(colour, weight)]
    while min(colour.shape[-2:]) > 2 and float(weight.amin()) < 0.999:
        colour = F.avg_pool2d(colour, 2, ceil_mode=True, count_include_pad=False)
        weight = F.avg_pool2d(weight, 2, ceil_mode=True, count_include_pad=False)
        levels.append((colour, weight))
    colour, weight = levels[-1]
    total = weight.sum((-2, -1), keepdim=True).clamp(min=1e-6)
    mean = colour.sum((-2, -1), keepdim=True) / total
    full = torch.where(weight > 1e-4, colour / weight.clamp(min=1e-4), mean)
    for colour, weight in reversed(levels[:-1]):
        full = F.interpolate(full, size=colour.shape[-2:], mode="bilinear", align_corners=False)
        # A pixel that is known counts from a small weight on: coarse levels hold averages of known pixels only.
        trust = weight.clamp(max=1) if weight is levels[0][1] else (weight * 4).clamp(max=1)
        own = torch.where(weight > 1e-4, colour / weight.clamp(min=1e-4), full)
        full = own * trust + full * (1 - trust)
        # What the coarse levels settled needs only a touch on the fine ones.
        for _ in range(relax if max(colour.shape[-2:]) <= _RELAXED_SIZE else 3):
            around = F.pad(full, (1, 1, 1, 1), mode="replicate")
            mean4 = (around[..., 1:-1, :-2] + around[..., 1:-1, 2:] + around[..., :-2, 1:-1] + around[..., 2:, 1:-1]) / 4
            full = own * trust + mean4 * (1 - trust)
    filled = full[0].permute(1, 2, 0)
    return torch.where(known[..., None] >= 1, image, filled)


def add_grain(filled: Tensor, image: Tensor, where: Tensor, source: Tensor, sigma: float, seed: int = 0) -> Tensor:
    """Give painted pixels noise of the strength that the picture has elsewhere, so that they do not look airbrushed.

    Args:
        filled: [H,W,C] picture with painted parts.
        image: [H,W,C] the original, from which the strength is measured.
        where: [H,W] 0..1, where to add.
        source: [H,W] 0..1, where to measure (skin, say).
        sigma: scale of the grain in pixels.
        seed: of the noise.
    """
    detail = image - blur(image, 2 * sigma)
    weight = source[..., None]
    # A robust measure: edges and hairs must not count as grain.
    strength = (detail.abs() * weight).sum((0, 1)) / weight.sum().clamp(min=1)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(*image.shape[:2], 1, generator=generator).to(image)
    noise = blur(noise, sigma / 2)
    noise = noise / noise.std().clamp(min=1e-6)
    return (filled + noise * strength.clamp(max=0.02) * where[..., None]).clamp(0, 1)

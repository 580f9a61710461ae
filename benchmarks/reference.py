"""A piece of work that every benchmark times beside its own, so that results of different machines can be compared."""

import time

import torch


def reference_seconds() -> float:
    """Seconds for a fixed mixture of matrix products and picture resampling, on as many threads as torch now uses."""
    generator = torch.Generator().manual_seed(0)
    matrix = torch.rand(512, 512, generator=generator)
    picture = torch.rand(1, 3, 512, 512, generator=generator)
    grid = torch.rand(1, 512, 512, 2, generator=generator) * 2 - 1
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(4):
            matrix = torch.nn.functional.normalize(matrix @ matrix, dim=1)
            torch.nn.functional.grid_sample(picture, grid, align_corners=False)
        best = min(best, time.perf_counter() - start)
    return best

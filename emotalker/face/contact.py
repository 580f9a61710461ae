"""Where the two halves of a closed ring (lips, lids) lie across from each other."""

import numpy as np


def opposite_weights(points: np.ndarray, far: int) -> np.ndarray:
    """Matrix [N,N] that takes a ring's points to the points of the other half across from them.

    Args:
        points: ring vertices [N,2 or 3] in order: position 0 one corner, 1..far-1 the upper half, far the other corner,
            the rest the lower half on the way back.
        far: position of the second corner.

    Two points are across from each other when they lie equally far along the line from corner to corner.
    """
    count = len(points)
    axis = points[far] - points[0]
    along = (points - points[0]) @ axis / (axis @ axis)
    upper = list(range(far + 1))
    lower = [0, *range(count - 1, far - 1, -1)]
    weights = np.zeros((count, count))
    weights[0, 0] = weights[far, far] = 1.0
    for mine, other in ((upper, lower), (lower, upper)):
        grid = np.maximum.accumulate(np.clip(along[other], 0, 1))
        grid = grid + 1e-9 * np.arange(len(other))
        for i in mine[1:-1]:
            j = int(np.clip(np.searchsorted(grid, np.clip(along[i], 0, 1)), 1, len(other) - 1))
            share = np.clip((along[i] - grid[j - 1]) / max(grid[j] - grid[j - 1], 1e-9), 0, 1)
            weights[i, other[j - 1]] += 1 - share
            weights[i, other[j]] += share
    return weights

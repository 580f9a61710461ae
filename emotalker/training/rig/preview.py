"""Views of the head for building the rig: which triangle a pixel shows, and where in it."""

import numpy as np
import torch

from ...frames.rasteriser import rasterise as frames_rasterise


def rasterise(points: np.ndarray, triangles: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Nearest triangle per pixel.

    Args:
        points: vertices [V,3] in pixels, x right, y down, z smaller = nearer.
        triangles: vertex indices [F,3].

    Returns:
        (triangle index [height,width], -1 for none; barycentric weights [height,width,3]).
    """
    # Every triangle gets corners of its own, which carry its number and their own weight.
    corners = torch.from_numpy(points[triangles].reshape(1, -1, 3)).double()
    attributes = torch.eye(3, dtype=torch.float64).repeat(len(triangles), 1)
    number = torch.arange(len(triangles), dtype=torch.float64).repeat_interleave(3)
    own = torch.arange(3 * len(triangles)).view(-1, 3)
    drawn = frames_rasterise(corners, own, torch.cat([attributes, number[:, None]], 1), (height, width))
    values = drawn.values[0].numpy()
    index = np.where(drawn.covered[0].numpy(), values[..., 3].round().astype(np.int64), -1)
    return index, values[..., :3]


def to_picture(vertices: np.ndarray, yaw: float, pitch: float, size: int, scale: float) -> np.ndarray:
    """Rig vertices [V,3] as pixels of a square picture: turned by yaw and pitch (degrees), `scale` pixels per rig unit."""
    y, p = np.radians([yaw, pitch])
    turn_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    turn_p = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    turned = vertices @ (turn_p @ turn_y).T
    centre = np.array([size / 2, size * 0.45])
    return np.concatenate([turned[:, :2] * [scale, -scale] + centre, -turned[:, 2:] * scale], 1)

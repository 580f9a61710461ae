"""A plain z-buffer for building and looking at the rig; slow, exact, numpy only. The run-time rasteriser is in frames/."""

import numpy as np


def rasterise(points: np.ndarray, triangles: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Nearest triangle per pixel.

    Args:
        points: vertices [V,3] in pixels, x right, y down, z smaller = nearer.
        triangles: vertex indices [F,3].

    Returns:
        (triangle index [height,width], -1 for none; barycentric weights [height,width,3]).
    """
    index = np.full((height, width), -1, dtype=np.int64)
    weights = np.zeros((height, width, 3))
    depth = np.full((height, width), np.inf)
    corners = points[triangles]
    low = np.ceil(corners[..., :2].min(1) - 0.5).astype(int)
    high = np.floor(corners[..., :2].max(1) - 0.5).astype(int)
    for number in np.flatnonzero((high >= 0).all(1) & (low[:, 0] < width) & (low[:, 1] < height)):
        (x0, y0), (x1, y1) = np.maximum(low[number], 0), np.minimum(high[number], (width - 1, height - 1))
        if x1 < x0 or y1 < y0:
            continue
        a, b, c = corners[number]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if abs(area) < 1e-9:
            continue
        x, y = np.meshgrid(np.arange(x0, x1 + 1) + 0.5, np.arange(y0, y1 + 1) + 0.5)
        wb = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / area
        wc = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / area
        wa = 1 - wb - wc
        z = wa * a[2] + wb * b[2] + wc * c[2]
        window = slice(y0, y1 + 1), slice(x0, x1 + 1)
        hit = (wa >= -1e-6) & (wb >= -1e-6) & (wc >= -1e-6) & (z < depth[window])
        depth[window][hit] = z[hit]
        index[window][hit] = number
        weights[window][hit] = np.stack([wa, wb, wc], -1)[hit]
    return index, weights


def to_picture(vertices: np.ndarray, yaw: float, pitch: float, size: int, scale: float) -> np.ndarray:
    """Rig vertices [V,3] as pixels of a square picture: turned by yaw and pitch (degrees), `scale` pixels per rig unit."""
    y, p = np.radians([yaw, pitch])
    turn_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    turn_p = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    turned = vertices @ (turn_p @ turn_y).T
    centre = np.array([size / 2, size * 0.45])
    return np.concatenate([turned[:, :2] * [scale, -scale] + centre, -turned[:, 2:] * scale], 1)


def shaded(points: np.ndarray, triangles: np.ndarray, colours: np.ndarray, size: int) -> np.ndarray:
    """A picture uint8 [size,size,3] of vertices [V,3] in pixels with one colour per vertex, lit from the viewer's side."""
    index, weights = rasterise(points, triangles, size, size)
    a, b, c = (points[triangles[:, i]] for i in range(3))
    normals = np.cross(b - a, c - a)
    smooth = np.zeros_like(points)
    for i in range(3):
        np.add.at(smooth, triangles[:, i], normals)
    smooth /= np.linalg.norm(smooth, axis=1, keepdims=True) + 1e-12
    light = np.array([0.3, -0.4, -0.87])
    tone = 0.35 + 0.65 * np.abs(smooth @ light)
    lit = colours * tone[:, None]
    picture = (lit[triangles[index]] * weights[..., None]).sum(2)
    picture[index < 0] = 60
    return picture.clip(0, 255).astype(np.uint8)

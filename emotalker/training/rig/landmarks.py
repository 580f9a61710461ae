"""Where mediapipe's 478 face landmarks lie on the rig: seen by a landmark finder on renderings of the neutral head.

The head is rendered with MakeHuman's CC0 skins from several sides, the landmarks found are projected back onto the surface
and averaged. Landmarks of lips and lids are then set onto the mesh's own rings, so that an upper-lip landmark is a point of
the upper lip and nothing else.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial import cKDTree

from ...face.landmarks478 import (
    EYE_LOWER,
    EYE_UPPER,
    IRIS,
    LIPS_INNER_LOWER,
    LIPS_INNER_UPPER,
    LIPS_OUTER_LOWER,
    LIPS_OUTER_UPPER,
)
from ...face.rig import GROUPS
from .parts import EYE_IRIS, EYE_LATITUDES, EYE_MERIDIANS
from .preview import rasterise, to_picture

VIEWS = ((0, 0), (-20, 0), (20, 0), (0, 10), (0, -10), (-10, 5), (10, 5))
"""Yaw and pitch in degrees of the renderings."""
SIZE, SCALE = 700, 150
VERMILION = 6
"""Ring number (outward) of the lips' red border: the lip ring nearest to the outer lip landmarks."""

Finder = Callable[[np.ndarray], np.ndarray | None]


def renderings(rig: dict[str, np.ndarray], heads: Path):
    """Yields (picture uint8 [SIZE,SIZE,3], triangle index, barycentric weights) of the neutral head in each view and skin."""
    skins = [p for p in sorted((heads / "skins").glob("*_diffuse*.webp")) if Image.open(p).size[0] == 2048]
    triangles = rig["triangles"]
    shown = np.flatnonzero(rig["triangle_group"] < GROUPS.index("lashes_right"))
    around = np.linalg.norm(rig["uv"] - 0.5, axis=1) * 184
    eye_colour = np.where(around[:, None] < 13, 15, np.where(around[:, None] < EYE_IRIS + 0.5, [90, 60, 30], [240, 240, 245]))
    for view, (yaw, pitch) in enumerate(VIEWS):
        points = to_picture(rig["vertices"], yaw, pitch, SIZE, SCALE)
        index, weights = rasterise(points, triangles[shown], SIZE, SIZE)
        index = np.where(index >= 0, shown[index], -1)
        corners = triangles[index]
        a, b, c = (points[triangles[:, i]] for i in range(3))
        smooth = np.zeros_like(points)
        for i in range(3):
            np.add.at(smooth, triangles[:, i], np.cross(b - a, c - a))
        smooth /= np.linalg.norm(smooth, axis=1, keepdims=True) + 1e-12
        tone = 0.55 + 0.45 * np.abs(smooth @ np.array([0.25, -0.35, -0.9]))
        tone = (tone[corners] * weights).sum(2)[..., None]
        uv = (rig["uv"][corners] * weights[..., None]).sum(2)
        group = rig["triangle_group"][index]
        for number, path in enumerate(skins):
            if view and number % 2:
                continue
            skin = np.array(Image.open(path).convert("RGB"), dtype=float)
            side = len(skin)
            row, column = ((1 - uv[..., 1]) * side).clip(0, side - 1), (uv[..., 0] * side).clip(0, side - 1)
            picture = skin[row.astype(int), column.astype(int)]
            eye = (group == GROUPS.index("eyeball_right")) | (group == GROUPS.index("eyeball_left"))
            picture = np.where(eye[..., None], (eye_colour[corners] * weights[..., None]).sum(2), picture) * tone
            picture[index < 0] = 120
            yield picture.clip(0, 255).astype(np.uint8), index, weights


def closest_points(points: np.ndarray, vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(triangle vertices [N,3], barycentric weights [N,3]) of the surface points nearest to points [N,3]."""
    corners = vertices[triangles]
    found, shares = [], []
    for point in points:
        near = np.argsort(((corners.mean(1) - point) ** 2).sum(1))[:60]
        best = (np.inf, 0, np.zeros(3))
        for number in near:
            weights = nearest_in_triangle(point, corners[number])
            distance = float(((weights @ corners[number] - point) ** 2).sum())
            if distance < best[0]:
                best = (distance, number, weights)
        found.append(triangles[best[1]])
        shares.append(best[2])
    return np.array(found), np.array(shares)


def nearest_in_triangle(point: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Barycentric weights [3] of the triangle's point nearest to `point` (nearest point of an edge when outside)."""
    a, b, c = corners
    frame = np.stack([b - a, c - a], 1)
    u, v = np.linalg.lstsq(frame, point - a, rcond=None)[0]
    if u >= 0 and v >= 0 and u + v <= 1:
        return np.array([1 - u - v, u, v])
    best = (np.inf, np.zeros(3))
    for i, j in ((0, 1), (1, 2), (2, 0)):
        edge = corners[j] - corners[i]
        share = np.clip((point - corners[i]) @ edge / max(edge @ edge, 1e-12), 0, 1)
        weights = np.zeros(3)
        weights[i], weights[j] = 1 - share, share
        distance = float(((weights @ corners - point) ** 2).sum())
        if distance < best[0]:
            best = (distance, weights)
    return best[1]


def seen_points(rig: dict[str, np.ndarray], heads: Path, find: Finder) -> np.ndarray:
    """Mean surface point [478,3] (rig units) of each landmark over all renderings in which the finder sees the face."""
    clouds = []
    skin = rig["triangle_group"] <= GROUPS.index("lower_lid_left")
    for picture, index, weights in renderings(rig, heads):
        landmarks = find(picture)
        if landmarks is None:
            continue
        on_skin = (index >= 0) & skin[index]
        rows, columns = np.nonzero(on_skin)
        pixels = np.stack([columns + 0.5, rows + 0.5], 1)
        cloud = np.zeros((478, 3))
        nearest = cKDTree(pixels).query(landmarks[:, :2])[1]
        for number, place in enumerate(nearest):
            row, column = rows[place], columns[place]
            corners = rig["vertices"][rig["triangles"][index[row, column]]]
            cloud[number] = weights[row, column] @ corners
        clouds.append(cloud)
    return mirrored_mean(np.median(np.stack(clouds), axis=0))


def mirrored_mean(points: np.ndarray) -> np.ndarray:
    """Points made symmetric: each averaged with the mirror image of its partner on the other half of the face."""
    flipped = points * [-1, 1, 1]
    partner = ((points[:, None] - flipped[None]) ** 2).sum(-1).argmin(1)
    for row in (LIPS_INNER_UPPER, LIPS_INNER_LOWER, LIPS_OUTER_UPPER, LIPS_OUTER_LOWER):
        partner[list(row)] = row[::-1]
    for rows in (EYE_UPPER, EYE_LOWER):
        partner[list(rows[0])] = rows[1][::-1]
        partner[list(rows[1])] = rows[0][::-1]
    mutual = partner[partner] == np.arange(len(points))
    return np.where(mutual[:, None], (points + flipped[partner]) / 2, points)


def on_ring(vertices: np.ndarray, half: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points [n,3] from corner to corner, set onto the polyline `half` (vertex indices) by their share of the way across.

    Returns:
        (vertex indices [n,3], weights [n,3]); the third is a repetition with weight 0.
    """
    line = vertices[half]
    axis = line[-1] - line[0]
    along = np.maximum.accumulate((line - line[0]) @ axis / (axis @ axis))
    way = points[-1] - points[0]
    share = ((points - points[0]) @ way / (way @ way)).clip(0, 1)
    found, weights = [], []
    for value in share[1:-1]:
        j = int(np.clip(np.searchsorted(along, value), 1, len(half) - 1))
        part = np.clip((value - along[j - 1]) / max(along[j] - along[j - 1], 1e-9), 0, 1)
        found.append([half[j - 1], half[j], half[j]])
        weights.append([1 - part, part, 0.0])
    # Some vertices next to a corner lie farther out than it: the ends are set by hand.
    found = [[half[0]] * 3, *found, [half[-1]] * 3]
    weights = [[1.0, 0.0, 0.0], *weights, [1.0, 0.0, 0.0]]
    return np.array(found), np.array(weights)


def halves(ring: np.ndarray, far: int) -> tuple[np.ndarray, np.ndarray]:
    """Upper and lower half of a ring, both from the first corner to the second."""
    return ring[: far + 1], np.concatenate([ring[:1], ring[: far - 1 : -1]])


def landmark_points(rig: dict[str, np.ndarray], heads: Path, find: Finder) -> tuple[np.ndarray, np.ndarray]:
    """(vertex indices [478,3], weights [478,3]) of all landmarks on the neutral rig.

    Args:
        rig: tensors of the rig so far: vertices, triangles, triangle_group, uv, rings.
        heads: folder with the skins.
        find: landmark finder, picture uint8 [H,W,3] to landmarks [478,3] in pixels, or None when it sees no face.
    """
    points = seen_points(rig, heads, find)
    vertices = rig["vertices"]
    skin = rig["triangles"][rig["triangle_group"] <= GROUPS.index("lower_lid_left")]
    indices, weights = closest_points(points, vertices, skin)

    def put(landmarks: tuple[int, ...], half: np.ndarray) -> None:
        picked = list(landmarks)
        indices[picked], weights[picked] = on_ring(vertices, half, points[picked])

    far = int(rig["lip_corners"][1])
    rings = dict(zip(rig["lip_ring_numbers"].tolist(), rig["lip_rings"], strict=True))
    for number, above, below in ((0, LIPS_INNER_UPPER, LIPS_INNER_LOWER), (-VERMILION, LIPS_OUTER_UPPER, LIPS_OUTER_LOWER)):
        upper, lower = halves(rings[number], far)
        put(above, upper)
        put(below, lower)
    far = int(rig["lid_corners"][1])
    for side, per_eye in enumerate(rig["lid_rings"]):
        margin = per_eye[rig["lid_ring_numbers"].tolist().index(0)]
        upper, lower = halves(margin, far)
        put(EYE_UPPER[side], upper)
        put(EYE_LOWER[side], lower)
        eyeball = np.flatnonzero(rig["vertex_group"] == GROUPS.index(("eyeball_right", "eyeball_left")[side]))
        rim = 1 + EYE_MERIDIANS * (EYE_LATITUDES.index(EYE_IRIS) - 1)
        quarter = EYE_MERIDIANS // 4
        picked = [eyeball[0], *(eyeball[rim + quarter * turn] for turn in range(4))]
        indices[list(IRIS[side])] = np.array(picked)[:, None]
        weights[list(IRIS[side])] = [1.0, 0.0, 0.0]
    return indices, weights

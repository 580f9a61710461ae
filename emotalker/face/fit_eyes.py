"""Eyeballs, lashes, teeth and tongue of a fitted face: parts without landmarks of their own surface."""

import math

import torch
from torch import Tensor

from ..arkit import UNIT_INDEX
from .landmarks478 import IRIS
from .rig import GROUPS, SIDES, Rig

IRIS_LATITUDE = 29.0
"""Degrees from the pole to the iris' rim on the rig's eyeballs (rig_parts.EYE_IRIS)."""
IRIS_SIZE = (0.3, 0.8)
"""Least and greatest iris radius as a share of the eyeball's."""
GAZE_MOST = 0.75
"""Greatest distance of the pupil from the eyeball's centre as a share of its radius."""
SET_BACK = 0.06
"""How far, in rig units, the eyeball's front stays behind the lid margins, so that half closed lids are not pierced."""


def carry_mouth(rig: Rig, vertices: Tensor, before: Tensor) -> None:
    """Move teeth and tongue as the lips around them were moved: a shift and a growth (in place).

    Args:
        rig: the head model.
        vertices: [V,3] pixels, skin warped.
        before: [V,3] the same before the warp.
    """
    ring = rig.outer_lips[4]
    far = int(rig.lip_corners[1])
    centre, moved = before[ring].mean(0), vertices[ring].mean(0)
    width = [float((v[ring[far], :2] - v[ring[0], :2]).norm()) for v in (before, vertices)]
    growth = min(max(width[1] / max(width[0], 1e-3), 0.6), 1.7)
    for name in ("teeth_upper", "teeth_lower", "tongue"):
        mine = rig.group_vertices(name)
        vertices[mine] = (before[mine] - centre) * growth + moved


def place_lashes(rig: Rig, vertices: Tensor, before: Tensor) -> None:
    """Move lashes with the lid vertices nearest to them (in place)."""
    lashes = torch.nonzero(rig.vertex_group >= GROUPS.index("lashes_right")).flatten()
    lids = torch.cat([rig.lid_rings[:, rig.lid_ring_numbers == n].flatten() for n in range(4)])
    nearest = lids[torch.cdist(rig.vertices[lashes], rig.vertices[lids]).argmin(1)]
    vertices[lashes] = before[lashes] + vertices[nearest] - before[nearest]


def turn_between(a: Tensor, b: Tensor) -> Tensor:
    """The smallest rotation [3,3] that takes unit vector a to unit vector b."""
    v = torch.linalg.cross(a, b)
    x, y, z = v.tolist()
    cross = v.new_tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return torch.eye(3).to(v) + cross + cross @ cross / (1 + float(a @ b))


def place_eyeballs(rig: Rig, vertices: Tensor, before: Tensor, landmarks: Tensor, axes: Tensor, scale: float) -> Tensor:
    """Put the eyeballs behind the fitted lids, looking where the irises say (vertices in place).

    Args:
        rig: the head model.
        vertices: [V,3] pixels, skin warped.
        before: [V,3] the same before the warp.
        landmarks: [478,3] pixels.
        axes: [3,3] the head's axes in the picture.
        scale: pixels per rig unit.

    Returns:
        [52,V,3] displacement of the eyeballs for the eyeLook units, zero elsewhere.
    """
    looks = torch.zeros(len(UNIT_INDEX), *vertices.shape)
    far = int(rig.lid_corners[1])
    for side, name in enumerate(SIDES):
        mine = rig.group_vertices(f"eyeball_{name.lower()}")
        centre = rig.eye_centres[side]
        pole = rig.vertices[mine][:, 2].argmax()
        local = rig.vertices[mine] - centre
        radius_rig = float(local[pole].norm())
        directions = local / radius_rig
        margin = rig.lid_ring(name, 0)
        width = [float((v[margin[far], :2] - v[margin[0], :2]).norm()) for v in (before, vertices)]
        growth = min(max(width[1] / max(width[0], 1e-3), 0.5), 3.0)
        radius = radius_rig * scale * growth
        iris = landmarks[list(IRIS[side]), :2]
        iris_radius = float((iris[1:] - iris[0]).norm(dim=1).mean())

        middle = before[mine].mean(0) + vertices[margin].mean(0) - before[margin].mean(0)
        middle = middle.clone()
        front = vertices[margin, 2].min() + SET_BACK * scale
        middle[2] = front + radius
        offset = (iris[0] - middle[:2]) / radius
        reach = float(offset.norm())
        if reach > GAZE_MOST:
            middle[:2] = iris[0] - offset / reach * GAZE_MOST * radius
            offset = offset / reach * GAZE_MOST
        gaze = torch.cat([offset, -(1 - offset.square().sum()).clamp(min=0).sqrt()[None]])

        # Latitudes are moved so that the iris' rim has the size seen in the picture.
        latitude = torch.rad2deg(directions[:, 2].clamp(-1, 1).arccos())
        rim = math.degrees(math.asin(min(max(iris_radius / radius, IRIS_SIZE[0]), IRIS_SIZE[1])))
        inside = latitude <= IRIS_LATITUDE
        outer = rim + (latitude - IRIS_LATITUDE) * (92.0 - rim) / (92.0 - IRIS_LATITUDE)
        latitude = torch.deg2rad(torch.where(inside, latitude * rim / IRIS_LATITUDE, outer))
        around = torch.nn.functional.normalize(directions[:, :2], dim=1)
        directions = torch.cat([around * latitude.sin()[:, None], latitude.cos()[:, None]], 1)

        turn = turn_between(axes[2], gaze)
        placed = radius * (directions @ axes) @ turn.T
        vertices[mine] = middle + placed
        for look in ("Down", "In", "Out", "Up"):
            unit = UNIT_INDEX[f"eyeLook{look}{name}"]
            u, _, vt = torch.linalg.svd((local + rig.units[unit, mine]).T @ local)
            rotation = u @ torch.diag(torch.tensor([1.0, 1.0, float(torch.linalg.det(u @ vt))])) @ vt
            rotation = axes.T @ rotation @ axes
            looks[unit, mine] = placed @ rotation.T - placed
    return looks

"""Fit the rig to a face: camera, identity, expression, a smooth residual warp, and units that suit the face."""

import numpy as np
import torch
from torch import Tensor

from ..arkit import UNIT_INDEX
from ..errors import UserError
from .contact import LID_FADE, LIP_FADE, Edge
from .fit_eyes import carry_mouth, place_eyeballs, place_lashes
from .fit_shape import fit_shape
from .fit_units import suit_units
from .fit_warp import warp_of
from .fitted import FittedRig, pose_angles
from .refit import fit_units
from .rig import SIDES, Rig

__all__ = ["FittedRig", "fit_rig", "fit_units"]

DEPTH_SHARE = 0.3
"""How much of the residual in mediapipe's rough depth the warp takes over."""
SURE = 0.05
"""Weight that an estimated expression must exceed to count, and that is taken off it: taking an expression away that is not
there would change the person. Landmarks of synthetic people drift least with this one of 0 to 0.08."""
BROAD, BROAD_CORNERS = 0.3, 0.3
"""Weight from which an estimated smile is broad, and by how much further its corners then reach than the rig's, for each weight
above. Of the data kit's people one laughs, about 0.8; the others are read up to 0.5. Set by looking at that one face:
without its expression it is calm."""
SEAL_ROUNDS = 6
CLOSED = 0.035
"""Lips count as closed where the landmarks' gap is below this share of the mouth's width: the finder's noise on closed lips."""


def fit_rig(rig: Rig, landmarks: Tensor, image_size: tuple[int, int] | None = None, shown: Tensor | None = None) -> FittedRig:
    """The rig fitted to a face's landmarks.

    Args:
        rig: the head model, on the CPU.
        landmarks: [478,3] pixels: x right, y down, z smaller = nearer.
        image_size: height and width of the picture, only to say which picture a broken face came from.
        shown: [52] face units that the expression recogniser sees; None: landmarks alone tell the expression, and little of
            brows, cheeks and nose.

    Raises:
        UserError: the landmarks do not form a face.
    """
    seen = landmarks.detach().cpu().double().numpy()
    where = f" in the picture of {image_size[1]} x {image_size[0]} pixels" if image_size else ""
    if seen.shape != (478, 3) or not np.isfinite(seen).all() or np.ptp(seen[:468, :2], axis=0).min() < 4:
        raise UserError(f"The landmarks{where} do not form a face: use a portrait in which the whole face is seen.")
    shape = fit_shape(rig, seen, None if shown is None else shown.double().numpy())
    camera = shape.camera
    identity = torch.from_numpy(shape.identity).to(rig.identity)
    expression = torch.from_numpy(shape.expression).to(rig.units)
    person = rig.vertices + torch.tensordot(identity, rig.identity, 1)
    model = (person + torch.tensordot(expression, rig.units, 1)).double().numpy()
    rest = camera.place(model)

    # The warp: twice, because lips and lids move as curves and the points between follow.
    warp = warp_of(rig)
    weights = rig.landmark_weights.double().numpy()[..., None]
    for _ in range(2):
        at = (rest[rig.landmark_vertices.numpy()] * weights).sum(1)
        residual = seen - at
        depth = residual[:, 2] - np.median(residual[:, 2])
        field = warp.solve(np.stack([residual[:, 0], residual[:, 1], DEPTH_SHARE * depth], 1))
        rest = rest + field
    vertices = torch.from_numpy(rest).float()

    matrix = torch.from_numpy(camera.matrix).float()
    axes = torch.nn.functional.normalize(matrix.T, dim=1)
    edges = make_edges(rig, vertices)
    seal_closed_lips(edges[0], vertices, -axes[1])
    before = torch.from_numpy(camera.place(model)).float()
    carry_mouth(rig, vertices, before)
    place_lashes(rig, vertices, before)
    looks = place_eyeballs(rig, vertices, before, torch.from_numpy(seen).float(), axes, camera.scale)
    corners = broad_smile(expression)
    expression = (expression - SURE).clamp(min=0)
    units, expression = suit_units(rig, vertices, matrix, expression, edges)
    # Only now: before, the wider mouth would pass for a smaller person's, with smaller units.
    expression = (expression + corners).clamp(max=1)
    eyeballs = torch.cat([rig.group_vertices(f"eyeball_{side.lower()}") for side in SIDES])
    units[:, eyeballs] = looks[:, eyeballs]
    return FittedRig(
        rest=vertices,
        units=units,
        expression=expression,
        head_weight=rig.head_weight,
        pivot=torch.from_numpy(camera.place(rig.pivot.double().numpy())).float(),
        axes=axes,
        pose=pose_angles(torch.from_numpy(camera.rotation)),
        scale=camera.scale,
        identity=identity,
        landmark_vertices=rig.landmark_vertices,
        landmark_weights=rig.landmark_weights,
        edges=edges,
    )


def broad_smile(expression: Tensor) -> Tensor:
    """[52] what a broad smile's corners have beside estimated weights [52]; a slight one nothing."""
    corners = torch.zeros_like(expression)
    for side in SIDES:
        smile = UNIT_INDEX[f"mouthSmile{side}"]
        corners[smile] = BROAD_CORNERS * (expression[smile] - BROAD).clamp(min=0)
    return corners


def make_edges(rig: Rig, vertices: Tensor) -> tuple[Edge, ...]:
    """Lips, right and left lids of a fitted face."""
    lips = Edge.make(rig.lip_rings, rig.lip_ring_numbers, int(rig.lip_corners[1]), vertices[:, :2], LIP_FADE, 0.5)
    lids = [
        Edge.make(rings, rig.lid_ring_numbers, int(rig.lid_corners[1]), vertices[:, :2], LID_FADE, 1.0)
        for rings in rig.lid_rings
    ]
    return lips, *lids


def seal_closed_lips(lips: Edge, vertices: Tensor, down: Tensor) -> None:
    """Bring lips that the landmarks call closed exactly together, and never let them overlap (in place)."""
    width = (vertices[lips.ring, :2].amax(0) - vertices[lips.ring, :2].amin(0)).max()
    gap = (lips.across(vertices) @ down) * lips.sign
    if gap.max() < CLOSED * width:
        for _ in range(SEAL_ROUNDS):
            lips.spread(vertices, lips.across(vertices) / 2)
    else:
        lips.part(vertices, down)

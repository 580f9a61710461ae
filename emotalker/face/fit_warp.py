"""The smooth residual warp: what is left between fitted shape and landmarks is spread over the mesh without folds."""

import weakref

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import SuperLU, splu

from .landmarks478 import (
    EYE_LOWER,
    EYE_UPPER,
    FACE_OVAL,
    IRIS,
    LIPS_INNER_LOWER,
    LIPS_INNER_UPPER,
    LIPS_OUTER_LOWER,
    LIPS_OUTER_UPPER,
)
from .rig import SIDES, Rig

STRETCH = 0.02
"""Weight of the warp's gradient against its bending: keeps the far side of the head from running away."""
BEND = 2e-4
PULL = {"point": 1.0, "oval": 0.5, "ring": 6.0}
"""How strongly landmarks, outline landmarks and ring vertices hold the warp."""
VERMILION = -6
"""Number of the lip ring that carries the outer lip landmarks (set when the rig is built)."""


def cotangent_laplacian(vertices: np.ndarray, triangles: np.ndarray) -> tuple[sp.csr_matrix, np.ndarray]:
    """(positive semi-definite Laplacian [V,V], vertex areas [V]) of a triangle mesh; obtuse corners count as right angles."""
    count = len(vertices)
    rows, columns, values = [], [], []
    corner = vertices[triangles]
    area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1) / 2
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        a, b = corner[:, j] - corner[:, i], corner[:, k] - corner[:, i]
        cotangent = np.clip((a * b).sum(1) / np.maximum(2 * area, 1e-12), 0.05, 10) / 2
        rows += [triangles[:, j], triangles[:, k]]
        columns += [triangles[:, k], triangles[:, j]]
        values += [cotangent, cotangent]
    weights = sp.csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (count, count))
    mass = np.bincount(triangles.ravel(), np.repeat(area / 3, 3), count)
    return sp.diags(np.asarray(weights.sum(1)).ravel()) - weights, mass


class Warp:
    """Solver for displacement fields on the connected head mesh of a rig; everything that does not depend on the portrait.

    Attributes:
        body: [B] vertices of the connected mesh.
    """

    def __init__(self, rig: Rig) -> None:
        """Prepare and factor the system for a rig."""
        vertices = rig.vertices.double().cpu().numpy()
        self.count = len(vertices)
        self.body = rig.body_vertices.cpu().numpy()
        place = np.full(self.count, -1)
        place[self.body] = np.arange(len(self.body))
        triangles = rig.triangles.cpu().numpy()
        triangles = place[triangles[(place[triangles] >= 0).all(1)]]
        laplacian, mass = cotangent_laplacian(vertices[self.body], triangles)
        bending = laplacian @ sp.diags(1 / np.maximum(mass, np.median(mass) * 0.05)) @ laplacian
        self.rows, pull = self._constraints(rig, place)
        self.pull = sp.diags(pull)
        system = STRETCH * laplacian + BEND * bending + self.rows.T @ self.pull @ self.rows
        self.factor: SuperLU = splu(system.tocsc())

    def _constraints(self, rig: Rig, place: np.ndarray) -> tuple[sp.csr_matrix, np.ndarray]:
        """Constraint rows over body vertices, and their weights; `self.spread` takes landmark residuals to them."""
        corners = rig.landmark_vertices.cpu().numpy()
        weights = rig.landmark_weights.double().cpu().numpy()
        far_lip, far_lid = int(rig.lip_corners[1]), int(rig.lid_corners[1])
        curves = [
            (rig.lip_ring(0).cpu().numpy(), far_lip, LIPS_INNER_UPPER, LIPS_INNER_LOWER),
            (rig.lip_ring(VERMILION).cpu().numpy(), far_lip, LIPS_OUTER_UPPER, LIPS_OUTER_LOWER),
        ]
        for side, name in enumerate(SIDES):
            curves.append((rig.lid_ring(name, 0).cpu().numpy(), far_lid, EYE_UPPER[side], EYE_LOWER[side]))
        on_curve = {landmark for _, _, above, below in curves for landmark in (*above, *below)}
        loose = [n for n in range(478) if n not in on_curve and n not in np.array(IRIS).ravel()]
        rows, columns, values, pull, spread = [], [], [], [], []
        for number, landmark in enumerate(loose):
            rows += [number] * 3
            columns += place[corners[landmark]].tolist()
            values += weights[landmark].tolist()
            pull.append(PULL["oval" if landmark in FACE_OVAL else "point"])
            spread.append((number, landmark, 1.0))
        vertices = rig.vertices.double().cpu().numpy()
        at = (vertices[corners] * weights[..., None]).sum(1)
        for ring, far, above, below in curves:
            for positions, landmarks in ((range(1, far), above), (range(far + 1, len(ring)), below), ((0, far), above)):
                axis = vertices[ring[far]] - vertices[ring[0]]
                along = (at[list(landmarks)] - vertices[ring[0]]) @ axis / (axis @ axis)
                along = np.maximum.accumulate(along)
                for position in positions:
                    value = (vertices[ring[position]] - vertices[ring[0]]) @ axis / (axis @ axis)
                    j = int(np.clip(np.searchsorted(along, value), 1, len(along) - 1))
                    share = float(np.clip((value - along[j - 1]) / max(along[j] - along[j - 1], 1e-9), 0, 1))
                    number = len(pull)
                    rows.append(number)
                    columns.append(int(place[ring[position]]))
                    values.append(1.0)
                    pull.append(PULL["ring"])
                    spread += [(number, landmarks[j - 1], 1 - share), (number, landmarks[j], share)]
        table = np.array(spread)
        self.spread = sp.csr_matrix((table[:, 2], (table[:, 0].astype(int), table[:, 1].astype(int))), (len(pull), 478))
        return sp.csr_matrix((values, (rows, columns)), (len(pull), len(self.body))), np.array(pull)

    def solve(self, residual: np.ndarray) -> np.ndarray:
        """Displacements [V,D] that bring the landmarks by about residual [478,D]; zero off the connected mesh."""
        wanted = self.rows.T @ (self.pull @ (self.spread @ residual))
        field = np.zeros((self.count, residual.shape[1]))
        field[self.body] = self.factor.solve(np.ascontiguousarray(wanted))
        return field


_PREPARED: "weakref.WeakKeyDictionary[Rig, Warp]" = weakref.WeakKeyDictionary()


def warp_of(rig: Rig) -> Warp:
    """The warp solver of a rig, prepared on first use."""
    if rig not in _PREPARED:
        _PREPARED[rig] = Warp(rig)
    return _PREPARED[rig]

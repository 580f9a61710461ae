"""Camera, identity and expression of a face from its landmarks: weighted least squares with priors."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import lsq_linear

from ..arkit import FACE_UNITS
from .landmarks478 import FACE_OVAL, IRIS
from .rig import Rig

# Standard deviations that the priors assume. Lengths are shares of the distance between the eyes.
NOISE = 0.03
"""What the shape need not explain of a landmark's place; the residual warp does the rest."""
NOISE_DEPTH = 0.12
"""The same for mediapipe's depth, which is a rough guess."""
NOISE_OVAL = 0.06
"""The same for the outline, which slides along the silhouette."""
IDENTITY = 1.0
EXPRESSION = {
    "eyeBlink": 0.35, "eyeSquint": 0.12, "eyeWide": 0.1, "jawOpen": 0.35, "mouthFunnel": 0.1, "mouthPucker": 0.12,
    "mouthLeft": 0.06, "mouthRight": 0.06, "mouthSmile": 0.4, "mouthFrown": 0.12, "mouthRollLower": 0.08,
    "mouthRollUpper": 0.08, "mouthLowerDown": 0.3, "mouthUpperUp": 0.35, "browDown": 0.12, "browInnerUp": 0.12,
    "browOuterUp": 0.12,
}  # fmt: skip
"""Units that a still picture can show apart from identity, with the weight they are expected to have. What could as well be
the person's build (brow height, lip shape) is expected to be small: taking it away would change who it is."""
READ = 0.03
"""How far a reading of the expression recogniser may be from a unit's weight."""
FROM_LANDMARKS = ("jawOpen",)
"""Units of which landmarks say more than a reading: how far lips are apart."""
NOT_TAKEN = ("eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "mouthClose", "tongueOut")
"""Units that are never taken for the source's: gaze is carried by the eyeballs, and the others say nothing without a jaw."""
ROUNDS = 8


def expression_prior(shown: np.ndarray | None = None) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Indices of the units of the source's expression that are estimated, the weights that are expected, and how far off
    they may be.

    Args:
        shown: [52] weights that the expression recogniser reads; None where nobody has looked.
    """
    found = []
    for index, unit in enumerate(FACE_UNITS):
        name = unit if unit in EXPRESSION else unit.removesuffix("Left").removesuffix("Right")
        if shown is not None and name not in FROM_LANDMARKS + NOT_TAKEN:
            found.append((index, shown[index], READ))
        elif name in EXPRESSION:
            found.append((index, 0.0, EXPRESSION[name]))
    indices, means, deviations = zip(*found, strict=True)
    return list(indices), np.array(means), np.array(deviations)


@dataclass
class Camera:
    """Weak perspective: picture = scale * FLIP @ rotation @ rig + shift; x right, y down, z smaller = nearer."""

    rotation: np.ndarray
    scale: float
    shift: np.ndarray

    @property
    def matrix(self) -> np.ndarray:
        """[3,3] from rig directions to picture directions, with scale."""
        return self.scale * FLIP @ self.rotation

    def place(self, points: np.ndarray) -> np.ndarray:
        """Picture positions [...,3] of rig points [...,3]."""
        return points @ self.matrix.T + self.shift


FLIP = np.diag([1.0, -1.0, -1.0])


def first_camera(model: np.ndarray, seen: np.ndarray, weights: np.ndarray) -> Camera:
    """Similarity that takes rig points [n,3] closest to picture points [n,3] (weighted Procrustes)."""
    share = weights / weights.sum()
    mean_model, mean_seen = share @ model, share @ seen
    a, b = model - mean_model, seen - mean_seen
    u, sizes, vt = np.linalg.svd((b * share[:, None]).T @ (a @ FLIP))
    turn = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    scale = (sizes * [1, 1, np.linalg.det(u @ vt)]).sum() / (share @ (a**2).sum(1))
    rotation = FLIP @ turn @ FLIP
    camera = Camera(rotation, float(scale), np.zeros(3))
    camera.shift = mean_seen - camera.place(mean_model)
    return camera


def turned(rotation: np.ndarray, omega: np.ndarray) -> np.ndarray:
    """The rotation followed by a turn about omega [3] (radians)."""
    angle = np.linalg.norm(omega)
    if angle < 1e-12:
        return rotation
    x, y, z = omega / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return (np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross) @ rotation


@dataclass
class Shape:
    """What was found: camera, identity [K] in standard deviations, expression [52]."""

    camera: Camera
    identity: np.ndarray
    expression: np.ndarray


def fit_shape(rig: Rig, landmarks: np.ndarray, shown: np.ndarray | None = None) -> Shape:
    """Camera, identity and expression that explain landmarks [478,3] (pixels) best under the priors; `shown` [52] is what the
    expression recogniser reads, if it was asked.

    Gauss-Newton over all of them at once; expression weights are kept between 0 and 1.
    """
    picked = np.setdiff1d(np.arange(478), np.array(IRIS).ravel())
    seen = landmarks[picked].astype(np.float64)
    neutral = rig.landmarks(rig.vertices)[picked].double().numpy()
    units, unit_mean, unit_deviation = expression_prior(shown)
    identity = rig.landmarks(rig.identity)[:, picked].double().numpy()
    expression = rig.landmarks(rig.units[units])[:, picked].double().numpy()
    basis = np.concatenate([identity, expression])
    weights = np.where(np.isin(picked, FACE_OVAL), (NOISE / NOISE_OVAL) ** 2, 1.0)
    camera = first_camera(neutral, seen * [1, 1, 1], weights)
    amounts = np.zeros(len(basis))
    noise = np.stack([np.sqrt(weights) / NOISE] * 2 + [np.sqrt(weights) / NOISE_DEPTH], 1)
    prior = np.concatenate([np.full(len(identity), 1 / IDENTITY), 1 / unit_deviation])
    low = np.concatenate([np.full(7, -np.inf), np.full(len(identity), -3.0), np.zeros(len(units))])
    high = np.concatenate([np.full(7, np.inf), np.full(len(identity), 3.0), np.ones(len(units))])
    for _ in range(ROUNDS):
        model = neutral + np.tensordot(amounts, basis, 1)
        precision = noise / camera.scale
        matrix = camera.matrix
        arms = model @ (camera.rotation.T)
        columns = [camera.scale * np.cross(axis, arms) @ FLIP for axis in np.eye(3)]
        columns.append(camera.scale * arms @ FLIP)
        columns += [np.tile(axis, (len(seen), 1)) * camera.scale for axis in np.eye(3)]
        jacobian = np.concatenate([np.stack(columns), basis @ matrix.T])
        rows = (jacobian * precision).reshape(len(jacobian), -1).T
        # Solve for the amounts themselves, not their change: the priors pull them to their means.
        now = np.concatenate([np.zeros(7), amounts])
        target = rows.T @ (((seen - camera.place(model)) * precision).ravel() + rows @ now)
        target[-len(units) :] += unit_mean / unit_deviation**2
        normal = rows.T @ rows
        normal[np.arange(7, len(now)), np.arange(7, len(now))] += prior**2
        normal[np.arange(7), np.arange(7)] += 1e-6
        root = np.linalg.cholesky(normal)
        solution = lsq_linear(root.T, np.linalg.solve(root, target), (low, high), method="bvls", tol=1e-6).x
        camera = Camera(
            turned(camera.rotation, np.clip(solution[:3], -0.5, 0.5)),
            camera.scale * float(np.exp(np.clip(solution[3], -0.5, 0.5))),
            camera.shift + solution[4:7] * camera.scale,
        )
        amounts = solution[7:]
    weights52 = np.zeros(len(FACE_UNITS))
    weights52[units] = amounts[len(identity) :]
    return Shape(camera, amounts[: len(identity)], weights52)

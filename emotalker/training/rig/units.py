"""The face units of the rig: eyeballs that turn, eyes that close, lips that meet."""

from pathlib import Path

import numpy as np

from ...arkit import UNIT_INDEX
from ...face.contact import LID_FADE, LIP_FADE, opposite_weights, sealed_units
from ...face.rig import GROUPS
from .makehuman import read_target
from .parts import EYE_HELPER


def turn_eyeballs(
    units: np.ndarray, vertices: np.ndarray, vertex_group: np.ndarray, folder: Path, shape: np.ndarray, unit: float
) -> None:
    """Give the eyeballs true rotations for the eyeLook units (in place); other units leave them where they are."""
    for side in ("right", "left"):
        mine = vertex_group == GROUPS.index(f"eyeball_{side}")
        units[:, mine] = 0
        radius = np.ptp(vertices[mine][:, 0]) / 2
        centre = vertices[mine][0] - [0, 0, radius]
        local = vertices[mine] - centre
        helper = shape[EYE_HELPER[side]]
        for look in ("Down", "In", "Out", "Up"):
            name = f"eyeLook{look}{side.capitalize()}"
            offsets = read_target(folder / f"{name}.target", len(shape))[EYE_HELPER[side]]
            arm = helper - helper.mean(0)
            moved = arm + offsets - offsets.mean(0)
            u, _, vt = np.linalg.svd(moved.T @ arm)
            rotation = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
            units[UNIT_INDEX[name], mine] = local @ rotation.T - local


EYE_WIDE = 0.65
"""Share of MakeHuman's eyeWide that is kept: its whole lifts the lid by 0.059 rig units, 3.7 mm on an adult with 63 mm
between the eyes, which looked like a mask on the development portraits."""
TONGUE_SINK = 0.2
"""How far, in rig units, the back of the tongue sinks as the jaw opens wide: MakeHuman's target leaves it at the palate,
where it would fill the open mouth."""


def sink_tongue(units: np.ndarray, vertices: np.ndarray, vertex_group: np.ndarray) -> None:
    """Let the tongue lie flat behind the lower teeth when the jaw opens (in place)."""
    mine = vertex_group == GROUPS.index("tongue")
    height = vertices[mine, 1]
    share = (height - height.min()) / np.ptp(height)
    units[UNIT_INDEX["jawOpen"], mine, 1] -= TONGUE_SINK * share


def spread(field: np.ndarray, correction: np.ndarray, rings_out: np.ndarray, rings_in: np.ndarray, fade: tuple) -> None:
    """Add a correction [N,3] of ring 0 to field [V,3] (in place), fading over the rings on both sides of it."""
    for number, ring in enumerate(rings_out):
        field[ring] += correction * (fade[number] if number < len(fade) else 0)
    for number, ring in enumerate(rings_in, 1):
        field[ring] += correction * (fade[number] if number < len(fade) else 0)


def gap(positions: np.ndarray, ring: np.ndarray, far: int) -> np.ndarray:
    """From each ring vertex to the point of the other half across from it [N,3]."""
    points = positions[ring]
    return opposite_weights(points, far) @ points - points


def seal_lips(vertices: np.ndarray, out: np.ndarray, inside: np.ndarray, far: int) -> np.ndarray:
    """The neutral head [V,3] with the lips exactly in touch along ring 0."""
    result = vertices.copy()
    across = gap(vertices, out[0], far)
    spread(result, across / 2, out, inside, LIP_FADE)
    for _ in range(8):
        ring = out[0]
        result[ring] += gap(result, ring, far) / 2
    return result


def seal_units(units: np.ndarray, vertices: np.ndarray, out: np.ndarray, inside: np.ndarray, far: int) -> float:
    """Keep closed lips closed under the units that do not part them (in place). Returns the largest gap that was there."""
    weights = opposite_weights(vertices[out[0]], far)
    largest = 0.0
    for index in sealed_units():
        for turn in range(12):
            points = (vertices + units[index])[out[0]]
            across = (weights @ points - points) * [0, 1, 0]
            largest = max(largest, float(np.abs(across).max())) if turn == 0 else largest
            spread(units[index], across / 2, out, inside, LIP_FADE)
    return largest


def close_mouth(units: np.ndarray, vertices: np.ndarray, out: np.ndarray, inside: np.ndarray, far: int) -> tuple[float, float]:
    """Make mouthClose bring the lips together under jawOpen (in place). Returns the largest gap (before, after)."""
    jaw, close = units[UNIT_INDEX["jawOpen"]], units[UNIT_INDEX["mouthClose"]]
    weights = opposite_weights(vertices[out[0]], far)
    largest = []
    for _ in range(12):
        points = (vertices + jaw + close)[out[0]]
        across = weights @ points - points
        largest.append(float(np.abs(across).max()))
        spread(close, across / 2, out, inside, LIP_FADE)
    points = (vertices + jaw + close)[out[0]]
    return largest[0], float(np.abs(weights @ points - points).max())


def close_eyes(units: np.ndarray, vertices: np.ndarray, side: str, out: np.ndarray, inside: np.ndarray) -> tuple[float, float]:
    """Make eyeBlink at weight 1 bring the upper margin onto the lower (in place). Returns the largest gap (before, after)."""
    blink = units[UNIT_INDEX[f"eyeBlink{side.capitalize()}"]]
    count = out.shape[1]
    far = count // 2
    weights = opposite_weights(vertices[out[0]], far)
    upper = (np.arange(count) > 0) & (np.arange(count) < far)
    largest = []
    for _ in range(3):
        points = (vertices + blink)[out[0]]
        across = (weights @ points - points) * upper[:, None]
        largest.append(float(np.abs(across).max()))
        spread(blink, across, out, inside, LID_FADE)
    points = (vertices + blink)[out[0]]
    return largest[0], float(np.abs((weights @ points - points) * upper[:, None]).max())

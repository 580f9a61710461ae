"""The identity basis: a few orthogonal shape components that span MakeHuman's head targets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...face.rig import GROUPS
from .makehuman import read_target

COMPONENTS = 40
FOLDERS = ("cheek", "chin", "ears", "eyebrows", "eyes", "forehead", "head", "mouth", "neck", "nose")
OPPOSITES = (
    ("decr", "incr"),
    ("down", "up"),
    ("in", "out"),
    ("backward", "forward"),
    ("concave", "convex"),
    ("compress", "uncompress"),
)
SKIP = ("head-trans", "neck-trans", "head-age", "measure-neck", "head-back-scale", "ear")
"""Targets that only move the whole head (the camera does that) or shape what the picture hides; ears follow the residual."""
DETAIL_STRENGTH = 0.5
"""Standard deviation assumed for a detail target's slider, whose range is -1 to 1."""
MACROS = (
    ("african", 0.7), ("asian", 0.7), ("caucasian", 0.7), ("sex", 0.5),
    ("old", 0.5), ("child", 0.35), ("weight", 0.5), ("muscle", 0.4),
)  # fmt: skip
"""Macro sliders with their assumed standard deviation; a child's proportions serve cartoon figures as well."""


def detail_targets(folder: Path, count: int) -> list[np.ndarray]:
    """One symmetric slider [B,3] for each pair of opposite targets (their half difference), or for each lone target."""
    fields: dict[str, np.ndarray] = {}
    for name in FOLDERS:
        for path in sorted((folder / name).glob("*.target.gz")):
            stem = path.name.removesuffix(".target.gz")
            if any(stem.removeprefix("l-").removeprefix("r-").startswith(skip) for skip in SKIP):
                continue
            key, sign = stem, 1.0
            for less, more in OPPOSITES:
                if stem.endswith(f"-{less}"):
                    key, sign = stem.removesuffix(f"-{less}"), -0.5
                elif stem.endswith(f"-{more}"):
                    key, sign = stem.removesuffix(f"-{more}"), 0.5
            if key.startswith(("l-", "r-")):
                key = key[2:]
            fields[key] = fields.get(key, 0) + sign * read_target(path, count)
    return list(fields.values())


def macro_targets(folder: Path, count: int) -> list[tuple[np.ndarray, float]]:
    """Sliders [B,3] for ancestry, sex, age, weight and muscle about the average young adult, with their deviations."""
    macro = folder / "macrodetails"

    def person(ancestry: str, sex: str, age: str, muscle: str = "averagemuscle", weight: str = "averageweight") -> np.ndarray:
        own = read_target(macro / f"{ancestry}-{sex}-{age}.target.gz", count)
        return own + read_target(macro / f"universal-{sex}-{age}-{muscle}-{weight}.target.gz", count)

    ancestries, sexes = ("african", "asian", "caucasian"), ("female", "male")
    mean = {age: sum(person(a, s, age) for a in ancestries for s in sexes) / 6 for age in ("young", "old", "child")}
    sliders = {a: sum(person(a, s, "young") for s in sexes) / 2 - mean["young"] for a in ancestries}
    sliders["sex"] = sum(person(a, "male", "young") - person(a, "female", "young") for a in ancestries) / 6
    sliders["old"], sliders["child"] = mean["old"] - mean["young"], mean["child"] - mean["young"]
    for name, low, high in (
        ("weight", {"weight": "minweight"}, {"weight": "maxweight"}),
        ("muscle", {"muscle": "minmuscle"}, {"muscle": "maxmuscle"}),
    ):
        sliders[name] = sum(person("asian", s, "young", **high) - person("asian", s, "young", **low) for s in sexes) / 4
    return [(sliders[name], deviation) for name, deviation in MACROS]


def without_similarity(field: np.ndarray, vertices: np.ndarray, face: np.ndarray) -> np.ndarray:
    """A displacement field [V,3] minus the shift, turn and growth that fit it best over the face's vertices."""
    columns = [np.tile(axis, (len(vertices), 1)) for axis in np.eye(3)]
    columns += [np.cross(axis, vertices) for axis in np.eye(3)] + [vertices]
    modes = np.stack([c.ravel() for c in columns], 1)
    rows = np.repeat(face, 3)
    solution = np.linalg.lstsq(modes[rows], field.reshape(-1)[rows], rcond=None)[0]
    return field - (modes @ solution).reshape(field.shape)


def identity_basis(
    targets: Path,
    shape: np.ndarray,
    place: Callable[[np.ndarray], np.ndarray],
    vertices: np.ndarray,
    unit: float,
    vertex_group: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """(components [K,V,3] in rig units for one standard deviation each, share of variance each explains [K]).

    Principal components of the sliders under independent normal slider values, measured over the face's front.
    """
    raw = place(shape)
    skin = vertex_group <= GROUPS.index("lower_lid_left")
    face = skin & (vertices[:, 2] > -0.9) & (vertices[:, 1] > -2.1) & (vertices[:, 1] < 1.4)
    sliders = macro_targets(targets, len(shape)) + [(d, DETAIL_STRENGTH) for d in detail_targets(targets, len(shape))]
    rows = []
    for field, deviation in sliders:
        moved = (place(shape + field) - raw) / unit * deviation
        rows.append(without_similarity(moved, vertices, face))
    stack = np.stack(rows)
    front = stack[:, face].reshape(len(stack), -1)
    values, vectors = np.linalg.eigh(front @ front.T)
    order = np.argsort(values)[::-1][:COMPONENTS]
    mix = vectors[:, order].T
    components = np.einsum("ks,svc->kvc", mix, stack)
    return components, values[order] / values.sum()

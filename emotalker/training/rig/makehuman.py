"""Readers for MakeHuman's base mesh (hm08), shape targets and proxy meshes, all CC0.

Units of the files are decimetres, y up, the face looks to +z.
"""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass
class Mesh:
    """A polygon mesh: vertices [V,3], uv [U,2], faces and face_uv as lists of index lists, the group name of each face."""

    vertices: np.ndarray
    uv: np.ndarray
    faces: list[list[int]]
    face_uv: list[list[int]]
    groups: list[str]


def read_obj(path: Path) -> Mesh:
    """Vertices, texture coordinates, faces and group names of a Wavefront file."""
    vertices, uv, faces, face_uv, groups, group = [], [], [], [], [], ""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(w) for w in words[1:4]])
        elif words[0] == "vt":
            uv.append([float(w) for w in words[1:3]])
        elif words[0] == "g":
            group = words[1] if len(words) > 1 else ""
        elif words[0] == "f":
            corners = [w.split("/") for w in words[1:]]
            faces.append([int(c[0]) - 1 for c in corners])
            face_uv.append([int(c[1]) - 1 for c in corners] if len(corners[0]) > 1 and corners[0][1] else [])
            groups.append(group)
    return Mesh(np.array(vertices), np.array(uv), faces, face_uv, groups)


def target_offsets(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A target file (plain or gzip): the vertices [N] it moves and how far [N,3]."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", errors="replace") as file:
        lines = [line for line in file if not line.startswith("#")]
    table = np.array(" ".join(lines).split(), dtype=np.float64).reshape(-1, 4)
    return table[:, 0].astype(np.int64), table[:, 1:]


def read_target(path: Path, count: int) -> np.ndarray:
    """A target file (plain or gzip) as dense offsets [count,3]."""
    offsets = np.zeros((count, 3))
    index, values = target_offsets(path)
    offsets[index] = values
    return offsets


@dataclass
class Proxy:
    """A mesh that follows the base mesh: three base vertices, three weights and an offset for each of its vertices."""

    mesh: Mesh
    indices: np.ndarray
    weights: np.ndarray
    offsets: np.ndarray
    scales: list[tuple[int, int, float]]

    def place(self, base: np.ndarray, sized_by: np.ndarray | None = None) -> np.ndarray:
        """Vertices [P,3] of the proxy for base vertices [B,3].

        `sized_by` [B,3] are the base vertices that say how large the offsets are, `base` itself by default. The teeth's
        height is measured from lower to upper teeth: an open jaw would stretch them, so a closed one must be given.
        """
        sized = base if sized_by is None else sized_by
        scale = [abs(sized[a, axis] - sized[b, axis]) / size for axis, (a, b, size) in enumerate(self.scales)]
        return (base[self.indices] * self.weights[..., None]).sum(1) + self.offsets * np.array(scale)


def read_proxy(folder: Path) -> Proxy:
    """The proxy in a folder that holds NAME.obj and NAME.mhclo, NAME being the folder's."""
    mesh = read_obj(folder / f"{folder.name}.obj")
    scales: dict[str, tuple[int, int, float]] = {}
    rows, started = [], False
    for line in (folder / f"{folder.name}.mhclo").read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] in ("x_scale", "y_scale", "z_scale"):
            scales[words[0][0]] = (int(words[1]), int(words[2]), float(words[3]))
        elif words[0] == "verts":
            started = True
        elif started and words[0].isdigit():
            rows.append([float(w) for w in words])
    single = [[r[0]] * 3 + [1, 0, 0] + [0, 0, 0] if len(r) == 1 else r for r in rows]
    table = np.array(single)
    return Proxy(mesh, table[:, :3].astype(int), table[:, 3:6], table[:, 6:9], [scales[a] for a in "xyz"])


def average_adult(targets: Path, base: np.ndarray) -> np.ndarray:
    """The base mesh [B,3] shaped as the mean of MakeHuman's young adults: both sexes, three ancestries, average build.

    The raw base mesh is a sculpting form, not a person; MakeHuman's own start-up shape is this same sum of targets.
    """
    macro = targets / "macrodetails"
    shape = base.copy()
    for sex in ("female", "male"):
        shape += read_target(macro / f"universal-{sex}-young-averagemuscle-averageweight.target.gz", len(base)) / 2
        for ancestry in ("african", "asian", "caucasian"):
            shape += read_target(macro / f"{ancestry}-{sex}-young.target.gz", len(base)) / 6
    return shape

"""The parts of the head that are put together into the rig: skin, mouth, teeth, tongue, eyeballs, lashes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...face.rig import GROUPS
from .makehuman import Mesh, Proxy, read_proxy
from .preview import rasterise, to_picture
from .simplify import simplify
from .topology import Topology, from_left_corner

# Vertex numbers of base mesh hm08, found by following its edge loops (see rig_topology): the lip loop is the narrowest of
# the mouth, where upper and lower lip touch; the lid loops are the narrowest of each eye opening.
LIP_START, LIP_NEXT, LIP_INNER = 520, 7267, 537
LID_LEFT = (7747, 7748)
EYE_HELPER = {"right": slice(14670, 14742), "left": slice(14598, 14670)}
LOWER_TEETH, LASHES_LEFT = range(14992, 15060), range(14742, 14867)
BODY_VERTICES = 13380
COLLAR = 5.45
"""Height in decimetres of base mesh hm08 in its average adult shape under which the body is cut off: the base of the neck."""


TEETH_YAWS, TEETH_PITCHES, TEETH_SIZE = (-40, -15, 15, 40), (-25, 0, 25), 320
TEETH_TRIANGLES = 3100
TEETH_BACK = 0.15
"""Views in degrees (and their size in pixels) from which a face of the teeth must be seen to be kept, how many triangles to
simplify them to (fewer let roots show through the gums), and the share, from the back, that is cut off."""


@dataclass
class Part:
    """One mesh of the rig; `place` gives its vertices [P,3] for base vertices [B,3], sized by others (see Proxy.place)."""

    place: Callable[[np.ndarray, np.ndarray], np.ndarray]
    uv: np.ndarray
    triangles: np.ndarray
    groups: np.ndarray
    base: np.ndarray
    """The base vertex that each vertex is a copy of, -1 for none [P]."""


def mirror(vertices: np.ndarray, indices: list[int], body: int = BODY_VERTICES) -> list[int]:
    """The body vertices that lie where the given ones would in a mirror."""
    flipped = vertices[indices] * [-1, 1, 1]
    distance = ((vertices[None, :body] - flipped[:, None]) ** 2).sum(-1)
    return distance.argmin(1).tolist()


def lip_rings(topology: Topology, vertices: np.ndarray) -> tuple[list[list[int]], list[list[int]], int]:
    """(rings outward with ring 0 first, rings inward, position of the left corner); each begins at the subject's right."""
    ring = topology.loop(LIP_START, LIP_NEXT)
    corner = int(np.argmin(vertices[ring, 0]))
    ring = from_left_corner(ring, vertices, corner, ring.index(LIP_START))
    inner_step = [v for v in topology.neighbours[ring[0]] if v not in ring]
    inside = topology.next_ring(ring, inner_step[0])
    if inside is None or LIP_INNER not in inside:
        inner_step = inner_step[::-1]
    inward = topology.rings(ring, inner_step[0], 12)
    outward = [ring, *topology.rings(ring, inner_step[1], 12)]
    return outward, inward, int(np.argmax(vertices[ring, 0]))


def lid_rings(topology: Topology, vertices: np.ndarray, side: str) -> tuple[list[list[int]], list[list[int]]]:
    """(rings outward with the margin first, rings inward) of one eye, starting at the corner on the subject's right."""
    ring = topology.loop(*LID_LEFT)
    if side == "right":
        ring = mirror(vertices, ring)
    points = vertices[ring]
    corner = int(np.argmin(points[:, 0])) if side == "left" else (int(np.argmax(points[:, 0])) + len(ring) // 2) % len(ring)
    ring = from_left_corner(ring, vertices, corner, int(np.argmax(points[:, 1])))
    steps = [v for v in topology.neighbours[ring[0]] if v not in ring]
    steps.sort(key=lambda v: -vertices[v, 2])
    spread = [np.ptp(vertices[topology.next_ring(ring, s)], axis=0)[0] for s in steps]
    if spread[0] < spread[1]:
        steps = steps[::-1]
    return [ring, *topology.rings(ring, steps[0], 10)], topology.rings(ring, steps[1], 8)


def triangulate(faces: list[list[int]]) -> list[list[int]]:
    """Triangles of convex polygons, as a fan."""
    return [[face[0], face[i], face[i + 1]] for face in faces for i in range(1, len(face) - 1)]


def split_seams(mesh: Mesh, faces: list[int]) -> tuple[np.ndarray, np.ndarray, list[list[int]]]:
    """(vertex of each corner [P], uv [P,2], faces over the P corners): a vertex on a texture seam appears once per side."""
    corners: dict[tuple[int, int], int] = {}
    result = []
    for number in faces:
        pairs = zip(mesh.faces[number], mesh.face_uv[number], strict=True)
        result.append([corners.setdefault(pair, len(corners)) for pair in pairs])
    keys = np.array(list(corners))
    return keys[:, 0], mesh.uv[keys[:, 1]], result


def joined_seams(mesh: Mesh, faces: list[int]) -> tuple[np.ndarray, np.ndarray, list[list[int]]]:
    """As split_seams, but each vertex once, with the uv of the first face that has it: the surface stays in one piece.

    The head's seams run where no skin texture is looked at: behind the lips and lids, up the nape.
    """
    order: dict[int, int] = {}
    uv, result = [], []
    for number in faces:
        corners = []
        for vertex, texel in zip(mesh.faces[number], mesh.face_uv[number], strict=True):
            if vertex not in order:
                order[vertex] = len(order)
                uv.append(mesh.uv[texel])
            corners.append(order[vertex])
        result.append(corners)
    return np.array(list(order)), np.array(uv), result


def head_part(mesh: Mesh, shape: np.ndarray, groups: dict[int, str]) -> Part:
    """The body's faces above the collar; `groups` names the group of faces other than skin."""
    keep = []
    for number, face in enumerate(mesh.faces):
        points = shape[face]
        if mesh.groups[number] == "body" and points[:, 1].min() > COLLAR and np.abs(points[:, 0]).max() < 1.0:
            keep.append(number)
    keep.sort(key=lambda number: groups.get(number, "") in ("inner_mouth", "eye_socket"))
    vertex, uv, faces = joined_seams(mesh, keep)
    names = [groups.get(number, "skin") for number in keep]
    triangles = triangulate(faces)
    each = [GROUPS.index(name) for name, face in zip(names, faces, strict=True) for _ in range(len(face) - 2)]
    return Part(lambda base, _: base[vertex], uv, np.array(triangles), np.array(each), vertex)


def proxy_part(proxy: Proxy, group: Callable[[np.ndarray], list[str]], keep: np.ndarray | None = None) -> Part:
    """A proxy mesh; `group` names the group of each of the proxy's vertices, `keep` [F] the faces to keep."""
    numbers = list(range(len(proxy.mesh.faces))) if keep is None else np.flatnonzero(keep).tolist()
    vertex, uv, faces = split_seams(proxy.mesh, numbers)
    names = group(proxy.indices)
    triangles = np.array(triangulate(faces))
    each = np.array([GROUPS.index(names[vertex[t[0]]]) for t in triangles])
    return Part(lambda base, sized_by: proxy.place(base, sized_by)[vertex], uv, triangles, each, np.full(len(vertex), -1))


def teeth_part(folder: Path, shape: np.ndarray) -> Part:
    """Upper and lower teeth with gums; faces that no view through an open mouth shows are left out."""
    proxy = read_proxy(folder)
    lower = np.isin(proxy.indices, LOWER_TEETH).any(1)
    points = proxy.place(shape)
    faces = np.array(proxy.mesh.faces)
    triangles = np.array(triangulate(proxy.mesh.faces))
    seen = np.zeros(len(faces), dtype=bool)
    for jaw in (True, False):
        mine = np.flatnonzero(lower[triangles[:, 0]] == jaw)
        for yaw in TEETH_YAWS:
            for pitch in TEETH_PITCHES:
                picture = to_picture(points - points.mean(0), yaw, pitch, TEETH_SIZE, TEETH_SIZE * 0.8 / np.ptp(points[:, 0]))
                index = rasterise(picture, triangles[mine], TEETH_SIZE, TEETH_SIZE)[0]
                seen[mine[np.unique(index[index >= 0])] // 2] = True
    near = points[faces].mean(1)[:, 2] > np.quantile(points[:, 2], TEETH_BACK)
    names = np.where(lower, "teeth_lower", "teeth_upper").tolist()
    part = proxy_part(proxy, lambda _: names, seen & near)
    simple = simplify(part.place(shape, shape), part.triangles, TEETH_TRIANGLES)
    used, triangles = np.unique(simple, return_inverse=True)
    group = np.isin(simple[:, 0], np.unique(part.triangles[part.groups == GROUPS.index("teeth_lower")]))
    groups = np.where(group, GROUPS.index("teeth_lower"), GROUPS.index("teeth_upper"))
    return Part(
        lambda base, sized_by: part.place(base, sized_by)[used],
        part.uv[used],
        triangles.reshape(-1, 3),
        groups,
        part.base[used],
    )


def tongue_part(folder: Path) -> Part:
    """The tongue; the face units move it through the base mesh's tongue helper."""
    return proxy_part(read_proxy(folder), lambda indices: ["tongue"] * len(indices))


def lashes_part(folder: Path) -> Part:
    """Both eyes' lashes: cards that need their texture's alpha and are seen from both sides."""
    proxy = read_proxy(folder)
    return proxy_part(proxy, lambda indices: ["lashes_left" if row[0] in LASHES_LEFT else "lashes_right" for row in indices])


EYE_LATITUDES = (0.0, 6.0, 12.0, 20.0, 25.0, 29.0, 33.0, 38.0, 45.0, 55.0, 65.0, 78.0, 92.0)
EYE_IRIS = 29.0
"""Degrees from the pole of the eyeball to the iris' rim: an iris of 11.7 mm on an eyeball of 24 mm (textbook anatomy)."""
EYE_MERIDIANS = 24


def eyeball_directions() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(unit directions [P,3] with the pole on +z, latitude from the pole in degrees [P], triangles) of the eyeball's mesh."""
    directions, latitude, triangles = [[0.0, 0.0, 1.0]], [0.0], []
    turn = 2 * np.pi * np.arange(EYE_MERIDIANS) / EYE_MERIDIANS
    for degrees in EYE_LATITUDES[1:]:
        angle = np.radians(degrees)
        ring = np.stack([np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), np.full_like(turn, np.cos(angle))], 1)
        directions += ring.tolist()
        latitude += [degrees] * EYE_MERIDIANS
    for ring in range(len(EYE_LATITUDES) - 1):
        for i in range(EYE_MERIDIANS):
            j = (i + 1) % EYE_MERIDIANS
            outer = 1 + ring * EYE_MERIDIANS
            if ring == 0:
                triangles.append([0, outer + i, outer + j])
                continue
            inner = outer - EYE_MERIDIANS
            triangles += [[inner + i, outer + i, outer + j], [inner + i, outer + j, inner + j]]
    return np.array(directions), np.array(latitude), np.array(triangles)


def eyeball_part(side: str, radius: float) -> Part:
    """A sphere of the given radius (decimetres) that follows the base mesh's eye helper; uv is polar around the pupil."""
    directions, latitude, triangles = eyeball_directions()
    helper = EYE_HELPER[side]
    reference: list[float] = []

    def place(base: np.ndarray, _: np.ndarray) -> np.ndarray:
        centre = base[helper].mean(0)
        spread = float(np.sqrt(((base[helper] - centre) ** 2).sum(1).mean()))
        if not reference:
            reference.append(spread)
        return centre + directions * radius * spread / reference[0]

    around = directions[:, :2] / np.maximum(np.linalg.norm(directions[:, :2], axis=1, keepdims=True), 1e-9)
    uv = 0.5 + around * (latitude / 184.0)[:, None]
    group = np.full(len(triangles), GROUPS.index(f"eyeball_{side}"))
    return Part(place, uv, triangles, group, np.full(len(directions), -1))

"""Fewer triangles for small parts: half-edge collapses that keep a subset of the vertices, borders and texture seams."""

import heapq
from collections import defaultdict

import numpy as np

TURN_MOST = 0.5
"""Least cosine between a triangle's normal before and after a collapse."""


def simplify(points: np.ndarray, triangles: np.ndarray, target: int) -> np.ndarray:
    """Triangles [G,3] over the same vertices, G about `target`.

    Vertices are taken away one by one, the flattest and closest to a neighbour first: each is merged into that neighbour.
    Vertices on a border (texture seams are borders) stay.

    Args:
        points: [V,3].
        triangles: [F,3].
        target: how many triangles to aim at; fewer collapses are made where the shape does not allow more.
    """
    faces = {number: tuple(t) for number, t in enumerate(triangles.tolist())}
    around: dict[int, set[int]] = defaultdict(set)
    edges: dict[tuple[int, int], int] = defaultdict(int)
    for number, face in faces.items():
        for a, b in ((face[0], face[1]), (face[1], face[2]), (face[2], face[0])):
            around[a].add(number)
            edges[min(a, b), max(a, b)] += 1
    border = {v for edge, count in edges.items() if count != 2 for v in edge}

    def normal(face: tuple[int, ...]) -> np.ndarray:
        a, b, c = points[list(face)]
        cross = np.cross(b - a, c - a)
        return cross / max(np.linalg.norm(cross), 1e-12)

    def neighbours(vertex: int) -> set[int]:
        return {v for number in around[vertex] for v in faces[number]} - {vertex}

    def cost(vertex: int) -> tuple[float, int] | None:
        """(how much is lost, neighbour to merge into) of the best collapse, None where none is allowed."""
        best = None
        normals = [normal(faces[n]) for n in around[vertex]]
        for other in neighbours(vertex):
            if len(neighbours(vertex) & neighbours(other)) != 2:
                continue
            step = points[other] - points[vertex]
            lost = max(abs(float(n @ step)) for n in normals) + 0.05 * float(np.linalg.norm(step))
            if best is not None and lost >= best[0]:
                continue
            kept = [n for n in around[vertex] if other not in faces[n]]
            moved = [tuple(other if v == vertex else v for v in faces[n]) for n in kept]
            if all(normal(faces[n]) @ normal(m) > TURN_MOST for n, m in zip(kept, moved, strict=True)):
                best = (lost, other)
        return best

    queue = [(c[0], v, c[1]) for v in sorted(around) if v not in border and (c := cost(v))]
    heapq.heapify(queue)
    while queue and len(faces) > target:
        lost, vertex, other = heapq.heappop(queue)
        now = cost(vertex) if around[vertex] else None
        if now is None:
            continue
        if now != (lost, other):
            heapq.heappush(queue, (now[0], vertex, now[1]))
            continue
        for number in list(around[vertex]):
            face = faces[number]
            for v in face:
                around[v].discard(number)
            del faces[number]
            if other in face:
                continue
            faces[number] = tuple(other if v == vertex else v for v in face)
            for v in faces[number]:
                around[v].add(number)
    return np.array([faces[n] for n in sorted(faces)])

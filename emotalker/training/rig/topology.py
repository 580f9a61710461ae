"""What the head's quad mesh says about itself: neighbours, edge loops, rings around an opening, what lies inside a ring."""

from collections import defaultdict, deque
from itertools import pairwise

import numpy as np


class Topology:
    """Neighbourhoods of a closed quad mesh given as faces [F,4]."""

    def __init__(self, faces: np.ndarray) -> None:
        """Index the edges and vertices of faces [F,4]."""
        self.faces = faces
        self.edge_faces: dict[tuple[int, int], list[int]] = defaultdict(list)
        self.neighbours: dict[int, set[int]] = defaultdict(set)
        for number, face in enumerate(faces.tolist()):
            for a, b in zip(face, face[1:] + face[:1], strict=True):
                self.edge_faces[min(a, b), max(a, b)].append(number)
                self.neighbours[a].add(b)
                self.neighbours[b].add(a)

    def _faces_of(self, a: int, b: int) -> set[int]:
        return set(self.edge_faces[min(a, b), max(a, b)])

    def loop(self, a: int, b: int) -> list[int]:
        """The closed edge loop that starts with the edge a, b.

        Raises:
            ValueError: the loop ends in a vertex that has not four neighbours.
        """
        ring = [a, b]
        while True:
            before, here = ring[-2], ring[-1]
            beside = self._faces_of(before, here)
            ahead = [v for v in self.neighbours[here] if not self._faces_of(v, here) & beside]
            if len(self.neighbours[here]) != 4 or len(ahead) != 1:
                raise ValueError(f"the edge loop from {a} ends at {here}")
            if ahead[0] == a:
                return ring
            ring.append(ahead[0])

    def next_ring(self, ring: list[int], start: int) -> list[int] | None:
        """The ring on the side of `start` (a neighbour of ring[0]), index by index; None where the grid ends."""
        result = [start]
        for before, here in pairwise(ring):
            common = [f for f in self._faces_of(before, here) if result[-1] in self.faces[f]]
            if len(common) != 1:
                return None
            corner = [int(v) for v in self.faces[common[0]] if v not in (before, here, result[-1])]
            result.append(corner[0])
        closing = [f for f in self._faces_of(ring[-1], ring[0]) if result[-1] in self.faces[f]]
        closed = len(closing) == 1 and start in self.faces[closing[0]]
        return result if closed and len(set(result)) == len(ring) else None

    def rings(self, ring: list[int], start: int, limit: int) -> list[list[int]]:
        """Up to `limit` rings beyond `ring` on the side of `start`, nearest first."""
        found, before, here = [], ring, start
        while len(found) < limit:
            following = self.next_ring(before, here)
            if following is None:
                break
            found.append(following)
            onward = [v for v in self.neighbours[following[0]] if v not in before and v not in following]
            if len(onward) != 1:
                break
            before, here = following, onward[0]
        return found

    def faces_with(self, *vertices: int) -> list[int]:
        """The faces that have all the given vertices (the first two are neighbours)."""
        return [f for f in self._faces_of(vertices[0], vertices[1]) if set(vertices) <= set(self.faces[f].tolist())]

    def enclosed(self, ring: list[int], inside: int) -> set[int]:
        """Faces on the side of vertex `inside` of a closed ring: a flood that does not cross the ring's edges."""
        fence = {(min(a, b), max(a, b)) for a, b in zip(ring, ring[1:] + ring[:1], strict=True)}
        first = self._faces_of(ring[0], inside)
        seen, queue = set(first), deque(first)
        while queue:
            face = self.faces[queue.popleft()].tolist()
            for a, b in zip(face, face[1:] + face[:1], strict=True):
                edge = min(a, b), max(a, b)
                if edge in fence:
                    continue
                for other in self.edge_faces[edge]:
                    if other not in seen:
                        seen.add(other)
                        queue.append(other)
        return seen


def from_left_corner(ring: list[int], vertices: np.ndarray, left: int, upper: int) -> list[int]:
    """The ring turned so that it starts at position `left` and runs first over the half that contains position `upper`."""
    count = len(ring)
    turned = [ring[(left + i) % count] for i in range(count)]
    if (upper - left) % count > count / 2:
        turned = [turned[0], *reversed(turned[1:])]
    return turned

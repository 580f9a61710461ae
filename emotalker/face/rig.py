"""The head model that portraits are fitted with: a mesh with parts, rings around its openings and 52 face units.

Rig units: 1 is the distance between the eyeball centres of the average adult; x to the subject's left (the picture's right),
y up, z towards the viewer; the origin lies midway between the eyeball centres.
"""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from ..arkit import FACE_UNITS
from ..weights import load_weights

GROUPS = (
    "skin", "upper_lid_right", "lower_lid_right", "upper_lid_left", "lower_lid_left", "eye_socket", "inner_mouth",
    "teeth_upper", "teeth_lower", "tongue", "eyeball_right", "eyeball_left", "lashes_right", "lashes_left",
)  # fmt: skip
"""The mesh's parts; a triangle belongs to one. Which faces are mouth or eye socket follows from what the lip and lid rings
enclose, never from depth."""
SKIN_GROUPS = GROUPS[:5]
SIDES = ("Right", "Left")
LIP_EDGE_RINGS = 5
LID_EDGE_RINGS = 4
"""How many rings from the edge outward can form the visible edge of an opening; the lip or lid turns over them."""


@dataclass(frozen=True, eq=False)
class Rig:
    """The neutral head and everything that is the same for every portrait.

    Attributes:
        vertices: [V,3].
        triangles: [F,3] vertex indices, counter-clockwise seen from outside.
        uv: [V,2] MakeHuman's texture coordinates of the part the vertex belongs to (v up); polar for eyeballs.
        triangle_group: [F] index into GROUPS.
        vertex_group: [V] index into GROUPS; a vertex on a border counts to the later group.
        units: [52,V,3] displacement at weight 1, in the order of FACE_UNITS.
        identity: [K,V,3] shape components, each for one standard deviation.
        identity_share: [K] share of the shape variance each explains, falling.
        head_weight: [V] share in a turn of the head: 1 on the head, 0 at the collar.
        pivot: [3] point about which the head turns, at the top of the neck.
        eye_centres: [2,3] centres of the right and left eyeball.
        lip_rings: [R,N] closed vertex loops around the mouth; each starts at the corner at the picture's left, runs over the
            upper lip to the other corner (position lip_corners[1]) and back along the lower lip. All are aligned index by
            index.
        lip_ring_numbers: [R] 0 where the lips touch, 1, 2, ... inward into the mouth, -1, -2, ... outward over the red.
        lip_corners: [2] positions of the corners in a ring.
        lid_rings: [2,R,N] the same for the right and left eye.
        lid_ring_numbers: [R] 0 at the lid margin, 1, 2, ... outward to crease and brow, -1, -2, ... inward behind the lid.
        lid_corners: [2].
        landmark_vertices: [478,3] the three vertices between which each mediapipe landmark lies.
        landmark_weights: [478,3] its barycentric weights.
        teeth_texture, tongue_texture: uint8 [h,w,3]; lashes_texture: uint8 [h,w,4].
    """

    vertices: Tensor
    triangles: Tensor
    uv: Tensor
    triangle_group: Tensor
    vertex_group: Tensor
    units: Tensor
    identity: Tensor
    identity_share: Tensor
    head_weight: Tensor
    pivot: Tensor
    eye_centres: Tensor
    lip_rings: Tensor
    lip_ring_numbers: Tensor
    lip_corners: Tensor
    lid_rings: Tensor
    lid_ring_numbers: Tensor
    lid_corners: Tensor
    landmark_vertices: Tensor
    landmark_weights: Tensor
    teeth_texture: Tensor
    tongue_texture: Tensor
    lashes_texture: Tensor

    @classmethod
    def load(cls, device: str | torch.device = "cpu") -> "Rig":
        """The shipped rig. Raises UserError when its weight file is missing."""
        stored = load_weights("rig", device)
        index, delta = stored.pop("unit_index").long(), stored.pop("unit_delta").float()
        units = torch.zeros(len(FACE_UNITS), *stored["vertices"].shape, device=delta.device)
        units[index[:, 0], index[:, 1]] = delta
        values = {
            name: value if name.endswith("_texture") else value.float() if value.is_floating_point() else value.long()
            for name, value in stored.items()
        }
        return cls(units=units, **values)

    def to(self, device: str | torch.device) -> "Rig":
        """The same rig on another device."""
        return replace(self, **{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def group_triangles(self, name: str) -> Tensor:
        """Indices [n] of the triangles of a group."""
        return torch.nonzero(self.triangle_group == GROUPS.index(name)).flatten()

    def group_vertices(self, name: str) -> Tensor:
        """Indices [n] of the vertices that the triangles of a group use."""
        return torch.unique(self.triangles[self.group_triangles(name)])

    @property
    def skin_triangles(self) -> Tensor:
        """Indices [n] of the triangles of the outer skin: face, ears, neck, lids and lips, up to the lip and lid rings."""
        return torch.nonzero(self.triangle_group < len(SKIN_GROUPS)).flatten()

    @property
    def body_vertices(self) -> Tensor:
        """Indices [n] of the vertices of the connected head mesh: skin, eye sockets and inside of the mouth."""
        return torch.unique(self.triangles[self.triangle_group <= GROUPS.index("inner_mouth")])

    def lip_ring(self, number: int) -> Tensor:
        """Vertices [N] of a lip ring by its number (see lip_ring_numbers)."""
        return self.lip_rings[self.lip_ring_numbers == number][0]

    def lid_ring(self, side: str, number: int) -> Tensor:
        """Vertices [N] of a lid ring of the "Right" or "Left" eye by its number (see lid_ring_numbers)."""
        return self.lid_rings[SIDES.index(side)][self.lid_ring_numbers == number][0]

    @property
    def outer_lips(self) -> Tensor:
        """[R,N] lip rings from the first outside the lips' touching line outward."""
        return self.lip_rings[self.lip_ring_numbers < 0].flip(0)

    def lip_halves(self, count: int = LIP_EDGE_RINGS) -> tuple[list[Tensor], list[Tensor]]:
        """(upper, lower) halves, corner to corner, of the first lip rings from the touching line outward."""
        return self._halves([self.lip_ring(-n) for n in range(count)], self.lip_corners)

    def lid_halves(self, side: str, count: int = LID_EDGE_RINGS) -> tuple[list[Tensor], list[Tensor]]:
        """(upper, lower) halves, corner to corner, of the first lid rings of the "Right" or "Left" eye, margin first."""
        return self._halves([self.lid_ring(side, n) for n in range(count)], self.lid_corners)

    @staticmethod
    def _halves(rings: list[Tensor], corners: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        far = int(corners[1])
        return [r[: far + 1] for r in rings], [torch.cat([r[:1], r[far:].flip(0)]) for r in rings]

    def landmarks(self, vertices: Tensor) -> Tensor:
        """The 478 landmarks [...,478,3] of vertices [...,V,3]."""
        return (vertices[..., self.landmark_vertices, :] * self.landmark_weights[..., None]).sum(-2)

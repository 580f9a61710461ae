"""Where every point of the head, and of the picture around it, takes its colour from and where it goes.

The front of the face is the rig's mesh; it carries the portrait's pixels: a vertex reads the picture where it projects at
rest, so rest is the portrait by construction. Ears, hair, neck and background lie on a *sheet*, a grid over the picture
with the head's smoothed depth: it turns with the head as far as a point belongs to it, and follows the face's expression
near the face, fading to stillness. One continuous sheet cannot tear, whatever the hair looks like.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..curves import smoothstep
from .fill import blur, smooth_fill
from .rasteriser import rasterise
from .sampling import Box

# Cosine between a vertex's normal and the view from which on it belongs to the front, and growth of the face's outline.
_FRONT, _OVAL_GROWTH = 0.15, 1.03
# Shares of the head's width: hair that turns fully with the head, where its turn ends, where expressions end.
_HAIR, _TURN_FADE, _EXPRESSION_FADE = 0.12, 0.60, 0.30
_BEHIND = 0.04
_SEAM = 0.09  # breadth over which the face's motion goes over into the sheet's
_GRID = 48  # cells of the sheet along the longer side
_CONTROLS = 400


def vertex_normals(vertices: Tensor, triangles: Tensor) -> Tensor:
    """Unit normals [...,V,3] of vertices [...,V,3], by triangle area."""
    a, b, c = (vertices[..., triangles[:, i], :] for i in range(3))
    face = torch.linalg.cross(b - a, c - a)
    normals = torch.zeros_like(vertices)
    for i in range(3):
        normals.index_add_(-2, triangles[:, i], face)
    return F.normalize(normals, dim=-1)


def inside_polygon(points: Tensor, polygon: Tensor, growth: float) -> Tensor:
    """[N] whether points [N,2] lie in a polygon [K,2], grown about its middle."""
    middle = polygon.mean(0)
    a = middle + (polygon - middle) * growth
    b = a.roll(-1, 0)
    x, y = points[:, None, 0], points[:, None, 1]
    spans = (a[:, 1] > y) != (b[:, 1] > y)
    rise = torch.where((b - a)[:, 1].abs() < 1e-9, torch.full_like(a[:, 1], 1e-9), (b - a)[:, 1])
    crossing = a[:, 0] + (y - a[:, 1]) * (b - a)[:, 0] / rise
    return (spans & (x < crossing)).sum(1) % 2 == 1


@dataclass(frozen=True)
class Part:
    """A piece of skin that is drawn again at full resolution: around an eye, around the mouth.

    Attributes:
        triangles: [F,3].
        vertices: [K] whose box, grown by `margin` pixels, is redrawn.
        opening: [K] vertices around the opening in it.
        margin: pixels.
    """

    triangles: Tensor
    vertices: Tensor
    opening: Tensor
    margin: float

    @classmethod
    def around(
        cls, surface: "Surface", centre: Tensor, radius: float, vertices: Tensor, opening: Tensor, margin: float
    ) -> "Part":
        """Skin triangles within `radius` pixels of `centre` [2] at rest."""
        near = (surface.rest[:, :2] - centre).norm(dim=1) < radius
        triangles = surface.skin[near[surface.skin].any(1)]
        return cls(triangles, vertices, opening, margin)


class Surface:
    """Front of the face and the sheet around it, for one portrait.

    Args:
        rest: [V,3] rest vertices in crop pixels.
        triangles: [F,3] of the outer skin, up to the lids' margins and the line where the lips touch.
        oval: [K,2] the outline of the face in crop pixels, in order.
        lips_and_lids: [K] vertices at the openings, which are no rim towards the sheet.
        head_weight: [V] share of each vertex in a turn of the head.
        depth: z of the middle of the head.
        bounds: the box of the head with its surroundings, not clipped to the picture.
    """

    def __init__(
        self,
        rest: Tensor,
        triangles: Tensor,
        oval: Tensor,
        lips_and_lids: Tensor,
        head_weight: Tensor,
        depth: float,
        bounds: Box,
    ) -> None:
        self.rest = rest
        used = torch.zeros(len(rest), dtype=torch.bool, device=rest.device)
        used[triangles.flatten()] = True
        across = rest[used, 0]
        self.head_width = float((across.amax() - across.amin()).clamp(min=1))
        # Triangles run counter-clockwise seen from outside, with y up: on the screen, y down, the front ones are negative.
        self.cull = -1
        self.facing = -vertex_normals(rest, triangles)[:, 2]
        front = (self.facing > _FRONT) & inside_polygon(rest[:, :2], oval, _OVAL_GROWTH)
        self.skin = triangles[front[triangles].all(1)]
        self._build_sheet(triangles, head_weight, depth, bounds)
        controls = torch.unique(self.skin)
        step = max(1, len(controls) // _CONTROLS)
        self.controls = controls[::step]
        distance = torch.cdist(self.nodes[:, :2], rest[self.controls, :2]) / self.head_width
        weight = 1 / (distance**2 + 0.02**2) ** 2
        fade = 1 - smoothstep(distance.amin(1), 0.03, _EXPRESSION_FADE)
        self.follow = weight / weight.sum(1, keepdim=True) * fade[:, None]
        self.control_weight = head_weight[self.controls]
        self._build_seam(lips_and_lids)
        self.triangles = torch.cat([self.skin, self.sheet_triangles + len(rest)])

    def _build_seam(self, lips_and_lids: Tensor) -> None:
        """Where the face's mesh meets the sheet: its rim moves as the sheet does, so that no step shows."""
        edges = torch.cat([self.skin[:, [0, 1]], self.skin[:, [1, 2]], self.skin[:, [2, 0]]]).sort(1).values
        edges, count = edges.unique(dim=0, return_counts=True)
        rim = edges[count == 1].unique()
        rim = rim[~torch.isin(rim, lips_and_lids)]
        face = self.skin.unique()
        distance = torch.cdist(self.rest[face, :2], self.rest[rim, :2]).amin(1) / self.head_width
        share = 1 - smoothstep(distance, 0.0, _SEAM)
        self.seam = face[share > 0]
        self.seam_share = share[share > 0][:, None]
        low, high = self.nodes[0, :2], self.nodes[-1, :2]
        # grid_sample's coordinates of these vertices among the nodes.
        self.seam_at = ((self.rest[self.seam, :2] - low) / (high - low) * 2 - 1)[None, None]

    def _build_sheet(self, triangles: Tensor, head_weight: Tensor, depth: float, bounds: Box) -> None:
        """A grid over head and surroundings: places, depths, and shares in a turn of the head."""
        device = triangles.device
        cell = max(bounds.size) / _GRID
        h, w = (max(4, round(v / cell)) for v in bounds.size)
        origin = self.rest.new_tensor([bounds.x0, bounds.y0, 0.0])
        scale = self.rest.new_tensor([w / (bounds.x1 - bounds.x0), h / (bounds.y1 - bounds.y0), 1.0])
        attributes = torch.stack([self.rest[:, 2], head_weight], 1)
        drawn = rasterise(((self.rest - origin) * scale)[None], triangles, attributes, (h, w), cull=self.cull)
        covered = drawn.covered[0].float()
        # The mesh's own rim is steep and, at ears and hair, not the portrait's: smooth depth, continued outwards.
        known = covered * (blur(covered, 1.0) > 0.6)
        values = smooth_fill(drawn.values[0], known)
        values = blur(values, 1.2)
        outside = self._distance(covered, cell)
        away = smoothstep(outside, 0.0, 0.35)
        z = values[..., 0] * (1 - away) + depth * away
        turn = values[..., 1].clamp(0, 1) * (1 - smoothstep(outside, _HAIR, _TURN_FADE))
        y = (torch.arange(h, device=device) + 0.5) / scale[1] + bounds.y0
        x = (torch.arange(w, device=device) + 0.5) / scale[0] + bounds.x0
        self.grid = (h, w)
        self.nodes = torch.stack([x[None].expand(h, w), y[:, None].expand(h, w), z], -1).reshape(-1, 3)
        self.node_turn = turn.reshape(-1)
        i = torch.arange(h * w, device=device).view(h, w)
        a, b, c, d = i[:-1, :-1], i[:-1, 1:], i[1:, 1:], i[1:, :-1]
        self.sheet_triangles = torch.cat([torch.stack(v, -1).reshape(-1, 3) for v in ((a, c, b), (a, d, c))])

    def _distance(self, covered: Tensor, cell: float) -> Tensor:
        """[h,w] distance of grid cells from the head, in head widths."""
        inside = covered.nonzero().float()
        y, x = torch.meshgrid(*(torch.arange(n, device=covered.device).float() for n in covered.shape), indexing="ij")
        if len(inside) == 0:
            return torch.zeros_like(covered)
        return torch.cdist(torch.stack([y, x], -1).view(-1, 2), inside).amin(1).view(covered.shape) * (cell / self.head_width)

    def place(self, vertices: Tensor, slide: Tensor, turn: Callable[[Tensor, Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Where face and sheet are in a chunk of frames, and where they read the picture.

        Args:
            vertices: [n,V,3] crop pixels.
            slide: [n,V,2] how far vertices read beside their own place in the portrait, pixels.
            turn: the head's turn in these frames: points [K,3] in crop pixels and their shares [K] in it to [n,K,3].

        Returns:
            Positions [n,V+G,3] and reading displacement [n,V+G,2]: reading place minus position; all zero at rest.
        """
        expression = vertices[:, self.controls, :2] - turn(self.rest[self.controls], self.control_weight)[..., :2]
        nodes = turn(self.nodes, self.node_turn)
        # One product of matrices for all frames: many times as fast as one for each.
        follow = self.follow @ expression.transpose(0, 1).flatten(1)
        shift = nodes[..., :2] + follow.view(-1, *expression.shape[::2]).transpose(0, 1) - self.nodes[:, :2]
        # A little behind the face, which is the finer of the two where both are.
        nodes = torch.cat([self.nodes[:, :2] + shift, nodes[..., 2:] + _BEHIND * self.head_width], -1)
        image = shift.transpose(1, 2).reshape(len(shift), 2, *self.grid)
        at_seam = F.grid_sample(image, self.seam_at.expand(len(shift), -1, -1, -1), align_corners=True)[:, :, 0].transpose(1, 2)
        face = vertices.clone()
        face[:, self.seam, :2] += self.seam_share * (self.rest[self.seam, :2] + at_seam - vertices[:, self.seam, :2])
        positions = torch.cat([face, nodes], 1)
        reading = torch.cat([self.rest[:, :2] + slide, self.nodes[:, :2].expand(len(vertices), -1, -1)], 1)
        return positions, reading - positions[..., :2]

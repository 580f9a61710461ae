"""Where every point of the head, and of the picture around it, takes its colour from and where it goes.

The skin carries the portrait's pixels: a vertex reads the picture where it projects at rest, so rest is the portrait by
construction. A side of the head that the picture does not show projects onto the side that it does, so a turning head
continues with a mirror image of its own edge. Around the head lies an *apron*, a flat grid behind it that follows the head's
outline and fades to stillness, so that hair and neck go along and nothing tears.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .rasteriser import rasterise
from .sampling import Box, sample, smoothstep

# Shares of the head's width.
_FADE = 0.62  # reach of the apron's motion beyond the outline
_GRID = 40  # apron cells along the longer side
_CONTROLS = 220


def vertex_normals(vertices: Tensor, triangles: Tensor) -> Tensor:
    """Unit normals [V,3] of vertices [V,3], by triangle area."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    face = torch.linalg.cross(b - a, c - a)
    normals = torch.zeros_like(vertices)
    for i in range(3):
        normals.index_add_(0, triangles[:, i], face)
    return torch.nn.functional.normalize(normals, dim=1)


@dataclass(frozen=True)
class Part:
    """A piece of skin that is drawn again at full resolution: around an eye, around the mouth.

    Attributes:
        triangles: [F,3].
        vertices: [K] whose box, grown by `margin` pixels, is redrawn.
        margin: pixels.
    """

    triangles: Tensor
    vertices: Tensor
    margin: float

    @classmethod
    def around(cls, surface: "Surface", centre: Tensor, radius: float, vertices: Tensor, margin: float) -> "Part":
        """Skin triangles within `radius` pixels of `centre` [2] at rest."""
        near = (surface.rest[:, :2] - centre).norm(dim=1) < radius
        triangles = surface.skin[near[surface.skin].any(1)]
        return cls(triangles, vertices, margin)


class Surface:
    """Skin and apron of one portrait.

    Args:
        rest: [V,3] rest vertices in crop pixels.
        triangles: [F,3] of the outer skin, up to the lids' margins and the line where the lips touch.
        size: (h, w) of the crop.
        bounds: the box of the head with its surroundings, not clipped to the picture.
    """

    def __init__(self, rest: Tensor, triangles: Tensor, size: tuple[int, int], bounds: Box) -> None:
        device = rest.device
        self.rest, self.size, self.skin = rest, size, triangles
        used = torch.zeros(len(rest), dtype=torch.bool, device=device)
        used[triangles.flatten()] = True
        skin = rest[used]
        self.head_width = float((skin[:, 0].amax() - skin[:, 0].amin()).clamp(min=1))
        normals = vertex_normals(rest, triangles)
        # The viewer is at -z. Make sure of the mesh's orientation once, by the majority of its front half.
        self.facing = -normals[:, 2]
        self.cull = -1
        if float(self.facing[used & (rest[:, 2] < skin[:, 2].median())].mean()) < 0:
            self.facing, self.cull = -self.facing, 1
        coarse = min(1.0, 384 / max(size))
        raster_size = (max(2, round(size[0] * coarse)), max(2, round(size[1] * coarse)))
        drawn = rasterise(rest[None] * coarse, triangles, rest[:, 2:3], raster_size)

        self._build_apron(drawn.covered[0], coarse, bounds, used)
        self.triangles = torch.cat([triangles, self.apron_triangles + len(rest)])

    def _build_apron(self, covered: Tensor, coarse: float, bounds: Box, used: Tensor) -> None:
        device = covered.device
        step = max(bounds.size) / _GRID
        h, w = (max(2, round(v / step)) + 1 for v in bounds.size)
        y = torch.linspace(bounds.y0, bounds.y1, h, device=device)
        x = torch.linspace(bounds.x0, bounds.x1, w, device=device)
        self.nodes = torch.stack([x[None, :].expand(h, w), y[:, None].expand(h, w)], -1).reshape(-1, 2)
        i = torch.arange(h * w, device=device).view(h, w)
        a, b, c, d = i[:-1, :-1], i[:-1, 1:], i[1:, 1:], i[1:, :-1]
        self.apron_triangles = torch.cat([torch.stack(v, -1).reshape(-1, 3) for v in ((a, c, b), (a, d, c))])
        if self.cull == 1:
            self.apron_triangles = self.apron_triangles.flip(1)

        # The outline: shown vertices close to pixels that the head does not cover.
        radius = max(1, round(0.06 * self.head_width * coarse))
        outside = (~covered).float()[None, None]
        near = torch.nn.functional.max_pool2d(outside, 2 * radius + 1, 1, radius)[0]
        at = sample(near, self.rest[None, None, :, 0] * coarse, self.rest[None, None, :, 1] * coarse)[0, 0, 0]
        outline = (used & (at > 0.5)).nonzero().squeeze(1)
        if len(outline) == 0:
            outline = used.nonzero().squeeze(1)
        if len(outline) > _CONTROLS:
            outline = outline[torch.linspace(0, len(outline) - 1, _CONTROLS, device=device).long()]
        self.controls = outline
        distance = torch.cdist(self.nodes, self.rest[outline, :2]) / self.head_width
        weight = 1 / (distance**2 + 0.03**2) ** 2
        fade = 1 - smoothstep(distance.amin(1), 0.06, _FADE)
        self.follow = weight / weight.sum(1, keepdim=True) * fade[:, None]
        # Far behind everything; the true depth does not matter.
        self.apron_depth = float(self.rest[:, 2].amax()) + 10 * self.head_width

    def place(self, vertices: Tensor, slide: Tensor) -> tuple[Tensor, Tensor]:
        """Where skin and apron are in a chunk of frames, and where they read the picture.

        Args:
            vertices: [n,V,3] crop pixels.
            slide: [n,V,2] how far vertices read beside their own place in the portrait, pixels.

        Returns:
            Positions [n,V+G,3] and reading displacement [n,V+G,2]: reading place minus position; all zero at rest.
        """
        count = len(vertices)
        moved = vertices[:, self.controls, :2] - self.rest[self.controls, :2]
        nodes = self.nodes + self.follow @ moved
        depth = nodes.new_full((count, len(self.nodes), 1), self.apron_depth)
        positions = torch.cat([vertices, torch.cat([nodes, depth], -1)], 1)
        reading = torch.cat([self.rest[:, :2] + slide, self.nodes.expand(count, -1, -1)], 1)
        return positions, reading - positions[..., :2]

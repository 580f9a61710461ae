"""The inside of the mouth: teeth, tongue and cavity of the rig, lit like the picture, seen through the lips' opening.

A portrait that shows its own teeth keeps them: they ride on the upper jaw and the lips move over them.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..curves import smoothstep
from ..face.landmarks478 import IRIS
from ..face.rig import Rig
from ..face.teeth import LIP_LINE, placed
from .contours import Opening
from .fill import blur
from .lips import Lips
from .palette import Palette, luminance
from .rasteriser import rasterise
from .sampling import Box, Texture, box_around, sample
from .surface import Surface, vertex_normals

_PARTS = ("teeth_upper", "teeth_lower", "tongue", "inner_mouth")
# Reflectances of what has no texture of its own, and how far the texture of the teeth is drawn towards plain enamel
# (its baked shadows belong to another light).
_CAVITY = (0.30, 0.10, 0.09)
_ENAMEL = (0.93, 0.89, 0.82)
_ENAMEL_SHARE = 0.85
_TONGUE_GAIN = (0.95, 0.80, 0.78)
# Rings inward from where the lips touch, over which the lips' red fades to the colour of the cavity.
_WET_RINGS = 5
# Teeth farther behind the lips than this many mouth widths are not drawn.
_DEEPEST = 0.6
# Luminance of white things in the picture is at most this.
_BRIGHTEST = 0.92
# The interior is drawn this many times finer than the picture, then averaged.
_FINER = 2
# Edges of the front teeth below where the lips meet, upper and lower, in distances between the eyes (63 mm): dentists find 2
# to 4 mm of the upper ones shown at rest and an overbite of 2 to 3 mm. The rig's own sit higher.
_EDGES = (0.05, 0.030)
# Lower teeth lie this many mouth widths farther behind, so that they never come through the upper ones.
_OVERBITE = 0.12
# Light to the corners of the mouth, which cheeks and lips shade: what is left of it there, and the share of its width over
# which it grows to all of it.
_CORNER, _CORNER_FADE = 0.40, 0.34
# Where the portrait shows its teeth, and open lips do not tell where they would meet: down by this share of the mouth's width.
_TEETH_DOWN = (0.045, 0.075)
# Light falls off into the mouth: e-folding depth behind the lips, in mouth widths.
_LIGHT_DEPTH = 0.28
# The front teeth, this many mouth widths behind the lips or wherever the fit has them, still have all of it.
_LIT_DEPTH = 0.14
# Teeth stay below this share of the skin's highlights where the picture is dark: where those are below the second of these,
# not where they are above the first. Elsewhere the eyes' white may be brighter than the skin.
_DIM, _DARK = 0.85, (0.55, 0.40)


def picture_white(palette: Palette, whites: list[Tensor | None]) -> Tensor:
    """Colour [3] of something white in the light of the picture: the eyes' white, held against the skin."""
    seen = [w for w in whites if w is not None]
    white = torch.stack(seen).mean(0) if seen else palette.skin.sqrt()
    bright, highlight = float(luminance(white)), palette.highlight
    # Lids shade the eyes' white, and the front teeth of a lit face are about as bright as its skin or brighter.
    wanted = min(max(1.3 * bright, 1.2 * float(luminance(palette.skin))), _BRIGHTEST)
    most = _DIM * highlight
    dark = float(smoothstep(white.new_tensor(highlight), *_DARK))
    wanted += dark * (min(wanted, most) - wanted)
    white = white * (wanted / max(bright, 1e-3))
    # Whites of eyes are often tinted by lids and compression; teeth take half of that tint.
    half = 0.5 * white + 0.5 * wanted
    half[2] = torch.minimum(half[2], white[2])  # but are never bluer
    return half.clamp(0, 1)


class Mouth:
    """The mouth of a portrait.

    Args:
        picture: [3,H,W] the crop.
        rig: the head model, on the same device.
        surface: skin of the portrait.
        lips: its lips.
        whites: colours of the eyes' whites, None where not seen.
        palette: colours of the picture.
    """

    def __init__(
        self, picture: Tensor, rig: Rig, surface: Surface, lips: Lips, whites: list[Tensor | None], palette: Palette
    ) -> None:
        rest = surface.rest
        device = rest.device
        self.picture, self.surface, self.lips = picture, surface, lips
        self.size = picture.shape[-2:]
        self.own_teeth = self._find_teeth(picture)
        self.own = Texture(picture[:, lips.box.slices[0], lips.box.slices[1]])
        self.triangles = self._seen_triangles(rig, rest)
        self.teeth = rig.group_vertices("teeth_upper")
        self.lit_depth = max(_LIT_DEPTH, float(self._depth(rest[None])[0, self.teeth].quantile(0.2)))
        self.atlas = self._paint_atlas(rig, picture_white(palette, whites), palette)
        kind = torch.zeros(len(rest), device=device)
        kind[rig.group_vertices("tongue")] = 1
        kind[rig.group_vertices("inner_mouth")] = 2
        uv = rig.uv
        # One texture of three fields side by side: teeth, tongue, cavity.
        u = torch.where(kind == 2, torch.full_like(kind, 0.5), uv[:, 0])
        v = torch.where(kind == 2, torch.full_like(kind, 0.98), 1 - uv[:, 1])
        for step in range(_WET_RINGS):
            v[rig.lip_ring(step)] = 0.02 + 0.96 * step / _WET_RINGS
        h, w = self.atlas.shape[-2:]
        self.texture = torch.stack([(u + kind) / 3 * w, v * h], 1)
        self.down = torch.zeros_like(rest)
        self._set_teeth(rig, rest)
        normals = vertex_normals(rest, self.triangles)
        light = F.normalize(rest.new_tensor([0.0, -0.35, -1.0]), dim=0)
        lit = normals @ light
        self.lit = 0.80 + 0.22 * lit.clamp(0, 1)
        self.lit[kind == 2] = 0.8

    def _set_teeth(self, rig: Rig, rest: Tensor) -> None:
        """Tell in `down` how far each tooth is drawn below where the rig has it, and the lower ones behind it."""
        own = self.own_teeth.amax() > 0.5
        marks = rig.landmarks(rest)[:, :2]
        line, unit = float(marks[LIP_LINE].mean(0) @ self._downwards()), float((marks[IRIS[0][0]] - marks[IRIS[1][0]]).norm())
        self.down[rig.group_vertices("teeth_lower"), 2] = _OVERBITE * self.lips.width
        for name, edge, share in zip(_PARTS[:2], _EDGES, _TEETH_DOWN, strict=True):
            teeth = rig.group_vertices(name)
            down = rest[teeth, :2] @ self._downwards()
            # Beside teeth that the portrait shows, made up ones would look like a second row.
            shift = share * self.lips.width if own else (placed(rig, name, down, line + edge * unit, unit) - down)[:, None]
            self.down[teeth, :2] = shift * self._downwards()

    def _depth(self, vertices: Tensor) -> Tensor:
        """[n,V] how far vertices [n,V,3] lie behind the lips, mouth widths."""
        return (vertices[..., 2] - vertices[:, self.lips.ring, 2].mean(1, keepdim=True)) / self.lips.width

    def _seen_triangles(self, rig: Rig, rest: Tensor) -> Tensor:
        """Triangles of the mouth's inside that can come into view: not the backs of the teeth, nor the last molars."""
        triangles = torch.cat([rig.triangles[rig.group_triangles(name)] for name in _PARTS])
        a, b, c = (rest[triangles[:, i]] for i in range(3))
        normal = F.normalize(torch.linalg.cross(b - a, c - a), dim=1)
        facing = -normal[:, 2]
        inner = torch.isin(triangles[:, 0], rig.group_vertices("inner_mouth"))
        depth = ((a + b + c)[:, 2] / 3 - rest[self.lips.ring, 2].mean()) / self.lips.width
        return triangles[inner | ((facing > -0.35) & (depth < _DEEPEST))]

    def _paint_atlas(self, rig: Rig, white: Tensor, palette: Palette) -> Tensor:
        """[3,h,3w] teeth, tongue and cavity under the picture's light."""
        teeth = rig.teeth_texture.permute(2, 0, 1).float() / 255
        size = teeth.shape[-2:]
        tongue = F.interpolate(rig.tongue_texture.permute(2, 0, 1)[None].float() / 255, size=size)[0]
        # Enamel is what is not red.
        enamel = smoothstep(teeth[0] - teeth[1], 0.22, 0.10)[None] * smoothstep(teeth.mean(0), 0.1, 0.25)[None]
        plain = teeth.new_tensor(_ENAMEL)[:, None, None]
        teeth = teeth + (plain - teeth) * (enamel * _ENAMEL_SHARE)
        tongue = tongue * teeth.new_tensor(_TONGUE_GAIN)[:, None, None]
        # The lips' red goes over into the cavity from the first row to the last.
        red = rig.lip_ring(-2)[int(rig.lip_corners[1]) + 1 :]
        points = self.surface.rest[red]
        red = sample(self.picture, points[None, None, :, 0], points[None, None, :, 1])[0, :, 0].median(1).values
        down = torch.linspace(0, 1, size[0], device=teeth.device)[None, :, None]
        cavity = teeth.new_tensor(_CAVITY)[:, None, None] * white[:, None, None]
        cavity = (red[:, None, None] * (1 - down) + cavity * down).expand_as(teeth)
        # No light reaches the depth of the mouth but what its red walls throw back.
        dark = 0.3 * cavity[:, -1, 0] + 0.12 * red
        self.dark = palette.fit(dark)[:, None, None]
        atlas = torch.cat([teeth * white[:, None, None], tongue * white[:, None, None], cavity], 2)
        return palette.fit(atlas.permute(1, 2, 0)).permute(2, 0, 1).contiguous()

    def _find_teeth(self, picture: Tensor) -> Tensor:
        """[1,h,w] where the portrait shows teeth, in own_box: bright and pale between its lips."""
        x, y = self.lips.box.pixel_centres(picture.device)
        s, t = self.lips.rest.local(x, y)
        inside = self.lips.rest.coverage(s, t)[0]
        local = picture[:, self.lips.box.slices[0], self.lips.box.slices[1]]
        luma = luminance(local.permute(1, 2, 0))
        seen = luma[inside > 0.6]
        bright = seen.sort().values[int(0.85 * len(seen))] if len(seen) > 8 else luma.new_tensor(1.0)
        pale = 1 - (local.amax(0) - local.amin(0)) / local.amax(0).clamp(min=0.05)
        teeth = smoothstep(luma / bright.clamp(min=0.05), 0.45, 0.7) * smoothstep(pale, 0.45, 0.65)
        return blur(teeth * smoothstep(inside, 0.3, 0.9), 0.008 * self.lips.width)[None]

    @property
    def _closed(self) -> bool:
        """Whether the portrait's lips are."""
        return float(self.lips.rest.height()) < 0.01 * self.lips.width

    def _downwards(self) -> Tensor:
        """[2] unit vector from the upper to the lower lip."""
        along = self.lips.rest.along[0]
        return torch.stack([-along[1], along[0]])

    def draw(self, frame: Tensor, vertices: Tensor, now: Opening, activity: Tensor) -> tuple[Box, Tensor, Tensor] | None:
        """Lay the mouth's inside over frames, in place.

        Args:
            frame: [n,3,H,W].
            vertices: [n,V,3] crop pixels.
            now: the opening, see `Lips.open`.
            activity: [n] largest change of a mouth unit from the portrait.

        Returns:
            A box and the shares [n,1,h,w] of its pixels that show the mouth's inside, and of it the portrait's own; None where
            no mouth is open.
        """
        if float(now.height().amax()) < 0.02:
            return None
        box = box_around(vertices[:, self.lips.ring], 2.0, self.size)
        x, y = box.pixel_centres(frame.device)
        s, t = now.local(x, y)
        edges = now.edges(s)
        coverage = now.coverage(s, t, edges)[:, None]
        rows, columns = box.slices
        view = frame[:, :, rows, columns]
        inside, own = self._inside(vertices, activity, box, s, t - edges[0])
        view += (inside - view) * coverage
        return box, coverage, coverage * own

    def _inside(self, vertices: Tensor, activity: Tensor, box: Box, s: Tensor, below: Tensor) -> tuple[Tensor, Tensor]:
        """[n,3,h,w] of a box: teeth, tongue and cavity at s [n,h,w] along the mouth, `below` pixels under the upper lip; and
        [n,1,h,w] the share of it that is the portrait's own."""
        x, y = box.pixel_centres(vertices.device)
        shifted = (vertices + self.down - vertices.new_tensor([box.x0, box.y0, 0.0])) * _FINER
        shade = self.lit * torch.exp(-(self._depth(vertices) - self.lit_depth).clamp(min=0) / _LIGHT_DEPTH)
        attributes = torch.cat([self.texture.expand(len(vertices), -1, -1), shade[..., None]], -1)
        drawn = rasterise(shifted, self.triangles, attributes, (box.size[0] * _FINER, box.size[1] * _FINER))
        u, v, light = drawn.values.unbind(-1)
        colour = self.dark + (sample(self.atlas, u, v) - self.dark) * (light * drawn.covered)[:, None]
        colour = F.avg_pool2d(colour, _FINER)

        # Shadow of the upper lip, and of the cheeks in the corners.
        below = below / self.lips.width
        colour = self.dark + (colour - self.dark) * (1 - 0.4 * torch.exp(-below.clamp(min=0) / 0.035))[:, None]
        corner = smoothstep(torch.minimum(s, 1 - s), 0.0, _CORNER_FADE)[:, None]
        colour = self.dark + (colour - self.dark) * (_CORNER + (1 - _CORNER) * corner)

        # The portrait's own teeth, where its mouth is open: carried by the upper jaw.
        if self._closed:
            return colour, torch.zeros_like(colour[:, :1])
        rest_x, rest_y = self._follow_jaw(vertices, x, y)
        rest_x, rest_y = rest_x - self.lips.box.x0, rest_y - self.lips.box.y0
        own, teeth = self.own.at(rest_x, rest_y), sample(self.own_teeth, rest_x, rest_y)[:, 0]
        active = smoothstep(activity, 0.0, 0.08)[:, None, None]
        share = (1 - active + active * teeth)[:, None]
        return colour + (own - colour) * share, share

    def _follow_jaw(self, vertices: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Where a pixel of the frame lies in the portrait if it belongs to the upper teeth: a similarity."""
        a = vertices[:, self.teeth, :2]
        b = self.surface.rest[self.teeth, :2]
        ca, cb = a.mean(1, keepdim=True), b.mean(0)
        da, db = a - ca, (b - cb).expand_as(a)
        norm = (da * da).sum((1, 2)).clamp(min=1e-6)
        real = (da * db).sum((1, 2)) / norm
        imaginary = (da[..., 0] * db[..., 1] - da[..., 1] * db[..., 0]).sum(1) / norm
        dx, dy = x - ca[:, 0, 0, None, None], y - ca[:, 0, 1, None, None]
        real, imaginary = real[:, None, None], imaginary[:, None, None]
        return real * dx - imaginary * dy + cb[0], imaginary * dx + real * dy + cb[1]

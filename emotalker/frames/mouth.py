"""The inside of the mouth: teeth, tongue and cavity of the rig, lit like the picture, seen through the lips' opening.

A portrait that shows its own teeth keeps them: they ride on the upper jaw and the lips move over them.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..face.rig import Rig
from .contours import Opening, opening
from .fill import blur, smooth_fill
from .rasteriser import rasterise
from .sampling import Box, box_around, sample, smoothstep
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
# Half the breadth of the dark line between closed lips, in mouth widths.
_SEAM = 0.035
# The line between closed lips: its breadth in mouth widths (standard deviation), and how much of red, green, blue it takes.
_LINE, _LINE_DARKNESS = 0.014, (0.34, 0.50, 0.48)
# How far beyond the fitted edge of lips that the portrait holds open its teeth may show: mouth widths, plus pixels.
_RIM, _RIM_PIXELS = 0.015, 0.7
# The interior is drawn this many times finer than the picture, then averaged.
_FINER = 2
# The teeth of the rig sit high behind the lips; down by this share of the mouth's width, upper and lower.
_TEETH_DOWN = (0.045, 0.075)
# Light falls off into the mouth: e-folding depth behind the lips, in mouth widths.
_LIGHT_DEPTH = 0.28
# The front teeth, this many mouth widths behind the lips, still have all of it.
_LIT_DEPTH = 0.14
# Luminance of white things in the picture is taken to lie in here.
_WHITE_RANGE = (0.32, 0.92)
_LUMA = (0.2126, 0.7152, 0.0722)


def picture_white(skin: Tensor, whites: list[Tensor | None]) -> Tensor:
    """Colour [3] of something white in the light of the picture: the eyes' white, held against the skin [3]."""
    luma = skin.new_tensor(_LUMA)
    seen = [w for w in whites if w is not None]
    white = torch.stack(seen).mean(0) if seen else skin.sqrt()
    low, high = _WHITE_RANGE
    bright = float((white * luma).sum())
    # Lids shade the eyes' white, and the front teeth of a lit face are about as bright as its skin or brighter.
    wanted = min(max(1.3 * bright, 1.2 * float((skin * luma).sum()), low), high)
    white = white * (wanted / max(bright, 1e-3))
    # Whites of eyes are often tinted by lids and compression; teeth take half of that tint.
    return (0.5 * white + 0.5 * wanted).clamp(0, 1)


class Mouth:
    """The mouth of a portrait.

    Args:
        picture: [3,H,W] the crop.
        rig: the head model, on the same device.
        surface: skin of the portrait.
        whites: colours of the eyes' whites, None where not seen.
        skin: [3] mean skin colour.
    """

    def __init__(self, picture: Tensor, rig: Rig, surface: Surface, whites: list[Tensor | None], skin: Tensor) -> None:
        rest = surface.rest
        device = rest.device
        self.picture, self.surface = picture, surface
        self.size = picture.shape[-2:]
        self.upper, self.lower = rig.lip_halves()
        self.rest = opening(rest[None], self.upper, self.lower)
        self.width = float(self.rest.length[0])
        ring = torch.cat([self.upper[0], self.lower[0]])
        self.ring = ring
        self.lip_depth = rest[ring, 2].mean()
        self.rest_points = rest
        self.own_box = box_around(rest[ring], 0.3 * self.width, self.size)
        self.own_teeth = self._find_teeth(picture)
        # 0 where the portrait's lips are closed, 1 where they are open.
        self.rest_open = float(smoothstep(self.rest.height() / self.width, 0.01, 0.04))
        self.slide = self._lip_slide(rig, rest)
        self.lips = self._paint_lips(picture)
        self.triangles = self._seen_triangles(rig, rest)
        self.teeth = rig.group_vertices("teeth_upper")
        white = picture_white(skin, whites)
        self.atlas = self._paint_atlas(rig, white)
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
        for name, share in zip(_PARTS[:2], _TEETH_DOWN, strict=True):
            self.down[rig.group_vertices(name), :2] = share * self.width * self._downwards()
        normals = vertex_normals(rest, self.triangles)
        light = F.normalize(rest.new_tensor([0.0, -0.35, -1.0]), dim=0)
        lit = normals @ light
        self.lit = 0.80 + 0.22 * lit.clamp(0, 1)
        self.lit[kind == 2] = 0.8

    def _lip_slide(self, rig: Rig, rest: Tensor) -> Tensor:
        """[V,2] how far the lips' edges read outwards once they have parted.

        Where lips touch, a portrait shows the dark line between them; on parted lips it would be a black outline.
        """
        slide = torch.zeros_like(rest[:, :2])
        outward = F.normalize(rest[rig.lip_ring(-3), :2] - rest[rig.lip_ring(0), :2], dim=1)
        along = self.rest.along[0]
        place = ((rest[rig.lip_ring(0), :2] - self.rest.origin[0]) @ along) / self.width
        middle = smoothstep(torch.minimum(place, 1 - place), 0.02, 0.25)[:, None]
        amount = middle * (_SEAM * self.width * (1 - self.rest_open))
        for number, share in ((-2, 0.15), (-1, 0.5), (0, 1.0)):
            slide[rig.lip_ring(number)] = outward * (share * amount)
        return slide

    def open(self, vertices: Tensor) -> tuple[Opening, Tensor]:
        """The opening in frames with vertices [n,V,3], and how far the lips' edges read outwards [n,V,2]."""
        now = opening(vertices, self.upper, self.lower)
        change = (now.height() - self.rest.height()) / self.width
        return now, smoothstep(change, 0.003, 0.05)[:, None, None] * self.slide

    def _paint_lips(self, picture: Tensor) -> Tensor:
        """[3,h,w] own_box without what shows between lips that the portrait holds open: a closing mouth must not drag teeth
        and dark corners along on its lips' edges."""
        local = picture[:, self.own_box.slices[0], self.own_box.slices[1]].permute(1, 2, 0)
        x, y = self.own_box.pixel_centres(picture.device)
        s, t = self.rest.local(x, y)
        hole = self.rest.coverage(s, t)[0]
        rim = _RIM * self.width + _RIM_PIXELS
        hole = (blur(hole, rim) > 0.12).float()
        for corner in (0.0, 1.0):
            distance = ((s[0] - corner) ** 2 * self.width**2 + t[0] ** 2).sqrt()
            hole = torch.maximum(hole, (distance < 0.035 * self.width + 2 * rim).float())
        return smooth_fill(local.contiguous(), 1 - hole).permute(2, 0, 1).contiguous()

    def cover(self, frame: Tensor, vertices: Tensor, now: Opening, activity: Tensor, x: Tensor, y: Tensor) -> None:
        """Take the portrait's own opening off the skin, in place; nothing to do where its lips are closed.

        Args:
            frame: [n,3,H,W].
            vertices: [n,V,3] crop pixels.
            now: the opening, see `open`.
            activity: [n] largest change of a mouth unit from the portrait.
            x, y: [n,H,W] where each pixel reads the portrait.
        """
        if self.rest_open == 0:
            return
        box = box_around(vertices[:, self.ring], 0.2 * self.width, self.size)
        rows, columns = box.slices
        x, y = x[:, rows, columns] - self.own_box.x0, y[:, rows, columns] - self.own_box.y0
        h, w = self.own_box.size
        inside = ((x > 0.5) & (x < w - 0.5) & (y > 0.5) & (y < h - 0.5)).to(frame)
        share = smoothstep(activity, 0.0, 0.08)[:, None, None] * self.rest_open * inside
        view = frame[:, :, rows, columns]
        # Lips that now touch show the dark line of every closed mouth.
        s, t = now.local(*box.pixel_centres(vertices.device))
        upper, lower = now.at(now.upper, s), now.at(now.lower, s)
        breadth = max(_LINE * self.width, 0.6)
        line = torch.exp(-0.5 * ((t - (upper + lower) / 2) / breadth) ** 2)
        line = line * (1 - smoothstep((lower - upper) / self.width, 0.0, 0.03)) * smoothstep(torch.minimum(s, 1 - s), 0.0, 0.14)
        taken = line[:, None] * line.new_tensor(_LINE_DARKNESS)[:, None, None]
        lips = sample(self.lips, x, y) * (1 - taken)
        view += (lips - view) * share[:, None]

    def _seen_triangles(self, rig: Rig, rest: Tensor) -> Tensor:
        """Triangles of the mouth's inside that can come into view: not the backs of the teeth, nor the last molars."""
        triangles = torch.cat([rig.triangles[rig.group_triangles(name)] for name in _PARTS])
        a, b, c = (rest[triangles[:, i]] for i in range(3))
        normal = F.normalize(torch.linalg.cross(b - a, c - a), dim=1)
        facing = -normal[:, 2]
        inner = torch.isin(triangles[:, 0], rig.group_vertices("inner_mouth"))
        depth = ((a + b + c)[:, 2] / 3 - self.lip_depth) / self.width
        return triangles[inner | ((facing > -0.35) & (depth < _DEEPEST))]

    def _paint_atlas(self, rig: Rig, white: Tensor) -> Tensor:
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
        self.dark = 0.3 * cavity[:, -1:, :1] + 0.12 * red[:, None, None]
        return torch.cat([teeth * white[:, None, None], tongue * white[:, None, None], cavity], 2).contiguous()

    def _find_teeth(self, picture: Tensor) -> Tensor:
        """[1,h,w] where the portrait shows teeth, in own_box: bright and pale between its lips."""
        x, y = self.own_box.pixel_centres(picture.device)
        s, t = self.rest.local(x, y)
        inside = self.rest.coverage(s, t)[0]
        local = picture[:, self.own_box.slices[0], self.own_box.slices[1]]
        luma = (local * local.new_tensor(_LUMA)[:, None, None]).sum(0)
        seen = luma[inside > 0.6]
        bright = seen.sort().values[int(0.85 * len(seen))] if len(seen) > 8 else luma.new_tensor(1.0)
        pale = 1 - (local.amax(0) - local.amin(0)) / local.amax(0).clamp(min=0.05)
        teeth = smoothstep(luma / bright.clamp(min=0.05), 0.45, 0.7) * smoothstep(pale, 0.45, 0.65)
        return blur(teeth * smoothstep(inside, 0.3, 0.9), 0.008 * self.width)[None]

    def _downwards(self) -> Tensor:
        """[2] unit vector from the upper to the lower lip."""
        along = self.rest.along[0]
        return torch.stack([-along[1], along[0]])

    def draw(self, frame: Tensor, vertices: Tensor, now: Opening, activity: Tensor) -> None:
        """Lay the mouth's inside over frames, in place.

        Args:
            frame: [n,3,H,W].
            vertices: [n,V,3] crop pixels.
            now: the opening, see `open`.
            activity: [n] largest change of a mouth unit from the portrait.
        """
        if float(now.height().amax()) < 0.02:
            return
        box = box_around(vertices[:, self.ring], 2.0, self.size)
        x, y = box.pixel_centres(frame.device)
        s, t = now.local(x, y)
        coverage = now.coverage(s, t)[:, None]
        rows, columns = box.slices
        view = frame[:, :, rows, columns]
        view += (self._inside(vertices, now, activity, box, s, t) - view) * coverage

    def _inside(self, vertices: Tensor, now: Opening, activity: Tensor, box: Box, s: Tensor, t: Tensor) -> Tensor:
        x, y = box.pixel_centres(vertices.device)
        shifted = (vertices + self.down - vertices.new_tensor([box.x0, box.y0, 0.0])) * _FINER
        depth = (vertices[..., 2] - vertices[:, self.ring, 2].mean(1, keepdim=True)) / self.width
        shade = self.lit * torch.exp(-(depth - _LIT_DEPTH).clamp(min=0) / _LIGHT_DEPTH)
        attributes = torch.cat([self.texture.expand(len(vertices), -1, -1), shade[..., None]], -1)
        drawn = rasterise(shifted, self.triangles, attributes, (box.size[0] * _FINER, box.size[1] * _FINER))
        u, v, light = drawn.values.unbind(-1)
        colour = self.dark + (sample(self.atlas, u, v) - self.dark) * (light * drawn.covered)[:, None]
        colour = F.avg_pool2d(colour, _FINER)

        # Shadow of the upper lip, and of the cheeks in the corners.
        below = (t - now.at(now.upper, s)) / self.width
        colour = self.dark + (colour - self.dark) * (1 - 0.4 * torch.exp(-below.clamp(min=0) / 0.035))[:, None]
        corner = smoothstep(torch.minimum(s, 1 - s), 0.0, 0.18)[:, None]
        colour = self.dark + (colour - self.dark) * (0.35 + 0.65 * corner)

        # The portrait's own teeth, where its mouth is open: carried by the upper jaw.
        if float(self.rest.height()) < 0.01 * self.width:
            return colour
        rest_x, rest_y = self._follow_jaw(vertices, x, y)
        own = sample(self.picture, rest_x, rest_y)
        teeth = sample(self.own_teeth, rest_x - self.own_box.x0, rest_y - self.own_box.y0)[:, 0]
        active = smoothstep(activity, 0.0, 0.08)[:, None, None]
        share = 1 - active + active * teeth
        return colour + (own - colour) * share[:, None]

    def _follow_jaw(self, vertices: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Where a pixel of the frame lies in the portrait if it belongs to the upper teeth: a similarity."""
        a = vertices[:, self.teeth, :2]
        b = self.rest_points[self.teeth, :2]
        ca, cb = a.mean(1, keepdim=True), b.mean(0)
        da, db = a - ca, (b - cb).expand_as(a)
        norm = (da * da).sum((1, 2)).clamp(min=1e-6)
        real = (da * db).sum((1, 2)) / norm
        imaginary = (da[..., 0] * db[..., 1] - da[..., 1] * db[..., 0]).sum(1) / norm
        dx, dy = x - ca[:, 0, 0, None, None], y - ca[:, 0, 1, None, None]
        real, imaginary = real[:, None, None], imaginary[:, None, None]
        return real * dx - imaginary * dy + cb[0], imaginary * dx + real * dy + cb[1]

"""Lips: what their edges show when the mouth opens or closes otherwise than in the portrait.

Where they touch, a portrait shows the dark line between them; where they are open, teeth and dark corners beside them. Both
belong to the opening and not to the skin that moves.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..curves import smoothstep
from ..face.rig import Rig
from .contours import Opening, opening
from .fill import blur, smooth_fill
from .palette import Palette
from .sampling import Box, Texture, box_around
from .surface import Surface

# Half the breadth of the dark line between closed lips, in mouth widths.
_SEAM = 0.035
# The line between closed lips: its breadth in mouth widths (standard deviation), and how much of red, green, blue it takes.
_LINE, _LINE_DARKNESS = 0.014, (0.34, 0.50, 0.48)
# How far beyond the fitted edge of lips that the portrait holds open its teeth may show: mouth widths, plus pixels.
_RIM, _RIM_PIXELS = 0.015, 0.7
# A gap between lips is darker than these shares of them, surely and perhaps; it is looked for this far beyond the fitted edges,
# in mouth widths.
_GAP, _NEAR = (0.35, 0.6), 0.05

Reading = Callable[[Box], Tensor]
"""Of a box, the places [n,2,h,w] (x, y in pixels) at which its pixels read the portrait."""


class Lips:
    """The lips of a portrait.

    Args:
        picture: [3,H,W] the crop.
        rig: the head model, on the same device.
        surface: skin of the portrait.
        palette: its colours.

    Attributes:
        rest: the opening in the portrait.
        width: distance of its corners, pixels.
        ring: [K] vertices around it.
        box: the lips with their surroundings in the crop.
    """

    def __init__(self, picture: Tensor, rig: Rig, surface: Surface, palette: Palette) -> None:
        rest = surface.rest
        self.size = picture.shape[-2:]
        self.upper, self.lower = rig.lip_halves()
        self.rest = opening(rest[None], self.upper, self.lower)
        self.width = float(self.rest.length[0])
        self.ring = torch.cat([self.upper[0], self.lower[0]])
        self.box = box_around(rest[self.ring], 0.3 * self.width, self.size)
        # 0 where the portrait's lips are closed, 1 where they are open.
        self.rest_open = float(smoothstep(self.rest.height() / self.width, 0.004, 0.014))
        self.slide = self._edge_slide(rig, rest)
        self.skin = Texture(self._paint_skin(picture))
        darkness = rest.new_tensor(_LINE_DARKNESS)
        self.darkness = torch.lerp(darkness.mean().expand(3), darkness, palette.share)[:, None, None]

    def _edge_slide(self, rig: Rig, rest: Tensor) -> Tensor:
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

    def _paint_skin(self, picture: Tensor) -> Tensor:
        """[3,h,w] box without what shows between lips that the portrait holds open: a closing mouth must not drag teeth
        and dark corners along on its lips' edges."""
        local = picture[:, self.box.slices[0], self.box.slices[1]].permute(1, 2, 0)
        x, y = self.box.pixel_centres(picture.device)
        s, t = self.rest.local(x, y)
        hole = self.rest.coverage(s, t)[0]
        rim = _RIM * self.width + _RIM_PIXELS
        hole = (blur(hole, rim) > 0.12).float()
        # What is as dark as a gap belongs to it, also where the fitted edges miss it.
        upper, lower = (edge[0] for edge in self.rest.edges(s))
        away = torch.maximum(upper - t[0], t[0] - lower).clamp(min=0) / self.width
        luma = local.mean(2)
        red = luma[(away > 0.03) & (away < 0.1) & (s[0] > 0.2) & (s[0] < 0.8)].median()
        middle = smoothstep(torch.minimum(s[0], 1 - s[0]), 0.03, 0.10)
        dark = smoothstep(luma / red, _GAP[1], _GAP[0]) * smoothstep(away, 2 * _NEAR, _NEAR) * middle
        hole = torch.maximum(hole, (blur(dark, 1.0) > 0.25).float())
        # Corners of wide open mouths are dark as well.
        wide = float(smoothstep(self.rest.height() / self.width, 0.015, 0.05))
        for corner in (0.0, 1.0):
            distance = ((s[0] - corner) ** 2 * self.width**2 + t[0] ** 2).sqrt()
            hole = torch.maximum(hole, (distance < wide * (0.035 * self.width + 2 * rim)).float())
        return smooth_fill(local.contiguous(), 1 - hole).permute(2, 0, 1)

    def cover(self, frame: Tensor, vertices: Tensor, now: Opening, activity: Tensor, reading: Reading) -> None:
        """Take the portrait's own opening off the skin, in place; nothing to do where its lips are closed.

        Args:
            frame: [n,3,H,W].
            vertices: [n,V,3] crop pixels.
            now: the opening, see `open`.
            activity: [n] largest change of a mouth unit from the portrait.
            reading: where the pixels of a box read the portrait.
        """
        if self.rest_open == 0:
            return
        box = box_around(vertices[:, self.ring], 0.2 * self.width, self.size)
        rows, columns = box.slices
        x, y = reading(box).unbind(1)
        inside = self.box.holds(x, y).to(frame)
        share = smoothstep(activity, 0.0, 0.08)[:, None, None] * self.rest_open * inside
        view = frame[:, :, rows, columns]
        # Lips that now touch show the dark line of every closed mouth.
        s, t = now.local(*box.pixel_centres(vertices.device))
        upper, lower = now.edges(s)
        breadth = max(_LINE * self.width, 0.6)
        line = torch.exp(-0.5 * ((t - (upper + lower) / 2) / breadth) ** 2)
        line = line * (1 - smoothstep((lower - upper) / self.width, 0.0, 0.03)) * smoothstep(torch.minimum(s, 1 - s), 0.0, 0.14)
        taken = line[:, None] * self.darkness
        lips = self.skin.at(x - self.box.x0, y - self.box.y0) * (1 - taken)
        view += (lips - view) * share[:, None]

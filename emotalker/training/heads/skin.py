"""A person's skin: two of MakeHuman's painted skins mixed, toned, with stubble, blush and freckles, as one texture."""

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...arkit import UNIT_INDEX
from ...face.rig import GROUPS
from .assets import HEAD_BOX, HEAD_SIZE
from .kit import HeadKit
from .people import Look
from .raster import DepthBuffer, blend, planes, weights_at

MASKS = ("lips", "beard", "blush", "freckles", "shine", "scalp", "inside")
"""Regions that are kept for every vertex of the rig, 0..1."""
LIP_RED = 6
"""Lip ring outward at which the red ends."""


LUMINANCE = torch.tensor([0.2126, 0.7152, 0.0722])
FRECKLES = torch.tensor([0.25, 0.42, 0.5])[:, None, None]
DARK_GREY, LIGHT_GREY = 0.20, 0.08
LIP_TONE = torch.tensor([0.88, 0.66, 0.68])[:, None, None]
"""Colour of lips relative to what the skins have painted, which is pale."""


def linear(value: Tensor) -> Tensor:
    """sRGB 0..1 to linear light."""
    return torch.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055).clamp(min=0) ** 2.4)


_LINEAR = linear(torch.arange(256) / 255)


def in_head_box(uv: Tensor) -> tuple[Tensor, Tensor]:
    """(corner coordinates [F,3,2] with those of the head as shares of its part of a skin texture; bool [F] whose are not)."""
    left, top, right, bottom = HEAD_BOX
    local = (uv - torch.tensor([left, top])) / torch.tensor([right - left, bottom - top])
    outside = ((local < 0) | (local > 1)).flatten(1).any(1)
    return torch.where(outside[:, None, None], uv, local), outside


def step(value: Tensor, low: float, high: float) -> Tensor:
    """0 at low, 1 at high (which may be the lower number), smooth between."""
    x = ((value - low) / (high - low)).clamp(0, 1)
    return x * x * (3 - 2 * x)


def fold_weights(units: Tensor, age: float) -> Tensor:
    """How deep the skin's folds are, [4] 0..1 in the order of `folds`, in a face of units [52] at an age in years."""

    def mean(*names: str) -> float:
        return sum(float(units[UNIT_INDEX[name]]) for name in names) / len(names)

    raised = max(mean("browInnerUp"), mean("browOuterUpLeft", "browOuterUpRight"))
    frown = mean("browDownLeft", "browDownRight")
    squint = [max(mean(f"cheekSquint{s}"), mean(f"mouthSmile{s}"), mean(f"eyeSquint{s}")) for s in ("Right", "Left")]
    return torch.tensor([raised, frown, *squint]) * float(np.clip(0.45 + (age - 20) / 60, 0.4, 1.3))


def folds(points: Tensor) -> Tensor:
    """Depth 0..1 [N,4] of forehead lines, frown lines, right and left eye's crow's feet at points of the average head."""
    x, y, z = points.unbind(1)
    front = step(z, -0.5, -0.25)
    brow = torch.exp(-(((y - 0.85) / 0.28) ** 2)) * step(x.abs(), 0.85, 0.45) * front
    lines = (0.5 + 0.5 * torch.cos(6.2832 * (y + 0.05 * x * x + 0.012 * torch.sin(7 * x)) / 0.17)) ** 5
    frown = torch.exp(-(((x.abs() - 0.085) / 0.022) ** 2)) * torch.exp(-(((y - 0.33) / 0.15) ** 2)) * front
    feet = []
    for side in (-1.0, 1.0):
        out, up = side * x - 0.80, y - 0.02
        reach, turn = torch.hypot(out, up), torch.atan2(up, out)
        rays = (0.5 + 0.5 * torch.cos(7 * turn + 0.6)) ** 4
        feet.append(rays * step(reach, 0.10, 0.17) * step(reach, 0.42, 0.24) * step(turn.abs(), 1.15, 0.8))
    return torch.stack([brow * lines, frown, *feet], 1)


def vertex_masks(kit: HeadKit) -> Tensor:
    """[V,len(MASKS)] regions of the average head, by where a vertex lies on it."""
    rig = kit.rig
    points = rig.vertices
    x, y, z = points.unbind(1)
    marks = rig.landmarks(points)
    nose, chin, under_nose, brow = marks[1], marks[152], marks[2], marks[10]
    lips = torch.zeros(len(points))
    for number, ring in zip(rig.lip_ring_numbers.tolist(), rig.lip_rings, strict=True):
        lips[ring] = 1.0 if number > -LIP_RED else 0.5 if number == -LIP_RED else lips[ring]
    jaw = step(y, float(under_nose[1]), float(under_nose[1]) - 0.15) * step(y, float(chin[1]) - 1.0, float(chin[1]) - 0.2)
    sideburn = step(x.abs(), 0.9, 1.15) * step(y, 0.0, -0.5)
    front = step(z, -1.0, -0.55)
    cheek = step((x.abs() - 0.25) * 1.0 + (y - float(under_nose[1])) * 1.2, 0.35, 0.0) + sideburn
    beard = jaw * front * cheek.clamp(0, 1) * (1 - lips)
    beard = torch.maximum(beard, sideburn * step(z, -1.1, -0.8) * step(y, float(chin[1]) - 1.0, float(chin[1]) - 0.2) * 0.9)

    def spot(centre: Tensor, width: float) -> Tensor:
        return torch.exp(-(((points - centre) ** 2).sum(1)) / (2 * width**2))

    blush = spot(marks[50], 0.35) + spot(marks[280], 0.35) + 0.8 * spot(nose, 0.2) + 0.4 * spot(chin, 0.2)
    ears = step(x.abs(), 1.15, 1.3)
    freckles = spot(marks[50], 0.5) + spot(marks[280], 0.5) + spot(nose, 0.4)
    shine = (
        spot(nose, 0.3)
        + 0.9 * spot(brow, 0.5)
        + 0.4 * spot(chin, 0.25)
        + 0.5 * spot(marks[50], 0.3)
        + 0.5 * spot(marks[280], 0.3)
    )
    scalp = step(y - 0.75 * z, 1.2, 1.75) * (1 - step(z, 0.05, 0.35) * step(y, 1.5, 1.2))
    inside = torch.isin(rig.vertex_group, torch.tensor([GROUPS.index("inner_mouth")])).float()
    for number, ring in zip(rig.lip_ring_numbers.tolist(), rig.lip_rings, strict=True):
        inside[ring] = min(max((number - 2) / 4, 0), 1)
    values = (lips, beard, blush + 0.5 * ears, freckles, shine, scalp, inside)
    return torch.stack([v.clamp(0, 1) for v in values], 1)


class SkinPainter:
    """Paints skins of a kit; what is the same for all people is worked out once."""

    def __init__(self, kit: HeadKit) -> None:
        """Lay the regions out in texture space."""
        self.kit = kit
        self.masks = vertex_masks(kit)
        h, w = HEAD_SIZE[0] // 4, HEAD_SIZE[1] // 4
        rig = kit.rig
        uv, outside = in_head_box(kit.head_uv)
        head, uv = rig.triangles[: len(uv)][~outside], uv[~outside]
        flat = torch.cat([uv * torch.tensor([w, h]), torch.zeros(len(uv), 3, 1)], 2).view(-1, 3)
        own = torch.arange(len(flat)).view(-1, 3)
        buffer = DepthBuffer((h, w), -1.0, 1.0)
        buffer.put(buffer.fragments(flat, own, cull=False))
        face = buffer.result()[0].flatten()
        pixel = (face >= 0).nonzero().flatten()
        corners = flat[own[face[pixel]].flatten()].view(-1, 3, 3)
        weights = weights_at(planes(corners), (pixel % w) + 0.5, torch.div(pixel, w, rounding_mode="floor") + 0.5)
        layout = torch.zeros(h * w, len(MASKS))
        layout[pixel] = blend(self.masks, head[face[pixel]], weights)
        grown = layout.T.reshape(1, len(MASKS), h, w)
        self.layout = grown[0]
        places = torch.zeros(h * w, 3)
        places[pixel] = blend(rig.vertices, head[face[pixel]], weights)
        fine_places = F.interpolate(places.T.reshape(1, 3, h, w), scale_factor=2, mode="bilinear", align_corners=False)[0]
        known = F.interpolate((face >= 0).float().view(1, 1, h, w), scale_factor=2, mode="nearest")[0, 0]
        self.folds = folds(fine_places.flatten(1).T).view(2 * h, 2 * w, 4) * known[..., None]
        generator = torch.Generator().manual_seed(5)
        fine = torch.rand(1, 1, *HEAD_SIZE, generator=generator)
        self.stubble = fine[0, 0]
        spots = F.interpolate(torch.rand(1, 1, h * 2, w * 2, generator=generator), size=HEAD_SIZE, mode="bicubic")[0, 0]
        self.spots = step(spots, 0.72, 0.95)
        mottled = sum(
            F.interpolate(torch.randn(1, 2, h // n, w // n, generator=generator), size=(h, w), mode="bicubic")[0] / 2
            for n in (1, 4)
        )
        self.mottled = mottled.clamp(-1.5, 1.5)

    @cache  # noqa: B019 a painter lives as long as the program
    def _linear(self, name: str) -> tuple[Tensor, Tensor]:
        """A skin's head and body [3,h,w] in linear light."""
        head, body = (_LINEAR[p[name].long()].view(-1, 3).T.contiguous() for p in (self.kit.skins, self.kit.bodies))
        return head, body

    def paint(self, look: Look) -> tuple[Tensor, Tensor]:
        """(albedo of the head [rows,columns,3], of the whole skin [side,side,3]), linear."""
        first, second = look.skins
        mix = look.skin_mix
        # The painted dark skins are redder than skin is.
        grey = DARK_GREY if "dark" in first else LIGHT_GREY
        tone = look.tone[:, None] * ((1 - grey) * torch.eye(3) + grey * LUMINANCE)

        def mixed(of: int) -> Tensor:
            one = self._linear(first)[of]
            if mix > 0.02 and first != second:
                one = torch.lerp(one, self._linear(second)[of], mix)
            return tone @ one

        lips, beard, blush, freckles, _, scalp, _ = self.layout
        shift = look.noise % 128
        mottled = self.mottled.roll(shift, 1)
        red = (look.blush * blush * (1 + 0.3 * mottled[1])).clamp(0, 1)
        yellow = 1 - 0.05 * mottled[1]
        factor = torch.stack([1 - 0.02 * red, yellow * (1 - 0.24 * red), yellow * (1 - 0.20 * red)])
        factor = factor * (1 + 0.05 * mottled[0]) * (1 + lips * (look.lips[:, None, None] * LIP_TONE - 1))
        skin = mixed(0).view(3, *HEAD_SIZE) * self._grown(factor)
        stubble = self.stubble.roll(4 * shift, 0)
        if look.freckles > 0.02:
            spots = self.spots.roll((4 * shift, shift), (0, 1)) * self._grown(freckles[None] * look.freckles)[0]
            skin *= 1 - spots * FRECKLES
        if look.beard > 0.02:
            hairs = self._grown(beard[None] * look.beard)[0] * (0.6 + 0.5 * stubble)
            skin = torch.lerp(skin, look.brow_colour[:, None, None].clamp(max=0.05), hairs.clamp(0, 0.85))
        if look.hair:
            cover = self._grown(scalp[None])[0] * (0.75 + 0.3 * stubble)
            skin = torch.lerp(skin, look.hair_colour[:, None, None] * 0.6, cover.clamp(0, 0.95))
        side = self.kit.bodies[first].shape[0]
        return skin.permute(1, 2, 0).contiguous(), mixed(1).T.contiguous().view(side, side, 3)

    @staticmethod
    def _grown(maps: Tensor) -> Tensor:
        """Maps [C,h,w] of the regions' layout at the size of the texture."""
        return F.interpolate(maps[None], size=HEAD_SIZE, mode="bilinear", align_corners=False)[0]

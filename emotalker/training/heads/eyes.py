"""Eyes: iris and white from MakeHuman's textures, a bulging wet cornea, the lids' shadow."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .kit import HeadKit
from .light import Lighting, Shadow, blur
from .people import Look
from .scene import Posed
from .skin import step

IRIS_LATITUDE, IRIS_RADIUS = 29.0, 0.385
"""Where the iris ends on the rig's eyeball (degrees) and in the stored eye textures (share of half their side)."""
IRIS_GREY = 0.4
"""How much of the painted irises' colour is taken away; they are brighter than people's."""
BROWN_GREY, BROWN = 0.85, torch.tensor([2.1, 1.2, 0.62])
"""The painted brown is a red; what it is turned into."""
CORNEA = 1.54
"""Radius of the eyeball over that of the cornea: 12 mm / 7.8 mm (textbook anatomy)."""


def lid_shade(pixel: Tensor, side: int, pixels: float) -> Tensor:
    """Share of light [N] that the lids let onto the eyes.

    Args:
        pixel: [N] samples, numbered in a picture `side` samples wide, at which the eyes are seen.
        side: of the picture.
        pixels: samples per rig unit.
    """
    x, y = pixel % side, torch.div(pixel, side, rounding_mode="floor")
    radius, above = 0.045 * pixels, max(1, round(0.05 * pixels))
    margin = int(3 * radius) + above + 2
    x, y = x - x.min() + margin, y - y.min() + margin
    mask = torch.zeros(1, int(y.max()) + margin + 1, int(x.max()) + margin + 1)
    mask[0, y, x] = 1
    seen = blur(mask, radius)[0]
    shade = 0.55 + 0.45 * step(seen[y - above, x], 0.1, 0.9)
    return shade * (0.75 + 0.25 * step(seen[y, x], 0.4, 0.95))


def eye_colour(
    kit: HeadKit, look: Look, posed: Posed, light: Lighting, place: Tensor, uv: Tensor, right: Tensor, lids: Tensor,
    shadow: Shadow,
) -> Tensor:  # fmt: skip
    """Linear colour [N,3] of samples of the eyes.

    Args:
        kit, look, posed, light, shadow: the picture's.
        place: [N,3] world points; uv [N,2] polar, see rig; right [N] bool which eye.
        lids: [N] what the lids let through.
    """
    out = uv - 0.5
    latitude = out.norm(dim=1) * 184.0
    around = out / out.norm(dim=1, keepdim=True).clamp(min=1e-6)
    radius = torch.where(
        latitude < IRIS_LATITUDE,
        latitude / IRIS_LATITUDE * IRIS_RADIUS,
        IRIS_RADIUS + (latitude - IRIS_LATITUDE) / (92 - IRIS_LATITUDE) * 0.55,
    )
    picture = kit.eyes[look.eyes].permute(2, 0, 1).float()[None] / 255
    grid = (around * radius[:, None] * torch.tensor([1.0, -1.0]))[None, None]
    colour = F.grid_sample(picture, grid, align_corners=False)[0, :, 0].T ** 2.2
    iris = 1 - step(latitude, IRIS_LATITUDE - 2.0, IRIS_LATITUDE + 2.5)[:, None]
    ring = torch.exp(-(((latitude - IRIS_LATITUDE) / 3.0) ** 2))[:, None]
    pupil = 1 - step(latitude, 8.0, 11.0)[:, None]
    white = colour * torch.tensor([0.88, 0.83, 0.80])
    grey = (colour @ torch.tensor([0.2126, 0.7152, 0.0722]))[:, None]
    brown = look.eyes.startswith("brown")
    own = torch.lerp(colour, grey, BROWN_GREY) * BROWN if brown else torch.lerp(colour, grey, IRIS_GREY)
    own = own * look.eye_tint * 1.25 * (1 - pupil) + 0.004 * pupil
    colour = (own * iris + white * (1 - iris)) * (1 - 0.45 * ring)
    centre = torch.where(right[:, None], posed.eyes[0], posed.eyes[1])
    normal = F.normalize(place - centre, dim=1)
    # The axis of each eye is where its pole lies.
    poles = []
    for group in (10, 11):
        first = int((kit.rig.vertex_group == group).nonzero()[0])
        poles.append(F.normalize(posed.world[first] - posed.eyes[group - 10], dim=0))
    axis = torch.where(right[:, None], poles[0], poles[1])
    along = (normal * axis).sum(1).clamp(-1, 1)
    off = normal - axis * along[:, None]
    bend = 1 + (CORNEA - 1) * (1 - step(latitude, 20.0, 34.0))
    sine = (off.norm(dim=1) * bend).clamp(max=0.98)
    wet = F.normalize(axis * (1 - sine**2).sqrt()[:, None] + F.normalize(off, dim=1) * sine[:, None], dim=1)
    view = F.normalize(posed.camera - place, dim=1)
    ones = torch.ones(len(place), 1)
    # Lids and lashes shade the eye by `lids` already: the shadow map is asked just before them.
    lit = shadow.lit((place + 0.1 * normal).T, normal.T, torch.linspace(0, 7, len(place)) % 1)
    total = (torch.cat([ones, normal * 0.6], 1) @ light.ambient).clamp(min=0.02)
    shine = torch.zeros(len(place), 3)
    for number, (lamp, tint) in enumerate(zip(light.lamps, light.colours, strict=True)):
        part = lit if number == 0 else torch.ones(len(place))
        # The iris lies behind the cornea, which gathers light from the side.
        total = total + ((normal @ lamp + 0.25) / 1.25).clamp(min=0)[:, None] * tint * part[:, None]
        half = F.normalize(lamp + view, dim=1)
        size = max(light.softness if number == 0 else 0.25, 0.08)
        reach = 1 - (half * wet).sum(1)
        spot = 1 - step(reach, (0.16 * size) ** 2, (0.16 * size + 0.10) ** 2 * 0.9)
        shine = shine + (spot * (1.5 if number == 0 else 0.35) * lit.clamp(min=0.25))[:, None] * tint
    mirror = 2 * (wet * view).sum(1, keepdim=True) * wet - view
    fresnel = 0.03 + 0.6 * (1 - (wet * view).sum(1).clamp(0, 1)) ** 5
    sky = (torch.cat([ones, mirror], 1) @ light.ambient).clamp(min=0)
    shine = shine * 0.9 + sky * fresnel[:, None]
    return colour * total * lids[:, None] + shine * (0.25 + 0.75 * lids)[:, None]

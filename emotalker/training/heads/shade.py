"""Colours of a head's surfaces, and the light that falls on them and shines back."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .kit import HeadKit
from .light import GREEN_BLEED, SKIN_BLEED, Lighting, Shadow, blur
from .people import Look
from .raster import true_at
from .scene import Posed

SKIN, BODY, SOCKET, EYE, TEETH, TONGUE, HAIR, BROW, LASH, CLOTH = range(10)
"""Materials; up to SOCKET the head's own skin."""
WRAP = torch.tensor([0.16, 0.09, 0.06])
"""How far red, green and blue light reach round the edge of a lit skin, beside what the bleeding does."""
HAIR_WRAP, CLOTH_WRAP = 0.35, 0.02
MOUTH_WALL = torch.tensor([0.22, 0.045, 0.04])
SOCKET_COLOUR = torch.tensor([0.35, 0.14, 0.12])
LASH_COLOUR = torch.tensor([0.012, 0.010, 0.009])
TONGUE_TINT = torch.tensor([0.8, 0.75, 0.75])
FOLD_SHADE = torch.tensor([0.30, 0.42, 0.46])
"""Share of red, green and blue light that a full fold swallows; chosen by eye."""
TOOTH_DARKEST, TOOTH_RED, TOOTH_COLOUR = 0.25, 0.55, torch.tensor([0.74, 0.70, 0.63])
"""Brightness under which the teeth's texture shows nothing, share of green to red from which it shows a tooth and no gum, and
the colour of teeth."""
IN_MOUTH = 0.22
"""How deep in the mouth teeth and tongue count as, 0..1, where 1 is the throat."""


@dataclass(frozen=True, eq=False)
class Samples:
    """M samples to be lit, one a pixel.

    `place`, `normal` [3,M] in the world; `shine`, `inside` (the mouth), `lips` [M] 0..1; `material` and `at` (pixel) [M].
    """

    place: Tensor
    normal: Tensor
    shine: Tensor
    inside: Tensor
    lips: Tensor
    material: Tensor
    at: Tensor


def read(texture: Tensor, uv: Tensor) -> Tensor:
    """Nearest colours [N,C] of a texture [h,w,C] at uv [N,2], v down: the samples of a pixel do the filtering."""
    h, w = texture.shape[:2]
    column, row = (uv[:, 0] * w).int().clamp(0, w - 1), (uv[:, 1] * h).int().clamp(0, h - 1)
    return texture.view(h * w, -1).index_select(0, row * w + column)


def covered_by_cloth(rest: Tensor, look: Look) -> Tensor:
    """Which points [N,3] of the average body (rig units) the garment covers, bool [N]."""
    x, y, z = rest.unbind(1)
    depth, vee = look.neckline
    edge = -2.75 - 0.4 * depth - 0.4 * (z + 0.9)
    edge = edge - vee * (0.9 - 1.2 * x.abs()).clamp(min=0) * (z > -1.0)
    return y < edge


def weave(rest: Tensor, pattern: int) -> Tensor:
    """Brightness [N,1] of a fabric at points [N,3] of the average body."""
    if pattern == 1:
        return 1 - 0.5 * (torch.sin(rest[:, 1:2] * 24) > 0.2).float()
    if pattern == 2:
        return 0.85 + 0.25 * torch.sin(rest[:, :1] * 60) * torch.sin(rest[:, 1:2] * 60)
    return torch.full((len(rest), 1), 0.9)


def colours(
    kit: HeadKit, look: Look, skin: tuple[Tensor, Tensor], material: Tensor, uv: Tensor,
    folds: tuple[Tensor, Tensor], mouth: tuple[Tensor, Tensor], cloth: tuple[Tensor, Tensor],
) -> Tensor:  # fmt: skip
    """Linear colour [N,3] of samples before light; that of eyes is left black.

    Args:
        kit, look: whose.
        skin: textures of head and body.
        material: [N]; uv [N,2].
        folds: depth of the skin's folds [h,w,4] over the head's texture, and how far each shows [4].
        mouth: samples inside the mouth [m] and how deep [m,1].
        cloth: samples of the garment [c] and their places on the average body [c,3].
    """
    rig = kit.rig
    colour = torch.zeros(len(uv), 3)

    def of(kind: int) -> Tensor:
        return true_at(material == kind)

    for kind, texture in ((SKIN, skin[0]), (BODY, skin[1])):
        mine = of(kind)
        colour.index_copy_(0, mine, read(texture, uv.index_select(0, mine)))
    skin_seen = of(SKIN)
    depth = read(folds[0], uv.index_select(0, skin_seen)) @ folds[1]
    folded = colour.index_select(0, skin_seen) * (1 - depth[:, None] * FOLD_SHADE)
    colour.index_copy_(0, skin_seen, folded)
    which, depth = mouth
    colour[which] = torch.lerp(colour[which], MOUTH_WALL, depth)
    colour[of(SOCKET)] = SOCKET_COLOUR
    for kind, texture, tint in ((TEETH, rig.teeth_texture, look.teeth), (TONGUE, rig.tongue_texture, TONGUE_TINT)):
        mine = of(kind)
        if len(mine):
            place = uv[mine] * torch.tensor([1.0, -1.0]) + torch.tensor([0.0, 1.0])
            painted = (read(texture, place) / 255.0) ** 2.2
            if kind == TEETH:
                # The texture is black beside each tooth; a tooth's own colour is put there.
                bright = painted.amax(1, keepdim=True)
                tooth = (bright < TOOTH_DARKEST) | (painted[:, 1:2] > TOOTH_RED * painted[:, :1])
                painted = torch.where(tooth, TOOTH_COLOUR * (0.8 + 0.2 * bright), painted)
            colour[mine] = painted * tint
    for kind, name, tint in ((HAIR, look.hair, look.hair_colour), (BROW, look.brows, look.brow_colour)):
        mine = of(kind)
        if len(mine):
            colour[mine] = tint * read(kit.cards[name].texture[0, :, :, None], uv.index_select(0, mine)).clamp(0.15, 2.5) ** 1.3
    colour[of(LASH)] = LASH_COLOUR
    which, rest = cloth
    colour[which] = look.cloth * weave(rest, look.cloth_pattern)
    return colour


def fall(
    samples: Samples, light: Lighting, shadow: Shadow, posed: Posed, sky: Tensor, own_gloss: float, size: int, random: Tensor
) -> Tensor:
    """Light that falls on a picture's pixels and what shines back.

    Args:
        samples: what is seen.
        light, shadow, posed: the picture's.
        sky: [M] how open each sample lies to its surroundings, 0..1.
        own_gloss: strength of this skin's shine.
        size: of the picture's side.
        random: [M] 0..1.

    Returns:
        [M,6] RGB of the light, then of the shine.
    """
    place, material, inside = samples.place, samples.material, samples.inside.clone()
    hair = material == HAIR
    card = true_at(hair | (material == BROW) | (material == LASH))
    normal = unit(samples.normal)
    middle = posed.eyes.mean(0) + posed.turn @ torch.tensor([0.0, 0.2, -1.3])
    # Cards of hair are flat; the hair as a whole is round.
    outward = unit(place[:, card] - middle[:, None])
    flat = normal[:, card]
    flat = flat * torch.sign((flat * outward).sum(0))
    normal[:, card] = unit(0.4 * flat + 0.6 * outward)
    view = unit(posed.camera[:, None] - place)
    facing = (normal * view).sum(0).clamp(0, 1)
    wet = (material == TEETH) | (material == TONGUE)
    inside[wet] = IN_MOUTH
    # Gaps between teeth are too narrow for the reach over which creases are looked for.
    sky = torch.where(material == TEETH, sky.clamp(min=0.7), sky)
    # The back of the mouth sees little of the world.
    sky = sky * (1 - 0.85 * inside)
    lit = shadow.lit(place, normal, random)
    # Light from the surroundings that comes back from neighbouring skin is warm.
    around = torch.addmm(light.ambient[:1].T, light.ambient[1:].T, normal).clamp(min=0.02)
    total = around * torch.stack([0.2 + 0.8 * sky, sky, sky * (0.92 + 0.08 * sky)])
    gloss = (0.5 + 0.9 * samples.shine + 0.5 * samples.lips) * own_gloss
    gloss[wet] = 2.0
    gloss[(material == BROW) | (material == LASH) | (material == SOCKET)] = 0.1
    cloth = material == CLOTH
    gloss[cloth] = 0.05
    grazing = (1 - facing).square().square() * (1 - facing)
    strength = gloss * (0.028 + 0.22 * grazing)
    wrap = WRAP[:, None].expand(3, len(inside)).clone()
    wrap[:, hair] = HAIR_WRAP
    wrap[:, cloth] = CLOTH_WRAP
    strands = true_at(hair)
    down = posed.turn @ torch.tensor([0.0, -1.0, 0.0])
    strand = normal[:, strands]
    strand = unit(down[:, None] - strand * (down @ strand))
    # What the surroundings mirror in skin at a flat angle.
    share = strength * 0.35
    share[hair] = 0.01
    shine = around * (share * sky)
    open_mouth = 1 - inside
    for number, (lamp, colour) in enumerate(zip(light.lamps, light.colours, strict=True)):
        cosine = lamp @ normal
        part = (lit if number == 0 else sky) * open_mouth
        total += ((cosine + wrap) / (1 + wrap)).clamp(min=0) * part * colour[:, None]
        half = unit(lamp[:, None] + view)
        sharp = (half * normal).sum(0).clamp(0, 1)
        sharp4 = sharp.square().square()
        sharp16 = sharp4.square().square()
        # Two lobes of skin, broad and narrow.
        lobe = 3.2 * sharp16 * sharp4 + 4.9 * sharp16.square().square()
        gleam = strength * lobe * cosine.clamp(0, 1)
        along = (half[:, strands] * strand).sum(0)
        gleam[strands] = 0.04 * (1 - along * along).clamp(0, 1) ** 45 * (cosine[strands] + 0.3).clamp(0, 1)
        shine += (gleam * part * sky) * colour[:, None]
    skin = true_at(material <= BODY)
    at = samples.at.index_select(0, skin)
    own = F.pad(total[:2].index_select(1, skin), (0, 0, 0, 1), value=1.0)
    maps = torch.zeros(3, size * size).index_copy_(1, at, own)
    bled = blur(maps.view(3, size, size), max(SKIN_BLEED * posed.pixels, 0.5)).flatten(1).index_select(1, at)
    red, green = bled[:2] / bled[2]
    total[0].scatter_(0, skin, red)
    total[1].scatter_(0, skin, torch.lerp(own[1], green, GREEN_BLEED))
    return torch.cat([total, shine]).T.contiguous()


def unit(vectors: Tensor) -> Tensor:
    """Vectors [3,N] of length 1."""
    return vectors * (vectors.square().sum(0) + 1e-12).rsqrt()

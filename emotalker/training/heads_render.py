"""Drawing a posed person: which surface each sample of a picture shows, and the picture that results."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..face.rig import GROUPS
from .heads_assets import eye_distance, eye_middle
from .heads_eyes import eye_colour, lid_shade
from .heads_kit import HeadKit
from .heads_light import Lighting, Shadow, creases
from .heads_people import Person
from .heads_raster import DepthBuffer, affine, blend, planes, weights_at
from .heads_scene import Posed, vertex_normals
from .heads_shade import (
    BODY,
    BROW,
    CLOTH,
    EYE,
    HAIR,
    LASH,
    SKIN,
    SOCKET,
    TEETH,
    TONGUE,
    Samples,
    colours,
    covered_by_cloth,
    fall,
)
from .heads_skin import MASKS, SkinPainter, in_head_box, step

SAMPLES = 2
"""Samples along a pixel's side."""
_OF_GROUP = {"eye_socket": SOCKET, "teeth_upper": TEETH, "teeth_lower": TEETH, "tongue": TONGUE,
             "eyeball_right": EYE, "eyeball_left": EYE}  # fmt: skip
DENSE, FAINT = 0.6, 0.04
"""Opacity of hair from which it hides what is behind it, and below which it is not drawn."""
CARD_ALPHA = {HAIR: (1.0, 1.0), BROW: (1.25, 0.75), LASH: (0.55, 1.2)}
"""Gain and power of the cards' opacity: brows are painted thin, lashes as if made up."""
COLLAR_BELOW = -2.0
"""Height in rig units below which skin may be covered by a garment."""
LUMINANCE = torch.tensor([0.2126, 0.7152, 0.0722])


@dataclass(frozen=True, eq=False)
class Rendering:
    """A drawn head, S samples a pixel each way.

    Attributes:
        colour: [3,h,w] linear light where covered, multiplied by cover; cover [h,w] 0..1.
        material: [hS,wS] int8 which surface each sample shows, -1 for none.
        inside: [hS,wS] bool, inside of the mouth: teeth, tongue and the mouth's walls.
        face: [hS,wS] bool, the face with eyes and mouth, without ears, scalp and neck; what hair covers is not of it.
        brightness: mean linear brightness of the face's skin; albedo that of its colour without light.
    """

    colour: Tensor
    cover: Tensor
    material: Tensor
    inside: Tensor
    face: Tensor
    brightness: float
    albedo: float


class Renderer:
    """Draws people of one kit in pictures of size x size pixels."""

    def __init__(self, kit: HeadKit, size: int) -> None:
        """What all pictures share."""
        self.kit, self.size = kit, size
        rig = kit.rig
        self.painter = SkinPainter(kit)
        solid = rig.triangle_group < GROUPS.index("lashes_right")
        count = len(rig.vertices)
        self.triangles = torch.cat([rig.triangles[solid], kit.shoulder_triangles + count])
        of_group = torch.full((len(GROUPS),), SKIN, dtype=torch.int8)
        for name, material in _OF_GROUP.items():
            of_group[GROUPS.index(name)] = material
        uv, outside = in_head_box(kit.head_uv)
        of_rig = of_group[rig.triangle_group[solid]]
        of_rig[: len(uv)][outside & (of_rig[: len(uv)] == SKIN)] = BODY
        self.material = torch.cat([of_rig, torch.full((len(kit.shoulder_triangles),), BODY, dtype=torch.int8)])
        self.uv = torch.cat([uv, rig.uv[rig.triangles[solid][len(uv) :]], kit.shoulder_uv[kit.shoulder_triangles]])
        body = (kit.shoulders.place(kit.base) - eye_middle(kit.base)) / eye_distance(kit.base)
        self.rest = torch.cat([rig.vertices, torch.from_numpy(body).float()])
        masks = torch.cat([self.painter.masks, torch.zeros(len(body), len(MASKS))])
        self.masks = masks[:, [MASKS.index(name) for name in ("shine", "inside", "lips")]]
        marks = rig.landmarks(rig.vertices)
        _, y, z = self.rest.unbind(1)
        chin, brow = float(marks[152, 1]), float(marks[10, 1])
        face = step(z, -0.9, -0.7) * step(y, chin - 0.12, chin + 0.05) * step(y, brow + 0.25, brow)
        self.in_face = (face[self.triangles].mean(1) > 0.5) & (self.material <= SOCKET)
        self.inner = (self.masks[:, 1][self.triangles].amax(1) > 0.1) & (self.material <= SOCKET)
        self.low = (self.material <= BODY) & (y[self.triangles].amin(1) < COLLAR_BELOW)
        self.right_eye = torch.zeros(len(self.triangles), dtype=torch.bool)
        self.right_eye[: int(solid.sum())] = rig.triangle_group[solid] == GROUPS.index("eyeball_right")
        mesh = torch.isin(self.material, torch.tensor([SKIN, BODY], dtype=torch.int8)) & ~self.inner
        self.casting = self.triangles[mesh]
        side = size * SAMPLES
        grid = torch.arange(side * side)
        self.x, self.y = grid % side, torch.div(grid, side, rounding_mode="floor")
        self.once = (self.x % SAMPLES == 0) & (self.y % SAMPLES == 0)
        self.at = torch.div(self.y, SAMPLES, rounding_mode="floor") * size + torch.div(self.x, SAMPLES, rounding_mode="floor")

    def _opacity(self, name: str, material: int) -> Tensor:
        """Opacity [h,w] of a card's texture."""
        gain, power = CARD_ALPHA[material]
        alpha = self.kit.cards[name].texture[1]
        return alpha if material == HAIR else (gain * alpha**power).clamp(max=0.95)

    def draw(
        self, person: Person, posed: Posed, light: Lighting, skin: tuple[Tensor, Tensor], random: torch.Generator
    ) -> Rendering:
        """One picture.

        Args:
            person: who.
            posed: their points, for pictures of this size.
            light: lamps and surroundings.
            skin: textures as SkinPainter.paint gives them.
            random: of the samples of soft shadows.
        """
        size, side = self.size, self.size * SAMPLES
        look, kit = person.look, self.kit
        scale = torch.tensor([SAMPLES, SAMPLES, 1.0])
        screen = posed.screen * scale
        near, far = float(screen[:, 2].min()) - 2.0, float(screen[:, 2].max()) + 2.0
        buffer, veil = DepthBuffer((side, side), near, far), DepthBuffer((side, side), near, far)
        buffer.draw(screen, self.triangles)
        shadow = Shadow(light, posed.world[: len(kit.rig.vertices)].mean(0))
        shadow.buffer.draw(shadow.view(posed.world), self.casting)
        passed = torch.ones(side * side)
        points, triangles, uvs, materials, worlds = [screen], [self.triangles], [self.uv], [self.material], [posed.world]
        offset, veil.faces = len(screen), buffer.faces
        # Dense hair hides what is behind it; thin hair, brows and lashes are a veil before everything.
        for name, material in ((look.hair, HAIR), (look.brows, BROW), (look.lashes, LASH)):
            if not name:
                continue
            card, card_screen = kit.cards[name], posed.card_screens[name] * scale
            uv, opacity = card.uv[card.triangles], self._opacity(name, material)
            if material == HAIR:
                buffer.draw(card_screen, card.triangles, False, uv, opacity, DENSE)
                shadow.buffer.draw(shadow.view(posed.cards[name]), card.triangles, False, uv, opacity, DENSE)
            veil.draw(card_screen, card.triangles, False, uv, opacity, FAINT, buffer.best, passed)
            points.append(card_screen)
            triangles.append(card.triangles + offset)
            uvs.append(uv)
            worlds.append(posed.cards[name])
            materials.append(torch.full((len(card.triangles),), material, dtype=torch.int8))
            offset += len(card_screen)
        face, depth = buffer.result()
        shadow.finish()
        points, triangles, uvs, materials = torch.cat(points), torch.cat(triangles), torch.cat(uvs), torch.cat(materials)
        flat, thin = face.flatten(), veil.result()[0].flatten()
        behind, before = (flat >= 0).nonzero().flatten(), (thin >= 0).nonzero().flatten()
        pixel = torch.cat([behind, before])
        own = torch.cat([flat.index_select(0, behind), thin.index_select(0, before)])
        # What a sample needs of its triangle is worked out once for each triangle that is seen.
        seen = torch.zeros(len(triangles), dtype=torch.bool)
        seen[own] = True
        visible = seen.nonzero().flatten()
        place = torch.zeros(len(triangles), dtype=torch.long)
        place[visible] = torch.arange(len(visible))
        own_seen = place.index_select(0, own)
        plane = planes(points[triangles[visible]])
        x, y = self.x.index_select(0, pixel) + 0.5, self.y.index_select(0, pixel) + 0.5
        t = affine(plane, uvs[visible]).index_select(0, own_seen)
        uv = torch.stack([t[:, 0] * x + t[:, 1] * y + t[:, 2], t[:, 3] * x + t[:, 4] * y + t[:, 5]], 1)
        material = materials.index_select(0, own)

        def weights(which: Tensor) -> Tensor:
            return weights_at(plane.index_select(0, own_seen[which]), x[which], y[which])

        def flagged(flags: Tensor) -> Tensor:
            return torch.cat([flags, torch.zeros(len(triangles) - len(flags), dtype=torch.bool)]).index_select(0, own)

        inner, in_face = flagged(self.inner), flagged(self.in_face)
        low = flagged(self.low).nonzero().flatten()
        rest = blend(self.rest, triangles[own[low]], weights(low))
        cloth = covered_by_cloth(rest, look)
        material[low[cloth]] = CLOTH
        mouth = inner.nonzero().flatten()
        depths = blend(self.masks[:, 1:2], triangles[own[mouth]], weights(mouth))
        colour = colours(kit, look, skin, material, uv, (mouth, depths), (low[cloth], rest[cloth]))

        # Light is worked out once a pixel.
        once = self.once.index_select(0, pixel).nonzero().flatten()
        world = torch.cat(worlds)
        skins, solid = len(posed.world), len(self.triangles)
        normals = vertex_normals(posed.world, self.triangles, kit.merged)
        if len(world) > skins:
            of_cards = vertex_normals(world[skins:], triangles[solid:] - skins, torch.arange(len(world) - skins))
            normals = torch.cat([normals, of_cards])
        values = torch.cat([world, normals, F.pad(self.masks, (0, 0, 0, len(world) - skins))], 1)
        values = blend(values, triangles.index_select(0, own[once]), weights(once))
        metric = near + depth[::SAMPLES, ::SAMPLES] / buffer.step * 2**30
        sky = creases(torch.where(face[::SAMPLES, ::SAMPLES] >= 0, metric, far), posed.pixels).flatten()
        at = self.at.index_select(0, pixel)
        values = values.T.contiguous()
        samples = Samples(values[:3], values[3:6], *values[6:], material[once], at[once])
        shade = fall(samples, light, shadow, posed, sky[at[once]], look.gloss, size, torch.rand(len(once), generator=random))
        s = shade.index_select(0, at + (material == HAIR) * (size * size))
        lit = torch.addcmul(s[:, 3:], colour, s[:, :3])
        eye = (material == EYE).nonzero().flatten()
        if len(eye):
            spot = blend(world, triangles[own[eye]], weights(eye))
            lids = lid_shade(pixel[eye], side, posed.pixels * SAMPLES)
            lit[eye] = eye_colour(kit, look, posed, light, spot, uv[eye], self.right_eye[own[eye]], lids, shadow)

        count = len(behind)
        image = torch.zeros(side * side, 4)
        image[behind] = F.pad(lit[:count], (0, 1), value=1.0)
        pass_before = passed[before][:, None]
        image[before] = image[before] * pass_before + F.pad(lit[count:], (0, 1), value=1.0) * (1 - pass_before)
        image = image.view(size, SAMPLES, size, SAMPLES, 4)
        pooled = sum(image[:, i, :, j] for i in range(SAMPLES) for j in range(SAMPLES)).permute(2, 0, 1) / SAMPLES**2
        kinds = torch.full((side * side,), -1, dtype=torch.int8)
        kinds[behind] = material[:count]
        inside, faces = torch.zeros(2, side * side, dtype=torch.bool)
        in_mouth = ((material == TEETH) | (material == TONGUE) | inner)[:count]
        inside[behind] = in_mouth
        of_face = in_face[:count] & (material[:count] == SKIN)
        faces[behind] = in_face[:count] | in_mouth | (material[:count] == EYE)
        thick = before[passed[before] < 0.5]
        kinds[thick] = materials[thin[thick]]
        hidden = thick[kinds[thick] == HAIR]
        faces[hidden] = False
        means = [float((v[:count][of_face] @ LUMINANCE).mean()) if of_face.any() else 0.2 for v in (lit, colour)]
        view = (side, side)
        return Rendering(pooled[:3], pooled[3], kinds.view(view), inside.view(view), faces.view(view), *means)

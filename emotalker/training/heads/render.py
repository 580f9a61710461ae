"""Drawing a posed person: which surface each sample of a picture shows, and the picture that results."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...face.rig import GROUPS
from .assets import eye_distance, eye_middle
from .eyes import eye_colour, lid_shade
from .kit import HeadKit
from .light import Lighting, Shadow, creases
from .people import Person
from .raster import DepthBuffer, affine, blend, planes, true_at, weights_at
from .scene import Posed, vertex_normals
from .shade import BODY, BROW, CLOTH, EYE, HAIR, LASH, SKIN, SOCKET, TEETH, TONGUE, Samples, colours, covered_by_cloth, fall
from .skin import MASKS, SkinPainter, fold_weights, in_head_box, step

SAMPLES = 2
"""Samples along a pixel's side."""
_OF_GROUP = {"eye_socket": SOCKET, "teeth_upper": TEETH, "teeth_lower": TEETH, "tongue": TONGUE,
             "eyeball_right": EYE, "eyeball_left": EYE}  # fmt: skip
DENSE, FAINT = 0.6, 0.04
"""Opacity of hair from which it hides what is behind it, and below which it is not drawn."""
CARD_ALPHA = {HAIR: (1.0, 1.0), BROW: (1.1, 0.8), LASH: (0.55, 1.2)}
"""Gain and power of the cards' opacity: brows are painted thin, lashes as if made up."""
COLLAR_BELOW = -2.0
"""Height in rig units below which skin may be covered by a garment."""
LUMINANCE = torch.tensor([0.2126, 0.7152, 0.0722])


@dataclass(frozen=True, eq=False)
class Mesh:
    """All triangles of a picture: `screen` [V,3] in samples, `world` [V,3], `triangles` [F,3], `uv` [F,3,2], `material` [F]."""

    screen: Tensor
    world: Tensor
    triangles: Tensor
    uv: Tensor
    material: Tensor


@dataclass(frozen=True, eq=False)
class Layers:
    """What the N samples of a picture see: `face` [N] nearest surface and `veil` [N] nearest thin thing before it, -1 for none;
    `passed` [N] share of light that passes the veil; `depth` [hS,wS] of the surface in rig units, `far` that of nothing."""

    face: Tensor
    veil: Tensor
    passed: Tensor
    depth: Tensor
    far: float


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
        in_face = (face[self.triangles].mean(1) > 0.5) & (self.material <= SOCKET)
        inner = (self.masks[:, 1][self.triangles].amax(1) > 0.1) & (self.material <= SOCKET)
        low = (self.material <= BODY) & (y[self.triangles].amin(1) < COLLAR_BELOW)
        self.flags = torch.stack([inner, in_face, low], 1).to(torch.int8)
        self.right_eye = torch.zeros(len(self.triangles), dtype=torch.bool)
        self.right_eye[: int(solid.sum())] = rig.triangle_group[solid] == GROUPS.index("eyeball_right")
        mesh = torch.isin(self.material, torch.tensor([SKIN, BODY], dtype=torch.int8)) & ~inner
        self.casting = self.triangles[mesh]
        side = size * SAMPLES
        grid = torch.arange(side * side)
        x, y = grid % side, torch.div(grid, side, rounding_mode="floor")
        self.x, self.y = x + 0.5, y + 0.5
        self.at = torch.div(y, SAMPLES, rounding_mode="floor") * size + torch.div(x, SAMPLES, rounding_mode="floor")

    def _opacity(self, name: str, material: int) -> Tensor:
        """Opacity [h,w] of a card's texture."""
        gain, power = CARD_ALPHA[material]
        alpha = self.kit.cards[name].texture[1]
        return alpha if material == HAIR else (gain * alpha**power).clamp(max=0.95)

    def _scene(self, person: Person, posed: Posed) -> tuple[Mesh, list[tuple[str, int, int]]]:
        """All meshes of a picture as one, and the cards among them: (name, material, first face)."""
        meshes, cards = [(posed.screen, posed.world, self.triangles, self.uv, self.material)], []
        points, faces = len(posed.screen), len(self.triangles)
        for name, material in ((person.look.hair, HAIR), (person.look.brows, BROW), (person.look.lashes, LASH)):
            if name:
                card = self.kit.cards[name]
                cards.append((name, material, faces))
                own = torch.full((len(card.triangles),), material, dtype=torch.int8)
                screen = posed.card_screens[name]
                meshes.append((screen, posed.cards[name], card.triangles + points, card.uv[card.triangles], own))
                points, faces = points + len(screen), faces + len(own)
        screen, world, triangles, uv, material = (torch.cat(parts) for parts in zip(*meshes, strict=True))
        return Mesh(screen * torch.tensor([SAMPLES, SAMPLES, 1.0]), world, triangles, uv, material), cards

    def _layers(self, mesh: Mesh, cards: list[tuple[str, int, int]], shadow: Shadow) -> Layers:
        """What the samples see, and the shadow map."""
        side = self.size * SAMPLES
        near, far = float(mesh.screen[:, 2].min()) - 0.1, float(mesh.screen[:, 2].max()) + 0.1
        buffer, veil = DepthBuffer((side, side), near, far), DepthBuffer((side, side), near, far)
        buffer.put(buffer.fragments(mesh.screen, self.triangles))
        lamp = shadow.view(mesh.world)
        shadow.buffer.put(shadow.buffer.fragments(lamp, self.casting))
        passed = torch.ones(side * side)
        # Dense hair hides what is behind it; thin hair, brows and lashes are a veil before everything.
        for name, material, first in cards:
            faces = slice(first, first + len(self.kit.cards[name].triangles))
            triangles, uv, opacity = mesh.triangles[faces], mesh.uv[faces], self._opacity(name, material)
            found = buffer.fragments(mesh.screen, triangles, first, False, uv, opacity, FAINT)
            if material == HAIR:
                buffer.put(found.only(found.opacity > DENSE))
                dense = shadow.buffer.fragments(lamp, triangles, 0, False, uv, opacity, DENSE)
                shadow.buffer.put(dense)
                found = found.only((found.opacity <= DENSE) & (found.key < buffer.best.index_select(0, found.pixel)))
            veil.put(found)
            passed.scatter_reduce_(0, found.pixel, 1 - found.opacity, "prod")
        shadow.finish()
        face, depth = buffer.result()
        return Layers(face.flatten(), veil.result()[0].flatten(), passed, near + depth * 2**30 / buffer.step, far)

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
        mesh, cards = self._scene(person, posed)
        shadow = Shadow(light, posed.world[: len(kit.rig.vertices)].mean(0))
        layers = self._layers(mesh, cards, shadow)
        behind, before = true_at(layers.face >= 0), true_at(layers.veil >= 0)
        pixel = torch.cat([behind, before])
        own = torch.cat([layers.face.index_select(0, behind), layers.veil.index_select(0, before)])
        # What a sample needs of its triangle is worked out once for each triangle that is seen.
        seen = torch.zeros(len(mesh.triangles), dtype=torch.bool)
        seen[own] = True
        visible = true_at(seen)
        number = torch.zeros(len(mesh.triangles), dtype=torch.int32)
        number[visible] = torch.arange(len(visible), dtype=torch.int32)
        number = number.index_select(0, own)
        corners = mesh.triangles.index_select(0, visible)
        plane = planes(mesh.screen.index_select(0, corners.flatten()).view(-1, 3, 3))
        x, y = self.x.index_select(0, pixel), self.y.index_select(0, pixel)
        t = affine(plane, mesh.uv.index_select(0, visible)).T.contiguous().index_select(1, number)
        uv = torch.stack([t[0] * x + t[1] * y + t[2], t[3] * x + t[4] * y + t[5]], 1)

        def weights(which: Tensor) -> Tensor:
            n, *place = (value.index_select(0, which) for value in (number, x, y))
            return weights_at(plane.index_select(0, n), *place)

        def triangles(which: Tensor) -> Tensor:
            return mesh.triangles.index_select(0, own.index_select(0, which))

        # Per triangle: material, and whether it is of the inner mouth, of the face, or low enough for clothes.
        flags = F.pad(self.flags, (0, 0, 0, len(mesh.triangles) - len(self.flags)))
        material, inner, in_face, low = torch.cat([mesh.material[:, None], flags], 1).index_select(0, own).T
        material, inner, in_face = material.contiguous(), inner.bool(), in_face.bool()
        low = true_at(low)
        rest = blend(self.rest, triangles(low), weights(low))
        cloth = covered_by_cloth(rest, look)
        material[low[cloth]] = CLOTH
        mouth = true_at(inner)
        depths = blend(self.masks[:, 1:2], triangles(mouth), weights(mouth))
        lines = self.painter.folds, fold_weights(posed.units, person.age)
        colour = colours(kit, look, skin, material, uv, lines, (mouth, depths), (low[cloth], rest[cloth]))

        # Light is worked out for one sample a pixel, the skin's before a lash's, and one of hair where there is hair as well.
        at = self.at.index_select(0, pixel)
        place = at + (material == HAIR) * (size * size)
        none = len(place)
        chosen = torch.full((2 * size * size,), none).scatter_reduce_(0, place, torch.arange(none), "amin")
        once = chosen[chosen < none]
        chosen[chosen < none] = torch.arange(len(once))
        skins, solid = len(posed.world), len(self.triangles)
        normals = vertex_normals(posed.world, self.triangles, kit.merged)
        if cards:
            of_cards = vertex_normals(mesh.world[skins:], mesh.triangles[solid:] - skins, torch.arange(len(mesh.world) - skins))
            normals = torch.cat([normals, of_cards])
        values = torch.cat([mesh.world, normals, F.pad(self.masks, (0, 0, 0, len(normals) - skins))], 1)
        values = blend(values, triangles(once), weights(once)).T.contiguous()
        depth = torch.where(layers.face.view(side, side) >= 0, layers.depth, layers.far)[::SAMPLES, ::SAMPLES]
        sky = creases(depth, posed.pixels).flatten()
        samples = Samples(values[:3], values[3:6], *values[6:], material[once], at[once])
        shade = fall(samples, light, shadow, posed, sky[at[once]], look.gloss, size, torch.rand(len(once), generator=random))
        s = shade.index_select(0, chosen.index_select(0, place))
        # Thin hairs before the skin are lit as it is, but do not shine with it.
        shine = s[:, 3:] * ((material != BROW) & (material != LASH))[:, None]
        lit = torch.addcmul(shine, colour, s[:, :3])
        eye = true_at(material == EYE)
        if len(eye):
            spot = blend(mesh.world, triangles(eye), weights(eye))
            lids = lid_shade(pixel[eye], side, posed.pixels * SAMPLES)
            lit[eye] = eye_colour(kit, look, posed, light, spot, uv[eye], self.right_eye[own[eye]], lids, shadow)

        count = len(behind)
        in_mouth = ((material == TEETH) | (material == TONGUE) | inner)[:count]
        of_face = in_face[:count] & (material[:count] == SKIN)
        some = of_face[::4].float()
        means = [float((v[:count:4] @ LUMINANCE) @ some / some.sum().clamp(min=1)) for v in (lit, colour)]
        kinds = torch.full((side * side,), -1, dtype=torch.int8)
        inside, faces = torch.zeros(2, side * side, dtype=torch.bool)
        kinds.scatter_(0, behind, material[:count])
        inside.scatter_(0, behind, in_mouth)
        faces.scatter_(0, behind, in_face[:count] | in_mouth | (material[:count] == EYE))
        thick = before[layers.passed[before] < 0.5]
        kinds[thick] = mesh.material[layers.veil[thick]]
        faces[thick[kinds[thick] == HAIR]] = False
        pooled = self._pooled(lit, behind, before, layers.passed)
        view = (side, side)
        return Rendering(pooled[:3], pooled[3], kinds.view(view), inside.view(view), faces.view(view), *means)

    def _pooled(self, lit: Tensor, behind: Tensor, before: Tensor, passed: Tensor) -> Tensor:
        """The picture [4,h,w], light and cover, of samples [N,3]: first those behind, then the veil before them."""
        count, size = len(behind), self.size
        lit = F.pad(lit, (0, 1), value=1.0)
        image = torch.zeros((size * SAMPLES) ** 2, 4)
        image[behind] = lit[:count]
        through = passed[before][:, None]
        image[before] = torch.lerp(lit[count:], image[before], through)
        image = image.view(size, SAMPLES, size, SAMPLES * 4)
        rows = sum(image[:, i] for i in range(SAMPLES)).view(size, size, SAMPLES, 4)
        return sum(rows[:, :, i] for i in range(SAMPLES)).permute(2, 0, 1) / SAMPLES**2

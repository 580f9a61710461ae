"""A person before a camera: the face's units, the head's turn, the lens, all as points in pixels."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...arkit import UNIT_INDEX
from .kit import HeadKit
from .people import Person

DOWN = torch.tensor([0.0, -1.0, 0.0])
HAIR_STAYS = (-4.2, -2.0)
"""Heights (rig units) between which long hair goes from lying on the shoulders to turning with the head."""
CARD_LIFT = 0.012
"""Rig units by which brows are lifted off the skin, so that they never sink into it."""


@dataclass(frozen=True)
class Shot:
    """How one picture is taken.

    Attributes:
        units: [52] ARKit weights 0..1.
        head: yaw, pitch, roll in degrees (signs as in Motion) of the head on the neck; `body` the same of the whole person.
        distance: of the camera from the face in distances between the eyes (6.3 cm).
        height: of the face (brow to chin, by its landmarks) as a share of the picture.
        centre: x, y of the face's middle as a share of the picture.
        shift: of the head in distances between the eyes, to the picture's right, down, away from the camera, as in Motion.
    """

    units: Tensor
    head: tuple[float, float, float]
    body: tuple[float, float, float]
    distance: float
    height: float
    centre: tuple[float, float]
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Framing:
    """What a camera is directed at: `centre` [3] of the world, `pixels` per rig unit there, `offset` [2] of that point in the
    picture, pixels."""

    centre: Tensor
    pixels: float
    offset: Tensor


@dataclass(frozen=True, eq=False)
class Posed:
    """Points of one picture.

    Attributes:
        world: [V+S,3] rig units, camera looking along -z; cards name to [P,3].
        screen: the same in pixels (x right, y down) with depth (smaller = nearer) in rig units; cards likewise.
        turn: [3,3] of the head; eyes [2,3] eyeball centres in the world.
        landmarks: [478,3] pixels, z in pixels, smaller = nearer, 0 at the middle of the head.
        pose: yaw, pitch, roll in degrees of the head as the picture shows it.
        framing: where the camera looks; camera [3] its place in the world; units [52].
    """

    world: Tensor
    cards: dict[str, Tensor]
    screen: Tensor
    card_screens: dict[str, Tensor]
    turn: Tensor
    eyes: Tensor
    landmarks: Tensor
    framing: Framing
    camera: Tensor
    units: Tensor

    @property
    def pixels(self) -> float:
        """Pixels per rig unit at the face."""
        return self.framing.pixels


def rotation(yaw: float, pitch: float, roll: float) -> Tensor:
    """[3,3] turn of a head: yaw to the picture's right, chin up, tilt to the picture's right, in degrees, roll first."""
    y, p, r = torch.deg2rad(torch.tensor([yaw, -pitch, -roll], dtype=torch.float32)).unbind()
    one, nil = torch.tensor(1.0), torch.tensor(0.0)
    about_y = torch.stack([y.cos(), nil, y.sin(), nil, one, nil, -y.sin(), nil, y.cos()]).view(3, 3)
    about_x = torch.stack([one, nil, nil, nil, p.cos(), -p.sin(), nil, p.sin(), p.cos()]).view(3, 3)
    about_z = torch.stack([r.cos(), -r.sin(), nil, r.sin(), r.cos(), nil, nil, nil, one]).view(3, 3)
    return about_y @ about_x @ about_z


def deform(kit: HeadKit, person: Person, units: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Vertices [V+S,3] and cards of a person who makes a face, head in rest."""
    rig = kit.rig
    count = len(rig.vertices)
    moved = (units @ rig.units.flatten(1)).view(count, 3)
    for side, name in enumerate(("eyeBlinkRight", "eyeBlinkLeft")):
        moved = moved + units[UNIT_INDEX[name]] * (person.blink[side] - rig.units[UNIT_INDEX[name]])
    vertices = person.neutral.clone()
    vertices[:count] += moved
    for edge in person.edges:
        edge.part(vertices, DOWN)
    moved = vertices[:count] - person.neutral[:count]
    cards = {}
    for name, points in person.cards.items():
        card = kit.cards[name]
        points = points + card.carried(moved)
        if len(card.bound) and name.startswith("eyebrow0"):
            points = points + torch.tensor([0.0, 0.0, CARD_LIFT])
        cards[name] = points
    return vertices, cards


def pose(kit: HeadKit, person: Person, shot: Shot, size: int, framing: Framing | None = None) -> Posed:
    """All points of a picture of size x size pixels, of a camera directed at the face as the shot says, or as `framing` was."""
    rig = kit.rig
    vertices, cards = deform(kit, person, shot.units)
    turn, body = rotation(*shot.head), rotation(*shot.body)
    pivot, shift = rig.pivot, torch.tensor(shot.shift) * torch.tensor([1.0, -1.0, -1.0])

    def place(points: Tensor, share: Tensor) -> Tensor:
        turned = points + share[:, None] * ((points - pivot) @ (turn.T - torch.eye(3)) + shift)
        return (turned - pivot) @ body.T

    world = place(vertices, kit.head_weight)
    placed = {}
    for name, points in cards.items():
        low, high = HAIR_STAYS
        share = ((points[:, 1] - low) / (high - low)).clamp(0.3, 1)
        placed[name] = place(points, share)
    centre = rig.landmarks(world[: len(rig.vertices)]).mean(0) if framing is None else framing.centre

    def view(points: Tensor) -> Tensor:
        local = points - centre
        near = shot.distance / (shot.distance - local[:, 2:]).clamp(min=1.0)
        return torch.cat([local[:, :1] * near, -local[:, 1:2] * near, -shot.distance * (near - 1) / near], 1)

    if framing is None:
        flat = rig.landmarks(view(world)[: len(rig.vertices)])
        low, high = flat[:468, :2].amin(0), flat[:468, :2].amax(0)
        pixels = shot.height * size / float(high[1] - low[1])
        framing = Framing(centre, pixels, torch.tensor(shot.centre) * size - (low + high) / 2 * pixels)

    def project(points: Tensor) -> Tensor:
        seen = view(points)
        return torch.cat([seen[:, :2] * framing.pixels + framing.offset, seen[:, 2:]], 1)

    screen = project(world)
    landmarks = rig.landmarks(screen[: len(rig.vertices)]).clone()
    landmarks[:, 2] *= framing.pixels
    balls = torch.stack([world[: len(rig.vertices)][rig.vertex_group == group].mean(0) for group in (10, 11)])
    lens = centre + torch.tensor([0.0, 0.0, shot.distance])
    screens = {name: project(points) for name, points in placed.items()}
    return Posed(world, placed, screen, screens, body @ turn, balls, landmarks, framing, lens, shot.units)


def vertex_normals(points: Tensor, triangles: Tensor, merged: Tensor) -> Tensor:
    """Unit normals [V,3]; vertices that are copies of one point (`merged` [V] point numbers) share theirs."""
    a, b, c = points.index_select(0, triangles.flatten()).view(-1, 3, 3).unbind(1)
    face = torch.linalg.cross(b - a, c - a)
    total = torch.zeros(int(merged.max()) + 1, 3)
    total.index_add_(0, merged[triangles].flatten(), face.repeat_interleave(3, 0))
    return torch.nn.functional.normalize(total[merged], dim=1)

"""Random people: shape, skin, hair, brows, eyes and clothes of a synthetic head."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...arkit import UNIT_INDEX
from ...face.contact import LID_FADE, LIP_FADE, Edge
from ...face.rig import SIDES
from ...face.teeth import LIP_LINE, placed
from .assets import BROWS, HAIRS, LASHES, eye_distance, eye_middle
from .kit import HELD_OUT, HeadKit, eyeballs
from .shape import shape_sliders

SPLITS = ("train", "held_out")
ONE_ANCESTRY = 0.6
"""Share of people of one ancestry alone; the others are mixtures."""
BETWEEN_SEXES = 0.15
"""Largest share of the other sex's shape that people have."""
LONG_HAIR = ("bob01", "bob02", "braid01", "long01", "ponytail01")
FRINGES, FRINGE_SHARE = ("bob01", "bob02", "short03"), 0.2
"""Hairs that fall over an eye, and how often they are chosen relative to others."""
CLOTHS = (
    (0.02, 0.02, 0.025), (0.6, 0.6, 0.58), (0.05, 0.07, 0.16), (0.3, 0.05, 0.05), (0.1, 0.16, 0.12), (0.35, 0.3, 0.24),
    (0.16, 0.17, 0.19), (0.2, 0.3, 0.45), (0.5, 0.35, 0.3), (0.08, 0.2, 0.2),
)  # fmt: skip
HAIR_COLOURS = {
    "black": (0.012, 0.010, 0.009), "dark brown": (0.030, 0.018, 0.011), "brown": (0.075, 0.042, 0.022),
    "light brown": (0.15, 0.088, 0.045), "auburn": (0.13, 0.045, 0.018), "red": (0.26, 0.085, 0.028),
    "blond": (0.36, 0.25, 0.12), "light blond": (0.42, 0.32, 0.19), "grey": (0.17, 0.167, 0.163), "white": (0.36, 0.355, 0.345),
}  # fmt: skip
"""Linear RGB albedo; chosen by eye."""
HAIR_SHARES = {
    "african": {"black": 0.75, "dark brown": 0.25},
    "asian": {"black": 0.75, "dark brown": 0.2, "brown": 0.05},
    "caucasian": {"black": 0.08, "dark brown": 0.27, "brown": 0.24, "light brown": 0.14, "auburn": 0.05, "red": 0.04,
                  "blond": 0.13, "light blond": 0.05},
}  # fmt: skip


BROW_LIFT, EYES_OPEN = (0.25, 0.3), (0.7, 0.2)
"""Mean and spread of brow_lift and eyes_open. Eyes of MakeHuman's people are 0.13 eye distances high, 8 mm, and differ by 1.3
mm; people's are 10 to 11 mm high (Farkas, Anthropometry of the Head and Face, 1994) and differ by about 1 mm. People's brows
differ more in height. Without this, a recogniser takes the eyes of most people for wide and high brows for raised ones."""

TEETH_SHOWN, OVERBITE = (0.05, 0.02), (0.045, 0.012)
"""How far upper front teeth reach below the line of the closed lips, and lower ones above their edge: mean and spread in rig
units (6.3 cm), 3 mm each; dentists find 2 to 4 mm of the one at rest and 2 to 3 mm of the other."""


@dataclass(frozen=True, eq=False)
class Look:
    """What a person is dressed in.

    Attributes:
        skins: two skin names and the share of the second; tone: [3] factor on the skin's albedo.
        beard: 0..1 density of stubble, `beard_colour` [3]; blush 0..1 redness of cheeks, nose and ears; freckles 0..1.
        lips: [3] factor on the lips; gloss 0..1 strength of the skin's shine.
        hair, brows, lashes, eyes: asset names, hair "" for none; hair_colour, brow_colour [3].
        eye_tint: [3] factor on the iris; iris 0.9..1.1 its size; teeth [3] factor on the teeth.
        cloth: [3] colour of the garment; neckline: how deep it is cut and how much it is a V; cloth_pattern 0..3.
        noise: number that turns the skin's random patterns; brow_size: height of the brows relative to the asset;
        brow_tilt: rig units by which their inner ends are above the outer ones; brow_lift: how much higher than the shapes'
        they are in rest, and eyes_open: how much wider the eyes, in shares of a full browInnerUp and browOuterUp, and eyeWide.
    """

    skins: tuple[str, str]
    skin_mix: float
    tone: Tensor
    beard: float
    blush: float
    freckles: float
    lips: Tensor
    gloss: float
    hair: str
    brows: str
    lashes: str
    eyes: str
    hair_colour: Tensor
    brow_colour: Tensor
    eye_tint: Tensor
    teeth: Tensor
    cloth: Tensor
    neckline: tuple[float, float]
    cloth_pattern: int
    noise: int
    brow_size: float
    brow_tilt: float
    brow_lift: float
    eyes_open: float


@dataclass(frozen=True, eq=False)
class Person:
    """A head in rest, in rig units.

    Attributes:
        identity: number of the person.
        neutral: [V+S,3] vertices of the rig and the shoulders; cards name to vertices [P,3].
        blink: [2,V,3] displacement of eyeBlinkRight and eyeBlinkLeft that closes these eyes.
        edges: lips, right lids, left lids.
        age: years; sex: 0 female .. 1 male.
    """

    identity: int
    look: Look
    neutral: Tensor
    cards: dict[str, Tensor]
    blink: Tensor
    edges: tuple[Edge, ...]
    age: float
    sex: float


def assets(kind: str, names: tuple[str, ...], split: str) -> list[str]:
    """The names of a kind of asset that belong to a split."""
    return [name for name in names if (name in HELD_OUT[kind]) == (split == "held_out")]


def random_person(kit: HeadKit, identity: int, split: str = "train") -> Person:
    """The person with this number; the same number and split always give the same person."""
    random = np.random.default_rng([SPLITS.index(split), identity])
    sex = float(random.random() < 0.5)
    sex = abs(sex - BETWEEN_SEXES * random.random())
    ancestry = dict(zip(("african", "asian", "caucasian"), random.dirichlet((0.5, 0.5, 0.5)), strict=True))
    if random.random() < ONE_ANCESTRY:
        one = random.choice(list(ancestry))
        ancestry = {name: float(name == one) for name in ancestry}
    age = float(np.clip(16 + 64 * random.beta(1.1, 1.7), 16, 80))
    sliders = shape_sliders(tuple(kit.names), random, sex, ancestry, age)
    shape = kit.base + (kit.targets.T @ sliders).reshape(-1, 3)
    look = random_look(kit, random, split, sex, ancestry, age)
    return make_person(kit, identity, shape, look, age, sex)


def random_look(kit: HeadKit, random: np.random.Generator, split: str, sex: float, ancestry: dict, age: float) -> Look:
    """Skin, hair, eyes and clothes that suit a person."""
    male = sex > 0.5
    main = max(ancestry, key=ancestry.get)

    def skin(tone: str) -> str:
        names = assets("skins", tuple(sorted(kit.skins)), split)
        stages = ("young", "middleage", "old")
        wish = (age - 22) / 24 + random.normal(0, 0.25)

        def distance(name: str) -> float:
            stage, of_tone, of_sex = name.split("_")[:3]
            asian = name.endswith(("male_diffuse3", "age_lightskinned_female_diffuse2", "age_lightskinned_male_diffuse2"))
            return (
                abs(stages.index(stage) - wish)
                + 6 * ((of_sex == "male") != male)
                + 12 * (of_tone != tone)
                + 0.8 * (asian != (main == "asian")) * (tone == "lightskinned")
                + 0.6 * random.random()
            )

        return min(names, key=distance)

    dark = ancestry["african"] > 0.5
    first = skin("darkskinned" if dark else "lightskinned")
    second = skin("darkskinned" if (dark if random.random() < 0.85 else not dark) else "lightskinned")
    melanin = random.normal(0, 0.16) + (0.1 if main == "asian" else 0)
    tone = np.exp(-melanin * np.array([0.55, 0.85, 1.15])) * np.exp(random.normal(0, 0.03, 3))
    hair_names = assets("hair", HAIRS, split)
    if male:
        hair_names = [name for name in hair_names if name not in LONG_HAIR] + (["long01"] if "long01" in hair_names else [])
        shares = np.array([0.05 if name == "long01" else 1.0 for name in hair_names])
    else:
        shares = np.array([1.6 if name in LONG_HAIR else 0.55 for name in hair_names])
    shares = shares * np.array([FRINGE_SHARE if name in FRINGES else 1.0 for name in hair_names])
    afro = np.array([name == "afro01" for name in hair_names])
    shares = np.where(afro, 2.0 if dark else 0.05, shares)
    bald = male and random.random() < 0.06 + 0.16 * np.clip((age - 35) / 40, 0, 1)
    hair = "" if bald else str(random.choice(hair_names, p=shares / shares.sum()))
    colours = HAIR_SHARES[main]
    colour = np.array(HAIR_COLOURS[str(random.choice(list(colours), p=np.array(list(colours.values()))))])
    natural = colour
    grey = float(np.clip((age - 46) / 30 + random.normal(0, 0.2), 0, 1)) * (1.0 if male or random.random() < 0.5 else 0.15)
    colour = colour * (1 - grey) + np.array(HAIR_COLOURS["white" if random.random() < 0.4 else "grey"]) * grey
    colour = colour * np.exp(random.normal(0, 0.15)) * np.exp(random.normal(0, 0.04, 3))
    brow = np.minimum(natural * 0.6 + 0.4 * colour, 0.12) * np.exp(random.normal(-0.2, 0.2))
    eyes = assets("eyes", tuple(sorted(kit.eyes)), split)
    brown = [name for name in eyes if name.startswith("brown")]
    light = main == "caucasian" and random.random() < 0.6
    eye = str(random.choice([name for name in eyes if name not in brown] if light else brown))
    palette = np.array(CLOTHS)
    cloth = palette[random.integers(len(palette))] * np.exp(random.normal(0, 0.2, 3))
    beard = float(random.beta(1.2, 1.6)) if male and random.random() < 0.6 and age > 18 else 0.0
    makeup = 0.0 if male else float(random.random() < 0.4) * random.random()

    def tensor(value) -> Tensor:
        return torch.as_tensor(np.asarray(value), dtype=torch.float32)

    return Look(
        skins=(first, second),
        skin_mix=float(random.random() * 0.5),
        tone=tensor(tone),
        beard=beard,
        blush=float(abs(random.normal(0.25, 0.2))) + 0.3 * makeup,
        freckles=float(random.random() ** 2 * (random.random() < 0.25) * (main == "caucasian")),
        lips=tensor(
            (np.array([1.05, 1.2, 1.18]) if male else np.array([1.0, 0.97, 0.97])) * (1 - makeup * np.array([0.15, 0.5, 0.45]))
        ),
        gloss=float(np.exp(random.normal(0, 0.35))),
        hair=hair,
        brows=str(random.choice(assets("eyebrows", BROWS, split))),
        lashes=str(random.choice(LASHES)),
        eyes=eye,
        hair_colour=tensor(colour),
        brow_colour=tensor(brow),
        eye_tint=tensor(np.exp(random.normal(0, 0.08, 3)) * np.exp(random.normal(0, 0.25))),
        teeth=tensor(np.array([1.0, 0.96, 0.86]) ** random.uniform(0, 1.6) * random.uniform(0.65, 0.95)),
        cloth=tensor(cloth.clip(0.01, 0.8)),
        neckline=(float(random.uniform(0.0, 1.0)), float(random.random() < 0.35)),
        cloth_pattern=int(random.integers(4)),
        noise=int(random.integers(2**31)),
        brow_size=float(np.exp(random.normal(0.3 if male else 0.12, 0.18))),
        brow_tilt=float(random.normal(-0.035, 0.035)),
        brow_lift=float(np.clip(random.normal(*BROW_LIFT), -0.4, 1.0)),
        eyes_open=float(np.clip(random.normal(*EYES_OPEN), -0.2, 1.4)),
    )


def shaped_brows(brows: Tensor, size: float, tilt: float) -> Tensor:
    """Brow cards [P,3] stretched by `size` across the curve that each follows, its inner end `tilt` above its outer end."""
    result = brows.clone()
    for side in (-1.0, 1.0):
        mine = (brows[:, 0] * side > 0).nonzero().flatten()
        x, y = brows[mine, 0], brows[mine, 1]
        curve = torch.stack([torch.ones_like(x), x, x * x], 1)
        middle = (curve @ torch.linalg.lstsq(curve, y[:, None]).solution)[:, 0]
        inner, outer = x.abs().argmin(), x.abs().argmax()
        along = (x - x.mean()) / (x[inner] - x[outer])
        turn = tilt - float(middle[inner] - middle[outer])
        result[mine, 1] = middle + along * turn + size * (y - middle)
    return result


def set_teeth(kit: HeadKit, vertices: Tensor, random: np.random.Generator) -> None:
    """Put a person's teeth where people have them (vertices [V,3] in place); those of the shapes sit far too high."""
    line = float(-kit.rig.landmarks(vertices)[LIP_LINE, 1].mean())
    edge = line + float(np.clip(random.normal(*TEETH_SHOWN), 0, 0.08))
    overbite = float(np.clip(random.normal(*OVERBITE), 0.01, 0.07))
    for name, end in (("teeth_upper", edge), ("teeth_lower", edge - overbite)):
        teeth = kit.rig.group_vertices(name)
        vertices[teeth, 1] = -placed(kit.rig, name, -vertices[teeth, 1], end, 1.0)


def make_person(kit: HeadKit, identity: int, shape: np.ndarray, look: Look, age: float, sex: float) -> Person:
    """A person of base vertices [B,3] (decimetres)."""
    rig, unit = kit.rig, eye_distance(kit.base)
    average = np.zeros((len(rig.vertices), 3))
    own = np.zeros_like(average)
    for base, result in ((kit.base, average), (shape, own)):
        for place, placement in kit.parts.values():
            result[place] = placement.place(base)
        balls = eyeballs(base, kit.base)
        first = int((rig.vertex_group == 10).nonzero()[0])
        result[first : first + len(balls)] = balls
    middle = eye_middle(shape)
    neutral = rig.vertices.numpy() + (own - average - (middle - eye_middle(kit.base))) / unit
    shoulders = (kit.shoulders.place(shape) - middle) / unit
    vertices = torch.from_numpy(np.concatenate([neutral, shoulders])).float()
    cards = {}
    for name in (look.hair, look.brows, look.lashes):
        if name:
            cards[name] = torch.from_numpy((kit.cards[name].placement.place(shape) - middle) / unit).float()
    rest = torch.zeros(len(rig.units))
    rest[[UNIT_INDEX[name] for name in ("browInnerUp", "browOuterUpRight", "browOuterUpLeft")]] = look.brow_lift
    rest[[UNIT_INDEX[f"eyeWide{side}"] for side in SIDES]] = look.eyes_open
    moved = (rest @ rig.units.flatten(1)).view(len(neutral), 3)
    vertices[: len(neutral)] += moved
    for name in cards:
        cards[name] = cards[name] + kit.cards[name].carried(moved)
    cards[look.brows] = shaped_brows(cards[look.brows], look.brow_size, look.brow_tilt)
    flat = vertices[: len(neutral), :2]
    lips = Edge.make(rig.lip_rings, rig.lip_ring_numbers, int(rig.lip_corners[1]), flat, LIP_FADE, 0.5)
    far = int(rig.lid_corners[1])
    lids = [Edge.make(rings, rig.lid_ring_numbers, far, flat, LID_FADE, 1.0) for rings in rig.lid_rings]
    for _ in range(4):
        lips.spread(vertices, lips.across(vertices) / 2)
    set_teeth(kit, vertices[: len(neutral)], np.random.default_rng([identity, 7]))
    down = torch.tensor([0.0, -1.0, 0.0])
    blink = []
    for side, edge in zip(SIDES, lids, strict=True):
        close = rig.units[UNIT_INDEX[f"eyeBlink{side}"]].clone()
        for _ in range(3):
            edge.spread(close, edge.across(vertices[: len(close)] + close) * edge.yields[:, None])
        blink.append(close)
    for edge in (lips, *lids):
        edge.part(vertices, down)
    return Person(identity, look, vertices, cards, torch.stack(blink), (lips, *lids), age, sex)

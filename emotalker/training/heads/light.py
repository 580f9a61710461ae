"""Light on a head: lamps and surroundings, a soft shadow, dark creases, light that bleeds through skin."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .raster import DepthBuffer

SHADOW_SIZE = 160
SHADOW_REACH = 3.6
"""Side of the shadow map in pixels and half its extent in rig units about the head's middle."""
SHADOW_BIAS = 0.05
TAPS = 8
SKIN_BLEED, GREEN_BLEED = 0.034, 0.4
"""Rig units over which red light spreads under the skin (2.1 mm), and the share of green that does so; blue hardly does (the
order is that of d'Eon and Luebke, GPU Gems 3, ch. 14; the size is chosen by eye)."""
CREASES = (0.10, 0.32)
"""Radii in rig units over which creases are looked for."""


@dataclass(frozen=True)
class Lighting:
    """What lights a picture.

    Attributes:
        ambient: [4,3] linear RGB of the surroundings: constant, and its change with the normal's x, y, z.
        lamps: [L,3] unit directions towards the lamps; colours [L,3]; the first casts shadows.
        softness: size of the first lamp as seen from the head, 0.02..0.5.
        exposure: brightness of the face relative to a plain exposure.
    """

    ambient: Tensor
    lamps: Tensor
    colours: Tensor
    softness: float
    exposure: float


@dataclass(frozen=True)
class Setup:
    """A kind of light: ranges of the first lamp's height and largest side angle (degrees), of its power against the
    surroundings, of both colour temperatures (K) and its size; chance of a light from behind."""

    up: tuple[float, float]
    side: float
    ratio: tuple[float, float]
    key: tuple[float, float]
    sky: tuple[float, float]
    soft: tuple[float, float]
    rim: float


SETUPS: dict[str, Setup] = {
    "overcast": Setup((35, 75), 90, (0.3, 0.9), (6000, 7500), (6500, 8500), (0.4, 0.6), 0.1),
    "window": Setup((0, 30), 75, (1.0, 2.6), (5500, 7000), (3800, 5500), (0.25, 0.5), 0.1),
    "sun": Setup((20, 65), 70, (1.8, 3.6), (4800, 5800), (7000, 11000), (0.03, 0.1), 0.3),
    "golden": Setup((4, 18), 80, (1.5, 3.0), (2800, 3800), (6000, 9000), (0.06, 0.15), 0.6),
    "indoor": Setup((25, 70), 60, (0.6, 1.6), (2700, 4000), (2900, 4200), (0.2, 0.45), 0.2),
    "office": Setup((55, 85), 40, (0.5, 1.2), (3800, 5200), (4000, 5500), (0.4, 0.6), 0.1),
    "studio": Setup((15, 45), 50, (1.2, 2.8), (5200, 5800), (5200, 5800), (0.15, 0.4), 0.7),
    "flash": Setup((3, 12), 12, (1.6, 3.0), (5400, 6000), (3200, 5000), (0.03, 0.08), 0.0),
    "evening": Setup((5, 40), 80, (1.4, 3.2), (2300, 3200), (6000, 10000), (0.1, 0.3), 0.5),
    "screen": Setup((-15, 8), 25, (1.0, 2.2), (7000, 9500), (2700, 4000), (0.2, 0.4), 0.2),
}
"""As photographers know them; the ranges are choices."""
HELD_OUT_SETUPS = ("golden", "office", "screen")


def kelvin(temperature: float) -> np.ndarray:
    """Linear RGB of a black body, brightness 1, 2000..12000 K; a smooth fit to the Planckian locus around 6500 K = white."""
    t = np.log(temperature / 6500.0)
    colour = np.exp(np.array([-0.62 * t + 0.10 * t * t, -0.05 * t - 0.18 * t * t, 0.85 * t - 0.45 * t * t]))
    return colour / (colour @ [0.2126, 0.7152, 0.0722])


def random_lighting(random: np.random.Generator, held_out: bool) -> Lighting:
    """One of the set-ups of a split, with random place and strength."""
    names = [name for name in SETUPS if (name in HELD_OUT_SETUPS) == held_out]
    setup = SETUPS[str(random.choice(names))]
    white = kelvin(float(random.uniform(*setup.key)) * 0.5 + 0.5 * float(random.uniform(*setup.sky)))
    # The camera's white balance takes most of the common colour out.
    balance = white ** random.uniform(0.7, 1.0)
    key = kelvin(random.uniform(*setup.key)) / balance
    sky = kelvin(random.uniform(*setup.sky)) / balance
    side = np.radians(random.uniform(-setup.side, setup.side))
    up = np.radians(random.uniform(*setup.up))

    def direction(side: float, up: float) -> list[float]:
        return [np.sin(side) * np.cos(up), np.sin(up), np.cos(side) * np.cos(up)]

    ratio = random.uniform(*setup.ratio)
    ground = sky * random.uniform(0.35, 0.7) * np.array([1.06, 1.0, 0.92])
    constant, up_down = (sky + ground) / 2, (sky - ground) / 2
    ambient = np.stack([constant, constant * random.normal(0, 0.18), up_down, constant * random.uniform(-0.05, 0.25)])
    lamps, colours = [direction(side, up)], [key * ratio]
    if random.random() < 0.75:
        fill = random.uniform(0.1, 0.45) * ratio
        lamps.append(direction(-np.sign(side) * np.radians(random.uniform(20, 70)), np.radians(random.uniform(-5, 30))))
        colours.append((key + sky) / 2 * fill)
    if random.random() < setup.rim:
        back = np.sign(random.normal()) * np.radians(random.uniform(115, 155))
        lamps.append(direction(back, np.radians(random.uniform(10, 50))))
        colours.append((sky if random.random() < 0.5 else key) * random.uniform(0.6, 2.2))
    tensors = [torch.tensor(np.array(value), dtype=torch.float32) for value in (ambient, lamps, colours)]
    exposure = float(np.exp(np.clip(random.normal(0, 0.22), -0.5, 0.45)))
    return Lighting(*tensors, float(random.uniform(*setup.soft)), exposure)


class Shadow:
    """The first lamp's shadow map of a scene."""

    def __init__(self, lighting: Lighting, middle: Tensor) -> None:
        """An empty map about `middle` [3] (world, rig units)."""
        forward = lighting.lamps[0]
        side = F.normalize(torch.linalg.cross(torch.tensor([0.0, 1.0, 0.02]), forward), dim=0)
        self.axes = torch.stack([side, torch.linalg.cross(forward, side), forward])
        self.middle, self.softness = middle, lighting.softness
        self.buffer = DepthBuffer((SHADOW_SIZE, SHADOW_SIZE), -2 * SHADOW_REACH, 2 * SHADOW_REACH)

    def view(self, points: Tensor) -> Tensor:
        """World points [N,3] as pixels of the map and depth in rig units, smaller = nearer to the lamp."""
        local = (points - self.middle) @ self.axes.T
        scale = SHADOW_SIZE / 2 / SHADOW_REACH
        return torch.cat([local[:, :1] * scale + SHADOW_SIZE / 2, SHADOW_SIZE / 2 - local[:, 1:2] * scale, -local[:, 2:]], 1)

    def finish(self) -> None:
        """Take the map over, once all that casts shadows is drawn."""
        self.depth = self.buffer.result()[1].flatten() * 2**30 / self.buffer.step + self.buffer.near

    def lit(self, points: Tensor, normals: Tensor, random: Tensor) -> Tensor:
        """Share [N] of the lamp seen from world points [3,N] with normals [3,N]; `random` [N] 0..1 turns the samples."""
        seen = self.axes @ (points + SHADOW_BIAS * normals - self.middle[:, None])
        scale = SHADOW_SIZE / 2 / SHADOW_REACH
        column, row, deep = seen[0] * scale + SHADOW_SIZE / 2, SHADOW_SIZE / 2 - seen[1] * scale, -seen[2] - SHADOW_BIAS
        sine, cosine = (random * 6.2832).sin(), (random * 6.2832).cos()
        total = torch.zeros_like(deep)
        # The farther the caster, the more of a wide lamp is seen past it.
        soft = 0.04 + 0.12 * self.softness
        for tap in range(TAPS):
            radius = self.softness * ((tap + 0.5) / TAPS) ** 0.5 * scale
            dx, dy = radius * math.cos(tap * 2.39996), radius * math.sin(tap * 2.39996)
            x = (column + dx * cosine - dy * sine).clamp(0, SHADOW_SIZE - 1).int()
            y = (row + dx * sine + dy * cosine).clamp(0, SHADOW_SIZE - 1).int()
            total += ((deep - self.depth.index_select(0, y * SHADOW_SIZE + x)) / soft).clamp(0, 1)
        return 1 - total / TAPS


def creases(depth: Tensor, pixels: float) -> Tensor:
    """How open each point is to its surroundings, 0..1 [h,w], from depth [h,w] in rig units; concave places are dark."""
    h, w = depth.shape
    opened = torch.ones_like(depth)
    for reach in CREASES:
        step = max(1, round(reach * pixels * 0.75))
        padded = F.pad(depth[None, None], (step, step, step, step), mode="replicate")[0, 0]
        total = torch.zeros_like(depth)
        diagonal = max(1, round(step * 0.7071))
        for dx, dy in ((step, 0), (0, step), (diagonal, diagonal), (diagonal, -diagonal)):
            one = depth - padded[step + dy : step + dy + h, step + dx : step + dx + w]
            other = depth - padded[step - dy : step - dy + h, step - dx : step - dx + w]
            # Something far in front is another surface that hides little of the sky.
            both = one.clamp(-reach, reach) * (one < 6 * reach) + other.clamp(-reach, reach) * (other < 6 * reach)
            total += both.clamp(min=0)
        opened *= 1 - (total / (8 * reach) * 1.5).clamp(0, 0.75)
    return opened


def blur(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of [C,h,w] by `sigma` pixels."""
    if sigma < 0.15:
        return image
    reach = max(1, int(2.5 * sigma + 0.5))
    kernel = torch.exp(-0.5 * (torch.arange(reach + 1) / sigma) ** 2)
    kernel = (kernel / (2 * kernel.sum() - kernel[0])).tolist()
    # Shifted pictures are added up: a convolution of three channels takes five times as long.
    for axis, margins in ((2, (reach, reach, 0, 0)), (1, (0, 0, reach, reach))):
        padded, count = F.pad(image[None], margins, mode="replicate")[0], image.shape[axis]
        image = padded.narrow(axis, reach, count) * kernel[0]
        for step in range(1, reach + 1):
            both = padded.narrow(axis, reach - step, count) + padded.narrow(axis, reach + step, count)
            image.add_(both, alpha=kernel[step])
    return image

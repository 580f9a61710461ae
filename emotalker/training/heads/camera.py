"""What lies behind a head, and what a camera and the web do to a picture."""

import io

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from .light import blur, kelvin

BACKDROP = 64
"""Side in pixels at which backgrounds are made; they are out of focus."""
PLACES = {"wall": 0.28, "room": 0.34, "lights": 0.13, "outdoors": 0.25}


def backdrop(random: np.random.Generator, size: int) -> Tensor:
    """A background [3,size,size], linear light, mean brightness near 0.2."""
    kind = str(random.choice(list(PLACES), p=list(PLACES.values())))
    n = BACKDROP
    y, x = np.mgrid[0:n, 0:n] / n
    tint = kelvin(float(random.uniform(3600, 8500))) * np.exp(random.normal(0, 0.06, 3))
    image = np.ones((3, n, n)) * (tint * np.exp(random.normal(-1.6, 0.7)))[:, None, None]
    angle = random.uniform(0, 2 * np.pi)
    slope = np.exp(random.normal(0, 0.5) * ((x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)))
    image = image * slope
    focus = random.uniform(2.2, 5.5)

    def paint(mask: np.ndarray, colour: np.ndarray) -> None:
        image[:] = image * (1 - mask) + colour[:, None, None] * mask

    def any_colour(spread: float = 0.35) -> np.ndarray:
        return tint * np.exp(random.normal(-1.7, 0.9)) * np.exp(random.normal(0, spread, 3))

    if kind in ("room", "outdoors"):
        if kind == "outdoors":
            green = np.array([0.10, 0.16, 0.05]) if random.random() < 0.6 else np.array([0.22, 0.20, 0.17])
            far = random.uniform(0.25, 0.9)
            sky = kelvin(random.uniform(6500, 11000)) * random.uniform(0.4, 1.1)
            paint((y < far).astype(float), sky)
            coarse = np.array(
                Image.fromarray(random.normal(0, 1, (9, 9)).astype(np.float32)).resize((n, n), Image.Resampling.BICUBIC)
            )
            fine = np.array(
                Image.fromarray(random.normal(0, 1, (28, 28)).astype(np.float32)).resize((n, n), Image.Resampling.BICUBIC)
            )
            leaves = 1 / (1 + np.exp(-(2.0 * coarse + 1.2 * fine + 5 * (y - far + 0.1)) * 2))
            image[:] = image * (1 - leaves) + green[:, None, None] * leaves * np.exp(0.6 * fine + 0.4 * coarse)
        for _ in range(random.integers(2, 9) if kind == "room" else random.integers(0, 4)):
            left, width = random.uniform(-0.3, 1.0), random.uniform(0.04, 0.6)
            top, height = random.uniform(-0.4, 0.8), random.uniform(0.1, 1.2)
            inside = ((x > left) & (x < left + width) & (y > top) & (y < top + height)).astype(float)
            bright = any_colour() * (random.uniform(2, 6) if random.random() < 0.15 else 1)
            paint(inside * random.uniform(0.5, 1), bright)
    if kind == "lights":
        image *= 0.35
        for _ in range(random.integers(8, 30)):
            cx, cy, radius = random.uniform(0, 1), random.uniform(0, 1), random.uniform(0.015, 0.07)
            disc = 1 / (1 + np.exp((np.hypot(x - cx, y - cy) - radius) * 160))
            image[:] += disc * (kelvin(random.uniform(2200, 9000)) * np.exp(random.normal(-0.6, 0.7)))[:, None, None]
        focus = random.uniform(0.6, 1.5)
    if kind == "wall":
        rough = random.normal(0, 1, (12, 12)).astype(np.float32)
        cloud = np.array(Image.fromarray(rough).resize((n, n), Image.Resampling.BICUBIC))
        image *= np.exp(random.uniform(0, 0.08) * cloud)
    soft = blur(torch.from_numpy(image.clip(0.002, 4)).float(), focus)
    return F.interpolate(soft[None], size=(size, size), mode="bicubic", align_corners=False)[0].clamp(min=0)


def expose(picture: Tensor, brightness: float, albedo: float, exposure: float, random: np.random.Generator) -> Tensor:
    """Linear light [3,h,w] as sRGB 0..1, so that a face of mean `brightness` and `albedo` comes out well, times `exposure`.

    A camera's meter makes dark skin lighter and light skin darker, but not all of the way.
    """
    target = 0.27 * (albedo / 0.3) ** 0.6
    value = picture * (target / max(brightness, 1e-3) * exposure)
    # Shoulder of film and sensors: highlights roll off instead of clipping.
    knee = random.uniform(0.5, 0.8)
    value = torch.where(value > knee, knee + (1.06 - knee) * (1 - torch.exp(-(value - knee) / (1.06 - knee))), value)
    value = value.clamp(min=1e-5) ** (1 / 2.2)
    contrast = random.normal(1.03, 0.08)
    value = ((value - 0.45) * contrast + 0.45 + random.normal(0, 0.015)).clamp(0, 1)
    grey = (value * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0)
    colour = 0.0 if random.random() < 0.03 else float(np.clip(random.normal(0.82, 0.13), 0.4, 1.4))
    cast = torch.tensor(np.exp(random.normal(0, 0.025, 3)), dtype=torch.float32)[:, None, None]
    return ((grey + (value - grey) * colour) * cast).clamp(0, 1)


def degrade(picture: Tensor, random: np.random.Generator) -> tuple[np.ndarray, bytes]:
    """What lens, sensor and compression leave of a picture [3,h,w] in sRGB: (uint8 [h,w,3], the JPEG file)."""
    size = picture.shape[-1]
    if random.random() < 0.5:
        picture = blur(picture, float(abs(random.normal(0, 0.0028))) * size)
    if random.random() < 0.12:
        small = int(size * random.uniform(0.35, 0.75))
        reduced = F.interpolate(picture[None], size=(small, small), mode="area")
        picture = F.interpolate(reduced, size=(size, size), mode="bicubic", align_corners=False)[0]
    if random.random() < 0.4:
        soft = blur(picture, 0.9)
        picture = picture + float(random.uniform(0.2, 0.9)) * (picture - soft)
    level = float(abs(random.normal(0, 0.014)))
    # Noise of a sensor is stronger in the shadows once the tone curve is applied, and has coarse colour blotches.
    grain = torch.from_numpy(random.standard_normal((3, size, size), dtype=np.float32))
    plain = grain.mean(0, keepdim=True) * 1.2 + 0.35 * (grain + grain.roll(1, 2))
    picture = picture + plain * level * (1.3 - picture)
    if random.random() < 0.3:
        y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
        picture = picture * (1 - float(random.uniform(0.05, 0.3)) * (x * x + y * y) / 2)
    pixels = (picture.clamp(0, 1) * 255 + 0.5).byte().permute(1, 2, 0).contiguous().numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=int(random.uniform(55, 96)), subsampling=int(random.choice([0, 2])))
    return np.array(Image.open(io.BytesIO(file.getvalue())).convert("RGB")), file.getvalue()

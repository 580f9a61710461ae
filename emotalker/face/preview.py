"""A look at what was found in a portrait: faces with their numbers, landmarks and head model of the chosen one."""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .portrait import Portrait

CHOSEN, OTHER = (80, 230, 120), (240, 190, 60)  # box colours
WIRE, POINT = (90, 170, 255), (255, 255, 255)
WIRE_OPACITY = 0.35


def draw_preview(portrait: Portrait) -> Tensor:
    """The portrait with marks drawn over it.

    Returns:
        [H, W, 3] float32 0..1, the portrait's own size.
    """
    picture = Image.fromarray((portrait.image * 255).round().to(torch.uint8).numpy())
    wire = picture.copy()
    _draw_wire(ImageDraw.Draw(wire), portrait)
    picture = Image.blend(picture, wire, WIRE_OPACITY)
    draw = ImageDraw.Draw(picture)
    left, _, right, _ = portrait.face.box
    radius = max(0.5, (right - left) / 300)
    for x, y in portrait.face.landmarks[:, :2].tolist():
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=POINT)
    for number, face in enumerate(portrait.faces):
        _draw_box(draw, face.box, number, CHOSEN if face is portrait.face else OTHER)
    return torch.from_numpy(np.array(picture)).float() / 255


def _draw_wire(draw: ImageDraw.ImageDraw, portrait: Portrait) -> None:
    """Edges of the skin's triangles that face the viewer."""
    corners = portrait.fitted.rest.cpu()[portrait.rig.triangles[portrait.rig.skin_triangles].cpu()]
    one, two = corners[:, 1, :2] - corners[:, 0, :2], corners[:, 2, :2] - corners[:, 0, :2]
    turned = one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]
    facing = turned > 0 if (turned > 0).sum() > (turned < 0).sum() else turned < 0
    for triangle in corners[facing][:, :, :2].reshape(-1, 6).tolist():
        draw.polygon(triangle, outline=WIRE)


def _draw_box(draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float], number: int, colour: tuple) -> None:
    x0, y0, x1, _ = box
    width = max(1, round((x1 - x0) / 120))
    draw.rectangle(box, outline=colour, width=width)
    size = max(12, (x1 - x0) / 6)
    font = ImageFont.load_default(size)
    left, top, right, bottom = draw.textbbox((x0, y0 - size * 1.15), str(number), font=font)
    draw.rectangle((left - 3, top - 2, right + 3, bottom + 2), fill=colour)
    draw.text((x0, y0 - size * 1.15), str(number), font=font, fill=(0, 0, 0))

"""The key poses of an emotion timeline on one picture: what a portrait will look like, without rendering a video."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..arkit import FACE_UNITS
from ..emotion.expression import face_units
from ..emotion.taxonomy import EMOTIONS
from ..emotion.track import EmotionTrack
from ..motion.gaze import gaze_mood, gaze_units
from ..motion.head import posture
from ..motion.motion import Motion

MOST_POSES = 24
TILE, CAPTION, GAP = 320, 52, 6  # pixels
PAPER, INK, FAINT = (24, 24, 27), (240, 240, 240), (165, 165, 172)
NAMED = 3  # emotions, and face units, named in a caption
SHOWN = 0.05  # what is weaker is not worth a word
HEAD_ROOM = 0.72  # half the side of a tile, in face boxes


@dataclass(frozen=True)
class Poses:
    """The poses at which the segments of a timeline show most.

    Attributes:
        times: seconds, one for each pose, in their order.
        captions: of each, the time, and the strongest emotions and face units.
        motion: one frame for each pose.
        left_out: segments without a pose, because there are too many or they begin behind the end.
    """

    times: tuple[float, ...]
    captions: tuple[tuple[str, str], ...]
    motion: Motion
    left_out: int


def key_poses(track: EmotionTrack, seconds: float) -> Poses:
    """One pose for each segment, where it is fully there.

    Args:
        track: which emotions show when.
        seconds: length of the speech, above 0; a segment without an end lasts until then.

    Returns:
        1 to MOST_POSES poses, without speech; an empty timeline gives the calm face.
    """
    middles = [(s.start + min(seconds, math.inf if s.end is None else s.end)) / 2 for s in track.segments if s.start < seconds]
    times = sorted({round(time, 2) for time in middles}) or [0.0]
    kept = times
    if len(times) > MOST_POSES:
        kept = [times[round(i * (len(times) - 1) / (MOST_POSES - 1))] for i in range(MOST_POSES)]
    moments = torch.tensor(kept, dtype=torch.float64)
    strengths, units = track.at(moments), track.units_at(moments)
    rows = zip(kept, strengths.tolist(), units.tolist(), strict=True)
    captions = tuple(
        (f"{time:.1f} s", ", ".join(_words(EMOTIONS, felt) + _words(FACE_UNITS, said)) or "no emotion")
        for time, felt, said in rows
    )
    left_out = len(track.segments) - len(middles) + len(times) - len(kept)
    return Poses(tuple(kept), captions, still(strengths, units), left_out)


def still(strengths: Tensor, units: Tensor | None = None, with_head: bool = True) -> Motion:
    """What a face shows without speech: expression, gaze and, if wanted, posture.

    Args:
        strengths: [T, 8] emotion strengths, 0..1.5.
        units: [T, 52] face units asked for beside the emotions, 0..1.
        with_head: the head leans as the emotions hold it.

    Returns:
        T frames.
    """
    head = posture(strengths) * with_head
    shown = face_units(strengths) if units is None else torch.maximum(face_units(strengths), units)
    # The eyes stay on their target while the head leans.
    return Motion(torch.maximum(shown, gaze_units(gaze_mood(strengths) - head[:, :2])), head, 25.0)


def contact_sheet(frames: Tensor, box: tuple[float, float, float, float], captions: tuple[tuple[str, str], ...]) -> Tensor:
    """Faces side by side, each with two lines of text under it.

    Args:
        frames: [N, H, W, 3] uint8, or float 0..1.
        box: of the face (x0, y0, x1, y1), pixels.
        captions: two lines for each frame.

    Returns:
        [h, w, 3] float32 0..1 on the CPU.
    """
    count = len(frames)
    columns = count if count <= 4 else math.ceil(math.sqrt(1.5 * count))
    rows = math.ceil(count / columns)
    sheet = Image.new("RGB", (columns * (TILE + GAP) + GAP, rows * (TILE + CAPTION + GAP) + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    bold, small = ImageFont.load_default(20), ImageFont.load_default(16)
    for index, (frame, (title, text)) in enumerate(zip(frames, captions, strict=True)):
        x, y = GAP + index % columns * (TILE + GAP), GAP + index // columns * (TILE + CAPTION + GAP)
        sheet.paste(_tile(frame, box), (x, y))
        draw.text((x + 4, y + TILE + 4), title, INK, bold)
        draw.text((x + 4, y + TILE + 28), _fitted(text, small, TILE - 8), FAINT, small)
    return torch.from_numpy(np.array(sheet)).float() / 255


def _tile(frame: Tensor, box: tuple[float, float, float, float]) -> Image.Image:
    x0, y0, x1, y1 = (float(value) for value in box)
    half = HEAD_ROOM * max(x1 - x0, y1 - y0)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2 - 0.06 * (y1 - y0)  # a little more hair than chin
    if frame.is_floating_point():
        frame = (frame.clamp(0, 1) * 255).round().byte()
    picture = Image.fromarray(frame.cpu().numpy())
    crop = picture.crop((round(x - half), round(y - half), round(x + half), round(y + half)))
    return crop.resize((TILE, TILE), Image.Resampling.LANCZOS)


def _words(names: tuple[str, ...], values: list[float]) -> list[str]:
    ranked = sorted(zip(values, names, strict=True), key=lambda pair: -pair[0])
    return [f"{name} {value:.2g}" for value, name in ranked[:NAMED] if value >= SHOWN]


def _fitted(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."

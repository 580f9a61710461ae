"""A picture of an emotion track: strengths over time, one colour an emotion."""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..arkit import FACE_UNITS
from ..speech.features import SpeechFeatures
from .taxonomy import EMOTIONS, MAX_STRENGTH
from .track import EmotionTrack

COLOURS: dict[str, tuple[int, int, int]] = {
    "neutral": (158, 166, 178), "happy": (255, 200, 61), "sad": (77, 148, 255), "angry": (255, 84, 73), "fear": (178, 124, 255),
    "disgust": (104, 200, 96), "surprise": (255, 146, 43), "contempt": (38, 198, 196),
}  # fmt: skip
"""Emotion to red, green, blue; chosen to stay apart on the dark ground."""
GROUND, PANEL, GRID, INK, FAINT = (24, 25, 30), (32, 34, 40), (56, 59, 68), (232, 234, 238), (140, 145, 156)
FINE = 2
"""Drawn this much larger and scaled down, for smooth edges."""
LANES = 5
"""Face units that get a lane of their own; the others are counted."""
MOST_LETTERS = 250
"""Of a passage's words, before they are shortened to their room: more never fit, and measuring thousands takes seconds."""
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)


class Shown(Protocol):
    """A passage of a prompt: its words and its time in seconds (PromptReading.passages has these)."""

    text: str
    start: float
    end: float


def plot_track(
    track: EmotionTrack,
    seconds: float,
    size: tuple[int, int] = (960, 420),
    speech: SpeechFeatures | None = None,
    passages: Sequence[Shown] = (),
) -> Tensor:
    """Draw a track.

    Args:
        track: what to draw; face units that it steers get lanes below the curves.
        seconds: length of the time axis, > 0.
        size: width and height in pixels, at least 320 x 200.
        speech: its loudness is drawn along the time axis.
        passages: their words are written over their time.

    Returns:
        [H, W, 3] float32, 0..1, on the CPU.
    """
    width, height = max(320, size[0]) * FINE, max(200, size[1]) * FINE
    seconds = max(float(seconds), 0.1)
    canvas = Canvas(width, height, seconds)
    times = torch.linspace(0, seconds, max(2, width // FINE))
    strengths, units = track.at(times).numpy(), track.units_at(times).numpy()
    lanes = _lanes(units)
    canvas.lay_out(len(lanes), bool(passages), top=MAX_STRENGTH if strengths.max(initial=0) > 1.001 else 1.0)
    canvas.grid()
    if speech is not None:
        canvas.loudness(speech)
    shown = [i for i in range(len(EMOTIONS)) if strengths[:, i].max() > 0.005]
    order = sorted(shown, key=lambda i: -strengths[:, i].mean())
    for index in order:
        canvas.area(strengths[:, index], COLOURS[EMOTIONS[index]])
    for number, index in enumerate(order):
        here = strengths[:, index] > 0.005
        under = (np.abs(strengths[:, other] - strengths[:, index])[here] < 0.01 for other in order[:number])
        canvas.line(strengths[:, index], COLOURS[EMOTIONS[index]], sum(float(same.mean()) > 0.3 for same in under))
    for row, (name, curve) in enumerate(lanes):
        canvas.lane(row, name, curve)
    canvas.words(passages)
    canvas.legend([(EMOTIONS[i], float(strengths[:, i].max())) for i in shown])
    if not shown and not lanes:
        canvas.note("no emotion set")
    picture = canvas.image.resize((width // FINE, height // FINE), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255)


def _lanes(units: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Face units in use, left and right together where they move alike."""
    curves: dict[str, np.ndarray] = {}
    for index, name in enumerate(FACE_UNITS):
        if units[:, index].max(initial=0) > 0.005:
            other = name[:-4] + "Right" if name.endswith("Left") else name
            if name.endswith("Right") and name[:-5] in curves and np.allclose(curves[name[:-5]], units[:, index]):
                continue
            alike = other in FACE_UNITS and other != name and np.allclose(units[:, FACE_UNITS.index(other)], units[:, index])
            curves[name[:-4] if alike else name] = units[:, index]
    lanes = list(curves.items())
    if len(lanes) > LANES:
        rest = np.max([curve for _, curve in lanes[LANES - 1 :]], axis=0)
        lanes = [*lanes[: LANES - 1], (f"{len(lanes) - LANES + 1} more", rest)]
    return lanes


class Canvas:
    """The picture, and where in it time and strength lie."""

    def __init__(self, width: int, height: int, seconds: float):
        self.image = Image.new("RGB", (width, height), GROUND)
        self.width, self.height, self.seconds = width, height, seconds
        self.text = max(11, min(15, round(height / FINE / 28))) * FINE
        self.font = ImageFont.load_default(self.text)
        self.small = ImageFont.load_default(round(self.text * 0.86))

    def lay_out(self, lanes: int, words: bool, top: float) -> None:
        """Set the plot's edges; the legend is above it, lanes and time axis below."""
        t = self.text
        self.left, self.right = round(3.2 * t), self.width - round(1.3 * t)
        self.top = round((4.6 if words else 2.9) * t)
        self.lane_height = round(1.45 * t)
        self.lanes_top = self.height - round(2.4 * t) - lanes * self.lane_height
        self.bottom = self.lanes_top - round((0.5 if lanes else 0) * t)
        self.peak = top

    def x(self, time: float) -> float:
        return self.left + (self.right - self.left) * time / self.seconds

    def y(self, strength: float) -> float:
        return self.bottom - (self.bottom - self.top) * strength / self.peak

    def grid(self) -> None:
        draw = ImageDraw.Draw(self.image)
        draw.rectangle((self.left, self.top, self.right, self.bottom), fill=PANEL)
        for step in range(int(self.peak / 0.25 + 0.01) + 1):
            value = 0.25 * step
            y = self.y(value)
            main = step % 2 == 0
            draw.line((self.left, y, self.right, y), fill=GRID if main else (42, 44, 52), width=FINE)
            if main:
                draw.text((self.left - 0.5 * self.text, y), f"{value:g}", FAINT, self.small, anchor="rm")
        room = (self.right - self.left) / (5.5 * self.text)
        gap = next((t for t in TICKS if self.seconds / t <= room), TICKS[-1])
        foot = self.height - round(2.0 * self.text)
        for number in range(math.floor(self.seconds / gap + 1e-6) + 1):
            time = number * gap
            x = self.x(time)
            draw.line((x, self.top, x, foot), fill=(42, 44, 52), width=FINE)
            anchor = "ma" if x < self.right - 2 * self.text else "ra"
            draw.text(
                (x if anchor == "ma" else self.right, foot + 0.35 * self.text),
                _clock(time, gap),
                FAINT,
                self.small,
                anchor=anchor,
            )

    def loudness(self, speech: SpeechFeatures) -> None:
        """The speech's loudness as a soft band that rises from the time axis."""
        values = speech.loudness.detach().float().cpu().numpy()
        if values.size == 0:
            return
        layer = Image.new("L", self.image.size, 0)
        at = (np.arange(values.size) + 0.5) / speech.fps
        points = [(self.x(min(t, self.seconds)), self.y(0.22 * self.peak * float(v))) for t, v in zip(at, values, strict=True)]
        base = [(points[-1][0], self.bottom), (points[0][0], self.bottom)]
        ImageDraw.Draw(layer).polygon(points + base, fill=46)
        self.image.paste(Image.new("RGB", self.image.size, INK), mask=layer)

    def points(self, values: np.ndarray) -> list[tuple[float, float]]:
        xs = np.linspace(self.left, self.right, len(values))
        return [(float(x), self.y(float(v))) for x, v in zip(xs, values, strict=True)]

    def area(self, values: np.ndarray, colour: tuple[int, int, int]) -> None:
        """A tint below a curve."""
        layer = Image.new("L", self.image.size, 0)
        edge = [(self.left, self.bottom), *self.points(values), (self.right, self.bottom)]
        ImageDraw.Draw(layer).polygon(edge, fill=52)
        self.image.paste(Image.new("RGB", self.image.size, colour), mask=layer)

    def line(self, values: np.ndarray, colour: tuple[int, int, int], alike: int) -> None:
        """A curve where it is above 0; lifted a little over as many `alike` ones as it would hide."""
        thick = round(1.25 * FINE * self.text / 26 + FINE)
        points = [(x, y - 2 * alike * thick) for x, y in self.points(values)]
        draw = ImageDraw.Draw(self.image)
        for first, last in _runs(values > 0.004):
            stretch = points[max(0, first - 1) : last + 1]
            if len(stretch) > 1:
                draw.line(stretch, fill=colour, width=thick, joint="curve")

    def lane(self, row: int, name: str, values: np.ndarray) -> None:
        """A face unit's weight as the brightness of a bar, with its name."""
        draw = ImageDraw.Draw(self.image)
        top = self.lanes_top + row * self.lane_height
        low = top + self.lane_height - round(0.3 * self.text)
        draw.rectangle((self.left, top, self.right, low), fill=PANEL)
        xs = np.linspace(self.left, self.right, len(values) + 1)
        for i, value in enumerate(values):
            if value > 0.005:
                colour = tuple(
                    round(p + (c - p) * (0.25 + 0.75 * float(value))) for p, c in zip(PANEL, (122, 130, 150), strict=True)
                )
                draw.rectangle((xs[i], top, xs[i + 1], low), fill=colour)
        draw.text((self.left + 0.5 * self.text, (top + low) / 2), name, INK, self.small, anchor="lm")

    def words(self, passages: Sequence[Shown]) -> None:
        """Each passage's words over its time, with a bracket; shortened to fit."""
        draw = ImageDraw.Draw(self.image)
        y = self.top - 0.45 * self.text
        for passage in passages:
            left, right = self.x(max(0.0, passage.start)), self.x(min(self.seconds, passage.end))
            draw.line((left + FINE, y, right - FINE, y), fill=FAINT, width=FINE)
            for x in (left + FINE, right - FINE):
                draw.line((x, y - 0.2 * self.text, x, y + 0.2 * self.text), fill=FAINT, width=FINE)
            text, room = " ".join(passage.text.split()), right - left - 0.4 * self.text
            if len(text) > MOST_LETTERS:
                text = text[:MOST_LETTERS] + "…"
            while text and draw.textlength(text, self.small) > room:
                text = text[:-2].rstrip() + "…" if len(text) > 2 else ""
            draw.text(((left + right) / 2, y - 0.3 * self.text), text, INK, self.small, anchor="md")

    def legend(self, shown: list[tuple[str, float]], colours: dict[str, tuple[int, int, int]] = COLOURS) -> None:
        """Names of the curves, emotions unless other colours are given, with their colours and greatest values."""
        draw = ImageDraw.Draw(self.image)
        x, y = float(self.left), 1.45 * self.text
        full, short = [f"{name} {value:.2f}" for name, value in shown], [name for name, _ in shown]
        tries = [(labels, font, gap) for labels in (full, short) for font, gap in ((self.font, 1.2), (self.small, 0.8))]
        # Values go before letters get too small to read.
        labels, font, gap = next(
            (
                t
                for t in tries
                if sum(draw.textlength(label, t[1]) + (0.95 + t[2]) * self.text for label in t[0]) < self.width - x
            ),
            tries[-1],
        )
        for (name, _), label in zip(shown, labels, strict=True):
            radius = 0.33 * self.text
            draw.ellipse((x, y - radius, x + 2 * radius, y + radius), fill=colours[name])
            draw.text((x + 0.95 * self.text, y), label, INK, font, anchor="lm")
            x += 0.95 * self.text + draw.textlength(label, font) + gap * self.text

    def note(self, text: str) -> None:
        """A word in the middle of an empty plot."""
        at = ((self.left + self.right) / 2, (self.top + self.bottom) / 2)
        ImageDraw.Draw(self.image).text(at, text, FAINT, self.font, anchor="mm")


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), (edges[1::2] + 1).tolist(), strict=True))


def _clock(time: float, gap: float) -> str:
    if gap >= 60 or time >= 120:
        return f"{int(time // 60)}:{round(time % 60):02d}"
    return f"{time:g} s" if gap >= 1 else f"{time:.1f} s"

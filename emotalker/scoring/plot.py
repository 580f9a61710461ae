"""A picture of what was measured on a video: emotions asked for and seen, lips and what the sound lets one expect of them."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..emotion.plot import COLOURS, FINE, INK, Canvas
from ..emotion.taxonomy import EMOTIONS, MAX_STRENGTH
from .score import Report

LEAST = 0.15
"""Emotions that never reach this strength are not drawn."""
LIPS = {"lips": INK, "expected by the sound": (120, 170, 255)}
POINTS = 900
"""Most points of a curve."""


def plot_report(report: Report, size: tuple[int, int] = (960, 560)) -> Tensor:
    """Draw a report.

    Args:
        report: of score_stream.
        size: width and height in pixels, at least 320 x 300.

    Returns:
        [H, W, 3] float32 0..1: above, strengths over time, asked for as areas and seen as lines; below, how far the lips are
        open, seen as a line and expected as an area.
    """
    width, height = max(320, size[0]) * FINE, max(300, size[1]) * FINE
    seconds = max(report.frames / report.fps, 0.1)
    above = round(0.58 * height)
    page = Image.new("RGB", (width, height))
    page.paste(_emotions(report, Canvas(width, above, seconds)), (0, 0))
    page.paste(_lips(report, Canvas(width, height - above, seconds)), (0, above))
    page = page.resize((width // FINE, height // FINE), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(page, dtype=np.float32) / 255)


def _emotions(report: Report, canvas: Canvas) -> Image.Image:
    shown = _thin(report.shown)
    asked = np.zeros_like(shown) if report.asked is None else _thin(report.asked)
    drawn = [i for i in range(1, len(EMOTIONS)) if max(shown[:, i].max(), asked[:, i].max()) >= LEAST]
    largest = max((float(max(shown[:, i].max(), asked[:, i].max())) for i in drawn), default=0.0)
    canvas.lay_out(0, False, top=MAX_STRENGTH if largest > 1.001 else 1.0)
    canvas.grid()
    for index in drawn:
        canvas.area(asked[:, index], COLOURS[EMOTIONS[index]])
    for index in drawn:
        canvas.line(shown[:, index], COLOURS[EMOTIONS[index]], 0)
    canvas.legend([(EMOTIONS[i], float(shown[:, i].max())) for i in drawn])
    if not drawn:
        canvas.note("a neutral face" if report.face_found else "no face")
    return canvas.image


def _lips(report: Report, canvas: Canvas) -> Image.Image:
    canvas.lay_out(0, False, top=1.0)
    canvas.grid()
    seen = _thin(report.curves["aperture"][:, None])[:, 0]
    expected = report.curves.get("expected_aperture")
    most = max(float(seen.max()), 1e-3)
    if expected is not None:
        wanted = _thin(expected[:, None])[:, 0]
        canvas.area((wanted / max(float(wanted.max()), 1e-3)).clip(0, 1), LIPS["expected by the sound"])
    canvas.line((seen / most).clip(0, 1), LIPS["lips"], 0)
    canvas.legend([("lips", most)] + ([] if expected is None else [("expected by the sound", 1.0)]), LIPS)
    return canvas.image


def _thin(curves: Tensor) -> np.ndarray:
    """[n,C] at most POINTS rows of curves [T,C]; 0 where nothing is known."""
    rows = curves.nan_to_num(nan=0.0)
    if len(rows) > POINTS:
        rows = torch.nn.functional.adaptive_avg_pool1d(rows.T[None], POINTS)[0].T
    return rows.float().numpy()

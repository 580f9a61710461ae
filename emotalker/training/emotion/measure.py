"""Figures of the Emotion Intensity Block: on FED (main emotion, set of emotions, strength) and on GoEmotions (macro-F1)."""

from collections.abc import Sequence

import numpy as np
import torch

from ...emotion.eib import EKMAN, EmotionIntensityBlock, Raw
from ...emotion.taxonomy import EMOTIONS
from .fed.data import PRESENT

BATCH = 64
THRESHOLDS = np.arange(0.05, 0.9, 0.01)


def measure_described(block: EmotionIntensityBlock, items: Sequence) -> dict[str, float]:
    """Figures of descriptions with strengths.

    Args:
        block: what reads them.
        items: with `text` and `strengths`.

    Returns:
        main_emotion: part of the items whose strongest emotion is found (of equals in the truth, any counts).
        present_f1: micro-F1 of the set of emotions of PRESENT or more.
        strength_error: mean absolute error over all eight emotions.
        strength_error_present: the same over the emotions that are present or found.
    """
    truth = np.array([item.strengths for item in items], dtype=np.float64)
    found = read_strengths(block, [item.text for item in items])
    main = truth[np.arange(len(truth)), found.argmax(1)] >= truth.max(1) - 1e-9
    there, told = truth >= PRESENT, found >= PRESENT
    hits = (there & told).sum()
    error = np.abs(truth - found)
    return {
        "main_emotion": round(float(main.mean()), 4),
        "present_f1": round(float(2 * hits / (there.sum() + told.sum())), 4),
        "strength_error": round(float(error.mean()), 4),
        "strength_error_present": round(float(error[there | told].mean()), 4),
    }


def read_strengths(block: EmotionIntensityBlock, texts: Sequence[str]) -> np.ndarray:
    """[N, 8] strengths as `read` reports them."""
    rows = []
    for start in range(0, len(texts), BATCH):
        for reading in block.read(texts[start : start + BATCH]):
            rows.append([reading.strengths.get(name, 0.0) for name in EMOTIONS])
    return np.array(rows)


def measure_goemotions(block: EmotionIntensityBlock, dev: Sequence, test: Sequence) -> dict[str, float]:
    """Macro-F1 over the seven Ekman groups; one threshold a group, chosen on `dev` (`test` may be the same list)."""
    truth, score = (np.stack([c.ekman for c in dev]) > 0, _ekman(block, dev))
    best = [max(THRESHOLDS, key=lambda t: f1(truth[:, k], score[:, k] >= t)) for k in range(len(EKMAN))]
    if test is not dev:
        truth, score = np.stack([c.ekman for c in test]) > 0, _ekman(block, test)
    each = [f1(truth[:, k], score[:, k] >= best[k]) for k in range(len(EKMAN))]
    return {"goemotions_macro_f1": round(float(np.mean(each)), 4)}


def f1(truth: np.ndarray, found: np.ndarray) -> float:
    """F1 of two boolean arrays; 0 if nothing is true or found."""
    return float(2 * (truth & found).sum() / max(truth.sum() + found.sum(), 1))


@torch.inference_mode()
def _ekman(block: EmotionIntensityBlock, comments: Sequence) -> np.ndarray:
    order = sorted(range(len(comments)), key=lambda i: len(comments[i].text))
    scores = np.zeros((len(comments), len(EKMAN)))
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        raw: Raw = block.forward(block.batch([comments[i].text for i in part]))
        scores[part] = torch.sigmoid(raw.ekman).cpu().numpy()
    return scores

"""What benchmarks/motion.py measures, of motion as face units and head angles; its text says what each figure is."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from clips import Clip
from speech import score_lips

from emotalker.arkit import UNIT_INDEX
from emotalker.emotion.expression import UNIT_TABLE
from emotalker.emotion.taxonomy import EMOTION_INDEX
from emotalker.emotion.track import EmotionTrack
from emotalker.motion.blend import lip_gap
from emotalker.motion.denoiser import RATE
from emotalker.motion.motion import Motion
from emotalker.motion.sampling import windows
from emotalker.speech.features import SpeechFeatures

SHUT = 0.03
OWN_UNIT = 0.2
BROWS = ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")
AXES = ("yaw", "pitch", "roll")
BLINKS_TALK, BLINKS_REST = (10.5, 32.5), (8.0, 21.0)
"""95 % ranges of blinks a minute in conversation and while looking ahead in silence (Doughty, Optom. Vis. Sci. 78(10), 2001, of
the literature of 75 years); the means of blink.json, 26 and 17, lie in them."""
HEAD_RANGE = (0.75, 1.25)
"""head_motion.csv has means over ten speakers and no spread between them: accepted is what lies within the gains by which the
speakers of the training corpus were made to differ (HEAD of motion_corpus)."""
JITTER = 1.1
"""Most jitter, over that of the rules, whose movement is smooth by construction."""

Draw = Callable[[SpeechFeatures, EmotionTrack, int], Motion]
Heard = list[tuple[Clip, SpeechFeatures]]


def lips(clips: Heard, takes: list[list[Motion]]) -> dict[str, float]:
    """Closures, correlation with what the sounds expect, and lag, of some takes of each clip."""
    scores, shut = [], 0
    for (clip, _), parts in zip(clips, takes, strict=True):
        for take in parts:
            gap = lip_gap(take.units).clamp(min=0).numpy()
            scores.append(score_lips(clip, gap))
            times = (np.arange(len(gap)) + 0.5) / RATE
            shut += sum(bool(gap[(times >= a - 1 / RATE) & (times <= b + 1 / RATE)].min() <= SHUT) for a, b in clip.closures)
    count = sum(score.closures for score in scores)
    return {
        "closure_recall": sum(score.low for score in scores) / count,
        "shut": shut / count,
        "largest_lag": max(abs(score.lag) for score in scores),
        "sync_loss": 1 - float(np.mean([score.correlation for score in scores])),
    }


def shown(takes: list[list[Motion]], calm: list[list[Motion]], emotion: str) -> float:
    """Strength at which an emotion shows in takes, `calm` being the same clips and seeds without emotion."""
    row = UNIT_TABLE[EMOTION_INDEX[emotion]]
    own = row >= OWN_UNIT
    felt, plain = (torch.stack([take.units.mean(0)[own] for part in parts for take in part]) for parts in (takes, calm))
    return float((felt - plain).sum(1).mean() / row[own].sum())


def variety(takes: list[Motion]) -> dict[str, float]:
    """Variance across takes of one speech: of head angles (degrees²), brows and the lips' gap; and the gap's over time."""
    values = {
        "head": torch.stack([take.head[:, :3] for take in takes]),
        "brows": torch.stack([take.units[:, [UNIT_INDEX[name] for name in BROWS]] for take in takes]),
        "lips": torch.stack([lip_gap(take.units) for take in takes]),
    }
    return {name: float(value.var(0).mean()) for name, value in values.items()} | {
        "lips over time": float(values["lips"].var(1).mean())
    }


def seams(takes: list[Motion]) -> dict[str, tuple[float, float]]:
    """Acceleration at window joints over that elsewhere, with its standard error over the joints.

    `all`: every channel over its own spread, summed; channels that jump outweigh the others. `each`: every channel over its own
    acceleration elsewhere, so that heads and brows count as much as lips and lids.
    """
    at, beside = [], []
    for take in takes:
        values = torch.cat([take.units, take.head], 1)
        size = values.diff(n=2, dim=0).abs()  # row i: frames i, i + 1, i + 2
        elsewhere = torch.ones(len(size), dtype=torch.bool)
        for (_, joint), _ in pairwise(windows(len(values))):  # the first frame after the joint
            at.append(size[joint - 2 : joint].mean(0))
            elsewhere[joint - 2 : joint] = False
        beside.append(size[elsewhere].mean(0))
    spread = torch.cat([torch.cat([take.units, take.head], 1) for take in takes]).std(0)
    used = spread > 1e-3
    at, beside, spread = torch.stack(at)[:, used], torch.stack(beside).mean(0)[used], spread[used]
    ratios = {"all": (at / spread).mean(1) / (beside / spread).mean(), "each": (at / beside).mean(1)}
    return {name: (float(values.mean()), float(values.std() / len(values) ** 0.5)) for name, values in ratios.items()}


def nature(take: Motion) -> dict[str, float]:
    """Blinks, head movement and jitter."""
    lids = take.units[:, [UNIT_INDEX["eyeBlinkLeft"], UNIT_INDEX["eyeBlinkRight"]]].amin(1)
    shut = lids > 0.5
    angles = take.head[:, :3]
    figures = {"blinks": float((shut[1:] & ~shut[:-1]).sum()) / take.duration * 60}
    for index, name in enumerate(AXES):
        angle = angles[:, index]
        figures[f"{name}_sd"] = float(angle.std())
        figures[f"{name}_range"] = float(angle.max() - angle.min())
        figures[f"{name}_speed"] = float(angle.diff().abs().mean() * take.fps)
    figures["jitter_lips"] = float(lip_gap(take.units).diff(n=3).abs().mean())
    figures["jitter_head"] = float(angles.diff(n=3, dim=0).abs().mean())
    return figures


def accepted(priors: Path, rules: dict[str, float]) -> dict[str, tuple[float, float]]:
    """(least, most) of each figure of `nature`, after the priors; of jitter, after the rules' figures."""
    with open(priors / "head_motion.csv", encoding="utf-8") as file:
        rows = {row["axis"]: row for row in csv.DictReader(file)}
    ranges = {"blinks": BLINKS_TALK}
    for axis in AXES:
        for name, column in (("sd", "sd_deg"), ("range", "range_deg"), ("speed", "mean_speed_deg_per_s")):
            ranges[f"{axis}_{name}"] = tuple(float(rows[axis][column]) * factor for factor in HEAD_RANGE)
    for name in ("jitter_lips", "jitter_head"):
        ranges[name] = (0.0, JITTER * rules[name])
    rates = json.loads((priors / "blink.json").read_text())["rate_per_min"]
    assert all(a <= rates[name] <= b for name, (a, b) in (("conversation", BLINKS_TALK), ("rest", BLINKS_REST)))
    return ranges


def join(features: list[SpeechFeatures], seconds: float, first: int = 0) -> SpeechFeatures:
    """Clips one after the other, beginning with number `first`, until so many seconds are full."""
    first %= len(features)
    features = features[first:] + features[:first]
    frames = round(seconds * RATE)
    heard = {
        name: torch.cat([getattr(part, name) for part in features] * (1 + frames // sum(p.frames for p in features)))[:frames]
        for name in ("visemes", "voicing", "loudness", "embedding")
    }
    return SpeechFeatures(fps=RATE, duration=seconds, **heard)


def silence(like: SpeechFeatures, seconds: float) -> SpeechFeatures:
    """Features in which nothing is said."""
    frames = round(seconds * RATE)
    visemes = torch.zeros(frames, like.visemes.shape[1])
    visemes[:, 0] = 1
    none = torch.zeros(frames)
    return replace(
        like, visemes=visemes, voicing=none, loudness=none, embedding=like.embedding[:1].expand(frames, -1), duration=seconds
    )


def mean_of(rows: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each figure."""
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def standard_errors(rows: list[dict[str, float]]) -> dict[str, float]:
    """The standard error of each mean."""
    return {name: float(np.std([row[name] for row in rows], ddof=1) / len(rows) ** 0.5) for name in rows[0]}

"""Which emotions show when, and how strongly: the timeline an artist writes."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor

from ..errors import UserError
from .taxonomy import EMOTION_INDEX, EMOTIONS, MAX_STRENGTH, resolve

EASINGS = ("step", "linear", "smooth")
FADE = 0.5
"""Seconds that a linear or smooth segment takes to come and to go: our choice, a few tenths of a second like the onset of
real expressions."""


@dataclass(frozen=True)
class Segment:
    """Emotions from `start` to `end` seconds.

    Attributes:
        start: seconds, 0 or more.
        end: seconds, or None for "to the end".
        strengths: emotion name to strength, 0..1.5.
        easing: "step" (at once), "linear" or "smooth" (a fade centred on start and end, so that neighbours cross-fade).
        fade: seconds the fade lasts; a shorter segment fades over its own length.
    """

    start: float = 0.0
    end: float | None = None
    strengths: Mapping[str, float] = field(default_factory=dict)
    easing: str = "smooth"
    fade: float = FADE

    def __post_init__(self):
        where = "the emotion segment"
        start = _seconds(self.start, f"{where}'s start")
        end = None if self.end is None else _seconds(self.end, f"{where}'s end")
        where = f"the emotion segment at {start:g} s"
        if end is not None and end <= start:
            raise UserError(f"{where} ends at {end:g} s, not after its start: give a later end, or null for 'to the end'.")
        if self.easing not in EASINGS:
            raise UserError(f"{where} has the easing '{self.easing}': use one of {', '.join(EASINGS)}.")
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "end", end)
        object.__setattr__(self, "fade", _seconds(self.fade, f"{where}'s fade"))
        object.__setattr__(self, "strengths", MappingProxyType(_strengths(self.strengths, where)))


@dataclass(frozen=True)
class EmotionTrack:
    """Emotion strengths over time. Segments may overlap: their strengths add up, each emotion up to 1.5.

    Strengths of different emotions are never rescaled to sum to 1. A track without any strength means "no override".
    """

    segments: tuple[Segment, ...] = ()

    @classmethod
    def constant(cls, strengths: Mapping[str, float] | None = None, **named: float) -> "EmotionTrack":
        """The same emotions from start to end, for example `EmotionTrack.constant(happy=0.8, surprise=0.3)`.

        Raises:
            UserError: unknown emotion, or a strength outside 0..1.5.
        """
        return cls((Segment(strengths={**(strengths or {}), **named}),))

    @classmethod
    def from_text(cls, text: str) -> "EmotionTrack":
        """The short form of the command line: "happy=0.8,surprise=0.3"; a bare name means strength 1; "" means none.

        Raises:
            UserError: unknown emotion, or a strength that is no number in 0..1.5.
        """
        strengths: dict[str, float] = {}
        for part in filter(None, (p.strip() for p in re.split(r"[,;\n]", text))):
            name, _, value = (p.strip() for p in part.partition("="))
            try:
                strength = float(value) if "=" in part else 1.0
            except ValueError:
                raise UserError(
                    f"the emotion text has '{part}', whose strength is no number: write it like happy=0.8."
                ) from None
            if name in strengths:
                raise UserError(f"the emotion text names '{name}' twice: give each emotion one strength.")
            strengths[name] = strength
        return cls.constant(strengths)

    @property
    def is_empty(self) -> bool:
        """True when no segment gives any emotion a strength: nothing is to be overridden."""
        return not any(value > 0 for segment in self.segments for value in segment.strengths.values())

    def at(self, times: Tensor) -> Tensor:
        """Strengths at the given times.

        Args:
            times: [T] seconds, any order.

        Returns:
            [T, 8] float32 on the device of `times`, 0..1.5, columns in the order of EMOTIONS.
        """
        times = times.to(torch.float64)
        total = torch.zeros(times.shape[0], len(EMOTIONS), dtype=torch.float64, device=times.device)
        for segment in self.segments:
            row = torch.tensor(
                [segment.strengths.get(name, 0.0) for name in EMOTIONS], dtype=torch.float64, device=times.device
            )
            total += _presence(segment, times)[:, None] * row
        return total.clamp(max=MAX_STRENGTH).to(torch.float32)

    def to_json(self) -> str:
        """Readable JSON: {"segments": [{"start": 0, "end": 2, "easing": "smooth", "fade": 1, "emotions": {"happy": 0.8}}]}."""
        segments = [
            {"start": s.start, "end": s.end, "easing": s.easing, "fade": s.fade, "emotions": dict(s.strengths)}
            for s in self.segments
        ]
        return json.dumps({"segments": segments}, indent=2)

    @classmethod
    def from_json(cls, text: str) -> "EmotionTrack":
        """Read what `to_json` writes; a bare list of segments will do, and only "emotions" is required in a segment.

        Raises:
            UserError: not JSON, or a segment that makes no sense; the message says which.
        """
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise UserError(
                f"the emotion track is not valid JSON (line {error.lineno}, {error.msg}): correct that line."
            ) from None
        rows = data.get("segments") if isinstance(data, dict) else data
        if not isinstance(rows, list):
            raise UserError(
                'the emotion track has no list of segments: write {"segments": [{"start": 0, "emotions": {"happy": 0.8}}]}.'
            )
        return cls(tuple(_segment_from(row, number) for number, row in enumerate(rows, 1)))


def _segment_from(row, number: int) -> Segment:
    where = f"segment {number} of the emotion track"
    if not isinstance(row, dict) or not isinstance(row.get("emotions"), dict):
        raise UserError(f'{where} has no emotions: write for example {{"start": 0, "end": 2, "emotions": {{"happy": 0.8}}}}.')
    unknown = set(row) - {"start", "end", "easing", "fade", "emotions"}
    if unknown:
        raise UserError(f"{where} has the unknown entry '{min(unknown)}': use start, end, easing, fade and emotions.")
    try:
        return Segment(
            row.get("start", 0.0), row.get("end"), row["emotions"], row.get("easing", "smooth"), row.get("fade", FADE)
        )
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def _seconds(value, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise UserError(f"{where} is {value!r}: give seconds as a number of 0 or more.")
    return float(value)


def _strengths(given: Mapping[str, float], where: str) -> dict[str, float]:
    total: dict[str, float] = {}
    for name, value in given.items():
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not math.isfinite(value)
            or not 0 <= value <= MAX_STRENGTH
        ):
            raise UserError(f"{where} gives '{name}' the strength {value!r}: use a number from 0 to {MAX_STRENGTH:g}.")
        for emotion, share in resolve(name, where).items():
            total[emotion] = total.get(emotion, 0.0) + share * float(value)
    over = next((name for name, value in total.items() if value > MAX_STRENGTH), None)
    if over:
        raise UserError(f"{where} adds up to {total[over]:g} of '{over}', above {MAX_STRENGTH:g}: lower one of the strengths.")
    return dict(sorted(total.items(), key=lambda item: EMOTION_INDEX[item[0]]))


def _presence(segment: Segment, times: Tensor) -> Tensor:
    """How far a segment is there at [T] times, 0..1; it is already there at 0 s if it starts at 0."""
    end = math.inf if segment.end is None else segment.end
    fade = min(segment.fade, end - segment.start)
    if segment.easing == "step" or fade <= 0:
        return ((times >= segment.start) & (times < end)).to(times.dtype)
    rise = torch.ones_like(times) if segment.start <= 0 else ((times - segment.start) / fade + 0.5).clamp(0, 1)
    fall = torch.ones_like(times) if segment.end is None else ((end - times) / fade + 0.5).clamp(0, 1)
    if segment.easing == "smooth":
        rise, fall = rise * rise * (3 - 2 * rise), fall * fall * (3 - 2 * fall)
    return rise * fall

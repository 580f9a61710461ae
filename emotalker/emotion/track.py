"""Which emotions show when, and how strongly: the timeline an artist writes."""

import json
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import torch
from torch import Tensor

from ..arkit import FACE_UNITS, UNIT_INDEX
from ..curves import smoothstep
from ..errors import UserError, quoted
from .taxonomy import EMOTION_INDEX, EMOTIONS, MAX_STRENGTH, resolve

EASINGS = ("step", "linear", "smooth")
FADE = 0.5
"""Seconds that a linear or smooth segment takes to come and to go: our choice, a few tenths of a second like the onset of
real expressions."""
TOUCH = 1e-3
"""Seconds: segments whose ends lie this near to each other are neighbours."""
SEGMENT_KEYS = ("start", "end", "strengths", "easing", "fade", "units")


@dataclass(frozen=True)
class Segment:
    """Emotions from `start` to `end` seconds.

    Attributes:
        start: seconds, 0 or more.
        end: seconds, or None for "to the end".
        strengths: emotion name to strength, 0..1.5.
        easing: "step" (at once), "linear" or "smooth" (a fade centred on start and end, so that neighbours cross-fade).
        fade: seconds the fade lasts. It stays inside the segments it joins: at most half of a segment is spent on either
            fade, or all of it where the other end does not fade (start at 0, end None).
        units: face unit name to weight, 0..1, which the face shows on top of the emotions ("raised eyebrows").
    """

    start: float = 0.0
    end: float | None = None
    strengths: Mapping[str, float] = field(default_factory=dict)
    easing: str = "smooth"
    fade: float = FADE
    units: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self):
        where = "the emotion segment"
        start = _seconds(self.start, f"{where}'s start")
        end = None if self.end is None else _seconds(self.end, f"{where}'s end")
        where = f"the emotion segment at {start:g} s"
        if end is not None and end <= start:
            raise UserError(f"{where} ends at {end:g} s, not after its start: give a later end, or null for 'to the end'.")
        if self.easing not in EASINGS:
            raise UserError(f"{where} has the easing {quoted(self.easing)}: use one of {', '.join(EASINGS)}.")
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "end", end)
        object.__setattr__(self, "fade", _seconds(self.fade, f"{where}'s fade"))
        object.__setattr__(self, "strengths", MappingProxyType(_strengths(self.strengths, where)))
        object.__setattr__(self, "units", MappingProxyType(_units(self.units, where)))


@dataclass(frozen=True)
class EmotionTrack:
    """Emotion strengths over time. Segments may overlap: their strengths add up, each emotion up to 1.5.

    Where one segment ends exactly where another starts, the one that comes decides how they change over (its easing and
    fade), so that neighbours cross-fade without a dip, and "step" switches both. Strengths of different emotions are never
    rescaled to sum to 1. A track without any strength or unit means "no override".
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
                    f"the emotion text has {quoted(part)}, whose strength is no number: write it like happy=0.8."
                ) from None
            if name in strengths:
                raise UserError(f"the emotion text names {quoted(name)} twice: give each emotion one strength.")
            strengths[name] = strength
        return cls.constant(strengths)

    @property
    def is_empty(self) -> bool:
        """True when no segment gives any emotion or face unit a strength: nothing is to be overridden."""
        return not any(value > 0 for s in self.segments for part in (s.strengths, s.units) for value in part.values())

    def with_segment(self, segment: Segment) -> "EmotionTrack":
        """This track and one more segment."""
        return EmotionTrack((*self.segments, segment))

    def scaled(self, strength: float) -> "EmotionTrack":
        """The same track, weaker or stronger.

        Args:
            strength: 0..1.5, a factor on every emotion and face unit; an emotion stops at 1.5 and a face unit at 1.

        Raises:
            UserError: a strength outside 0..1.5.
        """
        if not 0 <= strength <= MAX_STRENGTH:
            raise UserError(f"the overall strength of the emotion is {strength}: use a number from 0 to {MAX_STRENGTH:g}.")
        return EmotionTrack(
            tuple(
                replace(
                    segment,
                    strengths={name: min(MAX_STRENGTH, strength * v) for name, v in segment.strengths.items()},
                    units={name: min(1.0, strength * v) for name, v in segment.units.items()},
                )
                for segment in self.segments
            )
        )

    def at(self, times: Tensor) -> Tensor:
        """Strengths at the given times.

        Args:
            times: [T] seconds, any order.

        Returns:
            [T, 8] float32 on the device of `times`, 0..1.5, columns in the order of EMOTIONS.
        """
        rows = [[segment.strengths.get(name, 0.0) for name in EMOTIONS] for segment in self.segments]
        return self._sum(times, rows, len(EMOTIONS)).clamp(max=MAX_STRENGTH).to(torch.float32)

    def units_at(self, times: Tensor) -> Tensor:
        """Weights of the face units that the segments steer directly.

        Args:
            times: [T] seconds, any order.

        Returns:
            [T, 52] float32 on the device of `times`, 0..1, columns in the order of FACE_UNITS.
        """
        rows = [[segment.units.get(name, 0.0) for name in FACE_UNITS] for segment in self.segments]
        return self._sum(times, rows, len(FACE_UNITS)).clamp(max=1).to(torch.float32)

    def _sum(self, times: Tensor, rows: list[list[float]], width: int) -> Tensor:
        """[T, width] the segments' rows, each as far as its segment is present."""
        times = times.to(torch.float64)
        total = torch.zeros(times.shape[0], width, dtype=torch.float64, device=times.device)
        for segment, row in zip(self.segments, rows, strict=True):
            if any(row):
                row = torch.tensor(row, dtype=torch.float64, device=times.device)
                total += self._presence(segment, times)[:, None] * row
        return total

    def _presence(self, segment: Segment, times: Tensor) -> Tensor:
        """How far a segment is there at [T] times, 0..1; it is already there at 0 s if it starts at 0."""
        before = [other for other in self.segments if other.end is not None and abs(other.end - segment.start) < TOUCH]
        after = [other for other in self.segments if segment.end is not None and abs(other.start - segment.end) < TOUCH]
        rise = fall = torch.ones_like(times)
        if segment.start > 0:
            rise = _ramp(times - segment.start, segment, min([_room(segment, "start"), *(_room(s, "end") for s in before)]))
        if segment.end is not None:
            comes = after[0] if after else segment
            room = min([_room(segment, "end"), *(_room(s, "start") for s in after)])
            fall = 1 - _ramp(times - segment.end, comes, room)
        return rise * fall

    def to_json(self) -> str:
        """Readable JSON: {"segments": [{"start": 0, "end": 2, "strengths": {"happy": 0.8}, "easing": "smooth", "fade": 1}]}.

        "units" is there in segments that steer face units; an "end" of null means to the end.
        """
        segments = [
            {"start": s.start, "end": s.end, "strengths": dict(s.strengths), "easing": s.easing, "fade": s.fade}
            | ({"units": dict(s.units)} if s.units else {})
            for s in self.segments
        ]
        return json.dumps({"segments": segments}, indent=2)

    @classmethod
    def from_json(cls, text: str) -> "EmotionTrack":
        """Read what `to_json` writes; a bare list of segments will do, and a segment needs only "strengths" or "units".

        Raises:
            UserError: not JSON, or a segment that makes no sense; the message says which.
        """
        try:
            data = json.loads(text, parse_int=_whole)
        except json.JSONDecodeError as error:
            raise UserError(
                f"the emotion track is not valid JSON (line {error.lineno}, {error.msg}): correct that line."
            ) from None
        except RecursionError:
            raise UserError("the emotion track is not valid JSON (brackets in brackets without end): correct it.") from None
        rows = data.get("segments") if isinstance(data, dict) else data
        if not isinstance(rows, list):
            raise UserError(
                'the emotion track has no list of segments: write {"segments": [{"start": 0, "strengths": {"happy": 0.8}}]}.'
            )
        return cls(tuple(_segment_from(row, number) for number, row in enumerate(rows, 1)))


def _segment_from(row, number: int) -> Segment:
    where = f"segment {number} of the emotion track"
    example = '{"start": 0, "end": 2, "strengths": {"happy": 0.8}}'
    if not isinstance(row, dict) or not ("strengths" in row or "units" in row):
        raise UserError(f"{where} has no strengths: write for example {example}.")
    for name in ("strengths", "units"):
        if not isinstance(row.get(name, {}), dict):
            raise UserError(f"{where} has {name} that are no list of names and numbers: write for example {example}.")
    unknown = set(row) - set(SEGMENT_KEYS)
    if unknown:
        raise UserError(f"{where} has the unknown entry {quoted(min(unknown))}: use {', '.join(SEGMENT_KEYS)}.")
    try:
        return Segment(**row)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def _whole(digits: str) -> int | float:
    """A whole number of JSON; Python reads no integer of thousands of digits, and a float of them is infinite."""
    return int(digits) if len(digits) < 20 else float(digits)


def _within(value, most: float) -> bool:
    """Whether a value is a number from 0 to `most`."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most


def _shown(value) -> str:
    """A value as a message repeats it."""
    if isinstance(value, int) and abs(value) >= 1 << 64:
        return "a number of far too many digits"
    return quoted(value) if isinstance(value, str) else quoted(repr(value))[1:-1]


def _seconds(value, where: str) -> float:
    if not _within(value, sys.float_info.max):
        raise UserError(f"{where} is {_shown(value)}: give seconds as a number of 0 or more.")
    return float(value)


def _strengths(given: Mapping[str, float], where: str) -> dict[str, float]:
    total: dict[str, float] = {}
    for name, value in given.items():
        if not _within(value, MAX_STRENGTH):
            raise UserError(
                f"{where} gives {quoted(name)} the strength {_shown(value)}: use a number from 0 to {MAX_STRENGTH:g}."
            )
        for emotion, share in resolve(name, where).items():
            total[emotion] = total.get(emotion, 0.0) + share * float(value)
    over = next((name for name, value in total.items() if value > MAX_STRENGTH), None)
    if over:
        raise UserError(f"{where} adds up to {total[over]:g} of '{over}', above {MAX_STRENGTH:g}: lower one of the strengths.")
    return dict(sorted(total.items(), key=lambda item: EMOTION_INDEX[item[0]]))


def _units(given: Mapping[str, float], where: str) -> dict[str, float]:
    for name, value in given.items():
        if name not in UNIT_INDEX:
            raise UserError(f"{where} names {quoted(name)}, which is no face unit: use an ARKit name such as browInnerUp.")
        if not _within(value, 1):
            raise UserError(f"{where} gives {quoted(name)} the weight {_shown(value)}: use a number from 0 to 1.")
    return {name: float(given[name]) for name in FACE_UNITS if name in given}


def _room(segment: Segment, side: str) -> float:
    """Seconds of a segment that a fade at its "start" or "end" may take."""
    if segment.end is None:
        return math.inf
    free = segment.start <= 0 if side == "end" else False
    return (segment.end - segment.start) * (1.0 if free else 0.5)


def _ramp(since: Tensor, comes: Segment, room: float) -> Tensor:
    """0 before to 1 after, at [T] seconds since the middle of a fade that reaches at most `room` seconds to each side."""
    reach = min(comes.fade / 2, room)
    if comes.easing == "step" or reach <= 0:
        return (since >= 0).to(since.dtype)
    ramp = (since / (2 * reach) + 0.5).clamp(0, 1)
    return smoothstep(ramp) if comes.easing == "smooth" else ramp

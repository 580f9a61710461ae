"""A prompt becomes an emotion track: the one place that the nodes and the command line call."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import quoted
from ...speech import prosody
from ...speech.features import SpeechFeatures
from ..track import FADE, EmotionTrack, Segment
from .actions import Found, find_actions
from .placing import Placed, place
from .timeline import Passage, parse_timeline

if TYPE_CHECKING:
    from ..eib import EmotionIntensityBlock

SECONDS = 6.0
"""Length that order words are laid over when nobody says how long the speech is."""
MOST_WORDS, MOST_LETTERS = 600, 6000
"""Words of a prompt that are read, and characters."""
MOMENT_FADE = 0.3
"""Seconds in which a passage that is there for a moment comes and goes at most."""
WINK, WINK_FADE, WINK_DELAY, WINK_EVERY = 0.35, 0.16, 0.6, 1.8
"""Seconds: how long a wink lasts and its lid takes, when it comes in its passage, how often when it goes on (our choice)."""


@dataclass(frozen=True)
class Read:
    """A passage, its time, and what was read in it.

    Attributes:
        text: the description as cut from the prompt.
        start, end: seconds.
        strengths: emotion to strength, before the overall strength.
        actions: facial actions that were named.
    """

    text: str
    start: float
    end: float
    strengths: Mapping[str, float]
    actions: tuple[str, ...] = ()


@dataclass(frozen=True)
class PromptReading:
    """What a prompt says.

    Attributes:
        track: emotions and face units over time.
        warnings: what could not be read or placed, a sentence each.
        passages: in order of time.
    """

    track: EmotionTrack
    warnings: tuple[str, ...] = ()
    passages: tuple[Read, ...] = ()

    def report(self) -> str:
        """One line a passage (seconds, words, strengths, actions), then the warnings."""
        lines = []
        for one in self.passages:
            said = ", ".join([*(f"{name} {value:.2f}" for name, value in one.strengths.items()), *one.actions]) or "nothing"
            lines.append(f"{one.start:.1f}-{one.end:.1f} s  {one.text}: {said}")
        return "\n".join([*lines, *self.warnings])


def read_prompt(
    prompt: str,
    block: "EmotionIntensityBlock",
    seconds: float | None = None,
    features: SpeechFeatures | None = None,
    transcript: str = "",
    words: Sequence[tuple[str, float, float]] = (),
    strength: float = 1.0,
) -> PromptReading:
    """Read emotions, facial actions and their times out of a prompt.

    Args:
        prompt: English; see parse_timeline for marks and order words, actions.py for facial actions.
        block: reads the emotion of a text; loaded once by the caller.
        seconds: length of the speech, where there are no features.
        features: the speech, for its length, its pauses and, where a transcript was aligned, its words.
        transcript: the spoken words, for marks on words.
        words: (word, start s, end s), where the words' times are known otherwise.
        strength: 0..1.5, a factor on everything (see EmotionTrack.scaled).

    Returns:
        The reading; an empty prompt gives an empty track, which overrides nothing. Odd prompts give neutral and a warning.

    Raises:
        UserError: the strength is outside its range.
    """
    warnings: list[str] = []
    prompt = _shortened(prompt, warnings)
    passages = parse_timeline(prompt)
    if not passages and prompt.strip():
        passages = (Passage(prompt.strip()),)  # nothing but signs: the reader says that it understands none of it
    if not passages:
        return PromptReading(
            EmotionTrack(), (*warnings, "The prompt is empty: no emotion is set. Describe a feeling, such as 'a little sad'.")
        )
    length = features.duration if features is not None else seconds
    if length is None or length <= 0:
        length = SECONDS
        if len(passages) > 1:
            warnings.append(
                f"The length of the speech is not known: the prompt is laid over {SECONDS:g} s. Connect the speech."
            )
    # The rhythm, for which all of the speech must be heard, places passages among each other and words.
    rhythmic = len(passages) > 1 or any(_on_word(passage) for passage in passages)
    pauses, speech = _rhythm(features) if rhythmic else ([], None)
    if not words and features is not None and features.words:
        words = [(word, start, end) for start, end, word in features.words]
    if not words and transcript and any(_on_word(passage) for passage in passages):
        words = spread_words(transcript, speech or (0.0, length), pauses)
        warnings.append("The times of the transcript's words are estimated: its words are spread evenly over the speech.")
    placement = place(passages, length, pauses, words, speech)
    warnings += [passage.warning for passage in passages if passage.warning] + list(placement.warnings)

    found = [find_actions(one.passage.text) for one in placement.placed]
    strengths = _emotions(block, found, warnings)
    segments: list[Segment] = []
    reads = []
    felt: Mapping[str, float] = {}
    for one, actions, values in zip(placement.placed, found, strengths, strict=True):
        # A passage that only names actions leaves the feeling as it was.
        felt = felt if actions.names and not values else {n: min(1.0, v * one.passage.factor) for n, v in values.items()}
        values = dict(felt)
        segments += _segments(one, actions, values, length)
        reads.append(Read(one.passage.text, one.start, one.end, values, actions.names))
    track = EmotionTrack(tuple(segments)).scaled(strength)
    return PromptReading(track, tuple(dict.fromkeys(warnings)), tuple(reads))


def spread_words(
    transcript: str, speech: tuple[float, float], pauses: Sequence[tuple[float, float]] = ()
) -> list[tuple[str, float, float]]:
    """Times of a transcript's words when nobody measured them: over the spoken time, each as long as it has letters.

    Args:
        transcript: the spoken words.
        speech: (start s, end s) of the speech.
        pauses: (start s, end s) of the silences in it.

    Returns:
        (word, start s, end s) in order.
    """
    words = re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", transcript)
    stretches, at = [], speech[0]
    for start, end in sorted(pauses):
        if start > at and start < speech[1]:
            stretches.append((at, start))
        at = max(at, min(end, speech[1]))
    if at < speech[1]:
        stretches.append((at, speech[1]))
    spoken = sum(b - a for a, b in stretches)
    letters = sum(len(word) for word in words)

    def clock(share: float) -> float:
        left = share * spoken
        for start, end in stretches:
            if left <= end - start + 1e-9:
                return start + left
            left -= end - start
        return speech[1]

    timed, done = [], 0
    for word in words:
        timed.append((word, clock(done / letters), clock((done + len(word)) / letters)))
        done += len(word)
    return timed


def _shortened(prompt: str, warnings: list[str]) -> str:
    found = list(re.finditer(r"\S+", prompt))
    if len(found) > MOST_WORDS:
        warnings.append(f"The prompt has {len(found)} words: only the first {MOST_WORDS} are read.")
        prompt = prompt[: found[MOST_WORDS - 1].end()]
    if len(prompt) > MOST_LETTERS:
        warnings.append(f"The prompt has {len(prompt)} characters: only the first {MOST_LETTERS} are read.")
        prompt = prompt[:MOST_LETTERS]
    return prompt


def _on_word(passage: Passage) -> bool:
    return any(mark is not None and mark.unit == "word" for mark in (passage.start, passage.end))


def _rhythm(features: SpeechFeatures | None) -> tuple[list[tuple[float, float]], tuple[float, float] | None]:
    """Pauses inside the speech, and where it begins and ends."""
    if features is None or not features.frames:
        return [], None
    pauses = prosody.analyse(features).pauses
    begin, end = 0.0, features.duration
    if pauses and pauses[0][0] <= 0.01:
        begin, pauses = pauses[0][1], pauses[1:]
    if pauses and pauses[-1][1] >= features.duration - 0.05:
        end, pauses = pauses[-1][0], pauses[:-1]
    return (pauses, (begin, end)) if end > begin else ([], None)


def _emotions(block: "EmotionIntensityBlock", found: Sequence[Found], warnings: list[str]) -> list[dict[str, float]]:
    """Strengths of each passage; none where only facial actions are named."""
    texts = list(dict.fromkeys(actions.rest for actions in found if actions.rest))
    readings = dict(zip(texts, block.read(texts), strict=True)) if texts else {}
    strengths = []
    for actions in found:
        reading = readings.get(actions.rest)
        if reading is None or (actions.names and not reading.understood):
            strengths.append({})
            continue
        if reading.truncated:
            warnings.append(f"{quoted(actions.rest)} is long: only its beginning is read for emotions.")
        if not reading.understood:
            warnings.append(
                f"No emotion was recognised in {quoted(actions.rest)}: it is shown neutral. Name a feeling in English."
            )
        strengths.append(dict(reading.strengths))
    return strengths


def _segments(one: Placed, actions: Found, strengths: Mapping[str, float], length: float) -> list[Segment]:
    """The segments of a passage: itself, or the halves of its ramp, and its short movements."""
    passage, duration = one.passage, one.end - one.start
    start, end = round(one.start, 3), None if one.end >= length - 1e-6 else round(one.end, 3)
    fade = FADE
    if passage.slow:
        fade = max(FADE, duration)
    elif passage.brief:
        fade = min(MOMENT_FADE, duration / 2)
    fade = round(fade, 3)

    def times(factor: float) -> tuple[dict[str, float], dict[str, float]]:
        return (
            {name: round(min(1.0, factor * value), 3) for name, value in strengths.items()},
            {name: round(min(1.0, factor * value), 3) for name, value in actions.units.items()},
        )

    if passage.ramp[0] != passage.ramp[1]:
        middle = round(one.start + duration / 2, 3)
        (low, low_units), (high, high_units) = (times(factor) for factor in passage.ramp)
        segments = [
            Segment(start, middle, low, passage.easing, FADE, low_units),
            Segment(middle, end, high, "linear", round(duration, 3), high_units),
        ]
    else:
        values, units = times(passage.ramp[0])
        segments = [Segment(start, end, values, passage.easing, fade, units)]
    for event in actions.events:
        at = one.start + min(WINK_DELAY, max(0.0, (duration - WINK) / 2))
        while at < one.end:
            segments.append(Segment(round(at, 3), round(at + min(WINK, duration), 3), {}, "smooth", WINK_FADE, event))
            at += WINK_EVERY if actions.repeated else duration
    return [segment for segment in segments if segment.strengths or segment.units] or segments[:1]

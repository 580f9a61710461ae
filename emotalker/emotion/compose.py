"""Putting timelines together, one after the other or one over the other."""

from dataclasses import replace

from .track import FADE, EmotionTrack, Segment


def append(
    track: EmotionTrack,
    what: EmotionTrack,
    start: float = 0.0,
    end: float | None = None,
    easing: str = "smooth",
    fade: float = FADE,
) -> EmotionTrack:
    """A timeline with another one laid into a window of it.

    Args:
        track: the timeline so far; where it and the window overlap, their strengths add up.
        what: what is felt in the window. A mixture without times fills the window and takes `easing` and `fade`; a timeline
            begins at `start`, keeps its own easing and is cut off at `end`.
        start: seconds, 0 or more.
        end: seconds, after start; None for "to the end".
        easing: "step", "linear" or "smooth".
        fade: seconds that coming and going take, 0 or more.

    Raises:
        UserError: the window makes no sense; the message says why.
    """
    window = Segment(start, end, {}, easing, fade)
    placed = []
    for segment in what.segments:
        if segment.start == 0 and segment.end is None:
            placed.append(replace(segment, start=window.start, end=window.end, easing=easing, fade=window.fade))
            continue
        begin = window.start + segment.start
        last = min((t for t in (window.end, segment.end and window.start + segment.end) if t is not None), default=None)
        if last is None or begin < last:
            placed.append(replace(segment, start=begin, end=last))
    return EmotionTrack((*track.segments, *placed))

"""Timelines laid into windows of others."""

import pytest
import torch

from emotalker.emotion.compose import append
from emotalker.emotion.taxonomy import EMOTION_INDEX
from emotalker.emotion.track import EmotionTrack, Segment
from emotalker.errors import UserError

NONE = EmotionTrack()


def at(track, emotion, *times):
    return track.at(torch.tensor(times, dtype=torch.float64))[:, EMOTION_INDEX[emotion]].tolist()


def test_a_mixture_fills_the_window_with_the_windows_easing():
    (segment,) = append(NONE, EmotionTrack.constant(happy=0.8), 1.0, 3.0, "step", 0.2).segments
    assert (segment.start, segment.end, segment.easing, segment.fade) == (1.0, 3.0, "step", 0.2)
    assert dict(segment.strengths) == {"happy": 0.8}


def test_segments_are_added_and_none_changes():
    first = append(NONE, EmotionTrack.constant(happy=0.8), 0.0, 2.0)
    both = append(first, EmotionTrack.constant(sad=0.6), 2.0)
    assert both.segments[0] == first.segments[0] and len(both.segments) == 2
    assert at(both, "happy", 1.0, 4.0) == pytest.approx([0.8, 0.0])
    assert at(both, "sad", 1.0, 4.0) == pytest.approx([0.0, 0.6])
    assert at(both, "sad", 2.0) == pytest.approx([0.3]), "they cross-fade where they touch"


def test_a_timeline_begins_at_the_start_and_is_cut_off_at_the_end():
    what = EmotionTrack(
        (Segment(0, 1, {"happy": 0.5}, "step"), Segment(1, 3, {"sad": 0.5}, "step"), Segment(3, None, {"fear": 0.5}))
    )
    placed = append(NONE, what, 10.0, 12.0, "linear", 1.0).segments
    assert [(s.start, s.end, s.easing) for s in placed] == [(10.0, 11.0, "step"), (11.0, 12.0, "step")]


def test_without_an_end_a_timeline_goes_on():
    what = EmotionTrack((Segment(0, 1, {"happy": 0.5}), Segment(1, None, {"sad": 0.5})))
    assert [(s.start, s.end) for s in append(NONE, what, 2.0).segments] == [(2.0, 3.0), (3.0, None)]


@pytest.mark.parametrize("what", [NONE, EmotionTrack.constant(happy=1.0)])
@pytest.mark.parametrize(
    ("window", "words"), [((3.0, 2.0), "later end"), ((0.0, 1.0, "jump"), "easing"), ((0, 1, "smooth", -1), "fade")]
)
def test_a_window_that_makes_no_sense_is_named(what, window, words):
    with pytest.raises(UserError, match=words):
        append(NONE, what, *window)

import json

import pytest
import torch

from emotalker.emotion.taxonomy import EMOTION_INDEX
from emotalker.emotion.track import EmotionTrack, Segment
from emotalker.errors import UserError

HAPPY, SAD = EMOTION_INDEX["happy"], EMOTION_INDEX["sad"]


def test_constant_holds_everywhere():
    track = EmotionTrack.constant(happy=0.8, surprise=0.3)
    strengths = track.at(torch.tensor([0.0, 1.0, 1000.0]))
    expected = torch.zeros(3, 8)
    expected[:, HAPPY], expected[:, EMOTION_INDEX["surprise"]] = 0.8, 0.3
    torch.testing.assert_close(strengths, expected)


def test_sum_over_one_is_kept():
    assert EmotionTrack.constant(happy=1.0, surprise=1.5, fear=1.0).at(torch.zeros(1)).sum() == 3.5


def test_nothing_means_no_override():
    assert EmotionTrack().is_empty
    assert EmotionTrack.constant(happy=0.0, neutral=0.0).is_empty
    assert EmotionTrack.from_text("").is_empty
    assert EmotionTrack().at(torch.arange(3.0)).abs().max() == 0
    assert not EmotionTrack.constant(neutral=0.1).is_empty


def test_step_switches_at_its_borders():
    track = EmotionTrack((Segment(1.0, 2.0, {"sad": 1.0}, "step"),))
    assert track.at(torch.tensor([0.999, 1.0, 1.999, 2.0]))[:, SAD].tolist() == [0.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("easing", ["linear", "smooth"])
def test_neighbours_cross_fade_without_a_dip(easing):
    track = EmotionTrack((Segment(0.0, 2.0, {"happy": 0.6}, easing), Segment(2.0, None, {"sad": 0.6}, easing)))
    strengths = track.at(torch.linspace(0, 4, 401))
    torch.testing.assert_close(strengths.sum(1), torch.full((401,), 0.6))
    assert (strengths[1:, SAD] >= strengths[:-1, SAD]).all()
    assert strengths[:, SAD].diff().max() < 0.03


def test_overlaps_add_up_to_the_limit():
    track = EmotionTrack((Segment(0, None, {"happy": 1.0}), Segment(0, None, {"happy": 1.0, "sad": 0.5})))
    assert track.at(torch.zeros(1))[0, [HAPPY, SAD]].tolist() == [1.5, 0.5]


def test_short_segment_still_reaches_its_strength():
    track = EmotionTrack((Segment(1.0, 1.2, {"happy": 1.0}, "smooth"),))
    assert track.at(torch.tensor([1.1]))[0, HAPPY] == pytest.approx(1.0)


def test_json_round_trip():
    track = EmotionTrack((Segment(0, 2.5, {"happy": 0.8}, "linear", 0.3), Segment(2.5, None, {"sadly angry": 1.0})))
    again = EmotionTrack.from_json(track.to_json())
    assert again == track
    assert json.loads(track.to_json())["segments"][0]["emotions"] == {"happy": 0.8}


def test_json_may_be_short():
    track = EmotionTrack.from_json('[{"emotions": {"fear": 1}}]')
    assert track == EmotionTrack.constant(fear=1.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not valid JSON"),
        ("3", "no list of segments"),
        ("[{}]", "segment 1 .* no emotions"),
        ('[{"emotions": {"happy": 1}}, {"emotions": {"joyous": 1}}]', "segment 2.*'joyous'"),
        ('[{"emotions": {"happy": 1.6}}]', "'happy'.*0 to 1.5"),
        ('[{"emotions": {"happy": "much"}}]', "'much'.*number"),
        ('[{"emotions": {"happy": NaN}}]', "nan"),
        ('[{"start": 2, "end": 1, "emotions": {"happy": 1}}]', "ends at 1 s"),
        ('[{"start": -1, "emotions": {"happy": 1}}]', "start is -1"),
        ('[{"easing": "bouncy", "emotions": {"happy": 1}}]', "'bouncy'.*step, linear, smooth"),
        ('[{"begin": 0, "emotions": {"happy": 1}}]', "'begin'"),
        ('[{"emotions": {"happy": 1.2, "happily surprised": 1}}]', "adds up"),
    ],
)
def test_errors_name_the_fault(text, says):
    with pytest.raises(UserError, match=says):
        EmotionTrack.from_json(text)


def test_text_form():
    assert EmotionTrack.from_text("happy=0.8, surprise = 0.3") == EmotionTrack.constant(happy=0.8, surprise=0.3)
    assert EmotionTrack.from_text("sad") == EmotionTrack.constant(sad=1.0)
    for bad, says in (("happy=x", "no number"), ("happy=1,happy=0.5", "twice"), ("glad=1", "'glad'"), ("happy=2", "0 to 1.5")):
        with pytest.raises(UserError, match=says):
            EmotionTrack.from_text(bad)

import json

import pytest
import torch

from emotalker.arkit import UNIT_INDEX
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
    assert json.loads(track.to_json())["segments"][0]["strengths"] == {"happy": 0.8}


def test_json_may_be_short():
    track = EmotionTrack.from_json('[{"strengths": {"fear": 1}}]')
    assert track == EmotionTrack.constant(fear=1.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not valid JSON"),
        ("3", "no list of segments"),
        ("[{}]", "segment 1 .* no strengths"),
        ('[{"strengths": {"happy": 1}}, {"strengths": {"joyous": 1}}]', 'segment 2.*"joyous"'),
        ('[{"strengths": {"happy": 1.6}}]', '"happy".*0 to 1.5'),
        ('[{"strengths": {"happy": "much"}}]', '"much".*number'),
        ('[{"strengths": {"happy": NaN}}]', "nan"),
        ('[{"strengths": 3}]', "segment 1 .* strengths that are no list"),
        ('[{"units": {"smile": 1}}]', '"smile".*no face unit'),
        ('[{"units": {"jawOpen": 1.2}}]', '"jawOpen".*0 to 1'),
        ('[{"start": 2, "end": 1, "strengths": {"happy": 1}}]', "ends at 1 s"),
        ('[{"start": -1, "strengths": {"happy": 1}}]', "start is -1"),
        ('[{"easing": "bouncy", "strengths": {"happy": 1}}]', '"bouncy".*step, linear, smooth'),
        ('[{"begin": 0, "strengths": {"happy": 1}}]', '"begin"'),
        ('[{"strengths": {"happy": 1.2, "happily surprised": 1}}]', "adds up"),
    ],
)
def test_errors_name_the_fault(text, says):
    with pytest.raises(UserError, match=says):
        EmotionTrack.from_json(text)


def test_text_form():
    assert EmotionTrack.from_text("happy=0.8, surprise = 0.3") == EmotionTrack.constant(happy=0.8, surprise=0.3)
    assert EmotionTrack.from_text("sad") == EmotionTrack.constant(sad=1.0)
    for bad, says in (("happy=x", "no number"), ("happy=1,happy=0.5", "twice"), ("glad=1", '"glad"'), ("happy=2", "0 to 1.5")):
        with pytest.raises(UserError, match=says):
            EmotionTrack.from_text(bad)


def test_units_follow_their_segment():
    track = EmotionTrack(
        (
            Segment(1, 3, {"happy": 0.5}, "step", units={"browInnerUp": 0.8}),
            Segment(2, 4, {}, "step", units={"browInnerUp": 0.8}),
        )
    )
    weights = track.units_at(torch.tensor([0.5, 1.5, 2.5, 3.5]))
    assert weights.shape == (4, 52)
    assert weights[:, UNIT_INDEX["browInnerUp"]].tolist() == pytest.approx([0, 0.8, 1.0, 0.8])
    assert weights.count_nonzero() == 3
    assert not EmotionTrack((Segment(units={"jawOpen": 0.1}),)).is_empty


def test_units_are_in_the_json_only_where_there_are_any():
    track = EmotionTrack((Segment(units={"eyeWideLeft": 0.5}), Segment(strengths={"sad": 1.0})))
    rows = json.loads(track.to_json())["segments"]
    assert rows[0]["units"] == {"eyeWideLeft": 0.5} and "units" not in rows[1]
    assert EmotionTrack.from_json(track.to_json()) == track
    assert EmotionTrack.from_json('[{"units": {"eyeWideLeft": 0.5}}]').segments == track.segments[:1]


@pytest.mark.parametrize("easing", ["step", "linear", "smooth"])
def test_the_one_that_comes_rules_the_change(easing):
    track = EmotionTrack(
        (
            Segment(0, 3, {"happy": 0.6}, "smooth"),
            Segment(3, 6, {"sad": 0.6}, easing, 2.0),
            Segment(6, None, {"fear": 0.6}, "step"),
        )
    )
    times = torch.linspace(0, 8, 801)
    strengths = track.at(times)
    torch.testing.assert_close(strengths.sum(1), torch.full((801,), 0.6))
    changing = ((strengths[:, SAD] > 1e-6) & (strengths[:, HAPPY] > 1e-6)).sum() * 0.01
    assert changing == pytest.approx(0 if easing == "step" else 2.0, abs=0.03)
    assert strengths[599, SAD] == pytest.approx(0.6) and strengths[601, SAD] == 0


def test_a_long_fade_stays_inside_its_segments():
    track = EmotionTrack((Segment(0, 3, {"happy": 1.0}), Segment(3, None, {"sad": 1.0}, "linear", 60.0)))
    strengths = track.at(torch.tensor([0.0, 1.5, 3.0, 6.0]))
    assert strengths[:, SAD].tolist() == pytest.approx([0, 0.25, 0.5, 1])
    torch.testing.assert_close(strengths.sum(1), torch.ones(4))


def test_scaled_stops_at_the_limits():
    track = EmotionTrack((Segment(0, 1, {"happy": 0.5, "sad": 1.4}, units={"jawOpen": 0.8}),))
    segment = track.scaled(1.5).segments[0]
    assert segment.strengths == {"happy": 0.75, "sad": 1.5} and segment.units == {"jawOpen": 1.0}
    assert track.scaled(0).is_empty and track.scaled(1) == track
    with pytest.raises(UserError, match=r"overall strength.*-0\.1"):
        track.scaled(-0.1)


def test_with_segment_leaves_the_first_track_alone():
    track = EmotionTrack.constant(happy=1.0)
    longer = track.with_segment(Segment(1, 2, {"sad": 1.0}))
    assert len(track.segments) == 1 and longer.segments[:1] == track.segments and len(longer.segments) == 2


@pytest.mark.parametrize("digits", [400, 5000])
@pytest.mark.parametrize(
    "row",
    [{"start": "N"}, {"end": "N"}, {"fade": "N"}, {"strengths": {"happy": "N"}}, {"units": {"jawOpen": "N"}}],
)
def test_numbers_of_hundreds_of_digits_are_told(row, digits):
    text = json.dumps([{"strengths": {}} | row]).replace('"N"', "9" * digits)
    with pytest.raises(UserError, match="segment 1 of the emotion track: ") as said:
        EmotionTrack.from_json(text)
    assert len(str(said.value)) < 250
    with pytest.raises(UserError):
        EmotionTrack.constant(happy=10**digits)


@pytest.mark.parametrize(
    "row",
    [
        {"X": 1, "units": {}},
        {"easing": "X", "units": {}},
        {"strengths": {"X": 1}},
        {"units": {"X": 1}},
        {"start": "X", "units": {}},
        {"strengths": {"happy": "X"}},
        {"start": ["X"], "units": {}},
    ],
)
def test_messages_repeat_a_little_of_the_input(row):
    with pytest.raises(UserError) as said:
        EmotionTrack.from_json(json.dumps([row]).replace("X", "x" * 100000))
    assert "x" * 60 in str(said.value) and "x" * 81 not in str(said.value)

"""Facial actions said outright become face units; feelings stay words."""

import pytest

from emotalker.arkit import UNIT_INDEX
from emotalker.emotion.prompt.action_words import ROWS
from emotalker.emotion.prompt.actions import find_actions


@pytest.mark.parametrize(
    ("text", "unit", "low", "high"),
    [
        ("raised eyebrows", "browOuterUpLeft", 0.7, 0.9),
        ("slightly raised eyebrows", "browOuterUpLeft", 0.3, 0.5),
        ("eyebrows raised", "browInnerUp", 0.7, 0.9),
        ("she raises her eyebrows", "browInnerUp", 0.7, 0.9),
        ("one eyebrow up", "browOuterUpRight", 0.8, 1.0),
        ("raises her left eyebrow", "browOuterUpLeft", 0.8, 1.0),
        ("a furrowed brow", "browDownLeft", 0.7, 0.9),
        ("frowning", "browDownRight", 0.5, 0.7),
        ("wide eyes", "eyeWideLeft", 0.8, 1.0),
        ("squints", "eyeSquintLeft", 0.7, 1.0),
        ("half-closed eyes", "eyeBlinkLeft", 0.3, 0.6),
        ("closed eyes", "eyeBlinkRight", 1.0, 1.0),
        ("pursed lips", "mouthPucker", 0.6, 0.9),
        ("pouting", "mouthShrugLower", 0.6, 0.9),
        ("clenched jaw", "mouthPressLeft", 0.4, 0.6),
        ("through gritted teeth", "mouthStretchLeft", 0.3, 0.5),
        ("wrinkles her nose", "noseSneerLeft", 0.7, 0.9),
        ("puffs out his cheeks", "cheekPuff", 0.8, 1.0),
        ("a forced smile", "mouthSmileLeft", 0.4, 0.7),
        ("smirks", "mouthSmileRight", 0.4, 0.7),
        ("bites her lip", "mouthRollLower", 0.8, 0.9),
        ("sticks her tongue out", "tongueOut", 0.8, 1.0),
        ("mouth open", "jawOpen", 0.4, 0.6),
        ("looks to the left", "eyeLookOutLeft", 0.5, 0.7),
        ("looks right", "eyeLookOutRight", 0.5, 0.7),
        ("looking down", "eyeLookDownLeft", 0.5, 0.7),
        ("looks up", "eyeLookUpLeft", 0.5, 0.7),
        ("a sneer", "noseSneerRight", 0.5, 0.7),
    ],
)
def test_actions_become_units(text, unit, low, high):
    assert low <= find_actions(text).units[unit] <= high


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("raised eyebrows", ""),
        ("she raises her eyebrows", ""),
        ("happy with raised eyebrows and wide eyes", "happy"),
        ("angry, jaw clenched", "angry"),
        ("a polite smile, sad eyes", "sad eyes"),
        ("winks", ""),
        ("keeps winking", ""),
        ("frowning", "frowning"),
        ("a bitter smirk", "a bitter smirk"),
        ("smiling through tears", "smiling through tears"),
    ],
)
def test_only_what_names_no_feeling_is_taken_out(text, rest):
    assert find_actions(text).rest == rest


@pytest.mark.parametrize(
    "text",
    [
        "without raising her eyebrows",
        "not frowning",
        "she doesn't wink",
        "no smirk",
        "never closes her eyes",
        "smiling",
        "in tears",
        "surprised",
        "looks down on him",
        "highbrow and cool",
        "as if she had winked",
        "an open heart",
        "looks right into the camera",
    ],
)
def test_negated_and_unsaid_actions_move_nothing(text):
    found = find_actions(text)
    assert not found.units and not found.events and found.rest == text


def test_a_forced_smile_leaves_cheeks_and_eyes_out():
    assert not any(name.startswith(("cheek", "eye")) for name in find_actions("a forced smile").units)


def test_a_wink_is_an_event_of_one_eye():
    found = find_actions("winks with her right eye")
    assert not found.units and not found.repeated
    assert found.events[0]["eyeBlinkRight"] == 1 and "eyeBlinkLeft" not in found.events[0]
    assert find_actions("she keeps winking").repeated


def test_table_holds_face_units_in_range():
    for action in ROWS:
        for name, weight in action.units.items():
            for side in ("Left", "Right"):
                assert name.removesuffix("Side") + (side if name.endswith("Side") else "") in UNIT_INDEX, action.name
            assert 0 < weight <= 1
        assert (action.side is not None) == any(name.endswith("Side") for name in action.units), action.name

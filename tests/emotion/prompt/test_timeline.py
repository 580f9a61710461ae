"""What a prompt says about order and time, without any model: texts of the passages and where they lie."""

import itertools

import pytest

from emotalker.emotion.prompt.placing import place
from emotalker.emotion.prompt.timeline import parse_timeline


def told(prompt, seconds=6.0, **given):
    return [
        (p.passage.text, round(p.start, 2), round(p.end, 2)) for p in place(parse_timeline(prompt), seconds, **given).placed
    ]


def texts(prompt):
    return [passage.text for passage in parse_timeline(prompt)]


@pytest.mark.parametrize(
    "prompt",
    [
        "furious",
        "a little sad and fearful",
        "happy, excited and proud",
        "happy but a bit nervous",
        "not angry but sad",
        "no longer angry",
        "smiling while crying",
        "smiling while slowly getting angry",
        "nervous before the exam",
        "relieved after a long day",
        "grinning from ear to ear",
        "sad from time to time",
        "happy when she sees him",
        "love at first sight",
        "she turns her head away, sad",
        "happy with a flicker of fear",
        "calm from start to finish",
        "furious at the end of her rope",
        "in the middle of a breakdown",
        "sad and happy, <b>very</b> much",
        "the joy of someone suddenly free",
        "every now and then a bit sad",
    ],
)
def test_without_order_words_a_prompt_is_one_passage(prompt):
    assert len(told(prompt)) == 1 and told(prompt)[0][1:] == (0, 6)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("starts calm, then grows furious and ends in tears", ["calm", "furious", "in tears"]),
        ("Calm. Then furious!", ["Calm", "furious"]),
        ("she laughs before she cries", ["laughs", "cries"]),
        ("Before she cries, she laughs", ["laughs", "cries"]),
        ("before he smiles, he looks scared", ["scared", "smiles"]),
        ("calm until the door opens and she screams", ["calm", "screams"]),
        ("After laughing, she cries", ["laughing", "cries"]),
        ("she cries after laughing", ["laughing", "cries"]),
        ("calm, suddenly furious", ["calm", "furious"]),
        ("from calm to angry to sad", ["calm", "angry", "sad"]),
        ("goes from happy to sad and finally to angry", ["happy", "sad", "angry"]),
        ("happy at first, sad at the end", ["happy", "sad"]),
        ("happy and excited at first, then sad and lonely", ["happy and excited", "sad and lonely"]),
        ("calm until she hears the news, then sad", ["calm", "sad"]),
        ("calm until she breaks down", ["calm", "breaks down"]),
        ("joy turns into grief", ["joy", "grief"]),
        ("a smile which gives way to worry and melts into panic", ["a smile", "worry", "panic"]),
        ("She is calm and slowly becomes furious", ["calm", "furious"]),
        ("not angry at all, then very scared", ["not angry at all", "very scared"]),
        ("happy, then sad and back again", ["happy", "sad", "happy"]),
        ("calm -> furious → sad", ["calm", "furious", "sad"]),
        ("1. calm 2. angry 3. sad", ["calm", "angry", "sad"]),
        ("calm, angry, then sad", ["calm", "angry", "sad"]),
        ("calm, a little tense, then sad", ["calm, a little tense", "sad"]),
        ("She smiles. Her eyes are bright. Then she frowns.", ["smiles. Her eyes are bright", "frowns"]),
        ("she smiles, then her face falls", ["smiles", "her face falls"]),
        ("joyful, though towards the end a shadow of worry", ["joyful", "a shadow of worry"]),
        ("sad at the end, happy at the start", ["happy", "sad"]),
        ("calm at first, in the end furious, in between nervous", ["calm", "nervous", "furious"]),
        ("tense - relieved - overjoyed", ["tense", "relieved", "overjoyed"]),
        ("calm, except for a moment of anger", ["calm", "anger", "calm"]),
        ("calm, more and more angry, then sad", ["calm", "angry", "sad"]),
        ("bored. After a while, intrigued. At the end, thrilled.", ["bored", "intrigued", "thrilled"]),
    ],
)
def test_order_words_part_a_prompt_into_clean_descriptions(prompt, expected):
    assert texts(prompt) == expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("[0-2.5s] calm [2.5s-] furious", [("calm", 0, 2.5), ("furious", 2.5, 6)]),
        ("[0%-40%] calm [40%–] furious", [("calm", 0, 2.4), ("furious", 2.4, 6)]),
        ("[0-40%] calm", [("calm", 0, 2.4)]),
        ("[2s] calm [4s] sad", [("calm", 2, 4), ("sad", 4, 6)]),
        ("[-2s] calm", [("calm", 0, 2)]),
        ("[0–2,5 s] calm [2,5 s–] sad", [("calm", 0, 2.5), ("sad", 2.5, 6)]),
        ("[last 2s] calm", [("calm", 4, 6)]),
        ("[0:01-0:03.5] calm", [("calm", 1, 3.5)]),
        ("[500-900ms] calm", [("calm", 0.5, 0.9)]),
        ("[1 sec to 2 seconds] calm", [("calm", 1, 2)]),
        ("[3-1s] calm", [("calm", 1, 3)]),
        ("[0-2s] calm [4s-] sad", [("calm", 0, 2), ("sad", 4, 6)]),
        ("calm [2s-3s] angry", [("calm", 0, 2), ("angry", 2, 3), ("calm", 3, 6)]),
        ("calm [2s-] angry", [("calm", 0, 2), ("angry", 2, 6)]),
        ("calm [0-2s], furious [2s-]", [("calm", 0, 2), ("furious", 2, 6)]),
        ("0-2s: calm, 2-4s: angry; 4s: sad", [("calm", 0, 2), ("angry", 2, 4), ("sad", 4, 6)]),
        ("[0-4s] calm, then angry [4s-] sad", [("calm", 0, 2), ("angry", 2, 4), ("sad", 4, 6)]),
        ("[3s-] sad [-3s] calm", [("calm", 0, 3), ("sad", 3, 6)]),
        ("[0s-] calm [4s] sad", [("calm", 0, 4), ("sad", 4, 6)]),
        ("[0-2s] calm [2s-40s] furious", [("calm", 0, 2), ("furious", 2, 6)]),
    ],
)
def test_marks_say_when(prompt, expected):
    assert told(prompt) == expected


def test_a_minute_is_sixty_seconds():
    assert told("[1:05-1:10] calm", 80.0) == [("calm", 65, 70)]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("calm until halfway, then furious, finally sad", [("calm", 0, 3), ("furious", 3, 4.5), ("sad", 4.5, 6)]),
        ("calm, after two seconds furious", [("calm", 0, 2), ("furious", 2, 6)]),
        ("for the first two seconds calm, then angry", [("calm", 0, 2), ("angry", 2, 6)]),
        ("calm for two seconds, furious for one second, then sad", [("calm", 0, 2), ("furious", 2, 3), ("sad", 3, 6)]),
        ("calm 2s, angry 1s, sad 3s", [("calm", 0, 2), ("angry", 2, 3), ("sad", 3, 6)]),
        ("calm, two seconds later angry, one second later sad", [("calm", 0, 2), ("angry", 2, 3), ("sad", 3, 6)]),
        ("calm, furious in the last second", [("calm", 0, 5), ("furious", 5, 6)]),
        ("first half happy, second half sad", [("happy", 0, 3), ("sad", 3, 6)]),
        ("happy, towards the end sad", [("happy", 0, 4.5), ("sad", 4.5, 6)]),
        ("two thirds through she becomes sad", [("sad", 4, 6)]),
        ("from 0 to 2 seconds calm, then angry", [("calm", 0, 2), ("angry", 2, 6)]),
        ("between 1 and 3 seconds angry", [("angry", 1, 3)]),
        ("mostly calm, sad at the end", [("calm", 0, 4), ("sad", 4, 6)]),
        ("sad in the middle", [("sad", 2, 4)]),
        ("calm at the start, angry in the middle, sad at the end", [("calm", 0, 2), ("angry", 2, 4), ("sad", 4, 6)]),
    ],
)
def test_words_of_time_place_passages(prompt, expected):
    assert told(prompt) == expected


def test_a_moment_is_short_and_what_was_before_comes_back():
    assert told("calm but for a moment angry") == [("calm", 0, 2.6), ("angry", 2.6, 3.4), ("calm", 3.4, 6)]
    assert told("smiles for a moment, then cries") == [("smiles", 0, 0.8), ("cries", 0.8, 6)]
    assert told("briefly angry, then calm", 2.0)[0] == ("angry", 0, 0.3)  # 15 % of a short speech


@pytest.mark.parametrize(
    ("prompt", "easing", "slow"),
    [
        ("calm, then suddenly furious", "step", False),
        ("calm, slowly furious", "linear", True),
        ("calm, then little by little furious", "linear", True),
        ("calm, then furious", "smooth", False),
        ("snaps from calm to furious", "step", False),
        ("calm melts into furious", "linear", True),
    ],
)
def test_how_a_passage_comes(prompt, easing, slow):
    calm, furious = parse_timeline(prompt)
    assert (furious.easing, furious.slow, calm.easing) == (easing, slow, "smooth")


def test_growing_is_a_ramp_of_one_passage():
    for prompt in ("more and more angry", "angrier and angrier", "gets angrier", "increasingly angry", "with growing anger"):
        (passage,) = parse_timeline(prompt)
        assert passage.ramp[0] < 0.5 < 1 < passage.ramp[1] and passage.text in ("angry", "anger"), prompt
    assert parse_timeline("slowly getting sad")[0].ramp == (0.2, 1.0)
    assert parse_timeline("less and less angry")[0].ramp[0] > parse_timeline("less and less angry")[0].ramp[1]


def test_more_and_less_refer_to_what_was_before():
    sad, less = parse_timeline("sad, then a little less")
    assert less.text == "sad" and 0.5 < less.factor < 0.9 and sad.factor == 1
    assert parse_timeline("excited, then much more excited")[1].factor > 1
    assert parse_timeline("sad, then less angry")[1].text == "less angry"


WORDS = [("I", 0.5, 0.7), ("will", 0.7, 1.0), ("never", 1.0, 1.6), ("go", 1.6, 2.0), ("again", 2.0, 2.8)]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ('{word: "never"} angry', [("angry", 1.0, 6.0)]),
        ('{word: "never" - "never"} angry', [("angry", 1.0, 1.6)]),
        ('{word: "i"} calm {word: "Go"} angry', [("calm", 0.5, 1.6), ("angry", 1.6, 6.0)]),
        ('{word: "never" - "again"} angry', [("angry", 1.0, 2.8)]),
        ('{word: "never" -} angry', [("angry", 1.0, 6.0)]),
        ("{word: never} angry", [("angry", 1.0, 6.0)]),
        ("{“never go” - “again”} angry", [("angry", 1.0, 2.8)]),
        ('calm {word: "never"} angry', [("calm", 0, 1.0), ("angry", 1.0, 6.0)]),
        ('calm {word: "never" - "never"} angry', [("calm", 0, 1.0), ("angry", 1.0, 1.6), ("calm", 1.6, 6.0)]),
        ('calm until "never", then angry', [("calm", 0, 1.0), ("angry", 1.0, 6.0)]),
        ('calm, from the word "never" on angry', [("calm", 0, 1.0), ("angry", 1.0, 6.0)]),
    ],
)
def test_marks_on_words_follow_the_transcript(prompt, expected):
    assert told(prompt, words=WORDS) == expected


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ('{word: "always"} angry', '"always" is not in the transcript'),
        ("[0-2s] calm [7s-] angry", '"angry" begins after the end'),
        ("calm, after three seconds sad, after two seconds happy", '"happy" is told after'),
    ],
)
def test_what_has_no_place_is_said(prompt, says):
    assert any(says in warning for warning in place(parse_timeline(prompt), 6.0, words=WORDS).warnings)


def test_a_word_marked_again_is_its_next_occurrence():
    words = [("no", 1.0, 1.5), ("oh", 2.0, 2.5), ("no", 3.0, 3.5)]
    assert told('{word: "no"} sad {word: "no"} angry', words=words) == [("sad", 1, 3), ("angry", 3, 6)]


def test_an_unreadable_mark_is_said_and_does_not_hide_the_words():
    (passage,) = parse_timeline("[soon] calm")
    assert "[soon]" in passage.warning and "calm" in passage.text


def test_borders_that_nobody_stated_move_to_a_near_pause():
    assert told("calm, then furious", pauses=[(3.3, 3.7)]) == [("calm", 0, 3.5), ("furious", 3.5, 6)]
    assert told("calm, then furious", pauses=[(4.3, 4.7)]) == [("calm", 0, 3), ("furious", 3, 6)]
    assert told("calm, after 3 s furious", pauses=[(3.3, 3.7)])[1][1] == 3
    assert told("[0-3s] calm [3s-] furious", pauses=[(3.3, 3.7)])[1][1] == 3


def test_shares_are_of_the_speech_not_of_the_silence_around_it():
    assert told("calm, then furious", speech=(2.0, 6.0)) == [("calm", 0, 4), ("furious", 4, 6)]


def test_many_passages_stay_in_order_and_inside():
    found = told(", then ".join(f"mood{n}" for n in range(40)))
    assert [text for text, _, _ in found] == [f"mood{n}" for n in range(40)]
    assert all(a[2] == b[1] for a, b in itertools.pairwise(found)) and found[-1][2] == 6


@pytest.mark.parametrize("prompt", ["", "   ", "...", "[0-2s]", "then", "then then then", "{}", "[]", "]]{{[", "\n\n"])
def test_no_words_are_no_crash(prompt):
    assert len(parse_timeline(prompt)) <= 1


def test_warnings_repeat_80_characters_at_most():
    mark = f"[{'soon ' * 100}]"
    (warned,) = [one.warning for one in parse_timeline(f"{mark} calm") if one.warning]
    assert "..." in warned and len(warned) < 200

import json
import re
from itertools import product
from pathlib import Path

import pytest

from emotalker.emotion.taxonomy import EMOTIONS
from emotalker.training.emotion.fed import generate_fed, load_fed
from emotalker.training.emotion.fed.overlap import tokens
from tests.emotion.expectations import load_pairs

DATA = Path(__file__).parent / "data"
EXPECTED = re.compile(rf"neutral_warn|truncated_warn|empty_warn|no_crash|emotion:({'|'.join(EMOTIONS)})")
MARK = re.compile(r"\[[^]]*]|\{[^}]*}")


@pytest.fixture(scope="module")
def pairs():
    return load_pairs(DATA / "negation_mixture.tsv")


@pytest.fixture(scope="module")
def timelines():
    return [
        json.loads(line)
        for line in (DATA.parent / "prompt" / "data" / "timeline.jsonl").read_text(encoding="utf-8").splitlines()
    ]


@pytest.fixture(scope="module")
def odd():
    return json.loads((DATA / "odd_prompts.json").read_text(encoding="utf-8"))


def test_150_pairs_of_two_kinds(pairs):
    kinds = [pair.kind for pair in pairs]
    assert (kinds.count("negation"), kinds.count("mixture")) == (80, 70)
    assert len({pair.id for pair in pairs}) == 150
    texts = [text.casefold() for pair in pairs for text in (pair.a, pair.b)]
    assert [text for text in texts if texts.count(text) > 1] == []


def test_the_same_reading_of_both_texts_meets_no_pair(pairs):
    """So a model that misses the difference passes no pair, whatever it reads: all mixtures of three strengths are tried."""
    for pair in pairs:
        named = sorted({name for condition in pair.conditions for name in (*condition.left, *condition.right)})
        for values in product((0.0, 0.15, 0.5), repeat=len(named)):
            strengths = dict(zip(named, values, strict=True))
            assert pair.failures(strengths, strengths), (pair.id, strengths)


def test_no_pair_contradicts_itself(pairs):
    limits = {}
    for pair in pairs:
        for condition in pair.conditions:
            if condition.sign in (">=", "<"):
                limits.setdefault((pair.id, condition.side, condition.left), {})[condition.sign] = condition.limit
    assert [key for key, signs in limits.items() if signs.get(">=", 0) >= signs.get("<", 2)] == []


def test_60_timelines_lie_within_the_speech_in_order(timelines):
    assert len(timelines) == len({line["id"] for line in timelines}) == len({line["prompt"] for line in timelines}) == 60
    for line in timelines:
        assert set(line) == {"id", "prompt", "seconds", "pauses", "words", "segments"}, line["id"]
        ends = [0.0]
        for segment in line["segments"]:
            assert ends[-1] <= segment["start"] < segment["end"] <= line["seconds"], line["id"]
            assert segment["main"] is None or segment["main"] in EMOTIONS, line["id"]
            ends.append(segment["end"])
        assert len(ends) > 1
        for spans in (line["pauses"], [word[1:] for word in line["words"]]):
            times = [time for span in spans for time in span]
            assert times == sorted(times) and all(0 <= time <= line["seconds"] for time in times), line["id"]


def test_timelines_have_every_way_of_saying_when(timelines):
    words = [line for line in timelines if "{word:" in line["prompt"]]
    times = [line for line in timelines if "[" in line["prompt"] and line not in words]
    rest = [line for line in timelines if line not in words and line not in times]
    assert (len(times), len(words), len(rest)) == (15, 7, 38)
    assert sum(len(line["segments"]) == 1 for line in rest) == 8
    assert all(line["words"] for line in words)
    assert sum(bool(line["pauses"]) for line in timelines) >= 15


def test_odd_prompts_each_have_one_known_expectation(odd):
    assert len(odd) == len({entry["id"] for entry in odd}) >= 25
    for entry in odd:
        assert set(entry) - {"seconds", "or"} in ({"id", "prompt", "expect"}, {"id", "repeat", "expect"}), entry["id"]
        assert all(EXPECTED.fullmatch(entry[key]) for key in ("expect", "or") if key in entry), entry["id"]
    assert {entry["expect"].partition(":")[0] for entry in odd} == {
        "neutral_warn",
        "truncated_warn",
        "empty_warn",
        "no_crash",
        "emotion",
    }


def test_none_of_it_is_in_the_training_data(pairs, timelines):
    """Case and punctuation do not count; a single plain word ("calm") may be in both."""
    training = {_plain(item.text) for item in [*load_fed("train"), *generate_fed(30_000, seed=0)]}
    assert _plain("Happy!") in training
    texts = [text for pair in pairs for text in (pair.a, pair.b)]
    texts += [line["prompt"] for line in timelines] + [p for line in timelines for p in MARK.split(line["prompt"])]
    assert [text for text in texts if len(_plain(text).split()) > 1 and _plain(text) in training] == []


def _plain(text: str) -> str:
    return " ".join(tokens(text))

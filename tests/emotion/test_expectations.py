import pytest

from tests.emotion.expectations import Pair, load_pairs, parse_expectation

NONE = {}


def failures(expectation, a=NONE, b=NONE):
    pair = Pair("x", "mixture", "one", "two", parse_expectation(expectation))
    return [str(condition) for condition in pair.failures(a, b)]


@pytest.mark.parametrize(
    ("expectation", "a", "b"),
    [
        ("a: happy>=0.2; b: happy<0.2", {"happy": 0.2}, {"happy": 0.19}),
        ("b: sad>=0.2, fear>=0.2", NONE, {"sad": 0.3, "fear": 0.2}),
        ("a>b: happy", {"happy": 0.55}, {"happy": 0.4}),
        ("b>a: sad, angry", NONE, {"sad": 0.15, "angry": 0.5}),
        ("a: sad>happy", {"sad": 0.35, "happy": 0.3}, NONE),
        ("a: sad|angry>=0.3", {"angry": 0.4}, NONE),
        ("a: happy|neutral>fear|sad", {"neutral": 0.5, "sad": 0.3}, NONE),
        ("a>b: sad|angry", {"sad": 0.5}, {"angry": 0.2}),
    ],
)
def test_met(expectation, a, b):
    assert failures(expectation, a, b) == []


@pytest.mark.parametrize(
    ("expectation", "a", "b", "failed"),
    [
        ("a: happy>=0.2; b: happy<0.2", {"happy": 0.19}, {"happy": 0.2}, ["a: happy>=0.2", "b: happy<0.2"]),
        ("b: sad>=0.2, fear>=0.2", {"fear": 1.0}, {"sad": 0.3}, ["b: fear>=0.2"]),
        ("a>b: happy", {"happy": 0.5}, {"happy": 0.4}, ["a>b: happy"]),
        ("b>a: sad", {"sad": 0.5}, {"sad": 0.5}, ["b>a: sad"]),
        ("a: sad>happy", {"sad": 0.3, "happy": 0.3}, NONE, ["a: sad>happy"]),
        ("a: sad|angry<0.3", {"angry": 0.4}, NONE, ["a: sad|angry<0.3"]),
        ("a>b: sad|angry", {"sad": 0.5}, {"angry": 0.5}, ["a>b: sad|angry"]),
    ],
)
def test_not_met(expectation, a, b, failed):
    assert failures(expectation, a, b) == failed


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "happy>=0.2",
        "c: happy>=0.2",
        "a: joy>=0.2",
        "a: happy=0.2",
        "a: happy>=2",
        "a>b: happy>=0.2",
        "a: happy",
        "a: sad<0.2;",
    ],
)
def test_unreadable_expectations_are_refused(wrong):
    with pytest.raises(ValueError):
        parse_expectation(wrong)


@pytest.mark.parametrize(
    "row", ["1\tirony\tone\ttwo\ta: sad<0.2", "1\tmixture\tone\ta: sad<0.2", "1\tmixture\tone\ttwo\ta: glad<0.2"]
)
def test_a_bad_line_is_named(tmp_path, row):
    table = tmp_path / "pairs.tsv"
    table.write_text(f"id\tkind\ta\tb\texpect\n0\tmixture\tone\ttwo\ta: sad<0.2\n{row}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 3"):
        load_pairs(table)

import gzip
import re
from itertools import pairwise
from random import Random

import pytest

from emotalker.emotion.taxonomy import EMOTIONS
from emotalker.errors import UserError
from emotalker.training.emotion.fed import KINDS, Item, generate_fed, load_fed
from emotalker.training.emotion.fed import __main__ as command
from emotalker.training.emotion.fed.card import BANDS, band_counts, band_of, card
from emotalker.training.emotion.fed.data import COLUMNS, FED_PATH, dump_fed, row_of
from emotalker.training.emotion.fed.generator import TEMPLATES
from emotalker.training.emotion.fed.lexicon import MARKED, apply_degree, degrees, scaled, words
from emotalker.training.emotion.fed.noise import disturb
from emotalker.training.emotion.fed.overlap import shared_patterns, shared_runs, shared_stems, shared_words, stem, tokens

PLAIN = dict(
    zip(EMOTIONS, ("neutral", "happy", "sad", "angry", "scared", "disgusted", "surprised", "contemptuous"), strict=True)
)
SCALE = ("a touch", "slightly", "somewhat", "rather", "quite", "very", "extremely", "beyond")


@pytest.fixture(scope="module")
def generated():
    return generate_fed(30_000, seed=0)


@pytest.fixture(scope="module")
def training_texts():
    """Everything a model may see while it learns: train items, what the generator makes of them, and its tables."""
    texts = [item.text for item in load_fed("train")] + [item.text for item in generate_fed(6000, seed=1, noise=0.0)]
    texts += [word.text for form in ("adjective", "noun") for word in words(form)]
    return texts + [degree.phrase for degree in degrees()]


def texts_of(split):
    return [item.text for item in load_fed(split)]


def test_handwritten_part_is_large_and_has_every_kind():
    assert len(load_fed()) >= 800
    assert len(load_fed("test")) >= 250
    assert {item.kind for item in load_fed("train")} == set(KINDS)
    assert {item.kind for item in load_fed("test")} == set(KINDS) - {"adjective"}  # plain adjectives belong to training


def test_no_text_or_id_twice():
    items = load_fed()
    plain = [" ".join(tokens(item.text)) or item.text for item in items]  # case and punctuation alone make no new text
    assert len({item.id for item in items}) == len(items)
    assert [text for text in set(plain) if plain.count(text) > 1] == []


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_emotion_occurs_in_every_strength_band(split):
    counts = band_counts(load_fed(split))
    assert min(counts[emotion][band] for emotion in EMOTIONS for band in BANDS) >= 2
    assert min(sum(counts[emotion].values()) for emotion in EMOTIONS) >= 40


def test_emotions_are_balanced():
    for split, ratio in (("train", 1.5), ("test", 1.5)):
        mains = [item.main for item in load_fed(split)]
        counts = [mains.count(emotion) for emotion in EMOTIONS]
        assert max(counts) <= ratio * min(counts)


@pytest.mark.parametrize("split", ["test", "dev"])
def test_split_uses_no_word_phrase_or_template_of_training(split, training_texts):
    texts = texts_of(split)
    assert shared_stems(texts, training_texts) == {}
    assert shared_runs(texts, training_texts) == set()
    assert shared_patterns(texts, training_texts) == set()


def test_test_split_uses_no_word_phrase_or_template_of_dev():
    test, dev = texts_of("test"), texts_of("dev")
    assert (shared_stems(test, dev), shared_runs(test, dev), shared_patterns(test, dev)) == ({}, set(), set())


@pytest.mark.parametrize(
    ("text", "meets"),
    [
        ("sadly", "sad"),
        ("a fearful face", "fear"),
        ("terified", "terrified"),
        ("astonishde", "astonished"),
        ("so much disgust", "disgusting"),
    ],
)
def test_overlap_finds_related_and_misspelt_words(text, meets):
    assert shared_stems([text], [meets])


def test_overlap_finds_phrases_and_templates():
    assert shared_runs(["at the end of my rope"], ["the end of my day"]) == {"the end of my"}
    assert shared_patterns(["the man is less zig than zag"], ["the man is less foo than bar"])
    assert not shared_patterns(["the man is less zig than zag"], ["the man is more foo than bar"])


def test_shared_words_hold_no_emotion_word():
    single = {word.text for form in ("adjective", "noun") for word in words(form)} | set(EMOTIONS) | set(PLAIN.values())
    assert single & shared_words() == set()
    stems = {stem(word) for word in shared_words()}
    for word in ("smile", "cry", "shout", "tremble", "sneer", "gag", "stun", "rage", "dread", "grin", "scorn", "weep"):
        assert stem(word) not in stems


def test_lexicon_agrees_with_the_handwritten_items():
    handwritten = {item.text: item.strengths for item in load_fed("train")}
    known = [word for form in ("adjective", "noun") for word in words(form) if word.text in handwritten]
    assert len(known) >= 90
    assert [w.text for w in known if row_of(dict(w.strengths)) != handwritten[w.text]] == []


def test_readme_shows_the_card():
    readme = (FED_PATH.parent / "README.md").read_text(encoding="utf-8")
    assert card() in readme, "write the output of python -m emotalker.training.emotion.fed into README.md"


def test_generator_makes_30000_distinct_items_that_are_not_handwritten(generated):
    texts = {item.text.casefold() for item in generated}
    assert len(texts) == len({item.id for item in generated}) == 30_000
    assert texts.isdisjoint(text.casefold() for text in texts_of(None))
    assert {item.split for item in generated} == {"train"}


def test_generator_strengths_are_in_range_and_cover_every_band(generated):
    assert all(0 <= s <= 1 for item in generated for s in item.strengths)
    assert all(any(item.strengths) for item in generated)
    counts = band_counts(generated)
    assert min(counts[emotion][band] for emotion in EMOTIONS for band in BANDS) >= 300


def test_generator_denies_as_the_guideline_says():
    random, make = Random(0), TEMPLATES["negation"][0]
    said = {re.sub("^.* is ", "", text): row_of(strengths) for text, strengths in (make(random) for _ in range(160_000))}
    expected = {
        "not frightened": {"neutral": 0.55},
        "not angry at all": {"neutral": 0.6},
        "not glad": {"sad": 0.35, "neutral": 0.15},
        "not glad at all": {"sad": 0.4, "angry": 0.25},
        "hardly disgusted": {"disgust": 0.12, "neutral": 0.45},
        "not very scared": {"fear": 0.25, "neutral": 0.3},
        "not calm": {"fear": 0.35, "angry": 0.35},
        "not betrayed": {"neutral": 0.55},
        "not flirty": {"neutral": 0.55},
        "not confident": {"fear": 0.35, "neutral": 0.15},
        "not friendly at all": {"neutral": 0.3, "angry": 0.25, "contempt": 0.2},
    }
    assert {text: said.get(text) for text in expected} == {text: row_of(strengths) for text, strengths in expected.items()}


def test_generator_is_deterministic(generated):
    assert generate_fed(500, seed=0) == generated[:500]
    other = {item.text for item in generate_fed(500, seed=1)}
    assert len(other & {item.text for item in generated[:500]}) < 50


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_scale_words_are_in_order(emotion):
    word = next(w for w in words("adjective") if w.text == PLAIN[emotion])
    targets = {d.phrase: d.target for d in degrees()}
    strengths = [apply_degree(word.strengths, targets[phrase])[emotion] for phrase in SCALE]
    assert all(a < b for a, b in pairwise(strengths))
    assert strengths[0] == pytest.approx(0.2) and strengths[-1] == pytest.approx(0.97)


def test_degrees_keep_their_order_for_weak_and_strong_words():
    targets = sorted({d.target for d in degrees()} | {MARKED})
    for strength in (0.1, 0.3, 0.55, 0.85, 0.97):
        values = [scaled(strength, target) for target in targets]
        assert all(a < b for a, b in pairwise(values)) and values[0] > 0 and values[-1] < 1
        assert scaled(strength, MARKED) == pytest.approx(strength)


def test_handwritten_items_follow_the_scale():
    """Of two items that differ by their degree words alone, the stronger word has the greater strength."""
    rank = ("a trace of", "a touch", "slightly", "somewhat", "fairly", "rather", "", "really", "very", "extremely", "beyond")
    groups: dict[str, dict[int, float]] = {}
    for item in load_fed():
        for place, degree in enumerate(rank):
            if item.text.startswith(f"{degree} ".lstrip()) and (degree or item.kind == "adjective"):
                groups.setdefault(item.text.removeprefix(degree).strip(), {})[place] = max(item.strengths)
    ladders = [[g[p] for p in sorted(g)] for g in groups.values() if len(g) > 1]
    assert all(a < b for ladder in ladders for a, b in pairwise(ladder))
    assert sum(len(ladder) >= 4 for ladder in ladders) >= 6


def test_noise_keeps_the_words_countable():
    random = Random(0)
    changed = [disturb("she is slightly furious, not scared", random) for _ in range(200)]
    assert len(set(changed)) > 20
    assert {len(text.split()) for text in changed} == {6}


def test_items_name_their_emotions():
    item = Item("x", "train", "mixed", "t", (0.0, 0.2, 0.0, 0.7, 0.0, 0.19, 0.0, 0.0))
    assert item.main == "angry" and item.present == ("happy", "angry")
    assert [band_of(s) for s in (0.0, 0.15, 0.2, 0.3, 0.55, 0.8, 1.0)] == [
        None, "trace", "trace", "slight", "marked", "severe", "maximum",
    ]  # fmt: skip


def write(path, *lines):
    path.write_bytes(gzip.compress(("\n".join(("\t".join(COLUMNS), *lines)) + "\n").encode()))
    return path


GOOD = "a-1\ttrain\tidiom\tover it\t0\t0.5\t0\t0\t0\t0\t0\t0"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a-2\ttrain\tidiom\tonly text", "line 3.*4 columns"),
        (GOOD.replace("a-1", "a-2").replace("train", "trial").replace("over it", "x"), 'split "trial"'),
        (GOOD.replace("a-1", "a-2").replace("over it", "x").replace("0.5", "1.5"), "strengths"),
        (GOOD.replace("a-1", "a-2").replace("over it", "x").replace("0.5", "nan"), "strengths"),
        (GOOD.replace("a-1", "a-2").replace("over it", "x").replace("0.5", "0"), "strengths"),
        (GOOD.replace("a-1", "a-2").replace("over it", "x").replace("0.5", "much"), "strengths"),
        (GOOD.replace("a-1", "a-2").replace("over it", " "), "no text"),
        (GOOD.replace("a-1", "a-2").replace("over", "OVER"), 'text "over it" twice'),
        (GOOD.replace("over it", "x"), 'id "a-1" twice'),
    ],
)
def test_loader_names_the_mistake(tmp_path, line, message):
    assert len(load_fed(path=write(tmp_path / "good.tsv.gz", GOOD))) == 1
    with pytest.raises(UserError, match=message):
        load_fed(path=write(tmp_path / "bad.tsv.gz", GOOD, line))


def test_loader_refuses_wrong_files_and_splits(tmp_path):
    with pytest.raises(UserError, match='no split "valid"'):
        load_fed("valid")
    with pytest.raises(UserError, match="missing"):
        load_fed(path=tmp_path / "none.tsv.gz")
    (tmp_path / "damaged.tsv.gz").write_bytes(b"no gzip at all")
    with pytest.raises(UserError, match="damaged"):
        load_fed(path=tmp_path / "damaged.tsv.gz")
    half = write(tmp_path / "half.tsv.gz", GOOD).read_bytes()[:-12]
    (tmp_path / "half.tsv.gz").write_bytes(half)
    with pytest.raises(UserError, match="damaged"):
        load_fed(path=tmp_path / "half.tsv.gz")
    (tmp_path / "other.tsv.gz").write_bytes(gzip.compress(b"a\tb\n1\t2\n"))
    with pytest.raises(UserError, match="columns"):
        load_fed(path=tmp_path / "other.tsv.gz")


@pytest.mark.parametrize("options", [{"count": -1}, {"count": 2.5}, {"count": 10**9}, {"count": 1, "noise": 2.0}])
def test_generator_refuses_what_it_cannot_do(options):
    with pytest.raises(UserError, match="FED"):
        generate_fed(**options)


def test_file_written_and_read_is_the_same(tmp_path):
    dump_fed(load_fed(), tmp_path / "a.tsv.gz")
    assert load_fed(path=tmp_path / "a.tsv.gz") == load_fed()
    dump_fed(load_fed(), tmp_path / "b.tsv.gz")
    assert (tmp_path / "a.tsv.gz").read_bytes() == (tmp_path / "b.tsv.gz").read_bytes()


def test_command_prints_the_card(capsys):
    assert command.main(["--generated", "200"]) == 0
    out = capsys.readouterr().out
    assert f"{len(load_fed())} hand-written items, 200 generated" in out
    happy = sum(item.main == "happy" for item in load_fed("test"))
    assert any(line.startswith("| happy |") and f"| {happy} |" in line for line in out.splitlines())
    assert command.main(["--generated", "-5"]) == 1


def test_edited_table_becomes_the_file_only_if_it_is_right(tmp_path):
    table, target = tmp_path / "fed.tsv", tmp_path / "fed.tsv.gz"
    assert command.main(["--unpack", str(table)]) == 0
    command.pack(table, target)
    before = target.read_bytes()
    assert load_fed(path=target) == load_fed()
    table.write_text(table.read_text(encoding="utf-8") + "broken line\n", encoding="utf-8")
    with pytest.raises(UserError, match="columns"):
        command.pack(table, target)
    assert target.read_bytes() == before and [p.name for p in tmp_path.iterdir() if p.suffix == ".new"] == []

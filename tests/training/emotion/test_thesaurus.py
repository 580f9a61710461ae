from random import Random

import pytest

from emotalker.emotion.hints import WIDTH
from emotalker.errors import UserError
from emotalker.training.emotion.fed.lexicon import words
from emotalker.training.emotion.thesaurus import Thesaurus


@pytest.fixture
def path(tmp_path):
    """Words that FED does not have beside words that it has, as the file of the thesaurus lists them."""
    by_main = {
        emotion: [word.text for word in words("adjective") if word.main == emotion and word.strengths[emotion] >= 0.5][:6]
        for emotion in ("happy", "angry")
    }
    lines = [
        ",".join(["zinty", *by_main["happy"]]),
        ",".join(["grumfed", *by_main["angry"]]),
        ",".join(["wobular", "table", "chair", "lamp", "door"]),
        ",".join(["multo", *by_main["happy"][:3], *(f"thing{i}" for i in range(100))]),
        *(",".join([word, *group]) for group in by_main.values() for word in group),
    ]
    file = tmp_path / "words.txt"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_strengths_go_on_to_synonyms(path):
    found = Thesaurus(path)
    assert set(found.terms) == {"zinty", "grumfed"}
    assert max(found.strengths["zinty"], key=found.strengths["zinty"].get) == "happy"
    assert found.strengths["grumfed"]["angry"] >= 0.4


def test_words_of_feds_own_are_told_by_their_synonyms_only(path):
    found = Thesaurus(path)
    own = {word.text for word in words("adjective")}
    assert own & set(found.hints) and not own & set(found.strengths)
    table = found.table()
    assert table.values.shape == (len(table.terms), WIDTH) and table.values.min() >= 0 and table.values.max() <= 1


def test_a_word_of_many_senses_is_a_weaker_hint(path):
    hints = Thesaurus(path).hints
    assert hints.get("multo", [0] * WIDTH)[-1] < hints["zinty"][-1]
    assert "wobular" not in hints


def test_words_can_be_kept_out(path):
    assert Thesaurus(path, ("so zinties",)).terms == ["grumfed"]


def test_words_are_drawn_with_degrees(path):
    found, random = Thesaurus(path), Random(0)
    drawn = [found.draw(random) for _ in range(200)]
    assert all("zinty" in text or "grumfed" in text for text, _ in drawn)
    assert len({text for text, _ in drawn}) > 20
    slight = [strengths["happy"] for text, strengths in drawn if "slightly zinty" in text]
    plain = found.strengths["zinty"]["happy"]
    assert all(value < plain for value in slight)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"words\.txt is missing"):
        Thesaurus(tmp_path / "words.txt")

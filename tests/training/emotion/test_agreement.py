import csv
import math
from pathlib import Path

import pytest

from emotalker.emotion.taxonomy import EMOTIONS
from emotalker.errors import UserError
from emotalker.training.emotion.agreement import agreement, cohens_kappa, load_second_rating, table
from emotalker.training.emotion.fed import Item, load_fed
from emotalker.training.emotion.fed.data import FED_PATH
from tests.emotion.expectations import load_pairs

DATA = Path(__file__).parents[2] / "emotion" / "data"


def test_every_item_of_the_test_split_is_rated():
    assert list(load_second_rating()) == [item.id for item in load_fed("test")]


def test_readme_states_the_agreement_that_the_files_give():
    assert table() in FED_PATH.with_name("README.md").read_text(encoding="utf-8")


def test_agreement_by_hand():
    items = [
        Item("a", "test", "idiom", "on cloud nine", (0, 0.9, 0, 0, 0, 0, 0, 0)),
        Item("b", "test", "idiom", "down in the dumps", (0, 0, 0.6, 0.3, 0, 0, 0, 0)),
    ]
    figures = agreement(items, {"a": {"happy": 0.7}, "b": {"angry": 0.6, "fear": 0.2}})
    assert figures["main_emotion"] == 0.5
    assert figures["present_f1"] == round(2 * 2 / (3 + 3), 4)
    assert figures["strength_error"] == round((0.2 + 0.6 + 0.3 + 0.2) / 16, 4)
    assert figures["strength_error_present"] == round((0.2 + 0.6 + 0.3 + 0.2) / 4, 4)


def test_a_second_rating_equal_to_the_labels_is_full_agreement():
    items = load_fed("dev")
    figures = agreement(items, {i.id: dict(zip(EMOTIONS, i.strengths, strict=True)) for i in items})
    assert (figures["main_emotion"], figures["present_f1"], figures["strength_error"], figures["main_kappa"]) == (1, 1, 0, 1)


def test_kappa():
    first, second = ["sad"] * 25 + ["angry"] * 25, ["sad"] * 20 + ["angry"] * 5 + ["sad"] * 10 + ["angry"] * 15
    assert cohens_kappa(first, second) == pytest.approx(0.4)  # 0.7 agreed, 0.5 by chance
    assert cohens_kappa(first, first) == 1
    assert math.isnan(cohens_kappa(["neutral"], ["neutral"]))


@pytest.mark.parametrize("line", ["a\tjolly=0.5", "a\tsad=1.5", "a\tsad", "a", "a\t", "b\tsad=0.5", "a\tsad=nan"])
def test_a_damaged_rating_names_its_line(tmp_path, line):
    (tmp_path / "r.tsv").write_text(f"id\tstrengths\nb\tsad=0.5\n{line}\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 3"):
        load_second_rating(tmp_path / "r.tsv")


def test_missing_or_other_table_is_refused(tmp_path):
    with pytest.raises(UserError, match="missing"):
        load_second_rating(tmp_path / "r.tsv")
    (tmp_path / "r.tsv").write_text("id\tsad\n", encoding="utf-8")
    with pytest.raises(UserError, match="columns"):
        load_second_rating(tmp_path / "r.tsv")


def test_second_rating_of_the_pairs_meets_all_expectations_but_two():
    pairs = load_pairs(DATA / "negation_mixture.tsv")
    with open(DATA / "second_rating.tsv", encoding="utf-8", newline="") as file:
        rated = {row["id"]: row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}
    assert list(rated) == [pair.id for pair in pairs]
    missed = [p.id for p in pairs if p.failures(_strengths(rated[p.id]["a"]), _strengths(rated[p.id]["b"]))]
    assert missed == ["m42", "m61"]


def _strengths(text):
    return {name: float(value) for name, value in (part.split("=") for part in text.split())}

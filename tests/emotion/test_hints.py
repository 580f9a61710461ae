import pytest
import torch

from emotalker.emotion.hints import WIDTH, Hints, lay

TERMS = ("furious", "up in arms", "arms", "happy", "sad", "cheerfulness", "deliberate", "the", "scared stiff")


@pytest.fixture(scope="module")
def hints():
    values = torch.zeros(len(TERMS), WIDTH)
    values[:, 0] = torch.arange(len(TERMS)) / 10
    values[:, -1] = 1
    return Hints(TERMS, values)


@pytest.mark.parametrize(
    "text, terms",
    [
        ("she is furious", ["furious"]),
        ("FURIOUS!", ["furious"]),
        ("up in arms", ["up in arms"]),  # not "arms"
        ("with open arms", ["arms"]),
        ("happily sadder", ["happy", "sad"]),
        ("the saddest, happiest day", ["the", "sad", "happy"]),
        ("furiuos and delibrate", ["furious", "deliberate"]),  # swapped, dropped
        ("furiousness", ["furious"]),
        ("cheerfullness", ["cheerfulness"]),  # doubled
        ("scared stiff of it", ["scared stiff"]),
        ("hippy", []),  # a short word with another letter is another word
        ("", []),
    ],
)
def test_words_that_are_known(hints, text, terms):
    found = hints.spans(text)
    assert [hints.terms[row] for *_, row in found] == terms
    assert all(0 <= first < last <= len(text) for first, last, _ in found)


def test_no_mistake_is_looked_for_in_a_word_that_is_spelled_right(hints):
    assert hints.spans("deliverate") and not hints.spans("deliverate", frozenset({"deliverate"}))


def test_each_piece_of_a_word_gets_its_hint(hints):
    text = "so up in arms"
    offsets = [[(0, 0), (0, 2), (3, 5), (6, 8), (9, 11), (11, 13), (0, 0)]]
    laid = lay(hints, [hints.spans(text)], offsets)
    assert laid.shape == (1, 7, WIDTH)
    assert laid[0, :, -1].tolist() == [0, 0, 1, 1, 1, 1, 0]
    assert laid[0, 4, 0] == pytest.approx(0.1)


def test_an_empty_table_gives_no_hints():
    empty = Hints((), torch.zeros(0, WIDTH))
    assert empty.spans("furious") == [] and (lay(empty, [[]], [[(0, 1)]]) == 0).all()

from pathlib import Path

import pytest

from emotalker.emotion.eib import EmotionIntensityBlock
from tests.emotion.expectations import KINDS, load_pairs

PAIRS = Path(__file__).parent / "data" / "negation_mixture.tsv"
REACHED = {"negation": 0.68, "mixture": 0.84}
"""Part of the pairs that must be right. The aim is 0.9 for all (docs/evaluation.md says what is missing); this holds what is
reached."""


@pytest.fixture(scope="module")
def pairs():
    return load_pairs(PAIRS)


@pytest.fixture(scope="module")
def missed(pairs):
    """Ids of the pairs that are read wrongly. Only these are shown: the texts are for measuring, not for tuning."""
    block = EmotionIntensityBlock.load()
    first = block.read([pair.a for pair in pairs])
    second = block.read([pair.b for pair in pairs])
    return [pair.id for pair, a, b in zip(pairs, first, second, strict=True) if pair.failures(a.strengths, b.strengths)]


@pytest.mark.parametrize("kind", KINDS)
def test_negation_and_mixture_are_read_no_worse_than_before(pairs, missed, kind):
    ids = [pair.id for pair in pairs if pair.kind == kind]
    score = 1 - len(set(ids) & set(missed)) / len(ids)
    assert score >= REACHED[kind], f"{score:.3f} of the {kind} pairs are right; missed: {' '.join(set(ids) & set(missed))}"

import pytest

from emotalker.speech.phones import ARPABET_VISEMES
from emotalker.training.speech.ipa import _PAIRS, _SINGLES, ipa_to_arpabet


@pytest.mark.parametrize(
    ("ipa", "phones"),
    [("tʃ", ["CH"]), ("əl", ["AH", "L"]), ("aɪə", ["AY", "AH"]), ("ɑ̃", ["AA"]), ("ɔːɹ", ["AO", "R"]), ("(en)", []), ("ʔ", [])],
)
def test_ipa_becomes_the_phones_that_look_alike(ipa, phones):
    assert ipa_to_arpabet(ipa) == phones


def test_only_phones_with_a_viseme_come_out():
    assert set(_PAIRS.values()) | set(_SINGLES.values()) <= set(ARPABET_VISEMES)

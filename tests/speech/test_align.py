import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from emotalker.errors import UserError
from emotalker.speech.align import align_speech, align_transcript
from emotalker.speech.analyse import analyse_speech
from emotalker.speech.features import VISEME_INDEX

TEXT = "He might even have been made amiable, himself!"


def sound(shared):
    rate, samples = wavfile.read(shared / "speech" / "librivox_sense_01_0930.wav")
    assert rate == 16000
    return torch.from_numpy(samples.astype(np.float32) / 32768)


def test_phones_follow_one_another_in_the_order_of_the_text(shared):
    pytest.importorskip("pocketsphinx")
    phones = align_transcript(sound(shared), TEXT)
    assert [name for _, _, name in phones if name != "SIL"][:6] == ["HH", "IY", "M", "AY", "T", "IY"]
    assert all(end > start for start, end, _ in phones)
    assert all(abs(a[1] - b[0]) < 1e-6 for a, b in pairwise(phones))


def test_words_lie_in_order_around_their_phones(shared):
    pytest.importorskip("pocketsphinx")
    phones, words = align_speech(sound(shared), TEXT)
    assert [word for _, _, word in words] == ["he", "might", "even", "have", "been", "made", "amiable", "himself"]
    assert all(a[1] <= b[0] + 1e-6 for a, b in pairwise(words))
    made = next(word for word in words if word[2] == "made")
    assert [name for start, end, name in phones if start >= made[0] - 1e-6 and end <= made[1] + 1e-6] == ["M", "EY", "D"]
    assert analyse_speech(sound(shared), 16000, 25, TEXT).words == words


def test_a_transcript_replaces_what_the_encoder_heard(shared):
    pytest.importorskip("pocketsphinx")
    found = analyse_speech(sound(shared), 16000, 25, TEXT)
    shut = [(start, end) for start, end, name in found.phones if name in "PBM"]
    assert len(shut) == 6
    for start, end in shut:
        assert found.visemes[int(start * 25) : int(end * 25) + 1, VISEME_INDEX["PP"]].max() > 0.6
    assert torch.allclose(found.visemes.sum(1), torch.ones(found.frames), atol=1e-4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("he might even xqzzt", r"xqzzt"),
        ("1234 !!", "no English words"),
        ("a totally different and very much longer sentence about the weather in the northern mountains " * 4, "does not fit"),
    ],
)
def test_a_transcript_that_cannot_be_used_is_named(shared, text, words):
    pytest.importorskip("pocketsphinx")
    with pytest.raises(UserError, match=words):
        align_transcript(sound(shared), text)


def test_without_pocketsphinx_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    with pytest.raises(UserError, match="pip install pocketsphinx"):
        align_transcript(torch.zeros(16000), "hello")

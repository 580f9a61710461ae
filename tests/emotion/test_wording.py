import pytest

from emotalker.emotion.wording import plain_words


@pytest.mark.parametrize(
    "text, words",
    [
        ("a little sad", "a little sad"),
        ("😱", "face screaming in fear"),
        ("so 😡!", "so furious face !"),
        ("👍🏽 fine", "thumbs up sign fine"),
        ("🤷‍♀️ whatever", "shrug female sign whatever"),
        ("great :)", "great smiling face"),
        ("oh no :(", "oh no sad face"),
        ("why >:(", "why angry face"),
        ("sooooo happyyyy", "so happy"),
        ("a  cool\tsea\nbreeze", "a cool sea breeze"),
        ("fiancé's déjà vu", "fiance's deja vu"),
        ("\u202eangry\u202c \x00\x07", "angry"),
        ("10000 times", "10000 times"),
        ("[0-2s]: (calm)", "[0-2s]: (calm)"),
        ("", ""),
        ("\ud800", ""),
    ],
)
def test_what_the_model_reads(text, words):
    assert plain_words(text) == words

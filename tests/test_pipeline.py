from pathlib import Path

import pytest

from emotalker.face.portrait import Portrait
from emotalker.pipeline import generate, load_image
from emotalker.speech import analyse
from emotalker.video.audio import Sound, read_audio

SAMPLES = Path(__file__).resolve().parent.parent / "samples"


class Seen(Exception):
    """The first frame is written: the test knows enough."""


def test_the_first_frame_of_a_long_speech_waits_for_its_first_piece_only(tmp_path, monkeypatch):
    listened = []
    listen = analyse._listen

    def counted(encoder, piece):
        listened.append(len(piece) / 16000)
        return listen(encoder, piece)

    def first(done, total):
        if done:
            raise Seen(total)

    monkeypatch.setattr(analyse, "_listen", counted)
    waveform, rate = read_audio(SAMPLES / "emotalker_voice.wav")
    sound = Sound(waveform.repeat(1, 85)[:, : 600 * rate], rate)
    portrait = Portrait.from_image(load_image(SAMPLES / "emotalker_portrait.png")[::3, ::3].contiguous())
    with pytest.raises(Seen, match="15000"):
        generate(portrait, sound, tmp_path / "clip.mp4", "happy=0.6", steps=2, on_progress=first)
    assert 0 < sum(listened) <= analyse.CHUNK + 2 * analyse.CONTEXT

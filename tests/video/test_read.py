"""Sound and frames come out of any file, and files that hold none are named."""

import numpy as np
import pytest
import torch
from PIL import Image

from emotalker.errors import UserError
from emotalker.video.audio import Sound, read_audio, write_wav
from emotalker.video.decode import read_frames, video_facts
from emotalker.video.encode import write_video


@pytest.fixture
def clip(tmp_path):
    """Ten frames of rising grey, no sound."""
    levels = torch.arange(10, dtype=torch.uint8) * 25
    write_video([levels[:, None, None, None].expand(10, 16, 16, 3)], tmp_path / "clip.mp4", 24, quality=100)
    return tmp_path / "clip.mp4"


def test_a_wav_comes_back_as_it_was(tmp_path):
    waveform = torch.rand(2, 44100 + 17) * 2 - 1
    write_wav(tmp_path / "sound.wav", Sound(waveform, 44100))
    again, rate = read_audio(tmp_path / "sound.wav")
    assert rate == 44100 and again.shape == waveform.shape
    assert (again - waveform).abs().max() <= 1 / 32767


def test_flac_and_float_wav_are_read(shared):
    waveform, rate = read_audio(shared / "speech" / "jfk.flac")
    assert waveform.shape == (2, 11 * 44100) and rate == 44100
    assert 0.05 < waveform.abs().max() <= 1
    assert read_audio(shared / "speech" / "bad" / "speech_nan_float32.wav")[0].isnan().sum() == 450


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.wav", None, "no sound file"),
        ("text.wav", b"hello", "could not be read"),
        ("empty.wav", b"", "could not be read"),
    ],
)
def test_what_is_no_sound_is_named(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=words):
        read_audio(tmp_path / name)


def test_a_video_without_sound_is_named(clip):
    with pytest.raises(UserError, match="holds no sound"):
        read_audio(clip)


def test_a_picture_is_no_sound(tmp_path):
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "picture.png")
    with pytest.raises(UserError, match=r"picture\.png"):
        read_audio(tmp_path / "picture.png")


def test_a_sound_that_breaks_off_is_read_up_to_there(tmp_path):
    write_wav(tmp_path / "whole.wav", Sound(torch.zeros(1, 16000), 16000))
    (tmp_path / "part.wav").write_bytes((tmp_path / "whole.wav").read_bytes()[:16044])
    assert 7900 < read_audio(tmp_path / "part.wav")[0].shape[1] <= 8000


def test_a_range_of_frames_comes_in_chunks(clip):
    chunks = list(read_frames(clip, chunk=3, start=2, stop=9))
    assert [len(chunk) for chunk in chunks] == [3, 3, 1]
    levels = torch.cat(chunks).float().mean((1, 2, 3))
    assert (levels - torch.arange(2, 9) * 25).abs().max() < 3


def test_facts_of_a_video(clip):
    facts = video_facts(clip)
    assert (facts.width, facts.height, facts.fps) == (16, 16, 24)


@pytest.mark.parametrize("content", [b"", b"hello"])
def test_what_is_no_video_is_named(tmp_path, content):
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(UserError, match=r"clip\.mp4"):
        list(read_frames(tmp_path / "clip.mp4"))

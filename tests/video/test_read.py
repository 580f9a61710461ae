"""Sound and frames come out of any file, and files that hold none are named."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from PIL import Image

from emotalker.errors import UserError
from emotalker.video import decode
from emotalker.video.audio import Sound, read_audio, read_recording, read_soundtrack, write_wav
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


@pytest.mark.parametrize(
    ("name", "seconds", "words"),
    [
        ("one_broken_stretch.mp3", 2.93, "damaged"),
        ("mono_then_stereo.mp3", 3.06, "damaged"),
        ("chained_mix.ogg", 3.0, None),
        ("twotracks.mp4", 1.54, None),
        ("latin1_artist_tag.wav", 0.5, None),
    ],
)
def test_sounds_that_are_damaged_or_change_are_read_to_their_end(shared, name, seconds, words):
    found = read_recording(shared / "cases" / name)
    assert found.sound.seconds == pytest.approx(seconds, abs=0.03)
    assert (found.warnings == ()) if words is None else words in " ".join(found.warnings)
    if "tag" not in name:
        assert found.sound.waveform[:, -20000:].abs().max() > 0.05, "its end is heard too"


def test_a_codec_that_nobody_knows_is_named(shared):
    with pytest.raises(UserError, match="knows no decoder"):
        read_audio(shared / "cases" / "unknown_codec.wav")


def test_a_gap_becomes_silence(tmp_path):
    with av.open(str(tmp_path / "gap.mkv"), "w") as container:
        track = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        for start in (0, 16000):
            frame = av.AudioFrame.from_ndarray(np.full((1, 8000), 9000, np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 8000, start, Fraction(1, 8000)
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    found = read_recording(tmp_path / "gap.mkv")
    assert found.sound.seconds == pytest.approx(3, abs=0.01)
    assert found.sound.waveform[0, 8100:15900].abs().max() == 0 and found.sound.waveform[0, 16100:].min() > 0.2
    assert "1.00 s of the sound of gap.mkv are damaged or missing" in found.warnings[0]


def varied(path, places, rate=25):
    """A video whose frames n, of brightness 10 n, are shown from places[n] / rate seconds on."""
    with av.open(str(path), "w") as container:
        track = container.add_stream("ffv1", rate=rate)
        track.width = track.height = 16
        track.pix_fmt = "bgr0"
        track.time_base = track.codec_context.time_base = Fraction(1, rate)
        for number, place in enumerate(places):
            frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 10 * number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = place, Fraction(1, rate)
            container.mux(track.encode(frame.reformat(format="bgr0")))
        container.mux(track.encode(None))
    return path


def test_frames_are_placed_by_their_times(tmp_path, monkeypatch):
    def levels(places):
        path = varied(tmp_path / "a.mkv", places)
        return [int(frame[0, 0, 0]) // 10 for chunk in read_frames(path) for frame in chunk]

    monkeypatch.setattr(decode, "_rate", lambda stream: Fraction(25))
    assert levels([0, 1, 4, 5, 7]) == [0, 1, 1, 1, 2, 3, 3, 4]
    monkeypatch.setattr(decode, "_rate", lambda stream: Fraction(25, 2))
    assert levels(range(8)) == [0, 2, 4, 6, 7]


def test_a_damaged_clock_fills_no_memory(tmp_path):
    path = varied(tmp_path / "a.mkv", [0, 1, 2, 10_000_000])
    assert sum(len(chunk) for chunk in read_frames(path)) < 10


def test_a_sound_that_starts_late_lies_where_it_is_heard(shared):
    start = video_facts(shared / "cases" / "sync_sound_starts_late.mp4").start
    late = read_soundtrack(shared / "cases" / "sync_sound_starts_late.mp4", start).sound
    quiet = round(0.33 * late.sample_rate)
    assert late.waveform[:, :quiet].abs().max() == 0 and late.waveform[:, quiet:].abs().max() > 0.1
    early = read_soundtrack(shared / "cases" / "sync.mp4", 0.4).sound
    assert early.seconds == pytest.approx(read_recording(shared / "cases" / "sync.mp4").sound.seconds - 0.4, abs=0.01)

"""Every sound of the data kit goes into a video whole, and stays where it was."""

import av
import pytest
import torch

from emotalker.speech.features import frame_count
from emotalker.video.audio import Sound, read_audio
from emotalker.video.encode import write_video

FPS = 25
FILES = [
    "Claire_anger.wav",
    "Claire_joy_mandarin.wav",
    "Claire_neutral.wav",
    "Mark_joy.wav",
    "jfk.flac",
    "librivox_sense_01_0870.wav",
    "librivox_sense_01_0880.wav",
    "librivox_sense_01_0890.wav",
    "librivox_sense_01_0920.wav",
    "librivox_sense_01_0930.wav",
    "bad/short_0.05s.wav",
    "bad/speech_8khz_mono.wav",
    "bad/speech_48khz_stereo_two_voices.wav",
    "bad/speech_with_music_5db.wav",
]


def lag(one, two, rate):
    """Seconds by which `two` comes after `one`, from their cross-correlation; both [N]."""
    size = 2 * max(len(one), len(two))
    spectrum = torch.fft.rfft(two, size) * torch.fft.rfft(one, size).conj()
    peak = int(torch.fft.irfft(spectrum, size).argmax())
    return (peak if peak < size // 2 else peak - size) / rate


@pytest.mark.parametrize("name", FILES)
def test_sound_and_picture_have_one_length_and_one_beginning(tmp_path, shared, name):
    waveform, rate = read_audio(shared / "speech" / name)
    seconds = waveform.shape[1] / rate
    count = frame_count(seconds, FPS)
    target = tmp_path / "clip.mp4"
    written = write_video([torch.zeros(count, 16, 16, 3, dtype=torch.uint8)], target, FPS, Sound(waveform, rate))
    assert written.frames == count and abs(written.seconds - seconds) <= 1 / FPS
    with av.open(str(target)) as container:
        for stream in container.streams:
            assert stream.start_time * stream.time_base == pytest.approx(0, abs=1e-3)
            assert abs(float(stream.duration * stream.time_base) - seconds) <= 1 / FPS
    heard, again = read_audio(target)
    assert heard.shape[1] / again >= seconds - 1e-3, "the sound was cut"
    heard = (
        torch.nn.functional.interpolate(heard[:1, None], scale_factor=rate / again, mode="linear")[0, 0]
        if again != rate
        else heard[0]
    )
    assert abs(lag(waveform[0], heard, rate)) <= 1 / FPS

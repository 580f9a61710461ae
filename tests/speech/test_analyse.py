import numpy as np
import pytest
import torch
from scipy.io import wavfile

from emotalker.errors import UserError
from emotalker.speech.analyse import CHUNK, analyse_speech
from emotalker.speech.features import VISEME_INDEX, VISEMES, SpeechFeatures, frame_count

SIL, PP = VISEME_INDEX["sil"], VISEME_INDEX["PP"]


def read(path):
    rate, samples = wavfile.read(path)
    return torch.from_numpy(np.ascontiguousarray(samples.T)), rate


def clip(shared):
    return read(shared / "speech" / "librivox_sense_01_0870.wav")


@pytest.mark.parametrize("fps", [24, 25, 29.97, 60])
def test_features_cover_the_sound(shared, fps):
    sound, rate = clip(shared)
    found = analyse_speech(sound, rate, fps)
    frames = frame_count(len(sound) / rate, fps)
    assert found.visemes.shape == (frames, len(VISEMES)) and found.frames == frames
    assert found.voicing.shape == found.loudness.shape == (frames,) and found.embedding.shape[0] == frames
    assert torch.allclose(found.visemes.sum(1), torch.ones(frames), atol=1e-4)
    for track in (found.visemes, found.voicing, found.loudness):
        assert track.min() >= 0 and track.max() <= 1 + 1e-5
    assert found.phones is None


def test_all_frame_rates_hear_the_same(shared):
    sound, rate = clip(shared)
    slow, fast = analyse_speech(sound, rate, 25), analyse_speech(sound, rate, 50)
    pairs = fast.visemes[: 2 * (fast.frames // 2)].unflatten(0, (-1, 2)).mean(1)
    difference = (slow.visemes[: len(pairs)] - pairs).abs().sum(1)
    assert difference.mean() < 0.1 and difference.max() < 0.8


@pytest.mark.parametrize(
    "name", ["speech_8khz_mono", "speech_clipped_dc_offset", "speech_nan_float32", "speech_with_music_5db"]
)
def test_spoilt_speech_is_heard_much_like_the_clean(shared, name):
    clean = analyse_speech(*clip(shared), fps=50)
    spoilt = analyse_speech(*read(shared / "speech" / "bad" / f"{name}.wav"), fps=50)
    assert spoilt.frames == clean.frames
    same = (clean.visemes.argmax(1) == spoilt.visemes.argmax(1)).float().mean()
    assert same > 0.6


def test_both_channels_of_a_48_khz_file_are_heard(shared):
    sound, rate = read(shared / "speech" / "bad" / "speech_48khz_stereo_two_voices.wav")
    found = analyse_speech(sound, rate)
    late = found.visemes[int(3.2 * 25) : int(4.8 * 25)]
    assert rate == 48000 and (late[:, SIL] < 0.5).float().mean() > 0.7


@pytest.mark.parametrize("name", ["silence_3s", "white_noise_3s"])
def test_what_is_no_speech_moves_nothing(shared, name):
    found = analyse_speech(*read(shared / "speech" / "bad" / f"{name}.wav"))
    assert found.visemes[:, SIL].min() > 0.8
    assert found.loudness.max() < 0.1


def test_a_sound_of_a_twentieth_second_gives_its_frames(shared):
    found = analyse_speech(*read(shared / "speech" / "bad" / "short_0.05s.wav"))
    assert found.frames == 2 and found.visemes.isfinite().all()
    assert analyse_speech(torch.tensor([0.1]), 16000).frames == 1


def test_gain_does_not_change_what_is_heard(shared):
    sound, rate = clip(shared)
    loud, soft = analyse_speech(sound, rate), analyse_speech(sound.float() / 32768 / 20, rate)
    assert (loud.visemes.argmax(1) == soft.visemes.argmax(1)).float().mean() > 0.9
    assert (loud.loudness - soft.loudness).abs().mean() < 0.1


def test_long_sounds_are_read_in_pieces_without_a_seam(shared):
    sound, rate = clip(shared)
    seen = []
    pieces = analyse_speech(sound.repeat(6), rate, 50, on_progress=lambda done, count: seen.append((done, count))).visemes
    whole = analyse_speech(sound, rate, 50).visemes
    length = -(-len(sound) * 6 // rate) // len(seen) + 1
    assert seen == [(0, 3), (1, 3), (2, 3)] and length <= CHUNK
    for seam in (length, 2 * length):
        around = torch.arange(50 * seam - 40, 50 * seam + 40)
        assert (pieces[around].argmax(1) == whole[around % len(whole)].argmax(1)).float().mean() > 0.8


@pytest.mark.parametrize("fps", [0, -1, float("nan"), 1000])
def test_a_senseless_frame_rate_is_named(fps):
    with pytest.raises(UserError, match="frame rate"):
        analyse_speech(torch.zeros(16000), 16000, fps)


def test_lips_shut_where_the_reader_says_m(shared):
    sound, rate = read(shared / "speech" / "librivox_sense_01_0930.wav")
    visemes = analyse_speech(sound, rate, 50).visemes
    # "made" and "himself": the middles of their m by a forced alignment.
    for second in (1.37, 2.37):
        assert visemes[int((second - 0.04) * 50) : int((second + 0.06) * 50), PP].max() > 0.5


def long_clip(shared):
    sound, rate = clip(shared)
    return sound.repeat(6), rate


def test_a_long_sound_is_heard_as_it_is_asked_for(shared):
    seen = []
    sound, rate = long_clip(shared)
    lazy = analyse_speech(sound, rate, on_progress=lambda done, count: seen.append((done, count)), lazily=True)
    whole = analyse_speech(sound, rate)
    assert not seen and lazy.heard == 0 and lazy.frames == whole.frames and lazy.duration == whole.duration
    assert torch.equal(lazy.part(10, 90).visemes, whole.visemes[10:90]) and seen == [(0, 3)]
    assert 90 <= lazy.heard <= 25 * CHUNK
    for name in ("visemes", "voicing", "loudness", "embedding"):
        assert torch.equal(getattr(lazy, name), getattr(whole, name))
    assert seen == [(0, 3), (1, 3), (2, 3)]


def test_a_piece_that_was_cancelled_can_be_heard_again(shared):
    class Cancelled(Exception):
        pass

    def cancel(done, count):
        calls.append(done)
        if len(calls) == 2:
            raise Cancelled

    calls = []
    lazy = analyse_speech(*long_clip(shared), on_progress=cancel, lazily=True)
    with pytest.raises(Cancelled):
        lazy.part(0, lazy.frames)
    assert torch.equal(lazy.visemes, analyse_speech(*long_clip(shared)).visemes) and calls == [0, 1, 1, 2]


def test_a_sound_of_one_piece_is_heard_at_once(shared):
    assert type(analyse_speech(*clip(shared), lazily=True)) is SpeechFeatures


def test_long_speech_is_as_loud_as_a_part_of_it(shared):
    sound, rate = clip(shared)
    part, whole = analyse_speech(sound, rate).loudness, analyse_speech(*long_clip(shared)).loudness
    assert (part - whole[: len(part)])[:-5].abs().mean() < 0.04

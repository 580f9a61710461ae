import logging

import pytest
import torch

from emotalker.errors import UserError
from emotalker.speech.sound import RATE, Sound


def tone(rate: int, hertz: float = 440.0, seconds: int = 2) -> torch.Tensor:
    time = torch.arange(rate * seconds, dtype=torch.float64) / rate
    return (0.5 * torch.sin(2 * torch.pi * hertz * time)).float()


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000, 192001, 767999])
def test_every_rate_gives_the_same_sound(rate):
    found = Sound(tone(rate), rate).read(0, 2)
    expected = tone(RATE)
    assert found.shape == expected.shape
    assert (found - expected)[1600:-1600].abs().max() < 2e-3


def test_what_16_khz_cannot_hold_leaves_no_alias():
    found = Sound(tone(48000, 10000.0), 48000).read(0, 2)
    assert found[1600:-1600].abs().max() < 1e-3


def test_pieces_join_without_a_seam():
    sound = Sound(torch.randn(44100 * 3, generator=torch.Generator().manual_seed(0)), 44100)
    whole = sound.read(0, 3)
    assert torch.allclose(sound.read(0, 2)[16000:30000], whole[16000:30000], atol=1e-5)
    assert torch.allclose(sound.read(1, 3)[2000:], whole[18000:], atol=1e-5)


def test_channels_are_averaged_and_integers_scaled():
    stereo = torch.stack([torch.full((16000,), 0.0), tone(16000, seconds=1)])
    integers = (stereo * 32768).short()
    assert torch.allclose(Sound(integers, 16000).read(0, 1), stereo.mean(0), atol=1e-3)


def test_channels_in_opposite_phase_do_not_cancel():
    mono = tone(16000, seconds=1)
    assert Sound(torch.stack([mono, -mono]), 16000).read(0, 1).abs().max() > 0.4


def test_an_offset_goes_and_broken_samples_are_bridged_with_a_warning(caplog):
    mono = tone(16000, 100.0, 1) + 0.3
    mono[5000:5004] = float("nan")
    mono[9000] = float("inf")
    with caplog.at_level(logging.WARNING):
        found = Sound(mono, 16000).read(0, 1)
    assert "5 broken samples" in caplog.text
    assert (found - tone(16000, 100.0, 1)).abs().max() < 0.02


def test_the_loudest_second_is_found_whatever_the_silence_around():
    quiet = torch.cat([torch.zeros(16000 * 30), tone(16000), torch.zeros(16000 * 5)])
    assert abs(Sound(quiet, 16000).loudest - 0.5 / 2**0.5) < 0.01
    assert Sound(torch.zeros(100), 16000).loudest == 0


@pytest.mark.parametrize(
    ("waveform", "rate", "word"),
    [
        (torch.zeros(0), 16000, "empty"),
        (torch.zeros(2, 0), 16000, "empty"),
        (torch.full((1, 100), float("nan")), 16000, "no valid sample"),
        (torch.zeros(100), 0, "sample rate"),
    ],
)
def test_unusable_sounds_are_named(waveform, rate, word):
    with pytest.raises(UserError, match=word):
        Sound(waveform, rate)


def test_levels_are_those_of_the_sound_with_its_last_bit():
    sound = Sound(
        torch.cat([torch.zeros(8000), 0.5 * torch.ones(8000) * torch.tensor([1.0, -1.0]).repeat(4000), torch.zeros(100)]), 16000
    )
    levels = sound.levels(25)
    assert len(levels) == 26 and levels[:12].max() < 1e-6
    assert torch.allclose(levels[13:25], torch.tensor(0.25), atol=1e-3)

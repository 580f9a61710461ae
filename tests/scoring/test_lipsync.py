"""Lips and sound that belong together are told from shifted sounds and from other speech."""

import pytest
import torch

from emotalker.arkit import FACE_UNITS
from emotalker.face.rig import Rig
from emotalker.scoring.lipsync import MOUTH_SHAPE, compare, expected_mouth
from emotalker.scoring.measures import mouth_shape
from emotalker.speech.analyse import analyse_speech
from emotalker.video.audio import read_audio

FPS = 25.0


@pytest.fixture(scope="module")
def lips(good):
    return torch.stack([good.curves["aperture"], good.curves["width"]], 1)


def expected(waveform, rate, shift=0, seconds=3):
    """From `seconds` of a sound that begins `shift` frames late."""
    samples, length = round(abs(shift) / FPS * rate), seconds * rate
    quiet = waveform.new_zeros(waveform.shape[0], samples)
    shifted = torch.cat([quiet, waveform], 1) if shift >= 0 else waveform[:, samples:]
    return expected_mouth(analyse_speech(shifted[:, :length], rate, FPS))


def test_the_table_is_what_the_rig_does():
    rig = Rig.load()
    rest, moved = (mouth_shape(rig.landmarks(v)) for v in (rig.vertices, rig.vertices + rig.units))
    lower, upper = [87, 14, 317], [82, 13, 312]
    for name, (aperture, width) in MOUTH_SHAPE.items():
        index = FACE_UNITS.index(name)
        points = rig.landmarks(rig.vertices + rig.units[index])
        # signed, unlike mouth_shape: the rig's y points up
        gap = (points[upper, 1] - points[lower, 1]).mean() / (points[[33, 133], 0].mean() - points[[362, 263], 0].mean()).abs()
        assert gap == pytest.approx(aperture, abs=0.002), name
        assert moved[index, 1] - rest[1] == pytest.approx(width, abs=0.002), name
    others = [i for i, name in enumerate(FACE_UNITS) if name not in MOUTH_SHAPE]
    assert (moved[others, 1] - rest[1]).abs().max() < 0.006


@pytest.mark.parametrize("shift", [-10, -6, -2, 2, 6, 10])
def test_a_shifted_sound_is_found_and_drops_the_confidence(pytestconfig, lips, good, shift):
    waveform, rate = read_audio(pytestconfig.rootpath / "samples" / "emotalker_voice.wav")
    sync = compare(lips, expected(waveform, rate, shift), FPS)
    assert abs(sync.offset - shift) <= 1
    assert sync.confidence < 0.9 * good.lip_sync.confidence
    assert sync.best_confidence > 0.6 * good.lip_sync.confidence


def test_other_speech_is_less_than_half(shared, lips, good):
    for name in ("librivox_sense_01_0880.wav", "librivox_sense_01_0890.wav", "Claire_neutral.wav", "jfk.flac"):
        sync = compare(lips, expected(*read_audio(shared / "speech" / name)), FPS)
        assert sync.confidence < 0.5 * good.lip_sync.confidence, name
        assert sync.best_confidence < 0.6 * good.lip_sync.confidence, name


def curves(count=100, seed=0):
    """[T, 2] smooth random movements of lips."""
    noise = torch.randn(count + 4, 2, generator=torch.Generator().manual_seed(seed))
    return torch.stack([noise[i : count + i] for i in range(5)]).mean(0) * torch.tensor([0.2, 0.05]) + 0.1


def test_the_same_curves_correlate_fully_whatever_changes_slowly():
    slow = torch.linspace(0, 0.5, 100)[:, None]
    sync = compare(curves() + slow, curves(), FPS)
    assert sync.offset == 0
    assert sync.correlation > 0.95
    assert len(sync.curve) == 31


def test_late_sound_has_a_positive_offset():
    sync = compare(curves()[5:], curves()[:95], FPS)
    assert sync.offset == 5


def test_frames_without_a_face_do_not_count():
    seen = curves()
    seen[40:50] = float("nan")
    seen[70] = float("nan")
    sync = compare(seen, curves(), FPS)
    assert sync.offset == 0
    assert sync.correlation > 0.9


def test_still_or_trembling_lips_fit_nothing():
    still = torch.full((100, 2), 0.1)
    trembling = still + 0.0005 * torch.randn(100, 2, generator=torch.Generator().manual_seed(1))
    for lips in (still, trembling):
        assert abs(compare(lips, curves(), FPS).confidence) < 0.15


def test_too_short_or_silent_is_none():
    assert compare(curves(39), curves(39), FPS) is None
    assert compare(curves(), torch.zeros(100, 2), FPS) is None

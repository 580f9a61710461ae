from itertools import pairwise

import pytest
import torch

from emotalker.arkit import FACE_UNITS, UNIT_INDEX
from emotalker.speech.features import VISEME_INDEX, VISEMES, SpeechFeatures, frame_count
from emotalker.speech.mouth import lip_closure, mouth_units

FINE = 1000


def spoken(phrase: list[tuple[str, float]], fps: float, loudness: float = 0.9, phase: float = 0.0) -> SpeechFeatures:
    """Features of visemes that last so many seconds, box-averaged over the frames; `phase` shifts them in time."""
    fine = torch.cat([torch.full((round(seconds * FINE),), VISEME_INDEX[name]) for name, seconds in phrase])
    fine = torch.cat([torch.zeros(round(phase * FINE), dtype=torch.long), fine])
    duration = len(fine) / FINE
    count = frame_count(duration, fps)
    edges = (torch.arange(count + 1) / fps * FINE).round().long().clamp(max=len(fine))
    one_hot = torch.nn.functional.one_hot(fine, len(VISEMES)).float()
    visemes = torch.stack([one_hot[a : max(b, a + 1)].mean(0) for a, b in pairwise(edges.tolist())])
    speech = 1 - visemes[:, 0]
    return SpeechFeatures(fps, visemes, speech, speech * loudness, torch.zeros(count, 1), duration)


def track(units: torch.Tensor, name: str) -> torch.Tensor:
    return units[:, UNIT_INDEX[name]]


AMA = [("sil", 0.3), ("aa", 0.2), ("PP", 0.06), ("aa", 0.2), ("sil", 0.3)]


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 60])
@pytest.mark.parametrize("phase", [0.0, 0.01, 0.02, 0.03])
def test_every_closure_is_reached_at_any_frame_rate(fps, phase):
    features = spoken(AMA, fps, phase=phase)
    units = mouth_units(features)
    middle = 0.53 + phase
    near = slice(round((middle - 0.06) * fps), round((middle + 0.06) * fps) + 1)
    assert lip_closure(features)[near].max() > 0.99
    gap = track(units, "jawOpen") - track(units, "mouthClose")
    assert gap[near].min() < 0.01
    assert gap[: near.start].max() > 0.15 and gap[near.stop :].max() > 0.15


@pytest.mark.parametrize("gain", [0.3, 1.0, 1.5])
@pytest.mark.parametrize("loudness", [0.1, 1.0])
def test_lips_meet_however_softly_one_speaks(gain, loudness):
    units = mouth_units(spoken(AMA, 25, loudness), gain)
    closed = lip_closure(spoken(AMA, 25, loudness)).argmax()
    assert abs(units[closed, UNIT_INDEX["jawOpen"]] - units[closed, UNIT_INDEX["mouthClose"]]) < 0.01
    assert units[closed, UNIT_INDEX["mouthPressLeft"]] > 0.05


def test_louder_speech_opens_the_jaw_more():
    soft, loud = (mouth_units(spoken([("aa", 0.5)], 25, loudness)) for loudness in (0.3, 1.0))
    assert track(loud, "jawOpen").max() > 1.3 * track(soft, "jawOpen").max()
    assert 0.25 < track(loud, "jawOpen").max() < 0.5


def test_silence_keeps_the_mouth_shut_and_still():
    units = mouth_units(spoken([("sil", 2.0)], 25))
    assert units.abs().max() == 0
    murmur = spoken([("sil", 2.0)], 25)
    shaky = murmur.visemes * 0.98 + torch.rand(50, 15, generator=torch.Generator().manual_seed(0)) * 0.002
    assert mouth_units(SpeechFeatures(25, shaky, murmur.voicing, murmur.loudness, murmur.embedding, 2.0)).abs().max() == 0


def test_the_lower_lip_meets_the_teeth_on_f():
    units = mouth_units(spoken([("aa", 0.2), ("FF", 0.08), ("aa", 0.2)], 25))
    at = track(units, "mouthRollLower").argmax()
    assert track(units, "mouthRollLower")[at] > 0.5 and track(units, "mouthUpperUpLeft")[at] > 0.1
    assert track(units, "jawOpen")[at] < 0.6 * track(units, "jawOpen").max()
    assert track(units, "mouthClose").max() < 0.05


def test_lips_round_before_the_sound_that_needs_it():
    units = mouth_units(spoken([("sil", 0.2), ("SS", 0.2), ("ou", 0.2), ("sil", 0.4)], 50))
    pucker = track(units, "mouthPucker")
    assert pucker[round(0.34 * 50)] > 0.25 * pucker.max()


def test_the_tongue_shows_for_th_only():
    show = track(mouth_units(spoken([("aa", 0.2), ("TH", 0.1), ("aa", 0.2)], 25)), "tongueOut").max()
    hide = track(mouth_units(spoken([("aa", 0.2), ("kk", 0.1), ("aa", 0.2)], 25)), "tongueOut").max()
    assert show > 0.15 and hide < 0.02


def test_weights_stay_in_range_and_off_the_upper_face():
    generator = torch.Generator().manual_seed(1)
    visemes = torch.rand(200, 15, generator=generator).pow(8)
    visemes = visemes / visemes.sum(1, keepdim=True)
    loud = torch.rand(200, generator=generator)
    units = mouth_units(SpeechFeatures(30, visemes, loud, loud, torch.zeros(200, 1), 200 / 30), gain=3.0)
    assert units.shape == (200, 52) and units.min() >= 0 and units.max() <= 1
    upper = [i for i, name in enumerate(FACE_UNITS) if name.startswith(("eye", "brow", "nose", "cheek"))]
    assert units[:, upper].abs().max() == 0


def test_both_sides_move_alike():
    units = mouth_units(spoken(AMA, 25))
    for name in FACE_UNITS:
        if name.startswith("mouth") and name.endswith("Left") and name != "mouthLeft":
            assert torch.equal(track(units, name), track(units, name.removesuffix("Left") + "Right"))

"""A take on a portrait that already smiles."""

import torch

from emotalker.arkit import FACE_UNITS, UNIT_INDEX
from emotalker.motion.motion import Motion
from emotalker.motion.retarget import part_changes, speaking, unit_changes


def take(frames=50, **units):
    weights = torch.zeros(frames, len(FACE_UNITS))
    for name, value in units.items():
        weights[:, UNIT_INDEX[name]] = value
    return Motion(weights, torch.zeros(frames, 6), 25.0)


def laughing():
    own = torch.zeros(len(FACE_UNITS))
    own[UNIT_INDEX["jawOpen"]] = 0.3
    own[UNIT_INDEX["mouthSmileLeft"]] = 0.7
    return own


def test_a_still_take_leaves_the_portrait_alone():
    assert torch.equal(unit_changes(take(), laughing(), False), torch.zeros(50, len(FACE_UNITS)))


def test_neutralised_the_takes_weights_are_what_shows():
    motion = take(jawOpen=0.2)
    assert torch.allclose(unit_changes(motion, laughing(), True) + laughing(), motion.units)


def test_speech_closes_lips_that_the_portrait_holds_open():
    motion = take(mouthClose=0.3)
    shown = unit_changes(motion, laughing(), False) + laughing()
    assert shown[:, UNIT_INDEX["jawOpen"]].max() < 1e-6
    assert torch.allclose(shown[:, UNIT_INDEX["mouthSmileLeft"]], torch.tensor(0.7))


def test_a_unit_never_passes_its_full_weight():
    shown = unit_changes(take(mouthSmileLeft=0.8), laughing(), False) + laughing()
    assert torch.allclose(shown[:, UNIT_INDEX["mouthSmileLeft"]], torch.tensor(1.0))


def test_the_mouth_is_handed_over_softly_and_given_back():
    motion = take(100)
    motion.units[40:60, UNIT_INDEX["jawOpen"]] = 0.4
    use = speaking(motion)
    assert use[0] == 0
    assert use[-1] == 0
    assert use[40:60].min() == 1
    assert use.diff().abs().max() < 0.3


def test_one_frame_is_enough():
    assert unit_changes(take(1, jawOpen=0.4), laughing(), False).shape == (1, len(FACE_UNITS))


def test_changes_of_a_part_are_those_of_the_whole():
    generator = torch.Generator().manual_seed(0)
    units = torch.rand(80, len(FACE_UNITS), generator=generator) * (torch.rand(80, 1, generator=generator) > 0.8)
    motion = Motion(units, torch.zeros(80, 6), 25.0)
    for neutralise in (True, False):
        whole = unit_changes(motion, laughing(), neutralise)
        parts = [part_changes(motion, laughing(), neutralise, first, min(first + 8, 75)) for first in range(0, 75, 8)]
        assert torch.equal(torch.cat(parts), whole[:75])

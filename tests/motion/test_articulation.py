"""Crisper lips: larger where they move fast, the same where they rest, and nothing else changes."""

import torch

from emotalker.arkit import FACE_UNITS, UNIT_INDEX
from emotalker.motion.articulation import CRISPNESS, LIPS, articulate

JAW = UNIT_INDEX["jawOpen"]


def test_fast_movement_grows_and_slow_does_not():
    time = torch.arange(100) / 25
    units = torch.zeros(100, len(FACE_UNITS))
    units[:, JAW] = 0.3 + 0.1 * torch.sin(2 * torch.pi * 5 * time)  # five syllables a second
    grown = articulate(units, 25.0)
    assert 1 + 0.8 * CRISPNESS < grown[10:-10, JAW].std() / units[10:-10, JAW].std() < 1 + 1.2 * CRISPNESS
    units[:, JAW] = 0.3 + 0.1 * torch.sin(2 * torch.pi * 0.2 * time)
    assert torch.allclose(articulate(units, 25.0)[:, JAW], units[:, JAW], atol=0.01)


def test_rest_and_other_units_stay():
    units = torch.rand(50, len(FACE_UNITS))
    units[:, LIPS] = 0.2
    assert torch.allclose(articulate(units, 25.0), units, atol=1e-6)


def test_units_stay_in_their_range():
    units = (torch.rand(60, len(FACE_UNITS)) > 0.5).float()
    crisp = articulate(units, 25.0)
    assert crisp.min() >= 0 and crisp.max() <= 1

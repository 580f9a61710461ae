"""Trembling is told from movement, and blinks from squints."""

import pytest
import torch

from emotalker.scoring.steadiness import Trembling, blinks

FPS = 25.0


def faces(shifts: torch.Tensor) -> torch.Tensor:
    """[T, 478, 3] a face whose eyes are 100 pixels apart, shifted by [T] pixels to the right."""
    landmarks = torch.rand(478, 3, generator=torch.Generator().manual_seed(0)) * 100
    landmarks[[33, 133], :2], landmarks[[362, 263], :2] = torch.tensor([0.0, 0.0]), torch.tensor([100.0, 0.0])
    return landmarks + torch.stack([shifts, torch.zeros_like(shifts), torch.zeros_like(shifts)], 1)[:, None]


def test_steady_movement_does_not_tremble_and_a_hop_does():
    found = torch.ones(9, dtype=torch.bool)
    moving = torch.arange(9.0) * 3
    assert Trembling().see(faces(moving), found)[2:].abs().max() < 1e-3
    moving[4] += 2
    strays = Trembling().see(faces(moving), found)
    assert strays[5] == pytest.approx(2, abs=1e-3)  # percent of 100 pixels, told when the frame after the hop is there
    assert strays[4] == pytest.approx(1, abs=1e-3)


def test_chunks_go_on_from_one_another_and_a_lost_face_begins_anew():
    shifts = torch.randn(12, generator=torch.Generator().manual_seed(1))
    found = torch.ones(12, dtype=torch.bool)
    found[6] = False
    whole = Trembling().see(faces(shifts), found)
    parts = Trembling()
    split = torch.cat([parts.see(faces(shifts[i : i + 5]), found[i : i + 5]) for i in (0, 5, 10)])
    assert torch.equal(whole.nan_to_num(nan=-1), split.nan_to_num(nan=-1))
    assert whole.isnan().nonzero().flatten().tolist() == [0, 1, 6, 7, 8]


def opening(*dips: tuple[int, int, float]) -> torch.Tensor:
    curve = torch.full((100,), 0.3)
    for start, stop, value in dips:
        curve[start:stop] = value
    return curve


def test_blinks_are_counted_with_their_times():
    assert blinks(opening((10, 13, 0.05), (50, 54, 0.1)), FPS) == [(0.4, 0.52), (2.0, 2.16)]


@pytest.mark.parametrize("dip", [(10, 13, 0.2), (10, 40, 0.05)], ids=["squint", "closed for long"])
def test_squints_and_closed_eyes_are_no_blinks(dip):
    assert blinks(opening(dip), FPS) == []


def test_a_blink_at_the_end_and_one_across_a_lost_frame_count_once():
    curve = opening((97, 100, 0.05), (20, 24, 0.05))
    curve[22] = float("nan")
    assert len(blinks(curve, FPS)) == 2


def test_no_face_no_blinks():
    assert blinks(torch.full((10,), float("nan")), FPS) == []

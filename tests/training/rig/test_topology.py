"""Rings and floods on a small quad tube, whose neighbourhoods can be told by hand."""

import numpy as np
import pytest

from emotalker.training.rig.topology import Topology, from_left_corner

AROUND, ALONG = 8, 6


@pytest.fixture
def tube() -> Topology:
    """A tube of ALONG rings with AROUND vertices each: vertex ring * AROUND + place."""
    faces = [
        [r * AROUND + i, r * AROUND + (i + 1) % AROUND, (r + 1) * AROUND + (i + 1) % AROUND, (r + 1) * AROUND + i]
        for r in range(ALONG - 1)
        for i in range(AROUND)
    ]
    return Topology(np.array(faces))


def ring(number: int) -> list[int]:
    return [number * AROUND + i for i in range(AROUND)]


def test_a_loop_goes_once_around(tube):
    assert tube.loop(2 * AROUND, 2 * AROUND + 1) == ring(2)


def test_a_loop_that_runs_into_the_border_is_refused(tube):
    with pytest.raises(ValueError, match="ends at"):
        tube.loop(2 * AROUND, 3 * AROUND)


def test_rings_are_aligned_index_by_index(tube):
    assert tube.rings(ring(2), 3 * AROUND, limit=2) == [ring(3), ring(4)]
    assert tube.next_ring(ring(2), 1 * AROUND) == ring(1)


def test_enclosed_stops_at_the_ring(tube):
    assert tube.enclosed(ring(2), inside=3 * AROUND) == set(range(2 * AROUND, 5 * AROUND))
    assert tube.enclosed(ring(2), inside=1 * AROUND) == set(range(2 * AROUND))


def test_a_ring_is_turned_to_start_left_and_run_over_the_top():
    turned = from_left_corner([10, 11, 12, 13, 14, 15], None, left=2, upper=1)
    assert turned == [12, 11, 10, 15, 14, 13]
    assert from_left_corner([10, 11, 12, 13, 14, 15], None, left=2, upper=3) == [12, 13, 14, 15, 10, 11]

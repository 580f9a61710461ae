"""Where teeth belong: their edges where they are asked for, crowns as tall as people's, nothing out of the chin."""

import pytest

from emotalker.face.rig import Rig
from emotalker.face.teeth import placed

ROWS = [("teeth_upper", -1), ("teeth_lower", 1)]


@pytest.fixture(scope="module")
def rig():
    return Rig.load()


@pytest.mark.parametrize(("name", "gums"), ROWS)
def test_front_edges_are_where_they_are_asked_for_in_any_unit(rig, name, gums):
    teeth = rig.group_vertices(name)
    down, front = -rig.vertices[teeth, 1], rig.vertices[teeth, 0].abs() < 0.1
    for unit in (1.0, 80.0):
        there = placed(rig, name, down * unit, 0.3 * unit, unit)
        edge = there[front].amax() if gums < 0 else there[front].amin()
        assert float(edge) == pytest.approx(0.3 * unit, rel=1e-4)


@pytest.mark.parametrize(("name", "gums"), ROWS)
def test_front_teeth_grow_to_ten_millimetres_and_gums_stay_within_their_place(rig, name, gums):
    teeth = rig.group_vertices(name)
    down, beside = -rig.vertices[teeth, 1], rig.vertices[teeth, 0].abs()
    tip = down[beside < 0.1].amax() if gums < 0 else down[beside < 0.1].amin()
    before, after = ((v - edge) * gums for v, edge in ((down, tip), (placed(rig, name, down, 0.0, 1.0), 0.0)))
    crown = (before - 0.08).abs().masked_fill(beside > 0.1, 9).argmin()
    assert 9 < 63 * float(after[crown] - before[crown]) + 5 < 11
    assert float(after.amax()) < float(before.amax()) + 0.02
    # Nothing changes places with what is above or below it.
    column = before[beside < 0.1].argsort()
    assert (after[beside < 0.1][column].diff() >= -1e-6).all()

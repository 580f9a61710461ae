"""The shipped rig: its parts, its rings and what its face units do to the neutral head."""

import pytest
import torch

from emotalker.arkit import FACE_UNITS, UNIT_INDEX
from emotalker.face.contact import LID_FADE, LIP_FADE, Edge
from emotalker.face.landmarks478 import EYE_LOWER, EYE_UPPER, LIPS_INNER_LOWER, LIPS_INNER_UPPER
from emotalker.face.rig import GROUPS, SIDES, Rig


@pytest.fixture(scope="module")
def rig() -> Rig:
    return Rig.load()


def edge(rig: Rig, which: str) -> Edge:
    if which == "Lips":
        return Edge.make(rig.lip_rings, rig.lip_ring_numbers, int(rig.lip_corners[1]), rig.vertices[:, :2], LIP_FADE, 0.5)
    rings = rig.lid_rings[SIDES.index(which)]
    return Edge.make(rings, rig.lid_ring_numbers, int(rig.lid_corners[1]), rig.vertices[:, :2], LID_FADE, 1.0)


def used(rig: Rig, landmarks: tuple[int, ...]) -> set[int]:
    """Vertices on which landmarks depend."""
    rows = list(landmarks)
    return set(rig.landmark_vertices[rows][rig.landmark_weights[rows] > 0].tolist())


def with_units(rig: Rig, **weights: float) -> torch.Tensor:
    return rig.vertices + sum(value * rig.units[UNIT_INDEX[name]] for name, value in weights.items())


def test_every_part_has_triangles(rig):
    assert all(len(rig.group_triangles(name)) > 50 for name in GROUPS)
    assert int(rig.triangles.max()) < len(rig.vertices)


def test_skin_is_one_surface_with_the_mouth_and_eyes_as_its_holes(rig):
    skin = rig.triangles[rig.skin_triangles]
    edges = torch.cat([skin[:, [0, 1]], skin[:, [1, 2]], skin[:, [2, 0]]]).sort(1).values
    unique, count = edges.unique(dim=0, return_counts=True)
    border = set(map(tuple, unique[count == 1].tolist()))
    for ring in (rig.lip_ring(0), rig.lid_ring("Right", 0), rig.lid_ring("Left", 0)):
        loop = torch.stack([ring, ring.roll(-1)], 1).sort(1).values
        assert all(tuple(pair) in border for pair in loop.tolist())
        border -= set(map(tuple, loop.tolist()))
    # What is left of the border is the collar.
    assert rig.vertices[torch.tensor(sorted(border))][..., 1].max() < -2.0


def test_rings_start_at_the_left_of_the_picture_and_run_over_the_top(rig):
    for ring, far in ((rig.lip_ring(0), rig.lip_corners[1]), *((r, rig.lid_corners[1]) for r in (rig.lid_rings[:, 8]))):
        points = rig.vertices[ring]
        assert points[0, 0] < points[:, 0].min() + 0.01
        assert points[far, 0] > points[0, 0]
        assert points[1:far, 1].mean() > points[far + 1 :, 1].mean()


def test_neutral_lips_touch_all_along(rig):
    assert edge(rig, "Lips").across(rig.vertices).norm(dim=1).max() < 0.005


def test_jaw_opens_the_lips_where_they_touch(rig):
    moved = rig.units[UNIT_INDEX["jawOpen"]]
    upper, lower = (halves[0] for halves in rig.lip_halves())
    assert moved[upper[len(upper) // 2]].norm() < 0.03
    assert moved[lower[len(lower) // 2], 1] < -0.4
    assert moved[rig.group_vertices("teeth_upper")].norm(dim=1).max() < 0.01
    # Lower teeth turn with the jaw and keep their size.
    sides = rig.triangles[rig.group_triangles("teeth_lower")][:, :2]
    before, after = ((v[sides[:, 0]] - v[sides[:, 1]]).norm(dim=1) for v in (rig.vertices, rig.vertices + moved))
    assert (after.sum() / before.sum() - 1).abs() < 0.1
    for part in ("teeth_lower", "tongue"):
        assert moved[rig.group_vertices(part), 1].min() < -0.3


@pytest.mark.parametrize("jaw", [0.25, 0.5, 1.0])
def test_mouth_close_undoes_jaw_open_at_the_lips(rig, jaw):
    closed = with_units(rig, jawOpen=jaw, mouthClose=jaw)
    assert edge(rig, "Lips").across(closed).norm(dim=1).max() < 0.01
    assert edge(rig, "Lips").across(with_units(rig, jawOpen=jaw)).norm(dim=1).max() > 0.4 * jaw


@pytest.mark.parametrize("name", ["mouthSmileLeft", "mouthPressRight", "mouthPucker", "mouthRollUpper", "jawLeft", "cheekPuff"])
def test_closed_lips_stay_closed(rig, name):
    assert edge(rig, "Lips").across(with_units(rig, **{name: 1.0}))[:, 1].abs().max() < 0.01


@pytest.mark.parametrize("side", SIDES)
def test_a_blink_closes_the_eye(rig, side):
    lids = edge(rig, side)
    open_gap = lids.across(rig.vertices)[:, 1].abs().max()
    closed = with_units(rig, **{f"eyeBlink{side}": 1.0})
    missing = (lids.across(closed)[:, 1] * lids.yields).abs().max()
    assert open_gap > 0.1
    assert missing < 0.02 * open_gap


def test_left_and_right_are_the_subject_s_own(rig):
    for name in ("eyeBlink", "mouthSmile", "browOuterUp", "eyeLookUp"):
        left, right = (rig.units[UNIT_INDEX[f"{name}{side}"]].norm(dim=1) for side in ("Left", "Right"))
        assert (left * rig.vertices[:, 0]).sum() > 0 > (right * rig.vertices[:, 0]).sum()
    out, inward = rig.units[UNIT_INDEX["eyeLookOutLeft"]], rig.units[UNIT_INDEX["eyeLookInLeft"]]
    pole = rig.group_vertices("eyeball_left")[rig.vertices[rig.group_vertices("eyeball_left"), 2].argmax()]
    assert out[pole, 0] > 0.05
    assert inward[pole, 0] < -0.05


def test_every_unit_moves_something(rig):
    assert len(rig.units) == len(FACE_UNITS)
    assert (rig.units.norm(dim=2).amax(1) > 0.02).all()


def test_neck_stays_and_face_follows_the_head(rig):
    face = torch.unique(rig.landmark_vertices)
    assert rig.head_weight[face].min() > 0.99
    assert rig.head_weight[rig.vertices[:, 1] < -3.1].max() < 0.02


def test_landmarks_of_one_lip_or_lid_lie_on_it_alone(rig):
    upper, lower = (set(halves[0].tolist()) for halves in rig.lip_halves())
    for landmarks, half in ((LIPS_INNER_UPPER, upper), (LIPS_INNER_LOWER, lower)):
        assert used(rig, landmarks) <= half
    for i, side in enumerate(SIDES):
        upper, lower = (set(halves[0].tolist()) for halves in rig.lid_halves(side))
        assert used(rig, EYE_UPPER[i]) <= upper
        assert used(rig, EYE_LOWER[i]) <= lower


def test_identity_components_change_the_face_but_do_not_part_its_lips(rig):
    assert (rig.identity.norm(dim=2).amax(1) > 0.01).any()
    assert rig.identity_share.diff().max() <= 1e-6
    lips = edge(rig, "Lips")
    changed = rig.vertices + rig.identity
    assert lips.across(changed).norm(dim=-1).max() < 0.05

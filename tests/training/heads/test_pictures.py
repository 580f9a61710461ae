"""Pictures that the recogniser learns from: what is loaded, and that variations keep truth and picture together."""

import numpy as np
import pytest
import torch

from emotalker.arkit import UNIT_INDEX
from emotalker.face.expression import MARKS, MESH, SIZE, ExpressionRecogniser
from emotalker.training.heads import pictures as face_pictures
from emotalker.training.heads.pictures import KINDS, FacePictures, Picture, partners, vary, with_glasses


def test_all_kinds_of_faces_are_loaded(data):
    faces = FacePictures.load(data / "heads" / "train", data / "pairs" / "train")
    assert torch.bincount(faces.kind).tolist() == [8, 3, 12, 12] and len(KINDS) == 4
    batch = next(faces.whole(5))
    assert batch.faces.shape == (5, 3, SIZE, SIZE) and batch.points.shape == (5, MESH, 2) and batch.points.isfinite().all()
    known = faces.points.isfinite().all(2).all(1)
    assert [kind for kind in KINDS if known[faces.kind == KINDS.index(kind)].all()] == ["head", "truth"]
    with pytest.raises(FileNotFoundError, match="make them first"):
        FacePictures.load(data / "nothing", None)


def test_true_landmarks_lie_where_the_recogniser_finds_them(data):
    faces = FacePictures.load(data / "heads" / "train", data / "pairs" / "train")
    recogniser = ExpressionRecogniser.load()
    for kind in ("head", "truth"):
        batch = faces.batch((faces.kind == KINDS.index(kind)).nonzero().flatten())
        with torch.inference_mode():
            wrong = (recogniser(batch.faces).marks - batch.points[:, MARKS]).norm(dim=2).mean(1)
        assert wrong.median() < 0.05  # of half the crop's side


def test_a_mirror_swaps_the_sides(monkeypatch):
    units, points = torch.zeros(52), torch.rand(MESH, 2, generator=torch.Generator().manual_seed(0)) * SIZE
    units[UNIT_INDEX["mouthSmileLeft"]] = 1
    image = np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)
    for name in ("SHIFT", "GROW", "TURN"):
        monkeypatch.setattr(face_pictures, name, 0.0)
    monkeypatch.setattr(face_pictures, "vary", lambda faces, draw: faces)
    pictures = FacePictures([Picture(image, torch.eye(2, 3), points, torch.zeros(8), units, 0)])
    plain = pictures.batch(torch.tensor([0]))
    for share in (0.0, 1.0):
        monkeypatch.setattr(face_pictures, "MIRROR", share)
        batch = pictures.batch(torch.tensor([0]), torch.Generator().manual_seed(0))
        assert batch.units[0, UNIT_INDEX["mouthSmileRight" if share else "mouthSmileLeft"]] == 1 and batch.units.sum() == 1
        assert torch.allclose(batch.faces, plain.faces.flip(-1) if share else plain.faces, atol=1e-3)
        # The outer corner of the right eye is 33, of the left one 263.
        mirrored = batch.points[0, 263] * torch.tensor([-1.0, 1.0]) if share else batch.points[0, 33]
        assert torch.allclose(mirrored, plain.points[0, 33], atol=1e-4)


def test_each_landmark_has_one_partner_in_the_mirror():
    partner = partners()
    assert torch.equal(partner[partner], torch.arange(MESH))
    assert partner[[33, 61, 70]].tolist() == [263, 291, 300] and partner[[13, 14, 1]].tolist() == [13, 14, 1]


def test_points_follow_the_variations(monkeypatch):
    for name in ("HIDDEN", "GRAIN"):
        monkeypatch.setattr(face_pictures, name, 0.0)
    image = np.zeros((SIZE, SIZE, 3), dtype=np.uint8)
    image[90:98, 140:148] = 255
    points = torch.full((MESH, 2), 50.0)
    points[5] = points[partners()[5]] = torch.tensor([144.0, 94.0])
    faces = FacePictures([Picture(image, torch.eye(2, 3), points, torch.zeros(8), torch.zeros(52), 0)] * 6)
    batch = faces.batch(torch.arange(6), torch.Generator().manual_seed(3))
    for face, place in zip(batch.faces.mean(1), batch.points[:, 5], strict=True):
        bright = (face > 0.6 * face.amax()).nonzero().float().mean(0).flip(0) + 0.5
        assert (bright - (place + 1) * SIZE / 2).norm() < 3


def test_variations_stay_pictures_and_are_drawn_again_alike():
    faces = torch.rand(16, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    one, same, other = (vary(faces.clone(), torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert one.min() >= 0 and one.max() <= 1 and (one - faces).abs().flatten(1).mean(1).min() > 1e-3


def test_glasses_sit_before_the_eyes_and_leave_the_rest():
    face = torch.full((3, SIZE, SIZE), 0.5)
    for seed in range(20):
        changed = (with_glasses(face, torch.Generator().manual_seed(seed)) - face).abs().amax(0) > 0.02
        rows, columns = changed.nonzero().unbind(1)
        assert len(rows) > 100 and rows.min() > 0.2 * SIZE and rows.max() < 0.6 * SIZE
        assert (columns < SIZE / 2).any() and (columns > SIZE / 2).any()

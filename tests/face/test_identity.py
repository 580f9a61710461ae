"""Vectors of faces are what the published network computes, and tell persons apart."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from emotalker.arkit import FACE_UNITS
from emotalker.emotion.expression import face_units
from emotalker.face.crop import crop_matrices as face_squares
from emotalker.face.crop import cut
from emotalker.face.identity import PLACES, SIZE, FaceEmbedder, crop_matrices
from emotalker.face.portrait import Portrait
from emotalker.frames.guide import GuideRenderer
from emotalker.motion.motion import Motion
from emotalker.picture import load_image

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def embedder():
    return FaceEmbedder.load()


def landmarks_at(points: torch.Tensor) -> torch.Tensor:
    """[1, 478, 3] whose irises, nose and mouth corners lie at five points."""
    landmarks = torch.zeros(1, 478, 3)
    landmarks[0, [468, 473, 4, 61, 291], :2] = points
    return landmarks


@torch.inference_mode()
def test_computes_what_the_published_graph_computes(embedder):
    picture = np.array(Image.open(DATA.parents[1] / "face" / "data" / "face_256.png"))[16:240:2, 16:240:2]
    planes = (torch.from_numpy(picture).permute(2, 0, 1)[None].float() - 127.5) / 128
    expected = torch.tensor(json.loads((DATA / "mobileface_tfjs.json").read_text()))
    output = embedder.network(planes)["embedding"].flatten()
    assert (output - expected).abs().max() < 0.05  # of 25: half precision
    assert torch.cosine_similarity(output, expected, dim=0) > 0.99999


def test_crops_are_aligned_whatever_position_size_and_tilt():
    places = torch.tensor(PLACES)
    angle = torch.tensor(0.3)
    turn = 2.5 * torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    matrix = crop_matrices(landmarks_at(places @ turn.T + torch.tensor([40.0, -7.0])))[0]
    assert torch.allclose(matrix, torch.cat([turn, torch.tensor([[40.0], [-7.0]])], 1), atol=1e-4)


def test_only_the_aligned_crop_counts(embedder):
    picture = torch.rand(1, 300, 280, 3, generator=torch.Generator().manual_seed(0))
    landmarks = landmarks_at(torch.tensor(PLACES) + 90)
    crop = picture[:, 90 : 90 + SIZE, 90 : 90 + SIZE]
    assert torch.allclose(
        embedder.embed(picture, landmarks), embedder.embed(crop, landmarks_at(torch.tensor(PLACES))), atol=1e-4
    )


def test_vectors_have_length_one_and_bytes_count_like_floats(embedder):
    picture = (torch.rand(2, SIZE, SIZE, 3, generator=torch.Generator().manual_seed(0)) * 255).byte()
    landmarks = landmarks_at(torch.tensor(PLACES)).expand(2, -1, -1)
    vectors = embedder.embed(picture, landmarks)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(2))
    assert torch.allclose(vectors, embedder.embed(picture.float() / 255, landmarks), atol=1e-4)


def test_a_face_partly_outside_the_picture_is_no_error(embedder):
    picture = torch.rand(1, 60, 60, 3)
    assert torch.isfinite(embedder.embed(picture, landmarks_at(torch.tensor(PLACES) - 70))).all()


def test_a_person_with_another_expression_is_nearer_than_any_other_person(shared, embedder, finder, close_up):
    """Nine portraits, each as angry, fearful, happy, speaking and turned away, against the nine as they are."""
    units = torch.zeros(6, len(FACE_UNITS))
    units[:3] = face_units(torch.eye(8)[[3, 4, 1]])
    units[3, FACE_UNITS.index("jawOpen")] = 0.5
    head = torch.zeros(6, 6)
    head[4, 0], head[5, 0] = 12, -12
    own, others = [], []
    for path in sorted((shared / "portraits").glob("0*.*g")):
        portrait = Portrait.from_image(close_up(load_image(path), 256), finder=finder)
        own.append(embedder.embed(portrait.image[None], portrait.face.landmarks[None])[0])
        frames = torch.cat(list(GuideRenderer(portrait).stream(Motion(units, head, 25.0))))
        others.append(embedder.embed(frames, finder.track(frames, portrait.face)[0]))
    cosines = torch.stack(others) @ torch.stack(own).T  # [person shown, frame, person compared with]
    same = cosines.diagonal(dim1=0, dim2=2)
    different = cosines[~torch.eye(len(own), dtype=torch.bool)[:, None].expand_as(cosines)]
    assert len(own) == 9
    assert same.min() > different.max() + 0.2


def test_face_crops_give_the_same_vectors_and_gradients(embedder):
    picture = load_image(DATA.parents[1] / "face" / "data" / "face_256.png")
    landmarks = Portrait.from_image(picture).face.landmarks
    crop = cut(picture.permute(2, 0, 1)[None], face_squares(landmarks[None], 256), 256).requires_grad_()
    vector = embedder.see(crop)
    own = embedder.embed(picture[None], landmarks[None])
    assert float((vector * own).sum()) > 0.5  # placed as faces usually are; another person's has 0.34 at most
    vector[0, 0].backward()
    assert crop.grad.abs().sum() > 0

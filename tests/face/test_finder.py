import math

import numpy as np
import pytest
import torch
from PIL import Image

from emotalker.errors import UserError
from emotalker.face.finder import Face, region_change, same_face

NAMES = (
    "01_smile_teeth_photo.png",
    "02_neutral_frontal.png",
    "03_oil_painting.jpg",
    "04_cartoon_3d.jpg",
    "05_older_face.png",
    "06_dark_skin.png",
    "07_glasses_turned.png",
    "08_head_turn.jpg",
    "09_full_body_small_face.jpg",
    "10_two_faces.png",
    "bad_large_2000x3000.jpg",
)


@pytest.mark.parametrize("name", NAMES)
def test_landmarks_of_every_portrait(finder, portraits, error, name):
    reference = portraits(name)
    faces = finder.find(reference.image)
    assert len(faces) == len(reference.faces)
    for face, expected in zip(faces, reference.faces, strict=True):
        assert error(face.landmarks, expected) < 0.015


def test_no_face(finder, portraits):
    assert finder.find(portraits("bad_no_face.png").image) == []


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_plain_picture(finder, value):
    assert finder.find(torch.full((240, 320, 3), value)) == []


@pytest.mark.parametrize("angle", [-45, -30, -15, 15, 30, 45, 90, 180])
@pytest.mark.parametrize("name", ["01_smile_teeth_photo.png", "03_oil_painting.jpg", "06_dark_skin.png", "08_head_turn.jpg"])
def test_rolled_faces(finder, portraits, error, as_tensor, name, angle):
    reference = portraits(name)
    upright = finder.find(reference.image)[0]
    rolled = reference.picture.rotate(-angle, resample=Image.Resampling.BICUBIC, expand=True)
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    middle, new_middle = torch.tensor(reference.picture.size) / 2, torch.tensor(rolled.size) / 2
    expected = (upright.landmarks[:, :2] + 0.5 - middle) @ torch.tensor([[cos, sin], [-sin, cos]]) + new_middle - 0.5
    faces = finder.find(as_tensor(rolled))
    assert len(faces) == 1
    assert error(faces[0].landmarks, expected) < 0.03
    assert abs((faces[0].roll - upright.roll - angle + 180) % 360 - 180) < 2


@pytest.mark.parametrize("name", ["01_smile_teeth_photo.png", "04_cartoon_3d.jpg", "05_older_face.png", "08_head_turn.jpg"])
def test_small_face_in_a_large_picture(finder, portraits, error, as_tensor, name):
    reference = portraits(name)
    face = reference.faces[0]
    scale = 60 / (face[:468, 0].max() - face[:468, 0].min()).item()
    small = reference.picture.resize([round(n * scale) for n in reference.picture.size], Image.Resampling.LANCZOS)
    canvas = Image.new("RGB", (1600, 1200), (120, 130, 110))
    canvas.paste(small, (700, 300))
    faces = finder.find(as_tensor(canvas))
    assert len(faces) == 1
    assert error(faces[0].landmarks, face[:, :2] * scale + torch.tensor([700, 300])) < 0.04


def test_ten_faces_largest_first(finder, portraits, as_tensor):
    canvas = Image.new("RGB", (1500, 700), (90, 110, 130))
    places = []
    for i, name in enumerate(name for name in NAMES if name != "10_two_faces.png"):
        reference = portraits(name)
        middle = reference.faces[0][:468, :2].mean(0)
        half = 0.8 * (reference.faces[0][:468, 1].max() - reference.faces[0][:468, 1].min())
        box = [round(v.item()) for v in (*(middle - half), *(middle + half))]
        x, y = 20 + 295 * (i % 5), 20 + 330 * (i // 5)
        canvas.paste(reference.picture.crop(box).resize((285, 285), Image.Resampling.LANCZOS), (x, y))
        places.append((x + 142, y + 142))
    faces = finder.find(as_tensor(canvas))
    assert len(faces) == 10
    assert all(sum(f.box[0] < x < f.box[2] and f.box[1] < y < f.box[3] for f in faces) == 1 for x, y in places)
    distances = [face.iris_distance for face in faces]
    assert distances == sorted(distances, reverse=True)


@pytest.mark.parametrize("name", ["01_smile_teeth_photo.png", "02_neutral_frontal.png", "06_dark_skin.png"])
def test_cropped_chin(finder, portraits, error, name):
    reference = portraits(name)
    box = reference.faces[0][:468, 1]
    bottom = int(box.max() - 0.15 * (box.max() - box.min()))
    faces = finder.find(reference.image[:bottom])
    assert len(faces) == 1
    assert error(faces[0].landmarks, reference.faces[0]) < 0.035
    assert faces[0].landmarks[152, 1] > bottom


def test_bytes_are_taken_too(finder, portraits, as_tensor):
    picture = portraits("01_smile_teeth_photo.png").picture
    face, same = finder.find(as_tensor(picture))[0], finder.find(torch.from_numpy(np.array(picture)))[0]
    assert torch.allclose(face.landmarks, same.landmarks, atol=1e-3)


def test_landmarks_can_be_fitted_to(finder, portraits):
    target = finder.find(portraits("01_smile_teeth_photo.png").image)[0].landmarks
    factor = torch.ones(1, requires_grad=True)
    (factor * target).sum().backward()
    assert torch.allclose(factor.grad, target.sum())


def test_same_picture_gives_the_same_numbers(finder, portraits):
    image = portraits("08_head_turn.jpg").image
    assert torch.equal(finder.find(image)[0].landmarks, finder.find(image)[0].landmarks)


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 4), (64, 64, 1), (0, 64, 3)])
def test_other_shapes_are_refused_in_one_sentence(finder, shape):
    with pytest.raises(UserError, match="convert the picture to RGB"):
        finder.find(torch.zeros(shape))


def shifted_frames(image: torch.Tensor, count: int, step: int) -> torch.Tensor:
    return torch.stack([image.roll((i * step, -i * step), (0, 1)) for i in range(count)])


def test_tracking_follows_the_face(finder, portraits, error):
    image = portraits("06_dark_skin.png").image
    start = finder.find(image)[0]
    landmarks, score = finder.track(shifted_frames(image, 6, 8), start)
    assert score.min() > 0.99
    for i, points in enumerate(landmarks):
        assert error(points[:, :2] + torch.tensor([8.0 * i, -8.0 * i]), start.landmarks) < 0.012


def test_tracking_finds_the_face_itself(finder, portraits):
    image = portraits("01_smile_teeth_photo.png").image
    assert torch.equal(finder.track(image[None])[0], finder.track(image[None], finder.find(image)[0])[0])


def test_tracked_batch_equals_single_frames(finder, portraits, error):
    image = portraits("01_smile_teeth_photo.png").image
    start = finder.find(image)[0]
    frames = shifted_frames(image, 20, 1)
    together, _ = finder.track(frames, start)
    for i in (0, 15, 19):
        assert error(finder.track(frames[i : i + 1], start)[0][0], together[i]) < 1e-4


def test_tracking_needs_a_face(finder):
    with pytest.raises(UserError, match="first frame"):
        finder.track(torch.zeros(2, 96, 96, 3))


def test_tracking_a_face_at_the_edge(finder, portraits):
    image = portraits("06_dark_skin.png").image[:, 220:]  # half of the face is cut off
    start = Face.from_landmarks(portraits("06_dark_skin.png").faces[0] - torch.tensor([220.0, 0, 0]), 1.0)
    landmarks, _ = finder.track(image[None], start)
    assert abs((landmarks[0, 1, :2] - start.landmarks[1, :2]).norm()) < 0.2 * start.iris_distance


def test_roll_is_clockwise():
    landmarks = torch.zeros(478, 3)
    landmarks[473, :2] = torch.tensor([10.0, 10])  # the subject's left eye: to the right, and lower
    assert math.isclose(Face.from_landmarks(landmarks, 1.0).roll, 45, abs_tol=1e-4)


@pytest.mark.parametrize(
    ("box", "same"),
    [((0, 0, 10, 10), True), ((4, 4, 8, 8), True), ((6, 0, 16, 10), False), ((20, 0, 30, 10), False), ((2, 0, 14, 10), True)],
)
def test_same_face(box, same):
    assert same_face(box, (0, 0, 10, 10)) is same
    assert same_face((0, 0, 10, 10), box) is same


def test_region_change_wraps_the_angle():
    first = (torch.zeros(1, 2), torch.ones(1), torch.tensor([math.pi - 0.01]))
    second = (torch.zeros(1, 2), torch.ones(1), torch.tensor([-math.pi + 0.01]))
    assert region_change(first, second) < 0.2

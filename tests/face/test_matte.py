import pytest
import torch

from emotalker.face.finder import Face
from emotalker.face.matte import OVAL, box_mean, guided, inside_oval, person_matte


@pytest.fixture(scope="module")
def mattes(finder, portraits):
    """Image, face and matte of a portrait, each made once."""
    known = {}

    def get(name: str):
        if name not in known:
            image = portraits(name).image
            face = finder.find(image)[0]
            known[name] = (image, face, person_matte(image, face))
        return known[name]

    return get


@pytest.mark.parametrize("name", ["01_smile_teeth_photo.png", "04_cartoon_3d.jpg", "06_dark_skin.png", "10_two_faces.png"])
def test_size_range_and_face(mattes, name):
    image, face, matte = mattes(name)
    assert matte.shape == image.shape[:2]
    assert matte.min() >= 0
    assert matte.max() <= 1
    x, y = face.landmarks[:468, :2].mean(0).long().tolist()
    assert matte[y, x] == 1


# (portrait, x, y, belongs to the person): hair, clothes, background close by
@pytest.mark.parametrize(
    ("name", "x", "y", "person"),
    [
        ("01_smile_teeth_photo.png", 225, 45, True),
        ("01_smile_teeth_photo.png", 200, 300, True),
        ("01_smile_teeth_photo.png", 130, 90, False),
        ("01_smile_teeth_photo.png", 400, 60, False),
        ("04_cartoon_3d.jpg", 300, 100, True),
        ("04_cartoon_3d.jpg", 60, 500, False),
        ("06_dark_skin.png", 100, 150, True),
        ("06_dark_skin.png", 470, 480, False),
        ("06_dark_skin.png", 20, 30, False),
    ],
)
def test_person_and_background(mattes, name, x, y, person):
    value = mattes(name)[2][y - 3 : y + 4, x - 3 : x + 4].mean()
    assert value > 0.9 if person else value < 0.1


def test_other_people_are_left_out(mattes, finder, portraits):
    image, _, matte = mattes("10_two_faces.png")
    other = finder.find(image)[1]
    x, y = other.landmarks[:468, :2].mean(0).long().tolist()
    assert matte[y, x] < 0.1
    assert person_matte(image, other)[y, x] == 1


def test_hair_follows_the_edges(mattes):
    image, _, matte = mattes("06_dark_skin.png")  # dark hair on red
    red = (image[..., 0] - image[..., 2]) > 0.35
    dark = image.amax(-1) < 0.2
    rows = slice(40, 220)  # the hair's border
    assert matte[rows][red[rows]].mean() < 0.1
    assert matte[rows][dark[rows]].mean() > 0.9


def test_face_reaching_over_the_edge(finder, portraits):
    image = portraits("06_dark_skin.png").image[:330]
    face = finder.find(image)[0]
    assert person_matte(image, face).shape == image.shape[:2]


def test_oval():
    landmarks = torch.zeros(478, 3)
    angle = torch.linspace(0, 2 * torch.pi, len(OVAL) + 1)[:-1]
    landmarks[list(OVAL), 0], landmarks[list(OVAL), 1] = 49.5 + 30 * angle.cos(), 49.5 + 40 * angle.sin()
    inside = inside_oval(Face.from_landmarks(landmarks, 1.0), (0, 0, 100, 100), 100, 100)[0, 0]
    assert abs(inside.sum() / (torch.pi * 30 * 40) - 1) < 0.02
    assert inside[50, 50] == 1
    assert inside[5, 50] == 0


def test_box_mean_ignores_what_lies_outside():
    values = torch.rand(1, 2, 9, 12)
    assert torch.allclose(box_mean(values, 2)[0, :, 4, 5], values[0, :, 2:7, 3:8].mean((1, 2)), atol=1e-6)
    assert torch.allclose(box_mean(values, 2)[0, :, 0, 0], values[0, :, :3, :3].mean((1, 2)), atol=1e-6)


def test_guided_filter_moves_the_border_to_the_edge():
    colours = torch.zeros(1, 3, 640, 640)
    colours[..., 320:] = torch.tensor([0.9, 0.5, 0.3])[None, :, None, None]
    alpha = torch.cat([torch.zeros(314), torch.linspace(0, 1, 13), torch.ones(313)]).expand(1, 1, 640, 640)
    sharp = guided(colours, alpha, colours)[0, 0, 320]
    assert alpha[0, 0, 0, 319] > 0.4
    assert sharp[:320].max() < 0.25
    assert sharp[320:].min() > 0.75

import json
import math

import pytest
import torch
from safetensors import safe_open

from emotalker.face.geometry import Pyramid
from emotalker.face.landmarks import IRISES, LEFT_EYE, LIPS, RIGHT_EYE, LandmarkNetwork, region_of_landmarks
from emotalker.weights import weights_path


@pytest.fixture(scope="module")
def network() -> LandmarkNetwork:
    return LandmarkNetwork()


def test_refined_points_are_those_the_network_looks_at():
    with safe_open(str(weights_path("face_landmarks")), "pt") as file:
        nodes = json.loads(file.metadata()["graphs"])[""]["nodes"]
    assert [node["attrs"]["subset"] for node in nodes if node["op"] == "landmark_matrix"] == [
        list(LIPS),
        list(RIGHT_EYE),
        list(LEFT_EYE),
    ]


def test_region_is_level_with_the_eyes():
    landmarks = torch.zeros(1, 478, 3)
    landmarks[0, :, 0], landmarks[0, :, 1] = torch.linspace(100, 200, 478), torch.linspace(50, 130, 478)
    landmarks[0, 33, :2], landmarks[0, 263, :2] = torch.tensor([120.0, 80]), torch.tensor([160.0, 120])
    centre, size, angle = region_of_landmarks(landmarks)
    assert centre[0].tolist() == [150, 90]
    assert size.item() == 150
    assert math.isclose(angle.item(), math.pi / 4, rel_tol=1e-6)


def test_irises_lie_between_the_corners_of_their_eyes(network, portraits):
    reference = portraits("06_dark_skin.png")
    picture = Pyramid(reference.image.permute(2, 0, 1)[None])
    points, odds = network(picture, *region_of_landmarks(reference.faces[0][None]))
    for iris, corners in zip(IRISES, ((33, 133), (362, 263)), strict=True):
        assert points[0, corners[0], 0] < points[0, iris, 0] < points[0, corners[1], 0]
    assert odds.item() > 20


def test_depth_grows_with_the_face(network, portraits):
    reference = portraits("06_dark_skin.png")
    picture = reference.image.permute(2, 0, 1)[None]
    twice = torch.nn.functional.interpolate(picture, scale_factor=2, mode="bilinear", align_corners=False)
    depth = []
    for image, scale in ((picture, 1), (twice, 2)):
        points, _ = network(Pyramid(image), *region_of_landmarks(reference.faces[0][None] * scale))
        depth.append((points[0, 234, 2] - points[0, 1, 2]).item())  # edge of the cheek less tip of the nose
    assert depth[0] > 0
    assert math.isclose(depth[1], 2 * depth[0], rel_tol=0.05)

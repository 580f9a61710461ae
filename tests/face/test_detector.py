import pytest
import torch

from emotalker.face.detector import Detections, FaceDetector, decode, join, merge, overlap
from emotalker.face.geometry import Pyramid


def detections(*rows: tuple[float, float, float, float, float]) -> Detections:
    values = torch.tensor(rows).reshape(-1, 5)
    return Detections(values[:, :4], values[:, None, :2].expand(-1, 6, 2), values[:, 4])


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


def test_overlap():
    boxes = torch.tensor([[0.0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6]])
    assert torch.allclose(overlap(boxes[0], boxes), torch.tensor([1, 1 / 3, 0]))


def test_merging_takes_the_weighted_mean():
    found = merge(detections((0, 0, 10, 10, 0.9), (20, 20, 30, 30, 0.8), (2, 0, 12, 10, 0.6)))
    assert torch.allclose(found.scores, torch.tensor([0.9, 0.8]))
    assert torch.allclose(found.boxes[0], torch.tensor([0.8, 0, 10.8, 10]))


def test_merging_nothing():
    assert len(merge(detections())) == 0


def test_joining_prefers_the_first_level():
    found = join([detections((0, 0, 10, 10, 0.5)), detections((1, 1, 11, 11, 0.9), (50, 50, 60, 60, 0.7))])
    assert found.boxes.tolist() == [[0, 0, 10, 10], [50, 50, 60, 60]]


@pytest.mark.parametrize(("part", "size", "count"), [("short", 128, 896), ("full", 192, 2304)])
def test_anchors_are_centred_on_their_pixels(part, size, count):
    outputs = {"regressors": torch.zeros(1, count, 16), "classificators": torch.zeros(1, count, 1)}
    boxes, points, scores = decode(outputs, part, size, size)
    assert torch.allclose(boxes.mean(0), torch.full((4,), size / 2))
    assert torch.equal(points[:, 0], boxes[:, :2])
    assert (scores == 0.5).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (33, 7), (300, 1)])
def test_tiny_and_narrow_pictures_are_searched(detector, size):
    found = list(detector.stages(Pyramid(torch.zeros(1, 3, *size))))
    assert [len(stage) for stage in found] == [0] * len(found)


@pytest.mark.parametrize("turn", [0, 90, -90, 180])
def test_finds_a_turned_face_where_it_is(detector, portraits, turn):
    image = portraits("08_head_turn.jpg").image.permute(2, 0, 1)[None]
    upright = detector.detect(Pyramid(image), [("full", 384, 0)])
    rolled = image.rot90(-turn // 90, (2, 3))  # clockwise by `turn`
    found = detector.detect(Pyramid(rolled), [("full", 384, turn)])
    eyes = found.points[0, 1] - found.points[0, 0]
    assert abs((torch.rad2deg(torch.atan2(eyes[1], eyes[0])) - turn + 180) % 360 - 180) < 15
    assert torch.allclose(found.boxes[0, 2:] - found.boxes[0, :2], upright.boxes[0, 2:] - upright.boxes[0, :2], rtol=0.1)

"""The expression recogniser: what it reads from a photo, that size and place do not matter, and that it can teach."""

import pytest
import torch

from emotalker.arkit import MIRRORED, UNIT_INDEX
from emotalker.emotion.expression import face_units
from emotalker.emotion.taxonomy import EMOTION_INDEX, EMOTIONS
from emotalker.face.crop import crop_matrices, cut
from emotalker.face.expression import (
    MARKS,
    MESH,
    SIZE,
    ExpressionHead,
    ExpressionRecogniser,
    Seen,
    look,
    upright,
    zoomed,
)
from emotalker.face.portrait import Portrait
from emotalker.frames.guide import GuideRenderer
from emotalker.motion.motion import Motion
from emotalker.picture import load_image


@pytest.fixture(scope="module")
def recogniser():
    return ExpressionRecogniser.load()


@pytest.fixture(scope="module")
def photo(pytestconfig, finder):
    picture = load_image(pytestconfig.rootpath / "samples" / "emotalker_portrait.png")
    return picture, finder.find(picture)[0].landmarks


def test_a_smile_is_seen(recogniser, photo):
    picture, landmarks = photo
    shown = recogniser.read(picture[None], landmarks[None])
    assert EMOTIONS[int(shown.soft[0].argmax())] == "happy"
    assert shown.soft.sum().item() == pytest.approx(1, abs=1e-5) and shown.strengths[0, 0] == 0
    assert shown.units[0, [UNIT_INDEX["mouthSmileLeft"], UNIT_INDEX["mouthSmileRight"]]].mean() > 0.3
    assert shown.units[0, UNIT_INDEX["tongueOut"]] < 0.2


def test_re_expressed_portraits_show_what_was_asked(recogniser, photo, finder):
    picture, _ = photo
    portrait = Portrait.from_image(picture, finder=finder)
    wanted = ("happy", "sad", "angry", "surprise")
    strengths = torch.eye(len(EMOTIONS))[[EMOTION_INDEX[name] for name in wanted]]
    frames = torch.cat(list(GuideRenderer(portrait).stream(Motion(face_units(strengths), torch.zeros(4, 6), 25.0))))
    shown = recogniser.read(frames, finder.track(frames, portrait.face)[0])
    right = [EMOTIONS[i] == name for i, name in zip(shown.soft.argmax(1).tolist(), wanted, strict=True)]
    assert sum(right) >= 3


def test_bytes_are_read_like_floats_and_size_does_not_matter(recogniser, photo):
    picture, landmarks = photo
    plain = recogniser.read(picture[None], landmarks[None])
    as_bytes = recogniser.read((picture[None] * 255).round().byte(), landmarks[None])
    assert torch.allclose(plain.soft, as_bytes.soft, atol=0.02)
    half = torch.nn.functional.interpolate(picture.permute(2, 0, 1)[None], scale_factor=0.75, mode="bicubic", antialias=True)
    small = recogniser.read(half.permute(0, 2, 3, 1), 0.75 * landmarks[None])
    assert small.soft.argmax() == plain.soft.argmax() and (small.units - plain.units).abs().mean() < 0.05


def test_frames_are_read_each_for_itself(recogniser, photo):
    picture, landmarks = photo
    two = recogniser.read(torch.stack([picture, 0 * picture]), landmarks.expand(2, -1, -1))
    one = recogniser.read(picture[None], landmarks[None])
    assert torch.allclose(two.soft[:1], one.soft, atol=1e-4)


def test_a_face_in_a_mirror_shows_the_same_on_the_other_side(recogniser, photo):
    picture, landmarks = photo
    face = look(picture.permute(2, 0, 1)[None], landmarks[None])
    face[:, :, :, : SIZE // 2] *= 0.8  # so that the two sides differ
    plain, mirrored = recogniser.judge(face), recogniser.judge(face.flip(-1))
    assert torch.allclose(plain.soft, mirrored.soft, atol=1e-4)
    assert torch.allclose(plain.units, mirrored.units[:, MIRRORED], atol=1e-4)
    smiles = UNIT_INDEX["mouthSmileLeft"], UNIT_INDEX["mouthSmileRight"]
    assert plain.units[0, smiles[0]] != plain.units[0, smiles[1]]


def test_the_loss_can_teach_a_picture(recogniser, photo):
    picture, landmarks = photo
    crop = cut(picture.permute(2, 0, 1)[None], crop_matrices(landmarks[None], 128), 128).requires_grad_()
    wanted = torch.zeros(1, len(EMOTIONS))
    wanted[0, EMOTION_INDEX["sad"]] = 1
    loss = recogniser.loss(crop, wanted, torch.zeros(1, 52))
    loss.sum().backward()
    assert loss.shape == (1,) and crop.grad.abs().sum() > 0
    with torch.no_grad():
        better = recogniser.loss(crop - 0.02 * crop.grad.sign(), wanted, torch.zeros(1, 52))
    assert better < loss


def test_what_shows_nothing_loses_less_when_nothing_is_wanted(recogniser, photo):
    picture, landmarks = photo
    crop = cut(picture.permute(2, 0, 1)[None], crop_matrices(landmarks[None], 256), 256)
    happy, sad = torch.zeros(2, 1, len(EMOTIONS)).unbind(0)
    happy[0, EMOTION_INDEX["happy"]] = sad[0, EMOTION_INDEX["sad"]] = 1
    units = recogniser.read(picture[None], landmarks[None]).units
    assert recogniser.loss(crop, happy, units) < recogniser.loss(crop, sad, units)


def test_marks_lie_where_the_face_finder_has_its_landmarks(recogniser, photo):
    picture, landmarks = photo
    matrix = zoomed(crop_matrices(landmarks[None], SIZE))[0]
    found = recogniser(look(picture.permute(2, 0, 1)[None], landmarks[None]))
    places = (found.marks[0] + 1) * (SIZE / 2) @ matrix[:, :2].T + matrix[:, 2]
    between = (landmarks[468, :2] - landmarks[473, :2]).norm()
    assert (places - landmarks[list(MARKS), :2]).norm(dim=1).mean() < 0.12 * between


def test_marks_are_told_upright_wherever_the_face_lies():
    points = torch.rand(1, len(MARKS), 2)
    angle = torch.tensor(0.3)
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
    moved = 40 * points @ turn.T + torch.tensor([100.0, 30.0])
    assert torch.allclose(upright(moved), upright(points), atol=1e-3)


def test_the_head_looks_at_everything():
    torch.manual_seed(0)
    head = ExpressionHead(16).eval()
    shapes = ((32, 48, 48), (64, 24, 24), (128, 12, 12), (128, 6, 6), (64, 8, 8), (64, 8, 8), (64, 8, 8), (MESH, 2))
    seen = [torch.randn(2, *shape) for shape in shapes]
    plain = head(Seen(*seen))
    assert plain.logits.shape == (2, 8) and plain.strengths.shape == (2, 8) and plain.units.shape == (2, 52)
    assert plain.marks.shape == (2, len(MARKS), 2) and plain.marks.abs().max() < 1
    for i in range(len(seen) - 1):  # the points are for the network itself
        other = [value if j != i else value + torch.randn_like(value) for j, value in enumerate(seen)]
        assert not torch.allclose(head(Seen(*other)).logits, plain.logits, atol=1e-6)

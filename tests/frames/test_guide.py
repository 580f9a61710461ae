"""The guide renderer's promises, on real portraits."""

import pytest
import torch

from emotalker.arkit import FACE_UNITS, UNIT_INDEX
from emotalker.face.finder import FaceFinder
from emotalker.face.portrait import Portrait
from emotalker.frames import mouth
from emotalker.frames.guide import GuideRenderer, _soften_folds
from emotalker.motion.motion import Motion
from emotalker.picture import load_image


@pytest.fixture(scope="module")
def renderer(request):
    root = request.config.rootpath
    return GuideRenderer(Portrait.from_image(load_image(root / "samples" / "emotalker_portrait.png"), neutralise=False))


def motion(count=1, head=(0, 0, 0, 0, 0, 0), **units):
    """`count` equal frames; a unit's name without Left/Right means both."""
    weights = torch.zeros(count, len(FACE_UNITS))
    for name, value in units.items():
        for suffix in ("", "Left", "Right"):
            if name + suffix in UNIT_INDEX:
                weights[:, UNIT_INDEX[name + suffix]] = value
    return Motion(weights, torch.tensor([head], dtype=torch.float32).repeat(count, 1), 25.0)


def frames(renderer, take, **options):
    return torch.cat(list(renderer.stream(take, **options)))


def face_box(renderer):
    x0, y0, x1, y1 = (int(v) for v in renderer.portrait.face.box)
    return slice(y0, y1), slice(x0, x1)


def lonely_lines(picture):
    """Number of runs of 5 pixels, along rows or columns, that differ strongly from the pixels on both sides."""
    grey = picture.mean(-1)
    count = 0
    for image in (grey, grey.T):
        middle, before, after = image[1:-1], image[:-2], image[2:]
        sides = torch.maximum(before, after), torch.minimum(before, after)
        lonely = (middle > sides[0] + 0.12) | (middle < sides[1] - 0.12)
        count += int((lonely.unfold(1, 5, 1).all(-1)).sum())
    return count


def psnr(a, b):
    return float(-10 * torch.log10(((a - b) ** 2).mean().clamp(min=1e-12)))


def test_rest_is_the_portrait(renderer):
    frame = frames(renderer, motion())[0]
    rows, columns = face_box(renderer)
    source = renderer.portrait.image
    assert psnr(frame[rows, columns], source[rows, columns]) >= 45
    assert (frame - source).abs().max() < 1 / 255


def test_rest_of_every_development_portrait(shared):
    for path in sorted((shared / "portraits").glob("0*.*g")):
        portrait = Portrait.from_image(load_image(path), neutralise=False)
        frame = frames(GuideRenderer(portrait), motion())[0]
        x0, y0, x1, y1 = (int(v) for v in portrait.face.box)
        assert psnr(frame[y0:y1, x0:x1], portrait.image[y0:y1, x0:x1]) >= 45, path.name


def test_outside_the_head_pixels_are_bit_identical(renderer):
    frame = frames(renderer, motion(head=(12, 6, 5, 0.02, 0, 0), jawOpen=0.5))[0]
    outside = torch.ones(frame.shape[:2], dtype=torch.bool)
    outside[renderer.crop.slices] = False
    assert outside.any()
    assert torch.equal(frame[outside], renderer.portrait.image[outside])


def test_still_background_inside_the_crop_is_bit_identical(renderer):
    frame = frames(renderer, motion(jawOpen=0.4, eyeBlink=1.0))[0]
    same = (frame == renderer.portrait.image).all(-1)
    assert same.float().mean() > 0.6


def test_chunks_do_not_matter(renderer):
    take = motion(5, jawOpen=0.5, eyeBlink=0.8, mouthStretch=0.7)
    take.units *= torch.linspace(0, 1, 5)[:, None]
    take.head[:] = torch.tensor([[18, 8, 5, 0.02, 0.01, 0.1], [-18, -8, -5, 0, 0, -0.1], [0, 0, 0, 0, 0, 0]])[[0, 1, 2, 0, 1]]
    one = frames(renderer, take, chunk=1)
    all_at_once = frames(renderer, take, chunk=5)
    assert (one - all_at_once).abs().max() < 0.5 / 255


def test_a_range_of_frames_is_that_range(renderer):
    take = motion(6, jawOpen=0.3)
    take.units *= torch.linspace(0, 1, 6)[:, None]
    whole = frames(renderer, take, chunk=2)
    part = frames(renderer, take, chunk=2, start=2, stop=4)
    assert len(whole) == 6
    assert torch.equal(part, whole[2:4])


def test_bytes_are_the_rounded_floats(renderer):
    take = motion(jawOpen=0.3)
    exact = frames(renderer, take)[0]
    rounded = frames(renderer, take, dtype=torch.uint8)[0]
    assert rounded.dtype == torch.uint8
    assert (rounded.float() / 255 - exact).abs().max() <= 0.5 / 255 + 1e-5


def test_an_open_jaw_opens_the_mouth_and_moves_the_chin_only_downwards(renderer):
    points = renderer.fitted.landmarks(renderer.fitted.deform(motion(jawOpen=0.6).units, torch.zeros(1, 6)))[0]
    rest = renderer.fitted.landmarks(renderer.fitted.rest[None])[0]
    assert points[152, 1] - rest[152, 1] > 0.03 * (rest[152, 1] - rest[10, 1])
    frame, still = (frames(renderer, motion(jawOpen=v))[0] for v in (0.6, 0.0))
    x, y = points[14, 0].item(), ((points[13, 1] + points[14, 1]) / 2).item()
    inside = frame[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2]
    assert (inside - still[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2]).abs().mean() > 0.02


def test_an_open_mouth_shows_the_upper_teeth(renderer):
    frame = frames(renderer, motion(jawOpen=0.6))[0]
    upper, lower = FaceFinder.load().find(frame)[0].landmarks[[13, 14], :2]
    at = [(upper + share * (lower - upper)).round().int().tolist() for share in (0.15, 0.2, 0.25, 0.45, 0.5, 0.55)]
    light = [float(frame[y - 1 : y + 2, x - 3 : x + 4].mean()) for x, y in at]
    assert min(light[:3]) > 1.5 * max(light[3:])


def test_a_smile_shows_teeth_up_to_the_lip_and_no_gums(request):
    picture = load_image(request.config.rootpath / "samples" / "emotalker_painting.jpg")
    renderer = GuideRenderer(Portrait.from_image(picture, neutralise=False))
    take = motion(jawOpen=0.2, mouthSmile=0.8, mouthUpperUp=0.8)
    drawn = renderer.draw(take.units - renderer.portrait.fitted.expression, torch.zeros(1, 6))
    upper, lower = drawn.landmarks[0, [13, 14]]
    x, y = torch.stack([upper + share * (lower - upper) for share in torch.linspace(0.05, 0.5, 8)]).int().T
    red, green, _ = drawn.frames[0][:, y, torch.stack([x - 12, x, x + 12])]
    assert (green / red).min() > 0.7  # gums: 0.45


def test_a_closed_eye_shows_no_iris(renderer):
    iris = renderer.portrait.face.landmarks[468, :2]
    x, y = int(iris[0]), int(iris[1])
    spot = slice(y - 1, y + 2), slice(x - 1, x + 2)
    closed = frames(renderer, motion(eyeBlink=1.0))[0]
    lid_skin = closed[spot].mean()
    assert lid_skin > renderer.portrait.image[spot].mean() + 0.05


@pytest.mark.parametrize("head", [(15, 0, 0), (-15, 0, 0), (0, 10, 0), (0, -10, 0), (0, 0, 10), (15, 10, -10)])
def test_a_turned_head_leaves_no_hole_and_no_wild_colour(renderer, head):
    frame = frames(renderer, motion(head=(*head, 0, 0, 0)))[0]
    assert torch.isfinite(frame).all()
    # A hole, a streak or a tear is a line of pixels unlike both its neighbours: turned, the picture has no more than at rest.
    assert lonely_lines(frame) <= 1.1 * lonely_lines(renderer.portrait.image) + 3


def test_a_streak_is_seen_as_one(renderer):
    frame = renderer.portrait.image.clone()
    x0, y0, x1, y1 = (int(v) for v in renderer.portrait.face.box)
    frame[(y0 + y1) // 2, x0:x1] = 0
    assert lonely_lines(frame) > 1.1 * lonely_lines(renderer.portrait.image) + 3


@pytest.mark.parametrize(("head", "axis", "sign"), [((12, 0, 0), 0, 1), ((-12, 0, 0), 0, -1), ((0, 10, 0), 1, -1)])
def test_a_turned_head_is_found_turned(renderer, head, axis, sign):
    finder = FaceFinder.load()
    seen = [finder.find(frames(renderer, motion(head=(*pose, 0, 0, 0)))[0])[0].landmarks for pose in ((0, 0, 0), head)]
    nose, rim = [4], [234, 454, 10, 152]
    offset = [points[nose, :2].mean(0) - points[rim, :2].mean(0) for points in seen]
    assert sign * float(offset[1][axis] - offset[0][axis]) > 0.02 * float((seen[0][234] - seen[0][454]).norm())


def test_the_same_input_gives_the_same_pixels(renderer):
    take = motion(head=(5, 2, 1, 0, 0, 0), jawOpen=0.4)
    assert torch.equal(frames(renderer, take), frames(renderer, take))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_equals_cpu(renderer):
    take = motion(head=(5, 2, 1, 0, 0, 0), jawOpen=0.4, eyeBlink=0.5)
    other = GuideRenderer(renderer.portrait, "cuda")
    assert (frames(other, take).cpu() - frames(renderer, take)).abs().mean() < 0.5 / 255


def test_where_skin_folds_over_skin_reading_goes_over_softly():
    rows = torch.arange(20.0).view(1, 1, 20, 1).expand(1, 1, 20, 12)
    ahead = torch.where(rows < 9, 0.0, 6.0)
    covered = torch.ones(1, 1, 20, 12, dtype=torch.bool)
    covered[..., 10:] = False
    folded = torch.cat([torch.zeros_like(ahead), ahead], 1)
    _soften_folds(folded, covered)
    assert folded[0, 1, 7:12, 4].tolist() == pytest.approx([0, 2, 4, 6, 6])
    assert folded[0, 1, 7:12, 10].tolist() == pytest.approx([0, 0, 6, 6, 6])  # beside skin nothing is known
    parted = torch.cat([torch.zeros_like(ahead), -ahead], 1)
    _soften_folds(parted, covered)
    assert torch.equal(parted[:, 1:], -ahead)


def test_front_teeth_have_all_the_light_however_deep_the_fit_has_them(request, monkeypatch):
    portrait = Portrait.from_image(load_image(request.config.rootpath / "samples" / "emotalker_painting.jpg"))
    take, bright = motion(jawOpen=0.2, mouthSmile=0.8, mouthUpperUp=0.8), []
    for depth in (0.14, -0.1):  # all teeth lie deeper than that: a third of the light would be lost
        monkeypatch.setattr(mouth, "_LIT_DEPTH", depth)
        drawn = GuideRenderer(portrait).draw(take.units, torch.zeros(1, 6))
        upper, lower = drawn.landmarks[0, [13, 14]]
        x, y = torch.stack([upper + share * (lower - upper) for share in torch.linspace(0.2, 0.5, 6)]).int().T
        bright.append(drawn.frames[0][:, y, x - 12].mean())
    assert bright[1] > 0.95 * bright[0]


def test_a_gap_that_the_fitted_lips_miss_does_not_stay_on_them(renderer):
    lips, picture = renderer.lips, renderer.picture.clone()
    x0, y0 = lips.box.x0, lips.box.y0
    upper = renderer.rest[lips.upper[0][len(lips.upper[0]) // 2], :2]
    marks = []
    for away in (0.04, 0.2):
        x, y = int(upper[0]), int(upper[1] - away * lips.width)
        picture[:, y - 1 : y + 2, x - 2 : x + 3] = 0.02
        marks.append((slice(None), y - y0, x - x0))
    skin = lips._paint_skin(picture)
    assert skin[marks[0]].mean() > 0.25 and skin[marks[1]].mean() < 0.03

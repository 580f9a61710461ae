import json

import pytest
import torch

from emotalker.emotion.taxonomy import EMOTION_INDEX
from emotalker.emotion.track import EmotionTrack
from emotalker.motion.denoiser import MotionDenoiser, Shape
from emotalker.motion.liveliness import Liveliness
from emotalker.motion.sampling import Settings, draw_motion

SAD = EMOTION_INDEX["sad"]


@pytest.fixture
def lively():
    posture = torch.zeros(9, 6)
    posture[SAD, 1], posture[8, 5] = -4.0, 0.1
    return Liveliness((1.5, 1.2, 1.0, 1.3, 1.0, 1.0), tuple(tuple(row) for row in posture.tolist()))


def test_movement_widens_about_the_posture_of_the_emotion(lively):
    strengths = torch.zeros(200, 8)
    strengths[:, SAD] = 0.5
    sway = torch.sin(torch.arange(200) / 5)[:, None].expand(-1, 6)
    head = sway + torch.tensor([0, -2.0, 0, 0, 0, 0.1])
    wide = lively.widen(head, strengths, 25.0)
    late = slice(50, None)  # the first seconds ease in from the portrait's own pose
    for axis, gain in enumerate(lively.gain):
        assert torch.allclose(wide[late, axis], head[late, axis] + (gain - 1) * sway[late, axis], atol=1e-4)
    assert torch.allclose(lively.narrow(wide, strengths, 25.0), head, atol=1e-4)


def test_a_head_stays_within_its_limits_and_begins_where_it_was(lively):
    strengths = torch.zeros(50, 8)
    strengths[:, SAD] = 1.0
    head = torch.zeros(50, 6)
    assert lively.widen(head, strengths, 25.0)[0].abs().max() < 0.01
    assert lively.widen(head + 14, strengths, 25.0)[:, 0].max() == 15


def test_the_card_keeps_it(lively):
    again = Liveliness.of_card(json.loads(json.dumps({"head": lively.to_dict()})))
    assert torch.allclose(torch.tensor(again.posture), torch.tensor(lively.posture)) and again.gain == pytest.approx(
        lively.gain
    )
    assert Liveliness.of_card({"name": "motion"}) is None


def test_takes_are_widened_and_a_kept_take_is_understood(talk, lively):
    torch.manual_seed(0)
    model = MotionDenoiser(Shape(width=16, layers=1, heads=1, speech_width=4)).eval()
    torch.nn.init.normal_(model.out.weight, std=0.1)
    features, settings = talk(6.0), Settings(steps=2)
    plain = draw_motion(model, features, EmotionTrack(), 0, settings)
    model.liveliness = lively
    wide = draw_motion(model, features, EmotionTrack(), 0, settings)
    assert torch.equal(wide.units, plain.units)
    assert wide.head[:, 0].std() == pytest.approx(1.5 * float(plain.head[:, 0].std()), rel=0.01)
    again = draw_motion(model, features, EmotionTrack(), 0, settings, keep=wide, redo=(3.0, 4.0))
    assert torch.equal(again.head[:75], wide.head[:75]) and torch.equal(again.head[100:], wide.head[100:])
    # Widened twice, the new range would jump away from its neighbours.
    model.liveliness = None
    narrow = draw_motion(model, features, EmotionTrack(), 0, settings, keep=plain, redo=(3.0, 4.0))
    assert torch.allclose(again.head[75:100, 0], 1.5 * narrow.head[75:100, 0], atol=1e-3)

import torch

from emotalker.arkit import FACE_UNITS, UNIT_INDEX
from emotalker.motion.gains import GAZE, LIDS
from emotalker.motion.gaze import gaze_units
from emotalker.motion.motion import Motion
from emotalker.motion.settle import LEAVE, eye_angles, settle_eyes

FPS, JUMP = 25.0, 60  # the frame at which the drawn gaze jumps


def swimming() -> Motion:
    """Four seconds: a head that turns and nods, trembling eyes that jump once, a shallow blink."""
    times = torch.arange(100) / FPS
    head = torch.zeros(100, 6)
    head[:, 0], head[:, 1] = 6 * torch.sin(2 * times), 3 * torch.sin(3 * times)
    tremor = 0.3 * torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
    looks_at = torch.where(torch.arange(100)[:, None] < JUMP, torch.tensor([0.0, 0.0]), torch.tensor([9.0, -4.0]))
    units = gaze_units(looks_at + tremor - 0.8 * head[:, :2])
    units[:, UNIT_INDEX["jawOpen"]] = 0.2
    for name in LIDS:
        units[20:26, UNIT_INDEX[name]] = torch.tensor([0.3, 0.6, 0.75, 0.7, 0.5, 0.2])
    return Motion(units, head, FPS, {"seed": "0"})


def test_eyes_rest_on_a_target_while_the_head_moves():
    drawn = swimming()
    before, after = (eye_angles(motion.units) + motion.head[:, :2] for motion in (drawn, settle_eyes(drawn)))
    moves = [(gaze.diff(dim=0).norm(dim=1) > 0.05).sum() for gaze in (before, after)]
    assert moves[0] > 80 and moves[1] <= 5
    assert (after - before).norm(dim=1).max() < LEAVE + 1  # a degree of tremor


def test_a_jump_stays_where_it_was_drawn():
    gaze = eye_angles(settle_eyes(swimming()).units) + swimming().head[:, :2]
    assert (gaze[JUMP] - gaze[JUMP - 1]).norm() > 7
    assert (gaze[JUMP] - torch.tensor([9.0, -4.0])).norm() < 1.5


def test_blinks_shut_and_lids_rest_where_they_were():
    before, after = (motion.units[:, [UNIT_INDEX[name] for name in LIDS]] for motion in (swimming(), settle_eyes(swimming())))
    assert before.max() < 0.8 and after.amax(0).min() > 0.999
    assert (after - before)[40:].abs().max() == 0


def test_nothing_else_changes():
    drawn, settled = swimming(), settle_eyes(swimming())
    others = [UNIT_INDEX[name] for name in FACE_UNITS if name not in GAZE + LIDS]
    assert torch.equal(drawn.units[:, others], settled.units[:, others]) and torch.equal(drawn.head, settled.head)
    assert settled.metadata == {"seed": "0"}

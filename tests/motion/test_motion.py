import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from emotalker.errors import UserError
from emotalker.motion.motion import Motion


def make(frames=50, fps=25.0):
    time = (torch.arange(frames) + 0.5) / fps
    units = (0.5 + 0.5 * torch.sin(2 * torch.pi * 0.7 * time))[:, None].repeat(1, 52)
    return Motion(units, torch.stack([10 * torch.sin(time * k) for k in range(1, 7)], 1), fps, {"seed": "3"})


def test_saved_take_comes_back_exactly(tmp_path):
    motion = make()
    again = Motion.load(motion.save(tmp_path / "take.safetensors"))
    assert torch.equal(again.units, motion.units) and torch.equal(again.head, motion.head)
    assert again.fps == motion.fps and again.metadata == {"seed": "3"}


def test_unusable_files_are_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=r"missing\.safetensors does not exist"):
        Motion.load(tmp_path / "missing.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(UserError, match=r"text\.safetensors cannot be read"):
        Motion.load(tmp_path / "text.safetensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="no EmoTalker motion"):
        Motion.load(tmp_path / "other.safetensors")
    make().save(tmp_path / "take.safetensors")
    with safe_open(tmp_path / "take.safetensors", "pt") as file:
        facts, tensors = file.metadata(), {name: file.get_tensor(name) for name in ("units", "head")}
    for name, value in (("fps", "fast"), ("fps", "0"), ("units", "[]"), ("notes", "[1]"), ("notes", "{"), ("units", "{")):
        save_file(tensors, tmp_path / "changed.safetensors", facts | {name: value})
        with pytest.raises(UserError):
            Motion.load(tmp_path / "changed.safetensors")


@pytest.mark.parametrize("fps", [12.0, 24.0, 29.97, 60.0])
def test_resampling_follows_the_same_curves(fps):
    motion = make(frames=100).resample(fps)
    assert motion.duration == pytest.approx(4.0, abs=1 / fps) and motion.fps == fps
    time = (torch.arange(len(motion)) + 0.5) / fps
    inside = (time > 0.02) & (time < 3.98)
    exact = 0.5 + 0.5 * torch.sin(2 * torch.pi * 0.7 * time)
    assert (motion.units[inside, 0] - exact[inside]).abs().max() < 0.01


def test_cut_and_join_give_the_whole():
    motion = make()
    joined = Motion.concat([motion.slice(0, 0.8), motion.slice(0.8)])
    assert torch.equal(joined.units, motion.units) and torch.equal(joined.head, motion.head)
    assert len(motion.slice(0.4, 1.0)) == 15


def test_senseless_requests_are_refused():
    with pytest.raises(UserError, match="no frame"):
        make().slice(5, 6)
    with pytest.raises(UserError, match="24, 25 frames"):
        Motion.concat([make(), make(fps=24.0)])
    with pytest.raises(UserError, match="no motion to join"):
        Motion.concat([])
    with pytest.raises(UserError, match=r"\[frames, 52\]"):
        Motion(torch.zeros(4, 51), torch.zeros(4, 6), 25.0)
    with pytest.raises(UserError, match="head pose"):
        Motion(torch.zeros(4, 52), torch.zeros(5, 6), 25.0)
    with pytest.raises(UserError, match="frame rate"):
        Motion(torch.zeros(4, 52), torch.zeros(4, 6), 0.0)
    with pytest.raises(UserError, match="no numbers"):
        Motion(torch.full((4, 52), float("nan")), torch.zeros(4, 6), 25.0)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("units", 1.02, "face units lie up to 0.02 outside 0 to 1"),
        ("units", -0.5, "face units lie up to 0.5 outside 0 to 1"),
        ("head", 91.0, "turns by more than 90°"),
        ("head", -1e30, "turns by more than 90°"),
        ("shift", 11.0, "shifts by more than 10 distances"),
    ],
)
def test_a_file_with_values_that_no_take_has_is_damaged(tmp_path, place, value, words):
    take = make()
    (take.head if place != "units" else take.units)[2, 4 if place == "shift" else 1] = value
    take.save(tmp_path / "take.safetensors")
    with pytest.raises(UserError, match=f"take.safetensors is damaged: .*{words}"):
        Motion.load(tmp_path / "take.safetensors")


def test_rounding_a_little_beyond_the_range_is_no_damage(tmp_path):
    take = make()
    take.units[2, 1], take.units[3, 1], take.head[1, 0] = 1.009, -0.009, 89.0
    take.save(tmp_path / "take.safetensors")
    assert torch.equal(Motion.load(tmp_path / "take.safetensors").units, take.units)

"""Motion files: the ending chooses the format, captured heads are settled, JSON can be read."""

import json
import os

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from emotalker.arkit import UNIT_INDEX
from emotalker.errors import UserError
from emotalker.motion.files import load_motion, motion_json, save_motion, settle_head
from emotalker.motion.motion import Motion


def make(frames: int = 60, fps: float = 25.0) -> Motion:
    torch.manual_seed(1)
    units, head = torch.zeros(frames, 52), torch.zeros(frames, 6)
    units[:, UNIT_INDEX["jawOpen"]] = torch.rand(frames)
    head[:, :3] = 3 * torch.randn(frames, 3).clamp(-2, 2)
    return Motion(units, head, fps, {"seed": "7"})


@pytest.mark.parametrize("ending", [".safetensors", ".csv", ".CSV"])
def test_what_is_saved_is_loaded(tmp_path, ending):
    motion = make()
    again = load_motion(save_motion(motion, tmp_path / f"take{ending}"))
    assert again.fps == 25 and torch.allclose(again.units, motion.units, atol=1e-6)
    assert torch.allclose(again.head, motion.head, atol=1e-4)
    assert again.metadata == ({"seed": "7"} if ending == ".safetensors" else {"source": f"take{ending}"})


@pytest.mark.parametrize("ending", [".safetensors", ".csv"])
def test_a_motion_file_has_the_mode_that_other_new_files_have(tmp_path, ending):
    before = os.umask(0o027)
    try:
        path = save_motion(make(), tmp_path / f"take{ending}")
        (tmp_path / "other").write_text("x")
    finally:
        os.umask(before)
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_other_endings_and_places_are_told(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"take\.json names no motion file"):
        save_motion(make(), tmp_path / "take.json")
    with pytest.raises(UserError, match="names no motion file"):
        load_motion(tmp_path / "take")
    for ending in (".csv", ".safetensors"):
        with pytest.raises(UserError, match="does not exist"):
            load_motion(tmp_path / f"none{ending}")
        with pytest.raises(UserError, match="cannot be written"):
            save_motion(make(), tmp_path / "file" / f"take{ending}")


def test_a_captured_head_is_settled_within_what_a_picture_can_show():
    motion = make()
    motion.head[:, 0] = 25 + torch.linspace(-60, 60, 60)
    settled = settle_head(motion)
    yaw = settled.head[:, 0]
    assert yaw.abs().max() <= 15 and yaw.max() > 14.5 and yaw.min() < -14.5
    assert (yaw.diff() >= 0).all() and float(yaw[29:31].mean()) == pytest.approx(0, abs=1.1)
    inside = yaw.abs() < 10
    assert yaw[inside].diff() == pytest.approx(torch.full((int(inside.sum()) - 1,), 120 / 59), abs=1e-3)
    assert torch.equal(settled.units, motion.units)
    assert settle_head(make()).head.equal(make().head), "a take within the limits stays as it is"


def test_json_is_complete_readable_and_short():
    motion = make(frames=1500)
    text = motion_json(motion)
    read = json.loads(text)
    assert (read["fps"], read["frames"], read["seconds"], read["notes"]) == (25.0, 1500, 60.0, {"seed": "7"})
    assert list(read["units"]) == ["jawOpen"] and list(read["head"]) == ["yaw", "pitch", "roll", "x", "y", "z"]
    assert torch.allclose(torch.tensor(read["units"]["jawOpen"]), motion.units[:, UNIT_INDEX["jawOpen"]], atol=5.1e-4)
    assert torch.allclose(torch.tensor(read["head"]["yaw"]), motion.head[:, 0], atol=5.1e-4)
    assert len(text.splitlines()) == 17 and len(text) < 60_000
    assert json.loads(motion_json(Motion(torch.zeros(2, 52), -torch.zeros(2, 6), 30.0)))["units"] == {}
    assert "-0" not in motion_json(Motion(torch.zeros(2, 52), torch.full((2, 6), -1e-5), 30.0))


@pytest.mark.parametrize("kind", ["empty", "cut", "units", "head", "nan", "nested", "shape", "many digits"])
def test_a_damaged_motion_is_one_sentence(tmp_path, kind):
    path = tmp_path / "take.safetensors"
    make().save(path)
    with safe_open(path, "pt") as file:
        facts = file.metadata()
    tensors = load_file(path)
    if kind == "units":
        tensors["units"][3, 4] = 1e36
    if kind == "head":
        tensors["head"][3, 4] = 1e30
    if kind == "nan":
        tensors["units"][3, 4] = float("nan")
    if kind == "shape":
        tensors["units"] = tensors["units"][:, :9].contiguous()
    if kind == "nested":
        facts["notes"] = "[" * 100_000
    if kind == "many digits":
        facts["fps"] = "9" * 5000
    save_file(tensors, path, facts)
    if kind in ("empty", "cut"):
        path.write_bytes(path.read_bytes()[: 0 if kind == "empty" else 4000])
    with pytest.raises(UserError) as caught:
        load_motion(path)
    assert len(str(caught.value)) < 260 and "\n" not in str(caught.value)

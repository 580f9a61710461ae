"""Whole runs in a real ComfyUI."""

import json
import math
import threading

import av
import numpy as np
import pytest
from PIL import Image

from devtools.graph import Graph
from devtools.server import ROOT
from devtools.workflow import to_prompt
from emotalker.video.audio import Sound, read_audio, write_wav
from emotalker.video.decode import read_frames, video_facts

SECONDS, FPS = 1.0, 25


def only_file(server, outcome):
    """Path of the one file that a run saved."""
    (item,) = outcome.files()
    return server.folder / item["type"] / item["subfolder"] / item["filename"]


@pytest.mark.parametrize("name", [path.stem for path in sorted((ROOT / "workflows").glob("*.json"))])
def test_every_example_runs(client, server, info, name):
    workflow = json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))
    outcome = client.run(Graph(to_prompt(workflow, info)).prompt, workflow)
    videos = [item for item in outcome.files() if item["filename"].endswith(".mp4")]
    path = server.folder / "output" / videos[0]["subfolder"] / videos[0]["filename"]
    waveform, rate = read_audio(path)
    assert sum(len(chunk) for chunk in read_frames(path)) == FPS * SECONDS
    assert waveform.shape[1] / rate == pytest.approx(SECONDS, abs=1 / FPS + 1024 / rate)
    tags = video_facts(path).metadata
    assert json.loads(tags["workflow"])["nodes"] and "EmoTalkerSampler" in tags["prompt"]


def test_the_bar_moves_and_shows_pictures(client, graph):
    graph.inputs("EmoTalkerSampler")["seed"] = 11
    outcome = client.run(graph.prompt)
    assert outcome.progress[graph.id("EmoTalkerVideoCombine")] == FPS * SECONDS
    assert outcome.previews > 0


def test_the_same_prompt_again_runs_nothing_again(client, graph):
    first = client.run(graph.prompt)
    again = client.run(graph.prompt)
    assert again.executed == [] and again.outputs == first.outputs


@pytest.mark.parametrize(
    ("kind", "name", "value", "runs"),
    [
        ("EmoTalkerSampler", "seed", 12, {"EmoTalkerSampler", "EmoTalkerVideoCombine"}),
        ("EmoTalkerEmotionMixer", "sad", 0.5, {"EmoTalkerEmotionMixer", "EmoTalkerSampler", "EmoTalkerVideoCombine"}),
        ("EmoTalkerVideoCombine", "quality", 50, {"EmoTalkerVideoCombine"}),
        (
            "EmoTalkerLoadPortrait",
            "neutralise",
            False,
            {"EmoTalkerLoadPortrait", "EmoTalkerSampler", "EmoTalkerVideoCombine", "PreviewImage"},
        ),
    ],
)
def test_a_changed_input_runs_only_what_depends_on_it(client, graph, kind, name, value, runs):
    client.run(graph.prompt)
    graph.inputs(kind)[name] = value
    outcome = client.run(graph.prompt)
    assert {graph.prompt[node]["class_type"] for node in outcome.executed} == runs


def test_cancel_takes_effect_early_and_leaves_no_file(client, server, graph):
    graph.inputs("LoadAudio")["audio"] = "long.wav"
    before = set((server.folder / "output").rglob("*"))
    seen, pressed = [], []

    def cancel(node, value, maximum):
        seen.append((value, maximum))
        if value >= 16 and not pressed:
            pressed.append(value)
            threading.Thread(target=client.post, args=("/interrupt",)).start()

    outcome = client.run(graph.prompt, on_progress=cancel)
    assert outcome.interrupted and pressed
    assert seen[-1][0] < seen[-1][1] / 2, "frames went on being drawn"
    assert set((server.folder / "output").rglob("*")) == before
    graph.inputs("LoadAudio")["audio"] = "short.wav"
    graph.inputs("EmoTalkerSampler")["seed"] = 13
    assert client.run(graph.prompt).files()


def test_cancel_works_while_a_long_voice_is_heard(client, server, graph):
    waveform, rate = read_audio(server.folder / "input" / "long.wav")
    write_wav(server.folder / "input" / "hour.wav", Sound(waveform.repeat(1, 20), rate))
    graph.inputs("LoadAudio")["audio"] = "hour.wav"
    seen, pressed = [], []

    def cancel(node, value, maximum):
        seen.append(value / maximum)
        if value and not pressed:  # the first frames are there, of a voice that is heard while they are rendered
            pressed.append(value)
            threading.Thread(target=client.post, args=("/interrupt",)).start()

    outcome = client.run(graph.prompt, on_progress=cancel)
    assert outcome.interrupted and pressed
    assert seen[-1] < 0.5, "the whole voice was heard"


def test_core_saves_the_video_with_its_workflow(client, server, graph):
    graph.remove("EmoTalkerVideoCombine")
    video = [graph.id("EmoTalkerSampler"), 0]
    graph.add("SaveVideo", video=video, filename_prefix="core/clip", format="auto", codec="auto")
    graph.remove("PreviewImage")
    path = only_file(server, client.run(graph.prompt, {"nodes": [], "links": []}))
    assert sum(len(chunk) for chunk in read_frames(path)) == FPS
    with av.open(str(path)) as container:
        assert {stream.codec_context.name for stream in container.streams} == {"h264", "aac"}
        assert json.loads(container.metadata["workflow"]) == {"nodes": [], "links": []}
        saved = json.loads(container.metadata["prompt"])
        assert {name: node["inputs"] for name, node in saved.items()} == {
            name: node["inputs"] for name, node in graph.prompt.items()
        }


def test_core_takes_the_video_apart_into_the_same_pictures(client, server, graph):
    """GetVideoComponents, all of RenderFrames and a part of it give the same pixels."""
    sampler = [graph.id("EmoTalkerSampler"), 0]
    graph.remove("EmoTalkerVideoCombine")
    graph.remove("PreviewImage")

    def pictures(source):
        node = graph.add(
            "EmoTalkerVideoCombine", images=[source, 0], fps=25.0, format="png sequence", quality=85, filename_prefix="png/clip"
        )
        folder = only_file(server, client.run(graph.prompt)).parent
        del graph.prompt[node], graph.prompt[source]
        return [np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))]

    core = pictures(graph.add("GetVideoComponents", video=sampler))
    whole = pictures(graph.add("EmoTalkerRenderFrames", video=sampler, start=0, count=0))
    part = pictures(graph.add("EmoTalkerRenderFrames", video=sampler, start=10, count=5))
    assert len(core) == len(whole) == FPS and len(part) == 5
    assert all(np.array_equal(one, two) for one, two in zip(core, whole, strict=True))
    assert all(np.array_equal(one, two) for one, two in zip(part, whole[10:15], strict=True))
    assert any(not np.array_equal(whole[0], other) for other in whole[1:]), "it moves"


@pytest.mark.parametrize(
    ("format", "ending"),
    [("mp4 (h264)", ".mp4"), ("webm (vp9)", ".webm"), ("gif", ".gif"), ("animated webp", ".webp"), ("png sequence", ".png")],
)
def test_every_format_is_saved_and_shown(client, server, graph, format, ending):
    graph.inputs("EmoTalkerVideoCombine").update(format=format, filename_prefix="formats/clip")
    graph.remove("PreviewImage")
    path = only_file(server, client.run(graph.prompt))
    assert path.suffix == ending and path.stat().st_size > 1000
    assert (
        len(
            client.fetch(
                {"filename": path.name, "subfolder": str(path.parent.relative_to(server.folder / "output")), "type": "output"}
            )
        )
        > 1000
    )


def test_pictures_and_another_sound_are_combined_without_cutting(client, server, graph):
    """Two pictures and one second of sound: the last picture is held."""
    image = graph.add("LoadImage", image="emotalker_portrait.png")
    pair = graph.add("RepeatImageBatch", image=[image, 0], amount=2)
    graph.remove("PreviewImage")
    inputs = graph.inputs("EmoTalkerVideoCombine")
    del inputs["video"]
    inputs.update(images=[pair, 0], audio=[graph.id("LoadAudio"), 0], fps=30.0)
    path = only_file(server, client.run(graph.prompt))
    assert sum(len(chunk) for chunk in read_frames(path)) == 30
    assert video_facts(path).fps == 30


def test_the_chosen_frame_rate_is_the_videos(client, server, graph):
    graph.inputs("EmoTalkerSampler")["fps"] = 48.0
    graph.remove("PreviewImage")
    path = only_file(server, client.run(graph.prompt))
    assert video_facts(path).fps == 48
    assert sum(len(chunk) for chunk in read_frames(path)) == math.ceil(48 * SECONDS)


def test_stereo_48_khz_passes_unchanged(client, server, graph, shared):
    name = "speech_48khz_stereo_two_voices.wav"
    (server.folder / "input" / name).write_bytes((shared / "speech" / "bad" / name).read_bytes())
    graph.inputs("LoadAudio")["audio"] = name
    graph.remove("PreviewImage")
    path = only_file(server, client.run(graph.prompt))
    waveform, rate = read_audio(path)
    assert waveform.shape[0] == 2 and rate == 48000

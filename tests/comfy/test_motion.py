"""Motion in a real ComfyUI: how a take is drawn, kept, saved, loaded, read, and redone in part."""

import json
import math
import threading

import pytest

from devtools.client import PromptError
from emotalker.motion.files import load_motion

FRAMES = 25
DRAWN = ("steps", "speech_guidance", "emotion_guidance", "window", "redo_start", "redo_end")


@pytest.fixture
def take(graph):
    """The example without its video: a sampler, whose motion is saved and read by the tests."""
    graph.remove("EmoTalkerVideoCombine")
    graph.remove("PreviewImage")
    return graph


def saved(client, server, graph, source: str | list, format: str = "safetensors", **more):
    """Runs the graph with a Save Motion at `source`; (path of the file, what the node said)."""
    source = [source, 3] if isinstance(source, str) else source
    node = graph.add("EmoTalkerSaveMotion", motion=source, format=format, filename_prefix="motion/test", **more)
    shown = graph.add("PreviewAny", source=[node, 0])
    outcome = client.run(graph.prompt)
    del graph.prompt[node], graph.prompt[shown]
    path = server.folder / "output" / "motion" / outcome.outputs[shown]["text"][0].replace("\\", "/").rsplit("/", 1)[1]
    assert path.is_file()
    return path, outcome.outputs[node]["text"][0]


def again(graph, motion, **changes) -> str:
    """Adds a sampler like the graph's that is given a motion; its id."""
    inputs = next(dict(node["inputs"]) for node in graph.prompt.values() if node["class_type"] == "EmoTalkerSampler")
    return graph.add("EmoTalkerSampler", **(inputs | {"motion": motion} | changes))


def complaint(client, graph, sampler: str) -> str:
    """What the run says as it fails; checked to be one sentence for people."""
    graph.add("PreviewAny", source=[sampler, 3])
    with pytest.raises(PromptError) as caught:
        client.run(graph.prompt)
    assert caught.value.kind.endswith("UserError") and "\n" not in caught.value.message
    return caught.value.message


def test_a_take_is_saved_loaded_and_rendered_as_it_is(client, server, take):
    sampler = take.id("EmoTalkerSampler")
    path, said = saved(client, server, take, sampler)
    first = load_motion(path)
    assert len(first) == FRAMES and "25 frames (1.00 s at 25 a second) were saved" in said
    assert first.metadata["steps"] == "10" and json.loads(first.metadata["emotion"])["segments"]
    name = f"motion/{path.name} [output]"
    offered = client.get("/object_info/EmoTalkerLoadMotion")["EmoTalkerLoadMotion"]["input"]["required"]["file"]
    assert name in (offered[1].get("options") or offered[0])
    loaded = take.add("EmoTalkerLoadMotion", file=name)
    second = again(take, [loaded, 0], seed=99, mouth=0.0, head=2.0)
    copy, _ = saved(client, server, take, second)
    assert load_motion(copy).units.equal(first.units) and load_motion(copy).head.equal(first.head)


def test_only_the_range_is_drawn_again(client, server, take):
    sampler = take.id("EmoTalkerSampler")
    take.inputs("EmoTalkerSampler")["fps"] = 30.0
    first = load_motion(saved(client, server, take, sampler)[0])
    second = load_motion(saved(client, server, take, again(take, [sampler, 3], seed=5, redo_start=0.5, redo_end=0.0))[0])
    assert len(first) == len(second) == 30 and second.fps == 30
    assert second.units[:15].equal(first.units[:15]) and second.head[:15].equal(first.head[:15])
    assert (second.units[18:] - first.units[18:]).abs().amax(1).min() > 0.01
    assert second.metadata["redone"] == "0.5 to 1 s with seed 5"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"redo_start": 3.0, "redo_end": 4.0}, "input 'redo_start': redo_start is 3 s, outside a speech of 1.00 s"),
        ({"redo_start": 0.5, "redo_end": 0.2}, "input 'redo_end': redo_end is 0.2 s"),
    ],
)
def test_a_range_that_makes_no_sense_is_named(client, take, change, words):
    sampler = take.id("EmoTalkerSampler")
    assert f"EmoTalker Sampler, {words}" in complaint(client, take, again(take, [sampler, 3], **change))


def test_a_range_without_a_motion_is_named(client, take):
    take.inputs("EmoTalkerSampler")["redo_end"] = 0.5
    assert "connect the take" in complaint(client, take, take.id("EmoTalkerSampler"))


def test_a_captured_table_drives_the_portrait_and_its_length_is_told(client, server, take):
    path, _ = saved(client, server, take, take.id("EmoTalkerSampler"), format="csv (Live Link Face)")
    header, *rows = path.read_text().splitlines()
    assert header.startswith("Timecode,BlendShapeCount,EyeBlinkLeft") and len(rows) == FRAMES
    codes = [f"00:00:{i // 60:02d}:{i % 60:02d}.000," for i in range(150)]
    longer = [code + rows[i % FRAMES].split(",", 1)[1] for i, code in enumerate(codes)]
    (server.folder / "input" / "captured.csv").write_text("\n".join([header, *longer]))
    loaded = take.add("EmoTalkerLoadMotion", file="captured.csv")
    second, _ = saved(client, server, take, again(take, [loaded, 0]))
    assert len(load_motion(second)) == FRAMES and load_motion(second).fps == 25
    assert "The motion lasts 2.50 s and the speech 1.00 s: what is too long was cut." in server.log.read_text(errors="replace")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("hello.safetensors", b"hello", "cannot be read"),
        ("hello.csv", b"a,b\n1,2\n", "no table of ARKit weights"),
        ("hello.txt", b"hello", "names no motion file"),
    ],
)
def test_a_file_that_is_no_motion_is_named(client, server, take, name, content, words):
    (server.folder / "input" / name).write_bytes(content)
    loaded = take.add("EmoTalkerLoadMotion", file=name)
    message = complaint(client, take, again(take, [loaded, 0]))
    assert message.startswith("Load Motion, input 'file':") and words in message


@pytest.mark.parametrize("name", ["none.csv", "../emotalker/pyproject.toml", "/etc/hostname", "(no motion file yet)", ""])
def test_no_file_outside_comfyuis_folders_is_read(client, take, name):
    loaded = take.add("EmoTalkerLoadMotion", file=name)
    take.add("PreviewAny", source=[loaded, 0])
    with pytest.raises(PromptError) as caught:
        client.run(take.prompt)
    assert "no file" in caught.value.message or "outside" in caught.value.message


def test_nothing_is_saved_outside_the_output_folder(client, server, take):
    take.add("EmoTalkerSaveMotion", motion=[take.id("EmoTalkerSampler"), 3], format="safetensors", filename_prefix="../../evil")
    with pytest.raises(PromptError, match="no place in ComfyUI's output folder"):
        client.run(take.prompt)
    assert not list(server.folder.parent.glob("*evil*"))


def test_a_take_can_be_read(client, take):
    text = take.add("EmoTalkerMotionToJSON", motion=[take.id("EmoTalkerSampler"), 3])
    shown = take.add("PreviewAny", source=[text, 0])
    read = json.loads(client.run(take.prompt).outputs[shown]["text"][0])
    assert (read["fps"], read["frames"]) == (25.0, FRAMES) and len(read["units"]["jawOpen"]) == FRAMES
    assert read["notes"]["seed"] == "1" and max(read["units"]["jawOpen"]) > 0.05


def test_prompts_from_before_these_inputs_still_run(client, server, take):
    inputs = take.inputs("EmoTalkerSampler")
    new, _ = saved(client, server, take, take.id("EmoTalkerSampler"))
    for name in DRAWN:
        del inputs[name]
    old, _ = saved(client, server, take, take.id("EmoTalkerSampler"))
    assert load_motion(old).units.equal(load_motion(new).units)


def test_steps_guidance_and_window_change_the_take(client, server, take):
    take.inputs("LoadAudio")["audio"] = "emotalker_voice.wav"
    sampler, inputs = take.id("EmoTalkerSampler"), take.inputs("EmoTalkerSampler")
    plain, usual = load_motion(saved(client, server, take, sampler)[0]), dict(inputs)
    for name, value in (("steps", 4), ("speech_guidance", 2.0), ("emotion_guidance", 3.0), ("window", 2.0)):
        inputs.update(usual | {name: value})
        other = load_motion(saved(client, server, take, sampler)[0])
        assert len(other) == len(plain) and not other.units.equal(plain.units), name


def test_the_bar_moves_and_cancel_works_while_a_long_take_is_drawn(client, graph):
    graph.inputs("LoadAudio")["audio"] = "long.wav"
    graph.inputs("EmoTalkerSampler").update(steps=100, speech_guidance=2.0, emotion_guidance=3.0)
    sampler, seen, pressed = graph.id("EmoTalkerSampler"), [], []

    def cancel(node, value, maximum):
        if node == sampler:
            seen.append((value, maximum))
            if len(seen) == 3:
                pressed.append(value)
                threading.Thread(target=client.post, args=("/interrupt",)).start()

    outcome = client.run(graph.prompt, on_progress=cancel)
    assert outcome.interrupted and pressed
    assert seen[-1][0] < seen[-1][1] / 2, "windows went on being drawn"
    assert seen[0][0] < seen[2][0] and seen[0][1] == math.ceil(25 * 60)

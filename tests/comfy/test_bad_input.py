"""Bad input: one sentence that names node, input and remedy, or a sensible result."""

import numpy as np
import pytest
from PIL import Image

from devtools.client import PromptError


def failure(client, graph) -> str:
    """What the run says as it fails; checked to be one sentence."""
    with pytest.raises(PromptError) as caught:
        client.run(graph.prompt)
    message = caught.value.message
    assert caught.value.kind.endswith("UserError"), "an error made for people, not a crash"
    assert "\n" not in message and message.endswith(".") and message.count(". ") == 0, message
    return message


def refusal(client, graph) -> str:
    """What the server says as it refuses the prompt."""
    with pytest.raises(PromptError) as caught:
        client.run(graph.prompt)
    assert not caught.value.node_type
    return caught.value.message


def portrait(server, graph, name: str, content: bytes) -> None:
    """Puts a file into the input folder and chooses it as the portrait."""
    (server.folder / "input" / name).write_bytes(content)
    graph.inputs("EmoTalkerLoadPortrait")["image"] = name


def test_a_picture_without_a_face(client, server, graph, shared):
    portrait(server, graph, "bad_no_face.png", (shared / "portraits" / "bad_no_face.png").read_bytes())
    message = failure(client, graph)
    assert message.startswith("Load Portrait, input 'image': No face was found")


def test_a_text_file_as_picture(client, server, graph):
    portrait(server, graph, "text.png", b"hello")
    assert (
        failure(client, graph)
        == "Load Portrait, input 'image': text.png is no picture that can be read: use a PNG, JPEG or WebP file."
    )


def test_a_damaged_picture(client, server, graph):
    whole = (server.folder / "input" / "emotalker_portrait.png").read_bytes()
    portrait(server, graph, "half.png", whole[: len(whole) // 2])
    assert "half.png is damaged: open it in a picture editor" in failure(client, graph)


def test_a_face_index_that_is_too_high(client, graph):
    graph.inputs("EmoTalkerLoadPortrait")["face_index"] = 5
    message = failure(client, graph)
    assert message == (
        "Load Portrait, input 'face_index': face_index 5 asks for a face that is not there: one face was found in the "
        "portrait, so use 0."
    )


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("EmoTalkerSampler", "portrait", "a picture"),
        ("EmoTalkerSampler", "fps", float("nan")),
        ("EmoTalkerSampler", "mask", {"white": True}),
        ("EmoTalkerSampler", "features", 7),
        ("EmoTalkerAudioFeatures", "audio", "short.wav"),
        ("EmoTalkerVideoCombine", "video", None),
        ("EmoTalkerVideoCombine", "audio", 0.5),
    ],
)
def test_values_that_core_does_not_check(client, graph, kind, name, value):
    title = {"EmoTalkerSampler": "EmoTalker Sampler", "EmoTalkerAudioFeatures": "Audio Features"}.get(kind, "Video Combine")
    graph.inputs(kind)[name] = value
    wanted = "images or video" if value is None else name
    assert failure(client, graph).startswith(f"{title}, input '{wanted}': ")


@pytest.mark.parametrize("value", [7, {"__value__": ["a", "b"]}, {"name": "a"}, True])
def test_a_file_that_is_no_name_is_refused(client, graph, value):
    graph.inputs("EmoTalkerLoadPortrait")["image"] = value
    assert "is no name" in refusal(client, graph)


def test_a_tiny_picture(client, server, graph):
    portrait(server, graph, "tiny.png", b"")
    Image.fromarray(np.full((2, 2, 3), 128, np.uint8)).save(server.folder / "input" / "tiny.png")
    assert failure(client, graph).startswith("Load Portrait, input 'image':")


def test_a_large_picture_works(client, server, graph, shared):
    portrait(server, graph, "large.jpg", (shared / "portraits" / "bad_large_2000x3000.jpg").read_bytes())
    video = [graph.id("EmoTalkerSampler"), 0]
    graph.remove("EmoTalkerVideoCombine")
    frames = graph.add("EmoTalkerRenderFrames", video=video, start=0, count=2)
    graph.add("PreviewImage", images=[frames, 0])
    assert len(client.run(graph.prompt).files()) == 3  # two frames, and what was found


@pytest.mark.parametrize(
    "name", ["missing.png", "../emotalker/README.md", "/etc/hostname", "../../../../../../etc/hostname", "", "."]
)
def test_no_file_outside_comfyuis_folders_is_read(client, graph, name):
    graph.inputs("EmoTalkerLoadPortrait")["image"] = name
    message = refusal(client, graph)
    assert "EmoTalkerLoadPortrait" in message and ("no file" in message or "outside" in message)


def test_a_missing_wire_is_named(client, graph):
    graph.remove("PreviewImage")
    del graph.inputs("EmoTalkerSampler")["portrait"]
    assert "portrait" in refusal(client, graph)


@pytest.mark.parametrize("both", [False, True])
def test_video_combine_wants_pictures_or_a_video(client, graph, both):
    inputs = graph.inputs("EmoTalkerVideoCombine")
    if both:
        inputs["images"] = [graph.id("EmoTalkerLoadPortrait"), 1]
    else:
        del inputs["video"]
    message = failure(client, graph)
    assert message.startswith("Video Combine, input 'images or video':")


def test_a_range_behind_the_end(client, graph):
    frames = graph.add("EmoTalkerRenderFrames", video=[graph.id("EmoTalkerSampler"), 0], start=500, count=1)
    graph.add("PreviewImage", images=[frames, 0])
    assert failure(client, graph) == (
        "Render Frames, input 'start': Frame 500 lies behind the video's end: it has 25 frames, 0 to 24."
    )


SOUNDS = [
    "silence_3s.wav",
    "white_noise_3s.wav",
    "short_0.05s.wav",
    "speech_8khz_mono.wav",
    "speech_clipped_dc_offset.wav",
    "speech_nan_float32.wav",
    "speech_with_music_5db.wav",
]


@pytest.mark.parametrize("name", SOUNDS)
def test_awkward_sounds_give_a_result_or_a_sentence(client, server, graph, shared, name):
    """Nothing is rendered but the first frame: the whole sound is analysed and performed all the same."""
    (server.folder / "input" / name).write_bytes((shared / "speech" / "bad" / name).read_bytes())
    graph.inputs("LoadAudio")["audio"] = name
    video = [graph.id("EmoTalkerSampler"), 0]
    graph.remove("EmoTalkerVideoCombine")
    graph.remove("PreviewImage")
    frames = graph.add("EmoTalkerRenderFrames", video=video, start=0, count=1)
    graph.add("PreviewImage", images=[frames, 0])
    try:
        assert len(client.run(graph.prompt).files()) == 1
    except PromptError as error:
        assert error.kind.endswith("UserError") and error.message.startswith("Audio Features, input 'audio':")

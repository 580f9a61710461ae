"""Painted frames in a real ComfyUI: what painting may change and what it never does, masks, models, Cancel."""

import threading

import numpy as np
import pytest
from PIL import Image

START, COUNT = 8, 2


@pytest.fixture
def painted(client, server, graph):
    """Two frames as uint8 [n,H,W,3] with the sampler's inputs named."""
    graph.remove("EmoTalkerVideoCombine")
    graph.remove("PreviewImage")
    sampler = graph.id("EmoTalkerSampler")
    frames = graph.add("EmoTalkerRenderFrames", video=[sampler, 0], start=START, count=COUNT)
    shown = graph.add("PreviewImage", images=[frames, 0])

    def pictures(**inputs):
        graph.prompt[sampler]["inputs"].update(inputs)
        items = client.run(graph.prompt).outputs[shown]["images"]
        return np.stack([np.asarray(Image.open(server.folder / "temp" / item["filename"]).convert("RGB")) for item in items])

    pictures.graph = graph
    return pictures


def test_painting_changes_the_face_alone_and_less_the_more_is_preserved(painted):
    rig, fast = painted(frames="rig only"), painted(frames="fast")
    changed = (rig != fast).any((0, 3))
    assert 0.005 < changed.mean() < 0.5
    height, width = changed.shape
    assert not changed[: height // 16].any() and not changed[:, : width // 16].any() and not changed[:, -width // 16 :].any()
    assert np.abs(rig.astype(int) - fast).mean() < 4
    kept, free = (np.abs(rig.astype(int) - painted(preservation_ratio=ratio)).mean() for ratio in (1.0, 0.0))
    assert 0 < kept < free


def test_a_mask_says_where(painted):
    height, width = painted(frames="rig only").shape[1:3]
    nowhere = painted.graph.add("SolidMask", value=0.0, width=width, height=height)
    left = painted.graph.add("SolidMask", value=1.0, width=width // 2, height=height)
    half = painted.graph.add("MaskComposite", destination=[nowhere, 0], source=[left, 0], x=0, y=0, operation="add")
    rig, some = painted(), painted(frames="fast", mask=[half, 0])
    changed = (rig != some).any((0, 3))
    soft = width // 32  # cells of the denoiser do not end at the mask's edge
    assert changed[:, : width // 2].any() and not changed[:, width // 2 + soft :].any()


def test_the_built_in_model_is_what_the_sampler_has_by_itself(painted):
    plain = painted(frames="fast")
    model = painted.graph.add("EmoTalkerLoadModel", model="built-in", repository="")
    assert (painted(model=[model, 0]) == plain).all()


def test_cancel_takes_effect_early_while_painting(client, server, graph):
    graph.inputs("LoadAudio")["audio"] = "long.wav"
    graph.inputs("EmoTalkerSampler").update(frames="best")
    seen, pressed = [], []

    def cancel(node, value, maximum):
        if node != graph.id("EmoTalkerVideoCombine"):
            return
        seen.append((value, maximum))
        if value >= 4 and not pressed:
            pressed.append(value)
            threading.Thread(target=client.post, args=("/interrupt",)).start()

    outcome = client.run(graph.prompt, on_progress=cancel)
    assert outcome.interrupted and pressed
    assert seen[-1][0] < seen[-1][1] / 4, "frames went on being painted"

"""Video Combine as a node: names, metadata, sizes."""

import json
from types import SimpleNamespace

import av
import pytest
import torch
from PIL import Image

PROMPT = {"7": {"class_type": "EmoTalkerSampler", "inputs": {"seed": 5}, "_meta": {"title": "Take"}}}
EXTRA = {"workflow": {"nodes": [{"title": "é"}]}, "emotalker": [1, 2], "ds": {"scale": 0.5}, "version": "1", "more": None}


@pytest.fixture
def combine(pack, folders, monkeypatch):
    """Runs the node on three grey pictures: the files in ComfyUI's output folder, and what the node said."""
    module = pack.nodes.combine
    said = []
    monkeypatch.setattr(module, "say", said.append)
    monkeypatch.setattr(module.VideoCombine, "SCHEMA", module.VideoCombine.define_schema(), raising=False)
    hidden = SimpleNamespace(prompt=PROMPT, extra_pnginfo=EXTRA)
    monkeypatch.setattr(module.VideoCombine, "hidden", hidden, raising=False)

    def run(format="mp4 (h264)", prefix="clip", size=(48, 64), fps=25.0, **more):
        images = torch.linspace(0, 1, 3)[:, None, None, None].expand(-1, *size, 3)
        module.VideoCombine.execute(fps, format, 85, prefix, images=images, **more)
        files = [path for path in (folders / "output").rglob("*") if path.is_file()]
        return sorted(str(path.relative_to(folders / "output")) for path in files), said

    return run


def stored(path) -> dict:
    """What a file holds of a prompt and a workflow, as text."""
    if path.suffix in (".mp4", ".webm"):
        with av.open(str(path)) as container:
            return {key.lower(): value for key, value in container.metadata.items()}
    if path.suffix == ".gif":
        blocks, text = path.read_bytes().rpartition(b"\x21\xfe")[2], b""  # a comment: pieces with their lengths before them
        while blocks[0]:
            text, blocks = text + blocks[1 : blocks[0] + 1], blocks[blocks[0] + 1 :]
        return json.loads(text)
    with Image.open(path) as image:
        if path.suffix == ".webp":
            texts = [image.getexif()[tag] for tag in (0x0110, 0x010F, 0x010E)]
            found = dict(text.split(":", 1) for text in texts)
            return {**json.loads(found.pop("emotalker")), **found}
        return image.text


@pytest.mark.parametrize("format", ["mp4 (h264)", "webm (vp9)", "gif", "animated webp", "png sequence"])
def test_prompt_and_all_that_the_editor_adds_are_in_every_format(combine, folders, format):
    names, _ = combine(format)
    found = stored(folders / "output" / names[0])
    assert json.loads(found["prompt"]) == PROMPT
    assert {name: json.loads(found[name]) for name in EXTRA} == EXTRA


def test_placeholders_become_names_without_a_colon(combine):
    names, _ = combine(prefix="%date:yyyy%/%Take.seed%_12:30_%width%x%height%")
    (name,) = names
    year, file = name.split("/")
    assert year.isdigit() and len(year) == 4 and file == "5_12-30_64x48_00001_.mp4"


@pytest.mark.parametrize("taken", [False, True])
def test_a_name_that_another_server_has_or_is_writing_is_passed_over(combine, folders, pack, monkeypatch, taken):
    module = pack.nodes.combine
    output = folders / "output"
    monkeypatch.setattr(module, "output_names", lambda *_: ((str(output / f"a{i}.mp4"), f"a{i}.mp4", "") for i in range(1, 9)))
    if taken:  # between counting the files and writing
        (output / "a1.mp4").write_text("the other server's")
        combine()
        assert (output / "a1.mp4").read_text() == "the other server's"
    else:
        with pack.emotalker.draft.draft(output / "a1.mp4") as place:
            place.write_text("the other server's")
            combine()
        assert (output / "a1.mp4").read_text() == "the other server's"
    assert (output / "a2.mp4").stat().st_size > 500
    assert sorted(path.name for path in output.iterdir()) == ["a1.mp4", "a2.mp4"]


def test_a_large_picture_is_made_smaller_and_the_node_says_so(combine, folders):
    names, said = combine(size=(120, 200), max_size=60)
    with av.open(str(folders / "output" / names[0])) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (100, 60)
    assert said == ["The frames of 200 x 120 pixels are saved with 100 x 60: max_size is 60, 0 keeps their size."]


@pytest.mark.parametrize(("format", "limit"), [("mp4 (h264)", 0), ("mp4 (h264)", 120), ("png sequence", 60)])
def test_other_pictures_keep_their_size_without_a_word(combine, folders, format, limit):
    names, said = combine(format, size=(120, 200), max_size=limit)
    with av.open(str(folders / "output" / names[0])) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (200, 120)
    assert said == []


@pytest.mark.parametrize(("fps", "exact"), [(23.976, "24000/1001"), (29.97, "30000/1001"), (24000 / 1001, "24000/1001")])
def test_broadcast_rates_are_exact(combine, folders, fps, exact):
    names, _ = combine(fps=fps)
    with av.open(str(folders / "output" / names[0])) as container:
        assert str(container.streams.video[0].average_rate) == exact


@pytest.mark.parametrize(("prefix", "words"), [("a" * 250, "too long"), ("../a", "names no place"), ("file/a", "File|file")])
def test_a_prefix_that_cannot_be_written_is_refused_before_a_frame_is_asked_for(
    combine, folders, pack, prefix, words, monkeypatch
):
    (folders / "output" / "file").write_text("x")
    monkeypatch.setattr(pack.nodes.combine, "write_video", None)
    with pytest.raises(ValueError, match=f"^Video Combine, input 'filename_prefix': .*({words})"):
        combine(prefix=prefix)

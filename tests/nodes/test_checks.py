"""Whatever another pack, or a prompt written by hand, hands to a node: it works, or one sentence names node and input."""

import math

import numpy as np
import pytest
import torch

NAN = math.nan


@pytest.fixture
def checks(pack):
    """The module under test."""
    return pack.nodes.checks


def tone(*shape: int) -> torch.Tensor:
    return torch.sin(torch.arange(math.prod(shape)) * 0.1).reshape(shape) * 0.5


@pytest.mark.parametrize(
    ("waveform", "channels", "samples"),
    [
        (tone(400), 1, 400),
        (tone(2, 400), 2, 400),
        (tone(1, 2, 400), 2, 400),
        (tone(3, 2, 400), 2, 400),
        (tone(400, 2), 2, 400),
        (tone(1, 400, 2), 2, 400),
        (tone(400).numpy(), 1, 400),
        (tone(2, 400).half(), 2, 400),
        (tone(2, 400).double(), 2, 400),
        (torch.zeros(1, 2, 0), 1, 0),
        (torch.zeros(0), 1, 0),
        (torch.zeros(1, 0, 0), 1, 0),
    ],
)
def test_any_sound_gets_one_form(checks, waveform, channels, samples):
    found = checks.as_audio({"waveform": waveform, "sample_rate": 16000.0})
    assert found["waveform"].shape == (1, channels, samples)
    assert found["waveform"].dtype == torch.float32 and found["sample_rate"] == 16000
    if samples and getattr(waveform, "ndim", 0) == 1:
        assert np.allclose(found["waveform"][0, 0], waveform, atol=1e-6)


def test_channels_behind_the_samples_stay_apart(checks):
    sound = torch.stack([torch.full((400,), 0.25), torch.full((400,), -0.5)], 1)
    found = checks.as_audio({"waveform": sound, "sample_rate": 8000})["waveform"][0]
    assert found[0].unique().tolist() == [0.25] and found[1].unique().tolist() == [-0.5]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (torch.int16, [0, 16384, -32768]),
        (torch.int32, [0, 1 << 30, -(1 << 31)]),
        (torch.uint8, [128, 192, 0]),
    ],
)
def test_whole_numbers_are_brought_to_one(checks, kind, values):
    found = checks.as_audio({"waveform": torch.tensor([values], dtype=kind), "sample_rate": 8000})
    assert found["waveform"].flatten().tolist() == [0.0, 0.5, -1.0]


def test_samples_that_are_no_number_become_silence(checks, caplog):
    found = checks.as_audio({"waveform": torch.tensor([[[0.5, NAN, -math.inf, 0.25]]]), "sample_rate": 8000})
    assert found["waveform"].flatten().tolist() == [0.5, 0, 0, 0.25] and "2 samples" in caplog.text


@pytest.mark.parametrize(
    "audio",
    [
        {},
        {"waveform": tone(400)},
        {"waveform": "x", "sample_rate": 8000},
        {"waveform": None, "sample_rate": 8000},
        {"waveform": tone(400), "sample_rate": None},
        {"waveform": tone(400), "sample_rate": NAN},
        {"waveform": tone(400), "sample_rate": math.inf},
        {"waveform": tone(400), "sample_rate": 0},
        {"waveform": tone(400), "sample_rate": 10**5000},
        {"waveform": torch.full((1, 1, 9), NAN), "sample_rate": 8000},
        {"waveform": torch.zeros(1, 1, 9, dtype=torch.bool), "sample_rate": 8000},
        {"waveform": torch.zeros(1, 1, 9, dtype=torch.complex64), "sample_rate": 8000},
        {"waveform": tone(1, 1, 1, 9), "sample_rate": 8000},
        {"waveform": torch.zeros(0, 1, 9), "sample_rate": 8000},
        {"waveform": tone(1, 100, 100), "sample_rate": 8000},
        {"waveform": torch.tensor(0.5), "sample_rate": 8000},
    ],
)
def test_what_is_no_sound_is_a_sentence(checks, audio):
    with pytest.raises(checks.UserError) as caught:
        checks.as_audio(audio)
    assert str(caught.value).endswith(".") and len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ((2, 8, 6, 3), (2, 8, 6, 3)),
        ((8, 6, 3), (1, 8, 6, 3)),
        ((8, 6, 4), (1, 8, 6, 3)),
        ((8, 6), (1, 8, 6, 3)),
        ((2, 8, 6), (2, 8, 6, 3)),
        ((2, 8, 6, 1), (2, 8, 6, 3)),
        ((2, 8, 6, 2), (2, 8, 6, 3)),
        ((2, 8, 6, 4), (2, 8, 6, 3)),
        ((2, 3, 8, 6), (2, 8, 6, 3)),
        ((2, 4, 8, 6), (2, 8, 6, 3)),
    ],
)
def test_any_pictures_get_one_form(checks, shape, wanted):
    found = checks.as_images(torch.full(shape, 0.5))
    assert found.shape == wanted and found.is_floating_point()


def test_good_pictures_are_not_copied(checks):
    images = torch.rand(2, 8, 6, 3)
    assert checks.as_images(images).data_ptr() == images.data_ptr()


def test_alpha_is_laid_over_white(checks):
    assert checks.as_images(torch.tensor([[[[0.2, 0.4, 0.6, 0.5]]]])).flatten().tolist() == pytest.approx([0.6, 0.7, 0.8])
    assert checks.as_images(torch.tensor([[[[0.2, 0.0]]]])).flatten().tolist() == pytest.approx([1, 1, 1])


def test_bytes_and_what_is_no_number_in_pictures(checks, caplog):
    assert checks.as_images(torch.full((1, 2, 2, 3), 255, dtype=torch.uint8)).unique().tolist() == [1.0]
    assert checks.as_images(np.full((2, 2, 3), 255, np.uint8)).shape == (1, 2, 2, 3)
    found = checks.as_images(torch.tensor([[[[0.5, NAN, math.inf]]]]))
    assert found.flatten().tolist() == [0.5, 0, 0] and "no numbers" in caplog.text


@pytest.mark.parametrize("shape", [(0, 8, 6, 3), (1, 0, 6, 3), (1, 8, 6, 0), (1, 8, 6, 7), (7,), (), (1, 1, 8, 6, 3)])
def test_what_is_no_picture_is_a_sentence(checks, shape):
    with pytest.raises(checks.UserError, match="picture"):
        checks.as_images(torch.zeros(shape))
    with pytest.raises(checks.UserError, match="int64"):
        checks.as_images(torch.zeros(1, 8, 6, 3, dtype=torch.int64))


@pytest.mark.parametrize("shape", [(2, 8, 6), (8, 6), (2, 1, 8, 6), (2, 8, 6, 1)])
@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.uint8, torch.bool])
def test_any_mask_gets_one_form(checks, shape, kind):
    full = torch.full(shape, 255 if kind == torch.uint8 else 1).to(kind)
    found = checks.as_masks(full)
    assert found.shape[-2:] == (8, 6) and found.dim() == 3 and found.unique().tolist() == [1.0]


@pytest.mark.parametrize("shape", [(0, 8, 6), (8,), (), (2, 3, 8, 6)])
def test_what_is_no_mask_is_a_sentence(checks, shape):
    with pytest.raises(checks.UserError, match="mask"):
        checks.as_masks(torch.zeros(shape))


HOPELESS = {
    "INT": [NAN, math.inf, "7", "x", [1, 2, 3], [], {"a": 1}, True, 1e39, 10**400, -(10**400), 0.5, None],
    "FLOAT": [NAN, math.inf, -math.inf, "7", [0.5], {}, False, 1e39, -1e39, None],
    "BOOLEAN": ["false", 2, NAN, [True], {}, None],
    "STRING": [7, NAN, ["a"], {"a": 1}, None, b"x"],
    "COMBO": ["\x00 nothing of the kind", 7, NAN, ["x"], {"x": 1}, True],
}
SOCKETS = ["x" * 5000, 7, NAN, [1, 2], True, object()]


def test_no_node_runs_with_what_its_schema_does_not_allow(pack, folders, monkeypatch):
    """Every input of every node, one by one; nothing else is connected, for the check comes before anything is used."""
    import asyncio

    import folder_paths

    monkeypatch.setattr(folder_paths, "filename_list_cache", {})
    pack.nodes.register_folder()
    tried = 0
    for node in asyncio.run(pack.nodes.EmoTalkerExtension().get_node_list()):
        schema = node.GET_SCHEMA()
        for entry in schema.inputs:
            kind = entry.get_io_type()
            own = kind == "COMBO" and entry.id in node.validate_inputs.__code__.co_varnames
            for value in HOPELESS.get(kind, SOCKETS):
                if (value is None and entry.optional) or (own and isinstance(value, str)):
                    continue
                with pytest.raises(pack.nodes.checks.UserError) as caught:
                    node.execute(**{entry.id: value})
                said = str(caught.value)
                assert said.startswith(f"{schema.display_name}, input '{entry.id}': "), said
                assert said.endswith(".") and "\n" not in said and len(said) < 400, said
                tried += 1
    assert tried > 400


def test_what_fits_is_handed_on(pack):
    node = pack.nodes.render.RenderFrames
    entry = next(entry for entry in node.GET_SCHEMA().inputs if entry.id == "start")
    assert pack.nodes.checks._fitting(node, entry, np.int64(7)) == 7
    assert pack.nodes.checks._fitting(node, entry, 7.0) == 7


def test_a_file_that_came_after_the_list_was_made_is_taken(pack, folders, monkeypatch):
    node = pack.nodes.model.LoadModel
    schema = node.GET_SCHEMA()
    entry = next(entry for entry in schema.inputs if entry.id == "model")
    monkeypatch.setattr(pack.nodes.model.folder_paths, "get_filename_list", lambda _: ["new.safetensors"])
    assert pack.nodes.checks._fitting(node, entry, "new.safetensors") == "new.safetensors"


def test_the_list_of_motions_is_bounded_and_fresh(pack, folders, monkeypatch):
    motion = pack.nodes.motion
    output = folders / "output"
    (output / "take").mkdir()
    (output / "take" / "b.csv").write_text("")
    (output / "take" / ".draft.csv").write_text("")
    (folders / "input" / "a.safetensors").write_text("")
    assert motion.motion_files() == ["a.safetensors", "take/b.csv [output]"]
    (output / "take" / "c.csv").write_text("")
    assert "take/c.csv [output]" in motion.motion_files()
    for number in range(30):
        (output / f"x{number:02}" / "inner").mkdir(parents=True)
        (output / f"x{number:02}" / "inner" / "deep.csv").write_text("")
    assert len(motion.motion_files()) == 33
    monkeypatch.setattr(motion, "MOST_FOLDERS", 20)
    assert motion.motion_files() == ["a.safetensors", "take/b.csv [output]", "take/c.csv [output]"], "the nearest come first"


def test_folders_that_have_not_changed_are_not_read_again(pack, folders, monkeypatch):
    import os

    motion = pack.nodes.motion
    (folders / "input" / "a.csv").write_text("")
    for name in ("input", "output"):
        os.utime(folders / name, (1, 1))
    first = motion.motion_files()
    monkeypatch.setattr(motion.os, "scandir", lambda _: pytest.fail("read again"))
    assert motion.motion_files() == first == ["a.csv"]


@pytest.mark.parametrize(
    "values",
    [
        torch.full((1, 8, 8, 3), 0.5).to_sparse(),
        torch.full((1, 8, 8, 3), 0.5, device="meta"),
        np.full((1, 8, 8, 3), "a"),
        np.full((1, 8, 8, 3), None),
        "pictures",
        [[1], [1, 2]],
    ],
)
def test_what_holds_no_plain_numbers_is_refused(checks, values):
    for turned in (checks.as_images, checks.as_masks, lambda it: checks.as_audio({"waveform": it, "sample_rate": 16000})):
        with pytest.raises(ValueError, match="hold no numbers that can be read"):
            turned(values)
    assert not checks._is_array(values)


@pytest.mark.parametrize("rate", [0, -25, NAN, math.inf, 10**400, 1001, None, "25", True])
def test_a_video_of_another_pack_needs_a_rate(checks, rate):
    from types import SimpleNamespace

    parts = SimpleNamespace(images=torch.ones(1, 8, 8, 3), audio=None, frame_rate=rate)
    with pytest.raises(ValueError, match="frames a second"):
        checks.parts_of(SimpleNamespace(get_components=lambda: parts))


def test_an_optional_input_of_nothing_is_as_if_it_were_not_there(checks):
    from types import SimpleNamespace

    from comfy_api.latest import io

    class Node:
        SCHEMA = SimpleNamespace(display_name="A node", inputs=[io.String.Input("words", optional=True)])

    run = checks.checked(lambda cls, words="silence": words)
    assert run(Node, words=None) == run(Node) == "silence" and run(Node, words="a") == "a"

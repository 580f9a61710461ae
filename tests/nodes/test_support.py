"""Safe file names, errors with a name, out-of-memory back-off, samples."""

import pytest
import torch


@pytest.fixture
def support(pack):
    """The module under test."""
    return pack.nodes.support


@pytest.mark.parametrize("name", ["a.png", "sub/a.png", "a.png [input]", "sub/../a.png"])
def test_files_in_the_input_folder_are_found(support, folders, name):
    (folders / "input" / "sub").mkdir()
    for place in ("a.png", "sub/a.png"):
        (folders / "input" / place).write_text("picture")
    assert support.chosen_file(name).endswith("a.png")


def test_files_in_the_output_folder_are_found_by_their_mark(support, folders):
    (folders / "output" / "b.png").write_text("picture")
    assert support.chosen_file("b.png [output]") == str(folders / "output" / "b.png")


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/hostname", "sub/../../secret", "../input-secret/x [input]", "", ".", "../secret [temp]"]
)
def test_nothing_outside_is_read(support, folders, name):
    (folders / "secret").write_text("secret")
    (folders / "input-secret").mkdir()
    (folders / "input-secret" / "x").write_text("secret")
    with pytest.raises(ValueError, match="upload"):
        support.chosen_file(name)


def test_a_fingerprint_follows_the_content(support, folders):
    path = folders / "input" / "a.png"
    path.write_text("one")
    first = support.fingerprint("a.png")
    path.write_text("two")
    assert support.fingerprint("a.png") != first
    path.write_text("one")
    assert support.fingerprint("a.png") == first
    path.unlink()
    assert "no file" in support.fingerprint("a.png")


def test_errors_name_node_and_input(support):
    def fail(message):
        with pytest.raises(support.UserError) as caught, support.blame("Load Portrait", "image", "face_index"):
            raise support.UserError(message)
        return str(caught.value)

    assert fail("No face: use another.") == "Load Portrait, input 'image': No face: use another."
    assert fail("face_index 5 is too high: use 0.").startswith("Load Portrait, input 'face_index':")


class Renderer:
    """Runs out of memory above a number of frames at a time."""

    def __init__(self, limit, error):
        self.limit, self.error, self.sizes = limit, error, []

    def stream(self, start, stop, chunk):
        for first in range(start, stop, chunk):
            if chunk > self.limit and first > 3:
                raise self.error
            self.sizes.append(chunk)
            yield torch.arange(first, min(first + chunk, stop))


def test_on_out_of_memory_the_chunk_is_halved_and_no_frame_is_lost_or_repeated(support):
    renderer = Renderer(2, support.memory.OOM_EXCEPTION("full"))
    frames = torch.cat(list(support.without_running_out(renderer.stream, 0, 21, 8)))
    assert frames.tolist() == list(range(21))
    assert renderer.sizes[0] == 8 and renderer.sizes[-1] == 2


def test_a_frame_that_never_fits_is_an_error_for_people(support):
    with pytest.raises(support.UserError, match="use a smaller picture"):
        list(support.without_running_out(Renderer(0, support.memory.OOM_EXCEPTION("full")).stream, 0, 21, 8))


def test_samples_are_placed_once(pack, folders):
    from emotalker_pack.nodes.samples import SAMPLES, place_samples

    place_samples()
    names = sorted(path.name for path in (folders / "input").iterdir())
    assert names == sorted(path.name for path in SAMPLES.glob("emotalker_*")) and names
    (folders / "input" / names[0]).write_text("the user's own")
    place_samples()
    assert (folders / "input" / names[0]).read_text() == "the user's own"


def test_a_read_only_input_folder_does_no_harm(pack, folders, monkeypatch, caplog):
    from emotalker_pack.nodes import samples

    def refuse(*_):
        raise PermissionError("read-only")

    monkeypatch.setattr(samples.shutil, "copyfile", refuse)
    samples.place_samples()
    assert "could not be put into the input folder" in caplog.text


def test_placeholders_are_filled_in_for_every_prefix(support, monkeypatch):
    import time

    monkeypatch.setattr(support.time, "localtime", lambda: time.strptime("2026-03-04 05:06:07", "%Y-%m-%d %H:%M:%S"))
    assert support.expanded("%date:yyyy-MM-dd%/a") == "2026-03-04/a"
    assert support.expanded("%date:yy.M.d_hh:mm:ss%") == "26.3.4_05-06-07"
    prompt = {"3": {"class_type": "KSampler", "inputs": {"seed": 7, "text": "a/b"}, "_meta": {"title": "Mine"}}}
    assert support.expanded("%KSampler.seed%_%Mine.text%_%Other.seed%", prompt) == "7_a_b_%Other.seed%"
    assert support.expanded("a:b\x00c|d") == "a-b-c-d"
    assert support.expanded("%year%/%width%") == "%year%/%width%", "core fills these in"


def test_names_go_on_where_files_are(support, folders):
    names = support.output_names("sub/take", ".mp4")
    path, file, subfolder = next(names)
    assert (file, subfolder) == ("take_00001_.mp4", "sub") and path == str(folders / "output" / "sub" / "take_00001_.mp4")
    assert next(names)[1] == "take_00002_.mp4"
    (folders / "output" / "sub" / "take_00004_.mp4").write_text("x")
    assert next(support.output_names("sub/take", ".mp4"))[1] == "take_00005_.mp4"


@pytest.mark.parametrize("prefix", ["../outside", "a" * 300])
def test_a_prefix_that_cannot_be_is_refused(support, folders, prefix):
    with pytest.raises(ValueError, match=r"names no place|too long"):
        next(support.output_names(prefix, ".mp4"))


def test_two_servers_with_one_output_folder_keep_both_takes(pack, folders, monkeypatch):
    module = pack.nodes.motion
    motion = pack.emotalker.motion.motion.Motion(torch.zeros(5, 52), torch.zeros(5, 6), 25)
    monkeypatch.setattr(module.SaveMotion, "SCHEMA", module.SaveMotion.define_schema(), raising=False)
    monkeypatch.setattr(module.SaveMotion, "hidden", type("Hidden", (), {"prompt": None})(), raising=False)
    other = folders / "output" / "take_00001_.csv"
    # Both have counted the files; then the other server was quicker.
    names = iter([(str(folders / "output" / f"take_{i:05}_.csv"), f"take_{i:05}_.csv", "") for i in (1, 2)])
    monkeypatch.setattr(module, "output_names", lambda *_: names)
    other.write_text("the other server's")
    module.SaveMotion.execute(motion, "csv (Live Link Face)", "take")
    assert other.read_text() == "the other server's"
    assert (folders / "output" / "take_00002_.csv").is_file()

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

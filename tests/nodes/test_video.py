"""The sampler's VIDEO as core and newer cores use it: lengths, parts, formats, Cancel."""

import gc
import io
from copy import copy
from types import SimpleNamespace

import av
import pytest
import torch

FPS, COUNT, RATE = 25.0, 50, 16000


@pytest.fixture
def video(pack, folders, monkeypatch):
    """A video of 2 s whose frame i has the grey level i, and whose sound counts up."""
    from emotalker_pack.nodes import kept
    from emotalker_pack.nodes import video as module

    chunks = []

    class Renderer:
        drawn = chunks

        def __init__(self, portrait, device):
            self.shape = portrait.image.shape

        def stream(self, motion, chunk, start, stop, dtype):
            for first in range(start, stop, chunk):
                self.drawn.append(first)
                levels = torch.arange(first, min(first + chunk, stop), dtype=dtype)
                yield levels[:, None, None, None].expand(-1, *self.shape).contiguous()

    monkeypatch.setattr(module, "GuideRenderer", Renderer)
    monkeypatch.setattr(kept, "FREE", 0)
    motion = module.Motion(torch.zeros(COUNT, 52), torch.zeros(COUNT, 6), FPS)
    audio = {"waveform": torch.linspace(-0.5, 0.5, 2 * RATE).expand(1, 1, -1), "sample_rate": RATE}
    return module.TalkingVideo(SimpleNamespace(image=torch.zeros(18, 32, 3)), motion, audio)


@pytest.fixture
def drawn(video):
    """First frames of all chunks that the renderer has drawn."""
    from emotalker_pack.nodes import video as module

    return module.GuideRenderer.drawn


def in_temp(folders):
    return [path for path in (folders / "temp").rglob("*") if path.is_file()]


def levels(video):
    return torch.cat(list(video.frames()))[:, 0, 0, 0].tolist()


def test_its_measures_are_known_without_rendering(video, monkeypatch):
    monkeypatch.setattr(video, "frames", None)
    assert video.get_dimensions() == (32, 18)
    assert (video.get_frame_count(), video.get_frame_rate(), video.get_duration()) == (50, 25, 2.0)
    assert video.get_container_format() == "mp4"


@pytest.mark.parametrize(("start", "stop"), [(0, 50), (0, 1), (49, 50), (3, 6), (7, 23), (8, 16), (40, 99)])
def test_a_range_has_its_frames_and_its_sound(video, start, stop):
    part = video.range(start, stop)
    stop = min(stop, COUNT)
    assert levels(part) == list(range(start, stop))
    assert part.sound()["waveform"].shape[-1] == (stop - start) * RATE // 25
    assert part.sound()["waveform"][0, 0, 0] == video.sound()["waveform"][0, 0, start * RATE // 25]


def test_a_range_of_a_range(video):
    assert levels(video.range(10, 30).range(5, 10)) == [15, 16, 17, 18, 19]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, range(50)),
        ({"start_time": 1.0}, range(25, 50)),
        ({"start_time": 0.4, "duration": 0.2}, range(10, 15)),
        ({"start_time": -0.2}, range(45, 50)),
        ({"start_time": 1.92, "duration": 5.0}, range(48, 50)),
        ({"start_time": 1.9, "duration": 5.0, "strict_duration": True}, None),
        ({"start_time": 2.0}, None),
    ],
)
def test_newer_cores_may_trim_it(video, arguments, expected):
    part = video.as_trimmed(**arguments)
    assert part is None if expected is None else levels(part) == list(expected)


def test_components_are_what_core_expects(video):
    parts = video.get_components()
    assert parts.images.shape == (50, 18, 32, 3) and parts.images.dtype == torch.float32
    assert parts.images[25, 0, 0, 0] == pytest.approx(25 / 255)
    assert parts.frame_rate == 25 and parts.audio["waveform"].shape == (1, 1, 2 * RATE)


@pytest.mark.parametrize(("format", "name"), [("auto", "mov"), ("mp4", "mov"), ("webm", "matroska")])
def test_it_is_saved_to_a_buffer(video, format, name):
    buffer = io.BytesIO()
    video.save_to(buffer, format=format)
    buffer.seek(0)
    with av.open(buffer) as container:
        assert name in container.format.name
        assert len(list(container.decode(video=0))) == 50


def test_wishes_of_newer_cores_are_taken_or_refused_by_name(video, tmp_path):
    video.save_to(str(tmp_path / "a.mp4"), crf=20.0, preset="fast", bit_depth=None, color_space="sRGB")
    with pytest.raises(ValueError, match="8 bits"):
        video.save_to(str(tmp_path / "b.mp4"), bit_depth=10)
    with pytest.raises(ValueError, match="choose mp4"):
        video.save_to(str(tmp_path / "c.mp4"), codec="av1")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["a.mp4"]


def test_cancel_ends_it_and_leaves_no_file(video, tmp_path, monkeypatch):
    from emotalker_pack.nodes import video as module

    class Cancelled(Exception):
        pass

    class Progress:
        def __init__(self, total):
            pass

        def show(self, done, picture):
            if done >= 12:
                raise Cancelled

    monkeypatch.setattr(module, "Progress", Progress)
    with pytest.raises(Cancelled):
        video.save_to(str(tmp_path / "a.mp4"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_picture_is_shown_in_the_nearest_sampler_upstream(pack, monkeypatch):
    from comfy_execution.graph import DynamicPrompt
    from emotalker_pack.nodes import progress

    prompt = DynamicPrompt(
        {
            "1": {"class_type": "EmoTalkerSampler", "inputs": {"seed": 1}},
            "2": {"class_type": "Reroute", "inputs": {"any": ["1", 0]}},
            "3": {"class_type": "SaveVideo", "inputs": {"video": ["2", 0], "format": "mp4"}},
            "4": {"class_type": "SaveVideo", "inputs": {"video": ["9", 0]}},
        }
    )
    monkeypatch.setattr(progress, "get_progress_state", lambda: SimpleNamespace(dynprompt=prompt))
    for running, expected in (("3", "1"), ("1", "1"), ("4", None)):
        monkeypatch.setattr(progress, "get_executing_context", lambda node=running: SimpleNamespace(node_id=node))
        assert progress.sampler_of_running_node() == expected


def test_two_consumers_render_once(video, drawn, folders):
    first = video.get_components().images
    assert drawn == list(range(0, COUNT, 4))
    video.save_to(io.BytesIO())
    assert torch.equal(video.get_components().images, first)
    assert levels(video.range(7, 23)) == list(range(7, 23))
    assert drawn == list(range(0, COUNT, 4))
    assert len(in_temp(folders)) == 1


def test_every_pixel_is_kept(pack, folders, monkeypatch):
    from emotalker_pack.nodes import kept

    monkeypatch.setattr(kept, "FREE", 0)
    frames = torch.randint(0, 256, (9, 19, 33, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    store = kept.Kept()
    assert torch.equal(torch.cat(list(store.keep(iter(frames.split(4)), 10, 19))), frames)
    assert torch.equal(torch.cat(list(store.find(10, 19))), frames)
    assert torch.equal(torch.cat(list(store.find(12, 15))), frames[2:5])
    assert store.find(9, 15) is None and store.find(12, 20) is None


def test_what_is_kept_goes_with_its_video(video, folders):
    part = copy(video).range(0, 10)
    store = part._kept = type(part._kept)()
    levels(part)
    assert len(in_temp(folders)) == 1
    del part, store
    gc.collect()
    assert list((folders / "temp").iterdir()) == []


def test_a_cancelled_drawing_leaves_nothing(video, drawn, folders):
    frames = video.frames()
    next(frames)
    next(frames)
    assert list((folders / "temp").iterdir())
    frames.close()
    assert list((folders / "temp").iterdir()) == []
    assert levels(video) == list(range(COUNT))  # and what was begun is not taken for the whole


def test_kept_frames_are_bounded_and_the_oldest_go_first(pack, folders, monkeypatch):
    from emotalker_pack.nodes import kept

    monkeypatch.setattr(kept, "FREE", 0)
    frames = torch.randint(0, 256, (8, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    stores = [kept.Kept() for _ in range(3)]
    list(stores[0].keep(iter([frames]), 0, 8))
    size = in_temp(folders)[0].stat().st_size
    monkeypatch.setattr(kept, "LIMIT", int(2.5 * size))
    for store in stores[1:]:
        list(store.keep(iter([frames]), 0, 8))
    assert [store.find(0, 8) is not None for store in stores] == [False, True, True]
    assert sum(path.stat().st_size for path in in_temp(folders)) <= 2.5 * size
    monkeypatch.setattr(kept, "LIMIT", size // 2)
    assert torch.equal(torch.cat(list(stores[0].keep(iter([frames]), 0, 8))), frames)
    assert stores[0].find(0, 8) is None and in_temp(folders) == []


def test_a_file_that_was_deleted_is_drawn_again(video, drawn, folders):
    levels(video)
    in_temp(folders)[0].unlink()
    assert levels(video) == list(range(COUNT))
    assert len(drawn) == 2 * len(range(0, COUNT, 4))


def test_without_room_frames_are_drawn_and_not_kept(video, folders, monkeypatch):
    from emotalker_pack.nodes import kept

    monkeypatch.setattr(kept, "FREE", 1 << 62)
    assert levels(video) == list(range(COUNT))
    assert list((folders / "temp").iterdir()) == []

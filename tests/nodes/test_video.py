"""The sampler's VIDEO as core and newer cores use it: lengths, parts, formats, Cancel."""

import io
from types import SimpleNamespace

import av
import pytest
import torch

FPS, COUNT, RATE = 25.0, 50, 16000


@pytest.fixture
def video(pack, monkeypatch):
    """A video of 2 s whose frame i has the grey level i, and whose sound counts up."""
    from emotalker_pack.nodes import video as module

    class Renderer:
        def __init__(self, portrait, device):
            self.shape = portrait.image.shape

        def stream(self, motion, chunk, start, stop, dtype):
            for first in range(start, stop, chunk):
                levels = torch.arange(first, min(first + chunk, stop), dtype=dtype)
                yield levels[:, None, None, None].expand(-1, *self.shape).contiguous()

    monkeypatch.setattr(module, "GuideRenderer", Renderer)
    motion = module.Motion(torch.zeros(COUNT, 52), torch.zeros(COUNT, 6), FPS)
    audio = {"waveform": torch.linspace(-0.5, 0.5, 2 * RATE).expand(1, 1, -1), "sample_rate": RATE}
    return module.TalkingVideo(SimpleNamespace(image=torch.zeros(18, 32, 3)), motion, audio)


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
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


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
    assert list(tmp_path.iterdir()) == []


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

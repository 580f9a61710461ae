"""Perception Score looks at a file by its own clock."""

import pytest


@pytest.fixture
def module(pack):
    return pack.nodes.perception


def test_a_file_is_read_by_the_times_of_its_frames_and_its_sound(module, shared):
    from comfy_api.latest import InputImpl

    path = shared / "cases" / "sync_sound_starts_late.mp4"
    frames, fps, count, audio = module._of_video(InputImpl.VideoFromFile(str(path)))
    quiet = round(0.33 * audio["sample_rate"])
    assert fps == 25 and sum(len(chunk) for chunk in frames) == 133
    assert count >= 133, "what the progress bar counts to; the sound ends later"
    assert audio["waveform"].shape[:2] == (1, 1)
    assert audio["waveform"][0, :, :quiet].abs().max() == 0 and audio["waveform"][0, :, quiet:].abs().max() > 0.1


def test_the_default_track_is_heard(module, shared):
    from comfy_api.latest import InputImpl

    path = shared / "cases" / "twotracks.mp4"
    assert module._of_video(InputImpl.VideoFromFile(str(path)))[3]["waveform"].abs().max() > 0.1


def test_a_video_in_memory_goes_the_way_of_core(module, shared):
    from io import BytesIO

    from comfy_api.latest import InputImpl

    video = InputImpl.VideoFromFile(BytesIO((shared / "cases" / "sync.mp4").read_bytes()))
    assert module._whole_file(video) is None

"""A video keeps the whole sound, the colours and the workflow, streams, and never leaves a half file."""

import io
import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from emotalker.draft import TakenError
from emotalker.errors import UserError
from emotalker.video.audio import Sound, read_audio
from emotalker.video.decode import read_frames, video_facts
from emotalker.video.encode import FORMATS, exact_rate, write_video

RATE = 16000


def picture(width=64, height=48):
    """A smooth colour gradient with saturated corners: [H, W, 3] uint8."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    wave = 1 - (2 * x - 1).abs()  # rises and falls, so that half a pixel of chroma siting does not look like a shift
    return (torch.stack([wave, y, 1 - wave], -1) * 255).round().to(torch.uint8)


def frames(count, width=64, height=48, chunk=5):
    """A clip whose brightness rises, in chunks."""
    still = picture(width, height).float() / 255
    for start in range(0, count, chunk):
        steps = torch.arange(start, min(start + chunk, count)) / max(count, 1)
        yield still[None] * (0.5 + 0.5 * steps[:, None, None, None])


def tone(seconds, channels=1, rate=RATE):
    """A 440 Hz tone."""
    time = torch.arange(round(seconds * rate)) / rate
    return Sound((0.4 * torch.sin(2 * torch.pi * 440 * time)).expand(channels, -1), rate)


def count_frames(path):
    return sum(len(chunk) for chunk in read_frames(path))


@pytest.mark.parametrize("format", ["mp4", "webm"])
@pytest.mark.parametrize(("pictures", "seconds"), [(10, 1.013), (40, 1.0), (26, 1.013)])
def test_picture_and_sound_end_within_one_frame(tmp_path, format, pictures, seconds):
    target = tmp_path / f"clip{FORMATS[format]}"
    written = write_video(frames(pictures), target, 25, tone(seconds), format)
    waveform, rate = read_audio(target)
    heard = waveform.shape[1] / rate
    assert count_frames(target) == written.frames == max(pictures, 26)
    assert heard >= seconds - 1e-3, "the sound was cut"
    assert abs(heard - written.seconds) <= 1 / 25 + 1024 / RATE  # an AAC decoder may hand out the padding of its last block


def test_the_containers_tracks_have_one_length(tmp_path):
    target = tmp_path / "clip.mp4"
    write_video(frames(10), target, 25, tone(1.3))
    with av.open(str(target)) as container:
        lengths = [float(stream.duration * stream.time_base) for stream in container.streams]
    assert abs(lengths[0] - lengths[1]) <= 1 / 25


def test_the_last_frame_is_held_when_the_sound_is_longer(tmp_path):
    target = tmp_path / "clip.mp4"
    write_video(frames(5), target, 25, tone(1.0), quality=100)
    shown = torch.cat(list(read_frames(target))).float()
    assert (shown[4] - shown[24]).abs().mean() < 2
    assert (shown[0] - shown[24]).abs().mean() > 10


@pytest.mark.parametrize("format", ["mp4", "webm"])
def test_colours_do_not_shift(tmp_path, format):
    still = picture(128, 96)
    target = tmp_path / f"clip{FORMATS[format]}"
    write_video([still[None].expand(5, -1, -1, -1)], target, 25, format=format, quality=100)
    shown = next(read_frames(target))[-1].float()
    assert (shown - still.float()).mean((0, 1)).abs().max() < 1.0
    with av.open(str(target)) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == (1, 1), "tagged BT.709, limited range"


@pytest.mark.parametrize("size", [(63, 47), (64, 47), (1, 1)])
def test_odd_sizes_grow_by_their_edge_to_even_ones(tmp_path, size):
    width, height = size
    target = tmp_path / "clip.mp4"
    written = write_video(frames(3, width, height), target, 25)
    facts = video_facts(target)
    assert (facts.width, facts.height) == (written.width, written.height) == (width + width % 2, height + height % 2)


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("rate", [8000, 44100, 96000])
def test_any_rate_and_channels_are_heard_in_full(tmp_path, channels, rate):
    target = tmp_path / "clip.mp4"
    write_video(frames(13), target, 25, tone(0.5, channels, rate))
    waveform, got = read_audio(target)
    assert waveform.shape[1] / got >= 0.5 - 1e-3
    middle = waveform[0, got // 8 : got // 4]
    spectrum = torch.fft.rfft(middle * torch.hann_window(len(middle))).abs()
    assert abs(spectrum.argmax() * got / len(middle) - 440) < 10


def test_a_sound_with_nan_is_written_without_it(tmp_path):
    sound = tone(0.5)
    broken = sound.waveform.clone()
    broken[:, 2000:2400] = float("nan")
    write_video(frames(13), tmp_path / "clip.mp4", 25, Sound(broken, RATE))
    assert torch.isfinite(read_audio(tmp_path / "clip.mp4")[0]).all()


METADATA = {"prompt": {"1": {"inputs": {"text": "é"}}}, "workflow": json.dumps({"nodes": []})}


@pytest.mark.parametrize("format", ["mp4", "webm"])
def test_prompt_and_workflow_are_in_the_container(tmp_path, format):
    target = tmp_path / f"clip{FORMATS[format]}"
    write_video(frames(3), target, 25, format=format, metadata=METADATA)
    tags = {key.lower(): value for key, value in video_facts(target).metadata.items()}
    assert json.loads(tags["prompt"]) == METADATA["prompt"]
    assert json.loads(tags["workflow"]) == {"nodes": []}


def test_prompt_and_workflow_are_in_webp_where_comfyui_keeps_them(tmp_path):
    target = tmp_path / "clip.webp"
    write_video(frames(3), target, 25, format="webp", metadata=METADATA)
    with Image.open(target) as image:
        exif = image.getexif()
    assert exif[0x0110] == "prompt:" + json.dumps(METADATA["prompt"])
    assert exif[0x010F] == "workflow:" + METADATA["workflow"]


@pytest.mark.parametrize(("format", "close"), [("gif", 12.0), ("webp", 6.0)])
def test_animations_show_every_frame_for_its_time(tmp_path, format, close):
    target = tmp_path / f"clip{FORMATS[format]}"
    write_video(frames(30), target, 25, tone(1.6), format, quality=100, metadata=METADATA)
    with Image.open(target) as image:
        times = []
        for index in range(image.n_frames):
            image.seek(index)
            image.load()
            times.append(image.info["duration"])
        assert image.info["loop"] == 0
        last = np.asarray(image.convert("RGB"), dtype=np.float32)
    assert sum(times) == pytest.approx(1600, abs=40), "held to the end of the sound"
    wanted = list(frames(30))[-1][-1].numpy() * 255
    assert np.abs(last - wanted).mean() < close


def test_a_gif_of_60_frames_a_second_is_played_at_its_own_speed(tmp_path):
    write_video(frames(60), tmp_path / "clip.gif", 60, format="gif")
    with Image.open(tmp_path / "clip.gif") as image:
        times = []
        for index in range(image.n_frames):
            image.seek(index)
            times.append(image.info["duration"])
    assert min(times) >= 20, "browsers slow such frames down"
    assert sum(times) == pytest.approx(1000, abs=40)


def test_a_png_sequence_is_exact_and_has_its_sound_beside_it(tmp_path):
    write_video([picture()[None]], tmp_path / "clip", 25, tone(0.1, 2), "png", metadata=METADATA)
    names = sorted(path.name for path in (tmp_path / "clip").iterdir())
    assert names == ["frame_00000.png", "frame_00001.png", "frame_00002.png", "sound.wav"]
    with Image.open(tmp_path / "clip" / "frame_00002.png") as image:
        assert np.array_equal(np.asarray(image), picture().numpy())
        assert json.loads(image.text["prompt"]) == METADATA["prompt"]
    waveform, rate = read_audio(tmp_path / "clip" / "sound.wav")
    assert waveform.shape == (2, 1600) and rate == RATE
    assert (waveform - tone(0.1, 2).waveform).abs().max() < 1e-3


@pytest.mark.parametrize("format", FORMATS)
def test_a_failing_run_leaves_nothing(tmp_path, format):
    def broken():
        yield from frames(8)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_video(broken(), tmp_path / f"clip{FORMATS[format]}", 25, tone(1), format)
    assert list(tmp_path.iterdir()) == []


def test_a_cancelled_run_leaves_a_former_file_as_it_was(tmp_path):
    target = tmp_path / "clip.mp4"
    target.write_bytes(b"former")

    def cancel(count, _):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(frames(8), target, 25, on_frame=cancel)
    assert target.read_bytes() == b"former" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("stage", ["held", "finished"])
def test_a_run_can_be_stopped_while_frames_are_held_and_while_a_gif_is_finished(tmp_path, stage):
    calls = []

    def cancel(count, _):
        calls.append(count)
        if count > 5 if stage == "held" else len(calls) > 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(frames(5), tmp_path / "clip.gif", 25, tone(1), "gif", on_frame=cancel)
    assert calls[-1] == (6 if stage == "held" else 25) and list(tmp_path.iterdir()) == []


def test_frames_are_taken_one_chunk_at_a_time(tmp_path):
    """The writer asks for the next chunk only after it has encoded the last."""
    taken, seen = [], []

    def source():
        for chunk in frames(20):
            taken.append(len(chunk))
            yield chunk

    write_video(source(), tmp_path / "clip.mp4", 25, on_frame=lambda count, _: seen.append((count, sum(taken))))
    assert seen[:4] == [(5, 5), (10, 10), (15, 15), (20, 20)]


def test_a_buffer_gets_a_video_that_plays(tmp_path):
    buffer = io.BytesIO()
    write_video(frames(10), buffer, 25, tone(0.4))
    (tmp_path / "clip.mp4").write_bytes(buffer.getvalue())
    assert count_frames(tmp_path / "clip.mp4") == 10


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"format": "avi"}, "avi is unknown"),
        ({"fps": 0}, "frames per second"),
        ({"frames": []}, "no frames"),
        ({"frames": [picture()[None], picture(32, 32)[None]]}, "different sizes"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, arguments, words):
    settings = {"frames": frames(3), "fps": 25} | arguments
    with pytest.raises(UserError, match=words):
        write_video(target=tmp_path / "clip.mp4", **settings)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"clip\.mp4 cannot be written"):
        write_video(frames(3), tmp_path / "file" / "clip.mp4", 25)


def test_what_generate_and_comfyui_store_is_in_a_webp(tmp_path):
    metadata = {
        "prompt": {"1": {}},
        "workflow": {"nodes": []},
        "seed": "7",
        "steps": "10",
        "speech_guidance": "1",
        "mouth": "1",
    }
    write_video(frames(3), tmp_path / "a.webp", 25, format="webp", metadata=metadata)
    exif = Image.open(tmp_path / "a.webp").getexif()
    assert exif[0x0110] == 'prompt:{"1": {}}' and exif[0x010F] == 'workflow:{"nodes": []}'
    kept = json.loads(exif[0x010E].removeprefix("emotalker:"))
    assert kept == {"seed": "7", "steps": "10", "speech_guidance": "1", "mouth": "1"}


@pytest.mark.parametrize(("fps", "exact"), [(23.976, "24000/1001"), (23.98, "24000/1001"), (59.94, "60000/1001"), (16, "16")])
def test_rates_are_the_fractions_that_are_meant(fps, exact):
    assert str(exact_rate(fps)) == exact


@pytest.mark.parametrize("format", ["mp4", "webm"])
@pytest.mark.parametrize("whole", [24, 30, 48, 60, 120])
def test_broadcast_rates_are_exact_in_the_file(tmp_path, format, whole):
    write_video(frames(whole), tmp_path / f"a.{format}", round(whole * 1000 / 1001, 3), format=format)
    with av.open(str(tmp_path / f"a.{format}")) as container:
        rate = container.streams.video[0].average_rate
    if format == "mp4":
        assert rate == Fraction(whole * 1000, 1001)
    assert exact_rate(rate) == Fraction(whole * 1000, 1001), "a webm keeps the nanoseconds of a frame"


def test_a_webp_whose_pictures_are_all_the_same_keeps_its_metadata(tmp_path):
    write_video([picture(63, 47)[None]] * 3, tmp_path / "a.webp", 25, format="webp", metadata=METADATA)
    with Image.open(tmp_path / "a.webp") as image:
        assert image.getexif()[0x0110] == "prompt:" + json.dumps(METADATA["prompt"])
        assert (
            image.size == (63, 47) and np.abs(np.asarray(image.convert("RGB")) - picture(63, 47).numpy().astype(int)).mean() < 8
        )


@pytest.mark.parametrize("quality", [0, 101, 1000])
def test_a_quality_out_of_range_is_refused(tmp_path, quality):
    with pytest.raises(UserError, match="1 to 100"):
        write_video(frames(3), tmp_path / "a.mp4", 25, quality=quality)


@pytest.mark.parametrize("format", ["mp4", "gif", "webp"])
def test_pictures_wider_than_the_encoder_allows_are_refused_at_the_first_frame(tmp_path, format):
    wide = torch.zeros(1, 4, 70000, 3, dtype=torch.uint8)
    with pytest.raises(UserError, match=f"{format} takes pictures of up to"):
        write_video(iter([wide]), tmp_path / f"a.{format}", 25, format=format)
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_is_missing_is_named(tmp_path, monkeypatch):
    from dataclasses import replace

    from emotalker.video import container

    for part in ("video", "audio"):
        with monkeypatch.context() as patch:
            patch.setitem(container.CONTAINERS, "mp4", replace(container.CONTAINERS["mp4"], **{part: "nonesuch"}))
            with pytest.raises(UserError, match="has no encoder nonesuch"):
                write_video(frames(3), tmp_path / "a.mp4", 25, tone(0.1))


@pytest.mark.parametrize("channels", [8, 9, 16])
def test_many_channels_are_heard(tmp_path, channels):
    write_video(frames(10), tmp_path / "a.mp4", 25, tone(0.4, channels, 48000))
    waveform, _ = read_audio(tmp_path / "a.mp4")
    assert waveform.abs().max() > 0.1


def test_frames_above_the_largest_size_are_made_smaller_and_a_png_sequence_is_not(tmp_path):
    written = write_video(frames(3, 300, 200), tmp_path / "a.mp4", 25, max_size=100)
    assert (written.width, written.height) == (150, 100)
    written = write_video(frames(3, 300, 200), tmp_path / "a", 25, format="png", max_size=100)
    assert (written.width, written.height) == (300, 200)


@pytest.mark.parametrize("format", ["mp4", "webm"])
def test_a_video_has_eight_bits_and_half_the_colour(tmp_path, format):
    write_video(frames(3), tmp_path / f"a.{format}", 25, format=format)
    with av.open(str(tmp_path / f"a.{format}")) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


@pytest.mark.skipif(os.name == "nt", reason="limits of a process")
@pytest.mark.parametrize("room", [1000, 100_000])
def test_a_disk_that_fills_up_leaves_nothing(tmp_path, room):
    """Every writer, with a limit on the size of a file in place of a full disk: at the beginning, and on the way."""
    code = """if True:
        import resource, signal, sys, torch
        from emotalker.errors import UserError
        from emotalker.motion.files import save_motion
        from emotalker.motion.motion import Motion
        from emotalker.video.audio import Sound
        from emotalker.video.encode import FORMATS, write_video

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
        noise, sound = torch.randint(0, 255, (4, 240, 320, 3), dtype=torch.uint8), Sound(torch.rand(2, 16000), 16000)
        motion = Motion(torch.rand(3000, 52), torch.rand(3000, 6), 25)
        for name, ending in FORMATS.items():
            try:
                write_video([noise] * 5, f"{sys.argv[2]}/x{ending}", 25, sound, name, 100)
            except UserError as error:
                print(error)
        for ending in (".csv", ".safetensors"):
            try:
                save_motion(motion, f"{sys.argv[2]}/x{ending}")
            except UserError as error:
                print(error)
    """
    arguments = [sys.executable, "-c", code, str(room), str(tmp_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("cannot be written (File too large)") == len(FORMATS) + 2
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_is_known_before_the_first_frame(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"mine")

    def never():
        raise AssertionError("a frame was asked for")
        yield

    with pytest.raises(TakenError):
        write_video(never(), tmp_path / "a.mp4", 25, replace=False)
    assert (tmp_path / "a.mp4").read_bytes() == b"mine"

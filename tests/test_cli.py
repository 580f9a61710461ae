"""The command line makes a video, and says in one line what is wrong."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from emotalker import pipeline
from emotalker.cli import main
from emotalker.emotion.track import EmotionTrack
from emotalker.errors import UserError
from emotalker.motion.files import load_motion, save_motion
from emotalker.motion.motion import Motion
from emotalker.pipeline import format_of
from emotalker.video.audio import Sound, read_audio, write_wav
from emotalker.video.decode import read_frames, video_facts
from emotalker.video.encode import write_video

ROOT = Path(__file__).resolve().parent.parent
PORTRAIT = str(ROOT / "samples" / "emotalker_portrait.png")


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    """Half a second of the sample voice."""
    waveform, rate = read_audio(ROOT / "samples" / "emotalker_voice.wav")
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    write_wav(path, Sound(waveform[:, rate : rate * 3 // 2], rate))
    return str(path)


def generate(voice, out, *more, seed="1"):
    return main(["generate", "--portrait", PORTRAIT, "--audio", voice, "--seed", seed, "--out", str(out), *more])


def test_a_video_is_made(voice, tmp_path, capsys):
    out = tmp_path / "a.mp4"
    assert generate(voice, out, "--emotion", "happy=0.8,surprise=0.3", "--fps", "30") == 0
    assert sum(len(chunk) for chunk in read_frames(out)) == 15
    assert video_facts(out).fps == 30
    assert "15 frames of 512 x 512, 0.5 s of speech" in capsys.readouterr().out


def test_the_same_seed_gives_the_same_pictures_and_another_does_not(voice, tmp_path):
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert generate(voice, tmp_path / name, seed=seed) == 0
    first = [path.read_bytes() for path in sorted((tmp_path / "a").glob("*.png"))]
    assert len(first) == 13
    assert first == [path.read_bytes() for path in sorted((tmp_path / "b").glob("*.png"))]
    assert first != [path.read_bytes() for path in sorted((tmp_path / "c").glob("*.png"))]


def test_with_all_gains_at_zero_and_the_own_expression_nothing_moves(voice, tmp_path):
    gains = [word for name in ("mouth", "expression", "head", "blink") for word in (f"--{name}", "0")]
    assert generate(voice, tmp_path / "still", "--no-neutralise", *gains) == 0
    pictures = {path.read_bytes() for path in (tmp_path / "still").glob("*.png")}
    assert len(pictures) == 1


def pictures(folder):
    """Pixels of each frame; the files also hold what the take was made with."""
    return [Image.open(path).tobytes() for path in sorted(folder.glob("*.png"))]


@pytest.mark.parametrize("ending", [".safetensors", ".csv"])
def test_a_take_is_kept_and_used_again(voice, tmp_path, ending):
    """A kept take is not drawn again, whatever the gains and the seed are; the table keeps all but the head's shift."""
    file = str(tmp_path / f"take{ending}")
    assert generate(voice, tmp_path / "a", "--save-motion", file, "--steps", "4") == 0
    assert generate(voice, tmp_path / "b", "--motion", file, "--mouth", "0", seed="2") == 0
    first, again = load_motion(tmp_path / f"take{ending}"), pictures(tmp_path / "b")
    assert len(first) == len(again) == 13
    assert (pictures(tmp_path / "a") == again) == (ending == ".safetensors")


def test_a_range_of_a_take_is_drawn_again(voice, tmp_path, capsys):
    for name, seed, more in (("a", "1", ()), ("b", "2", ("--motion", str(tmp_path / "a.safetensors"), "--redo", "0.2-"))):
        assert generate(voice, tmp_path / name, "--save-motion", str(tmp_path / f"{name}.safetensors"), *more, seed=seed) == 0
    one, two = pictures(tmp_path / "a"), pictures(tmp_path / "b")
    assert one[:5] == two[:5] and all(a != b for a, b in zip(one[7:], two[7:], strict=True))
    again = load_motion(tmp_path / "b.safetensors")
    assert again.metadata["seed"] == "1" and again.metadata["redone"] == "0.2 to 0.52 s with seed 2"


def test_a_motion_of_another_length_is_fitted_and_told(voice, tmp_path, capsys):
    count = 120
    save_motion(Motion(torch.rand(count, 52) / 9, torch.zeros(count, 6), 60.0), tmp_path / "captured.csv")
    assert generate(voice, tmp_path / "a", "--motion", str(tmp_path / "captured.csv")) == 0
    assert "The motion lasts 2.00 s and the speech 0.50 s: what is too long was cut." in capsys.readouterr().err
    assert len(pictures(tmp_path / "a")) == 13


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--portrait", "none.png"], 'no picture "none.png"'),
        (["--audio", "none.wav"], "no sound file none.wav"),
        (["--emotion", "glad=1"], "glad"),
        (["--face-index", "3"], "face_index 3"),
        (["--out", "a.avi"], "names no known video format"),
        (["--motion", "none.safetensors"], "motion file none.safetensors does not exist"),
        (["--motion", "take.bvh"], "take.bvh names no motion file"),
        (["--save-motion", "take.bvh"], "take.bvh names no motion file"),
        (["--redo", "1-2"], "no motion"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(voice, tmp_path, capsys, change, words):
    assert generate(voice, tmp_path / "a.mp4", *change) == 1
    message = [line for line in capsys.readouterr().err.splitlines() if line.startswith("emotalker: ")]
    assert len(message) == 1 and words in message[0]
    assert not (tmp_path / "a.mp4").exists()


def test_a_prompt_leads_the_face_in_place_of_an_emotion(voice, tmp_path, capsys):
    assert generate(voice, tmp_path / "a", "--prompt", "absolutely delighted") == 0
    assert "a: 13 frames" in capsys.readouterr().out
    assert generate(voice, tmp_path / "b", "--prompt", "") == 0
    assert "emotalker: The prompt is empty" in capsys.readouterr().err
    one, other = ((tmp_path / name / "frame_00012.png").read_bytes() for name in "ab")
    assert one != other


def test_emotions_prints_the_timeline(capsys):
    assert main(["emotions", "[0-2s] calm [2s-] absolutely furious", "--seconds", "4"]) == 0
    printed = capsys.readouterr()
    one, two = json.loads(printed.out)["segments"]
    assert (one["start"], one["end"], two["start"], two["end"]) == (0.0, 2.0, 2.0, None)
    assert two["strengths"]["angry"] >= 0.6
    assert printed.err == ""
    assert EmotionTrack.from_json(printed.out).segments[1].strengths["angry"] == two["strengths"]["angry"]


def test_strength_scales_what_emotions_prints(capsys):
    angry = []
    for strength in ("0.5", "1"):
        assert main(["emotions", "furious", "--strength", strength]) == 0
        angry.append(json.loads(capsys.readouterr().out)["segments"][0]["strengths"]["angry"])
    assert angry[0] == pytest.approx(angry[1] / 2, abs=0.01)


def test_emotions_of_a_file_are_a_line_for_each_line(tmp_path, capsys):
    path = tmp_path / "prompts.txt"
    path.write_bytes("\ufeffoverjoyed\r\n\r\nasdf qwer\nétonnée 😱\u2028still the same prompt\n".encode())
    assert main(["emotions", "--file", str(path)]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert len(lines) == 4 and all(" " not in line for line in lines), "one compact line for each"
    first, empty, *_ = (json.loads(line)["segments"] for line in lines)
    assert first[0]["strengths"]["happy"] > 0.5 and empty == []
    warnings = printed.err.splitlines()
    assert any(line.startswith("emotalker: line 2: The prompt is empty") for line in warnings)
    assert any(line.startswith("emotalker: line 3: ") for line in warnings)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["emotions"], "a prompt in quotes or --file"),
        (["emotions", "sad", "--file", __file__], "one of the two"),
        (["emotions", "sad", "--seconds", "0"], "0.1 to 36000"),
        (["emotions", "sad", "--seconds", "long"], "0.1 to 36000"),
        (["emotions", "sad", "--seconds", "nan"], "0.1 to 36000"),
        (["emotions", "sad", "--strength", "2"], "0 to 1.5"),
        (["emotions", "sad", "and", "angry"], "unrecognized arguments"),
        (["emotions", "--file", "none.txt"], "the file none.txt cannot be read"),
        (["generate", "--emotion", "sad", "--prompt", "sad"], "not allowed with"),
        (["generate", "--redo", "2"], '"2" is no range of seconds'),
        (["generate", "--redo", "one-two"], "no range of seconds"),
        (["generate", "--redo", "nan-2"], "no range of seconds"),
        (["generate", "--fps", "5"], "8 to 120"),
        (["generate", "--fps", "inf"], "8 to 120"),
        (["generate", "--mouth", "9"], "0 to 2"),
        (["generate", "--head", "nan"], "0 to 2"),
        (["generate", "--steps", "0"], "1 to 100"),
        (["generate", "--emotion-guidance", "7"], "0 to 5"),
        (["generate", "--window", "9"], "2 to 4"),
        (["generate", "--quality", "0"], "1 to 100"),
        (["generate", "--quality", "1000"], "1 to 100"),
        (["generate", "--preservation", "-1"], "0 to 1"),
        (["generate", "--frame-steps", "51"], "0 to 50"),
        (["generate", "--seed", "1.5"], "no whole number"),
        (["generate", "--seed", "9" * 400], f'"{"9" * 77}..." is no whole number'),
        ([], "required"),
    ],
)
def test_a_command_that_is_written_wrongly_ends_with_status_2(capsys, arguments, words):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    printed = capsys.readouterr()
    assert caught.value.code == 2 and printed.out == ""
    assert words in printed.err.splitlines()[-1]


def test_a_file_that_is_no_text_is_refused(tmp_path, capsys):
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SystemExit) as caught:
        main(["emotions", "--file", str(tmp_path / "a.txt")])
    assert caught.value.code == 2 and "UTF-8" in capsys.readouterr().err


def test_train_names_its_parts(capsys):
    assert main(["train"]) == 1
    assert "speech" in capsys.readouterr().err
    assert main(["train", "nonsense"]) == 1


def test_the_library_needs_no_comfyui_and_imports_no_training():
    """Nothing that generates imports ComfyUI, training code or what only developers have."""
    script = (
        "import sys, emotalker.cli, emotalker.pipeline\n"
        "bad = [n for n in sys.modules if n.split('.')[0] in "
        "('comfy', 'comfy_api', 'folder_paths', 'cv2', 'matplotlib', 'mediapipe', 'anny', 'transformers', 'diffusers')"
        " or n.startswith('emotalker.training')]\n"
        "sys.exit(', '.join(bad) or None)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "format"), [("a.mp4", "mp4"), ("a.WEBM", "webm"), ("b/a.gif", "gif"), ("a.webp", "webp"), ("a", "png")]
)
def test_the_name_chooses_the_format(name, format):
    assert format_of(name) == format


def test_an_unknown_ending_is_named():
    with pytest.raises(UserError, match=r"\.mp4, \.webm"):
        format_of("a.mov")


def test_the_sound_of_the_video_is_the_voice(voice, tmp_path):
    assert generate(voice, tmp_path / "a.mp4", "--mouth", "0", "--head", "0") == 0
    given, rate = read_audio(voice)
    heard, again = read_audio(tmp_path / "a.mp4")
    assert again == rate
    assert torch.corrcoef(torch.stack([given[0], heard[0, : given.shape[1]]]))[0, 1] > 0.98


def test_a_video_is_scored_with_its_own_sound_or_another(voice, tmp_path, capsys):
    video = tmp_path / "a.mp4"
    write_video([torch.zeros(30, 64, 64, 3, dtype=torch.uint8)], video, 25, Sound(*read_audio(voice)))
    assert main(["score", str(video)]) == 0
    own = json.loads(capsys.readouterr().out)
    assert (own["frames"], own["fps"], own["face_found"], own["lip_sync"]) == (30, 25.0, 0.0, None)
    assert own["notes"] == ["No face was found in the video."]
    assert main(["score", str(video), "--portrait", str(tmp_path / "none.png")]) == 1
    assert "none.png" in capsys.readouterr().err
    assert main(["score", str(video), "--audio", PORTRAIT]) == 1
    assert "emotalker_portrait.png" in capsys.readouterr().err


def test_an_input_is_never_replaced(voice, tmp_path, capsys):
    film = tmp_path / "film.mp4"
    film.write_bytes(Path(voice).read_bytes())
    assert main(["generate", "--portrait", PORTRAIT, "--audio", str(film), "--out", str(film)]) == 1
    assert "also an input" in capsys.readouterr().err
    assert film.read_bytes() == Path(voice).read_bytes()
    take = tmp_path / "take.csv"
    take.write_text("x")
    assert generate(voice, tmp_path / "a.mp4", "--motion", str(take), "--save-motion", str(take)) == 1
    assert "also an input" in capsys.readouterr().err and take.read_text() == "x"


@pytest.mark.parametrize(("name", "words"), [("", "is there already"), ("a" * 300 + ".mp4", "too long"), ("a\0.mp4", "null")])
def test_an_impossible_target_is_refused_before_anything_is_read(tmp_path, capsys, name, words):
    (tmp_path / "file").write_text("x")
    assert main(["generate", "--portrait", "none.png", "--audio", "none.wav", "--out", str(tmp_path / name)]) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_run_tells_of_the_take_that_it_saved(request, tmp_path, monkeypatch, capsys, written, number, status):
    take = tmp_path / "take.csv"
    take.write_text("an older one")

    def stopped(save_motion, **settings):
        if written:
            (tmp_path / "draft").write_text("a new one")
            (tmp_path / "draft").replace(save_motion)
        signal.raise_signal(number)

    monkeypatch.setattr(pipeline, "generate", stopped)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which a test run in the background may lack
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    words = ["--portrait", PORTRAIT, "--audio", "a.wav", "--out", str(tmp_path / "a.mp4"), "--save-motion", str(take)]
    assert main(["generate", *words]) == status
    said = capsys.readouterr().err
    assert ("nothing was written" in said) != written and (f"the take was saved in {take}, no video" in said) == written


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_where_there_is_none_is_named(voice, tmp_path, capsys):
    assert generate(voice, tmp_path / "a.mp4", "--device", "cuda") == 1
    assert 'The device "cuda" is not there: choose one of cpu' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["cuda:77", "nonsense", "meta"])
def test_a_device_that_is_not_there_is_named(voice, tmp_path, capsys, name):
    assert generate(voice, tmp_path / "a.mp4", "--device", name) == 1
    assert f'The device "{name}" is not there: choose one of cpu' in capsys.readouterr().err


def run(*arguments, **environment):
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "emotalker", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A test run in the background hands on that Ctrl-C is ignored.
        preexec_fn=None if os.name == "nt" else lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_a_terminal_without_unicode_shows_what_it_can():
    process = run("emotions", "très naïve ☃", LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0 and out.startswith(b"{") and b"Traceback" not in err


def test_a_reader_that_has_had_enough_ends_the_command_quietly(tmp_path):
    (tmp_path / "many.txt").write_text("sad\n" * 3000)
    process = run("emotions", "--file", str(tmp_path / "many.txt"))
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(120) == 141 and b"Traceback" not in err


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_run_says_so_in_one_line_and_leaves_nothing(tmp_path, number, status):
    process = run(
        "generate", "--portrait", PORTRAIT, "--audio", str(ROOT / "samples" / "emotalker_voice.wav"),
        "--out", str(tmp_path / "a.mp4"), "--frames", "best",
    )  # fmt: skip
    while not list(tmp_path.iterdir()):  # the draft is there as soon as frames are drawn
        assert process.poll() is None, process.stderr.read()
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == status and b"Traceback" not in err
    assert list(tmp_path.iterdir()) == []
    assert len([line for line in err.decode().splitlines() if line.startswith("emotalker: ")]) == 1

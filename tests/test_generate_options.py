"""Each option of `generate` acts: one that is added to the parser without a case here fails."""

import argparse
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from emotalker.cli import _parser, main
from emotalker.face.portrait import Portrait
from emotalker.motion.files import load_motion
from emotalker.video.audio import Sound, read_audio, write_wav
from emotalker.video.decode import video_facts
from emotalker.weights import weights_path

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
PAINTED = ("--frames", "fast", "--frame-steps", "1")
OTHERS = {
    "neutralise": ("--no-neutralise",),
    "emotion": ("--emotion", "angry=1"),
    "prompt": ("--prompt", "furious"),
    "seed": ("--seed", "5"),
    "fps": ("--fps", "12"),
    "mouth": ("--mouth", "0.2"),
    "expression": ("--emotion", "happy=1", "--expression", "0.2"),
    "head": ("--head", "2"),
    "blink": ("--blink", "0"),
    "steps": ("--steps", "2"),
    "speech_guidance": ("--speech-guidance", "2.5"),
    "emotion_guidance": ("--emotion", "happy=1", "--emotion-guidance", "0"),
    "frames": PAINTED,
    "preservation": (*PAINTED, "--preservation", "0.1"),
    "frame_steps": ("--frames", "fast", "--frame-steps", "2"),
    "denoise": (*PAINTED, "--denoise", "0.4"),
    "frame_guidance": (*PAINTED, "--frame-guidance", "3"),
}
"""Options after which the pictures are others, each against the same without its last two words."""
BASES = {name: () if len(words) < 4 else words[:-2] for name, words in OTHERS.items()}
ELSEWHERE = {
    "help", "portrait", "audio", "out", "quality", "device", "transcript", "window", "face_index", "motion", "redo",
    "save_motion", "mask", "model", "max_size",
}  # fmt: skip
"""Options with a test of their own, below or in test_cli.py."""


def options() -> set[str]:
    commands = next(action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))
    return {action.dest for action in commands.choices["generate"]._actions}


def test_every_option_has_a_case():
    assert options() == set(OTHERS) | ELSEWHERE


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Runs `generate` on a small portrait and a fifth of a second of voice, once for the same words: a folder of pictures."""
    folder = tmp_path_factory.mktemp("made")
    Image.open(SAMPLES / "emotalker_portrait.png").convert("RGB").resize((192, 192)).save(folder / "small.png")
    waveform, rate = read_audio(SAMPLES / "emotalker_voice.wav")
    write_wav(folder / "voice.wav", Sound(waveform[:, rate : rate * 6 // 5], rate))
    done = {}
    fit, fitted = Portrait.from_image, {}

    def from_image(image, *more, **named):  # the same portrait is fitted once: it takes longer than all else
        key = (image.numpy().tobytes(), more, str(named))
        if key not in fitted:
            fitted[key] = fit(image, *more, **named)
        return fitted[key]

    def make(*words: str, out: str = "") -> Path:
        if (words, out) not in done:
            target = folder / (out or f"pictures{len(done)}")
            sources = ["--portrait", str(folder / "small.png"), "--audio", str(folder / "voice.wav")]
            assert main(["generate", *sources, "--out", str(target), *words]) == 0
            done[words, out] = target
        return done[words, out]

    make.folder = folder
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Portrait, "from_image", staticmethod(from_image))
        yield make


def pictures(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob("*.png"))]


@pytest.mark.parametrize("name", OTHERS)
def test_an_option_changes_the_pictures(made, name):
    assert pictures(made(*OTHERS[name])) != pictures(made(*BASES[name]))


def test_a_face_is_chosen_by_its_index(made, capsys):
    two = made.folder / "two.png"
    face = Image.open(made.folder / "small.png")
    both = Image.new("RGB", (384, 192))
    both.paste(face, (0, 0))
    both.paste(face.resize((160, 160)), (210, 16))
    both.save(two)
    results = []
    for index in ("0", "1"):
        made("--portrait", str(two), "--face-index", index, "--emotion", "happy=1", out=f"face{index}")
        frames = [np.asarray(Image.open(path)).astype(int) for path in sorted((made.folder / f"face{index}").glob("*.png"))]
        moved = sum(np.abs(frame - np.asarray(both)).sum((0, 2)) for frame in frames)
        results.append(moved[:192].sum() > moved[192:].sum())
    assert results == [True, False]


def test_a_take_is_kept_used_and_drawn_again_in_part(made):
    take = made.folder / "take.safetensors"
    first = made("--seed", "3", "--save-motion", str(take))
    assert pictures(made("--motion", str(take))) == pictures(first)
    assert pictures(made("--motion", str(take), "--redo", "0.05-", "--seed", "9")) != pictures(first)


def test_the_window_changes_what_is_drawn_of_a_long_speech(made):
    waveform, rate = read_audio(SAMPLES / "emotalker_voice.wav")
    write_wav(made.folder / "long.wav", Sound(waveform[:, : rate * 7 // 2], rate))
    takes = []
    for window in ("4", "2"):
        path = made.folder / f"window{window}.safetensors"
        made(
            "--audio",
            str(made.folder / "long.wav"),
            "--fps",
            "8",
            "--window",
            window,
            "--save-motion",
            str(path),
            out=f"w{window}",
        )
        takes.append(load_motion(path).units)
    assert not takes[0].equal(takes[1])


def test_a_mask_keeps_painting_away(made):
    Image.new("L", (192, 192)).save(made.folder / "black.png")
    black = made(*PAINTED, "--mask", str(made.folder / "black.png"))
    assert pictures(black) == pictures(made()) != pictures(made(*PAINTED))


def test_another_frame_diffusion_paints_other_pictures(made):
    from safetensors import safe_open

    source = weights_path("frames")
    with safe_open(source, "pt") as file:
        facts = file.metadata()
    other = made.folder / "other.safetensors"
    save_file({name: value * 0.9 for name, value in load_file(source).items()}, other, facts)
    assert pictures(made(*PAINTED, "--model", str(other))) != pictures(made(*PAINTED))


def test_quality_and_the_largest_size_shape_the_file(made, capsys):
    sizes = [made("--quality", quality, out=f"q{quality}.mp4").stat().st_size for quality in ("10", "95")]
    assert sizes[0] < sizes[1]
    small = video_facts(made("--max-size", "160", out="small.mp4"))
    assert (small.width, small.height) == (160, 160)
    assert "192 x 192 pixels is rendered at 160 x 160" in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["mp4", "webm", "gif", "webp"])
def test_every_format_is_written_with_what_generate_stores_in_it(made, ending):
    assert made("--prompt", "happy, then furious", out=f"all.{ending}").stat().st_size > 0


def test_rates_of_broadcasters_are_exact_in_the_file(made):
    for words, exact in (("23.976", (24000, 1001)), ("29.97", (30000, 1001)), ("12", (12, 1)), ("119.88", (120000, 1001))):
        rate = video_facts(made("--fps", words, out=f"rate{words}.mp4")).fps
        assert (rate.numerator, rate.denominator) == exact


def test_the_device_is_named(made):
    assert pictures(made("--device", "cpu")) == pictures(made())


def test_a_transcript_reaches_the_alignment(made, monkeypatch):
    from emotalker.speech import analyse

    said = []

    def align(sound, text):
        said.append(text)
        return [(0.0, 0.2, "M")], [(0.0, 0.2, "my")]

    monkeypatch.setattr(analyse, "align_speech", align)
    made("--transcript", "my mother", out="words")
    assert said == ["my mother"]

"""The command line: `python -m emotalker generate ...`, `emotions ...`, `score ...` and `train PART ...`."""

import argparse
import contextlib
import importlib
import json
import math
import os
import signal
import sys
import threading
import time
from pathlib import Path

from .arguments import number, whole
from .errors import UserError, quoted

TRAINED = {
    "emotion": "emotion.train",
    "frames": "frames.train",
    "motion": "motion.train",
    "perception": "heads.train",
    "prepare": "motion.prepare",
    "speech": "speech.train",
}
"""Parts of the command train and their modules in emotalker.training."""


def main(arguments: list[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments: without the program's name; None takes the process's own.

    Returns:
        0, or 1 after an error that the person can mend (it is printed).

    Raises:
        SystemExit: the command is written wrongly (status 2, what is wrong is printed), or help was asked for.
    """
    for stream in (sys.stdout, sys.stderr):  # a terminal without Unicode shows \u00e9 for é instead of ending the program
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    with _stoppable():
        try:
            return _run(sys.argv[1:] if arguments is None else arguments)
        except UserError as error:
            print(f"emotalker: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt as stop:
            print(f"\nemotalker: {_stopped('stopped', stop)}", file=sys.stderr)
            return 128 + signal.SIGINT
        except _Terminated as stop:
            print(f"\nemotalker: {_stopped('ended from outside', stop)}", file=sys.stderr)
            return 128 + signal.SIGTERM
        except BrokenPipeError:  # whoever read the output has had enough (| head)
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 128 + 13


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["train"]:
        return _train(arguments[1:])
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "emotions" and (options.prompt is None) == (options.prompts is None):
        parser.error("emotions needs a prompt in quotes or --file FILE, one of the two")
    done = {"emotions": _emotions, "generate": _generate, "score": _score}[options.command](options)
    sys.stdout.flush()  # here, where a closed pipe is caught
    return done


class _Terminated(BaseException):
    """SIGTERM has come: unwinds like KeyboardInterrupt, so that drafts are removed."""


@contextlib.contextmanager
def _stoppable():
    """SIGTERM raises _Terminated while the block runs, in the main thread."""

    def stop(number, frame):
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="emotalker", description="A portrait, a voice and an emotion become a talking head.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("train", help="make the shipped weights again (for developers): train PART [OPTIONS]")
    make = commands.add_parser("generate", help="make a portrait speak", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    make.add_argument("--portrait", required=True, help="image file")
    make.add_argument("--audio", required=True, help="audio or video file with the voice")
    make.add_argument("--out", required=True, help="video file: .mp4, .webm, .gif or .webp; without an ending a PNG folder")
    felt = make.add_mutually_exclusive_group()
    felt.add_argument("--emotion", default="", help="for example happy=0.8,surprise=0.3 (each 0 to 1.5)")
    felt.add_argument("--prompt", help="what is felt and when, for example 'starts calm, then grows furious'")
    make.add_argument("--seed", type=whole(0, 2**64 - 1), default=0, help="another seed is another take")
    make.add_argument(
        "--fps", type=number(8, 120), default=25.0, help="frames per second, 8 to 120; 23.976 and 29.97 are exact"
    )
    make.add_argument("--face-index", type=whole(0, 999), default=0, help="which face speaks, 0 is the largest")
    make.add_argument(
        "--neutralise", action=argparse.BooleanOptionalAction, default=True, help="take the picture's own expression away first"
    )
    for name, what in (("mouth", "the mouth moves"), ("expression", "emotions show"), ("head", "the head moves")):
        make.add_argument(f"--{name}", type=number(0, 2), default=1.0, help=f"how far {what}, 0 to 2")
    make.add_argument("--blink", type=number(0, 2), default=1.0, help="how often the eyes blink, 0 to 2")
    make.add_argument("--steps", type=whole(1, 100), default=10, help="denoising steps that draw the motion, 1 to 100")
    for name in ("speech", "emotion"):
        make.add_argument(
            f"--{name}-guidance",
            type=number(0, 5),
            default=1.0,
            help=f"how far the {name} is followed, 0 to 5; 1 is as learned",
        )
    make.add_argument("--window", type=number(2, 4), default=4.0, help="seconds of motion that are drawn at once, 2 to 4")
    make.add_argument(
        "--motion",
        metavar="FILE",
        help="a take to use again as it is: .safetensors, or .csv as Live Link Face writes it",
    )
    make.add_argument(
        "--redo",
        type=_range,
        metavar="START-END",
        help="seconds of --motion to draw again, such as 2-3.5 or 2- (to the end)",
    )
    make.add_argument("--save-motion", metavar="FILE", help="keep the take: .safetensors, or .csv for other software")
    make.add_argument(
        "--frames",
        default="rig only",
        choices=["rig only", "fast", "best"],
        help="how faces are finished: only moved, or painted by diffusion in 4 or 10 steps a frame",
    )
    make.add_argument(
        "--preservation",
        type=number(0, 1),
        default=0.5,
        help="how much of the portrait stays at every painting step, 0 to 1",
    )
    make.add_argument("--frame-steps", type=whole(0, 50), default=0, help="painting steps, up to 50; 0 for those of --frames")
    make.add_argument("--denoise", type=number(0, 1), default=1.0, help="how far painting may leave the moved picture, 0 to 1")
    make.add_argument(
        "--frame-guidance", type=number(0, 5), default=1.0, help="how far painting follows sound and emotion, 0 to 5"
    )
    make.add_argument("--mask", metavar="FILE", help="image, white where painting is allowed; by default the whole face")
    make.add_argument("--model", metavar="FILE", help="another frame diffusion, .safetensors of train frames")
    make.add_argument("--transcript", help="the spoken English words, for exact lips (needs the package pocketsphinx)")
    make.add_argument("--quality", type=whole(1, 100), default=85, help="1 (small file) to 100 (best picture)")
    make.add_argument(
        "--max-size",
        type=whole(0, 16384),
        default=2160,
        help="pixels of the shorter side above which the picture is made smaller; 0 keeps its size",
    )
    make.add_argument("--device", help="cpu, cuda, ... ; by default CUDA where there is one")
    read = commands.add_parser(
        "emotions",
        help="read a prompt and print its emotions over time as JSON",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    read.add_argument("prompt", nargs="?", help="what is felt and when, for example 'starts calm, then grows furious'")
    read.add_argument(
        "--file",
        type=_lines,
        dest="prompts",
        metavar="FILE",
        help="text file with a prompt on each line; prints a line of JSON for each",
    )
    read.add_argument("--seconds", type=number(0.1, 36000), default=6.0, help="length of the speech, 0.1 to 36000")
    read.add_argument("--strength", type=number(0, 1.5), default=1.0, help="multiplies all strengths, 0 to 1.5")
    look = commands.add_parser("score", help="measure a talking video and print its scores as JSON")
    look.add_argument("video", help="video file")
    look.add_argument("--portrait", help="image file: whom it should show; by default the first face of the video itself")
    look.add_argument("--audio", help="audio or video file: what is said; by default the video's own sound")
    wish = look.add_mutually_exclusive_group()
    wish.add_argument("--prompt", help="what the face should show and when, for example 'starts calm, then grows furious'")
    wish.add_argument("--emotion", help="the same as strengths, for example happy=0.8,surprise=0.3")
    look.add_argument("--device", help="cpu, cuda, ... ; by default CUDA where there is one")
    return parser


def _range(text: str) -> tuple[float, float | None]:
    """A type for argparse: START-END in seconds; without an END it goes on to the end."""
    start, minus, end = text.partition("-")
    try:
        found = float(start), float(end) if end.strip() else None
    except ValueError:
        found = None
    if not minus or found is None or not all(math.isfinite(value) for value in found if value is not None):
        raise argparse.ArgumentTypeError(f"{quoted(text)} is no range of seconds such as 2-3.5 or 2-")
    return found


def _lines(path: str) -> list[str]:
    """A type for argparse: the lines of a text file. Empty ones count: line n of the output belongs to line n of the file."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise argparse.ArgumentTypeError(f"the file {path} cannot be read ({error.strerror}): name a text file") from None
    except UnicodeDecodeError:
        raise argparse.ArgumentTypeError(f"the file {path} is no UTF-8 text: save it as UTF-8") from None
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _emotions(options: argparse.Namespace) -> int:
    from .emotion.eib import EmotionIntensityBlock
    from .emotion.prompt import read_prompt

    block = EmotionIntensityBlock.load()
    lines = options.prompts is not None
    for place, prompt in enumerate(options.prompts if lines else [options.prompt], 1):
        reading = read_prompt(prompt, block, options.seconds, strength=options.strength)
        for warning in reading.warnings:
            print(f"emotalker: {f'line {place}: ' if lines else ''}{warning}", file=sys.stderr)
        text = reading.track.to_json()
        print(json.dumps(json.loads(text), separators=(",", ":")) if lines else text, flush=True)
    return 0


def _generate(options: argparse.Namespace) -> int:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # read as torch is imported: waiting threads soon sleep (see dev.py)
    from tqdm import tqdm

    from .pipeline import generate

    settings = {name: value for name, value in vars(options).items() if name != "command"}
    started = time.monotonic()
    with tqdm(desc="frames", unit="", total=None, file=sys.stderr) as bar:

        def show(done: int, total: int) -> None:
            bar.total = max(total, done)
            bar.update(done - bar.n)

        take = options.save_motion
        before = _stamp(take)
        try:
            made = generate(**settings, on_progress=show)
        except (KeyboardInterrupt, _Terminated) as stop:
            stop.args = (take,) if _stamp(take) != before else ()
            raise
    for warning in made.warnings:
        print(f"emotalker: {warning}", file=sys.stderr)
    print(
        f"{made.video.target}: {made.video.frames} frames of {made.video.width} x {made.video.height}, "
        f"{made.speech_seconds:.1f} s of speech, made in {time.monotonic() - started:.1f} s"
    )
    return 0


def _stamp(path: str | None) -> tuple[int, int] | None:
    """What changes when a file is written again; None for no file."""
    try:
        facts = os.stat(path or "")
    except (OSError, ValueError):  # a name with NUL is refused later, with its reason
        return None
    return facts.st_ino, facts.st_mtime_ns


def _stopped(how: str, stop: BaseException) -> str:
    """The last line of a command that was stopped; `stop` carries the take's file if that was written before."""
    return (
        f"{how}; the take was saved in {stop.args[0]}, no video was written." if stop.args else f"{how}; nothing was written."
    )


def _score(options: argparse.Namespace) -> int:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as in _generate
    from tqdm import tqdm

    from .emotion.eib import EmotionIntensityBlock
    from .emotion.prompt import SECONDS, read_prompt
    from .emotion.track import EmotionTrack
    from .motion.denoiser import RATE
    from .pipeline import usable_device
    from .scoring.score import score_video
    from .speech.analyse import analyse_speech
    from .video.audio import read_recording, read_soundtrack
    from .video.decode import video_facts

    track = None if options.emotion is None else EmotionTrack.from_text(options.emotion)
    if options.prompt is not None:
        # Placed as `generate` places it: over the speech, at its pauses.
        facts, features = video_facts(options.video), None
        if options.audio or facts.sound:
            found = read_recording(options.audio) if options.audio else read_soundtrack(options.video, facts.start)
            features = analyse_speech(found.sound.waveform, found.sound.sample_rate, RATE)
        reading = read_prompt(options.prompt, EmotionIntensityBlock.load(), facts.seconds or SECONDS, features=features)
        track = reading.track
        for warning in reading.warnings:
            print(f"emotalker: {warning}", file=sys.stderr)
    with tqdm(desc="frames", unit="", file=sys.stderr) as bar:
        report = score_video(
            options.video,
            options.portrait,
            options.audio,
            usable_device(options.device),
            lambda done: bar.update(done - bar.n),
            track,
        )
    print(report.to_json())
    return 0


def _train(arguments: list[str]) -> int:
    """Hands on to a module of emotalker.training, which is imported only here."""
    if not (Path(__file__).parent / "training").is_dir():
        raise UserError("This is the published package, without training: get the repository for it.")
    if not arguments or arguments[0] not in TRAINED:
        print(f"emotalker: train needs a part, one of: {', '.join(sorted(TRAINED))}", file=sys.stderr)
        return 1
    sys.argv = [f"emotalker train {arguments[0]}", *arguments[1:]]
    importlib.import_module(f".training.{TRAINED[arguments[0]]}", __package__).main()
    return 0

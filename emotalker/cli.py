"""The command line: `python -m emotalker generate ...` and `python -m emotalker train PART ...`."""

import argparse
import importlib
import os
import pkgutil
import sys
import time
from pathlib import Path

from .errors import UserError


def main(arguments: list[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments: without the program's name; None takes the process's own.

    Returns:
        0, or 1 after an error that the person can mend (it is printed).
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["train"]:
        return _train(arguments[1:])
    options = _parser().parse_args(arguments)
    try:
        return _generate(options)
    except UserError as error:
        print(f"emotalker: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="emotalker", description="A portrait, a voice and an emotion become a talking head.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("train", help="make the shipped weights anew (for developers): train PART [OPTIONS]")
    make = commands.add_parser("generate", help="make a portrait speak", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    make.add_argument("--portrait", required=True, help="image file")
    make.add_argument("--audio", required=True, help="audio or video file with the voice")
    make.add_argument("--out", required=True, help="video file: .mp4, .webm, .gif or .webp; without an ending a PNG folder")
    make.add_argument("--emotion", default="", help="for example happy=0.8,surprise=0.3 (each 0 to 1.5)")
    make.add_argument("--seed", type=int, default=0, help="another seed is another take")
    make.add_argument("--fps", type=float, default=25.0, help="frames per second, 24 to 60")
    make.add_argument("--face-index", type=int, default=0, help="which face speaks, 0 is the largest")
    make.add_argument(
        "--neutralise", action=argparse.BooleanOptionalAction, default=True, help="take the picture's own expression away first"
    )
    for name, what in (("mouth", "the mouth moves"), ("expression", "emotions show"), ("head", "the head moves")):
        make.add_argument(f"--{name}", type=float, default=1.0, help=f"how far {what}, 0 to 2")
    make.add_argument("--blink", type=float, default=1.0, help="how often the eyes blink, 0 to 2")
    make.add_argument("--transcript", help="the spoken English words, for exact lips (needs the package pocketsphinx)")
    make.add_argument("--quality", type=int, default=85, help="1 (small file) to 100 (best picture)")
    make.add_argument("--device", help="cpu, cuda, ... ; by default CUDA where there is one")
    return parser


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

        made = generate(**settings, on_progress=show)
    print(
        f"{made.video.target}: {made.video.frames} frames of {made.video.width} x {made.video.height}, "
        f"{made.speech_seconds:.1f} s of speech, made in {time.monotonic() - started:.1f} s"
    )
    return 0


def _train(arguments: list[str]) -> int:
    """Hands on to emotalker.training.train_PART, which is imported only here."""
    folder = Path(__file__).parent / "training"
    parts = [
        module.name.removeprefix("train_") for module in pkgutil.iter_modules([str(folder)]) if module.name.startswith("train_")
    ]
    if not arguments or arguments[0] not in parts:
        print(f"emotalker: train needs a part, one of: {', '.join(sorted(parts))}", file=sys.stderr)
        return 1
    sys.argv = [f"emotalker train {arguments[0]}", *arguments[1:]]
    importlib.import_module(f".training.train_{arguments[0]}", __package__).main()
    return 0

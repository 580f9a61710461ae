"""Does memory grow with the length of the speech? A short and a long speech to MP4, each in a process of its own.

    python benchmarks/memory.py [--seconds 30 300] [--size 512]

Prints a table and, last, one line of JSON: peak_short_mb, peak_long_mb, growth_mb (peak resident set, MiB), and
first_frame_seconds: how long the long speech is listened to and its motion drawn until the first frame has been written.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def peak_mb() -> float:
    """Largest resident set of this process so far, MiB."""
    if os.name == "nt":
        import psutil

        return psutil.Process().memory_info().peak_wset / 2**20
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def one(seconds: float, size: int) -> None:
    """Makes one video and prints what it took, as JSON."""
    import torch

    from emotalker.face.portrait import Portrait
    from emotalker.pipeline import generate, load_image
    from emotalker.video.audio import Sound, read_audio

    waveform, rate = read_audio(ROOT / "samples" / "emotalker_voice.wav")
    wanted = round(seconds * rate)
    waveform = waveform.repeat(1, -(-wanted // waveform.shape[1]))[:, :wanted]
    image = load_image(ROOT / "samples" / "emotalker_portrait.png").permute(2, 0, 1)[None]
    image = torch.nn.functional.interpolate(image, size=(size, size), mode="bicubic", antialias=True)
    portrait = Portrait.from_image(image[0].permute(1, 2, 0).clamp(0, 1))
    started, first = time.monotonic(), []

    def written(done: int, total: int) -> None:
        if done and not first:
            first.append(time.monotonic() - started)

    with tempfile.TemporaryDirectory() as folder:
        sound = Sound(waveform, rate)
        made = generate(portrait, sound, Path(folder) / "clip.mp4", "happy=0.6", device="cpu", on_progress=written)
    taken = time.monotonic() - started
    print(
        json.dumps(
            {
                "seconds": seconds,
                "frames": made.video.frames,
                "peak_mb": peak_mb(),
                "first_frame_seconds": first[0],
                "taken": taken,
            }
        )
    )


def main() -> None:
    """Runs both lengths and prints the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, nargs=2, default=[30, 300])
    parser.add_argument("--size", type=int, default=512, help="side of the picture, pixels")
    parser.add_argument("--one", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        one(options.one, options.size)
        return
    print(f"{'speech s':>9} {'frames':>7} {'peak MiB':>9} {'first s':>8} {'taken s':>8}")
    results = []
    for seconds in options.seconds:
        command = [sys.executable, __file__, "--one", str(seconds), "--size", str(options.size)]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        result = json.loads(output.splitlines()[-1])
        results.append(result)
        first = result["first_frame_seconds"]
        print(
            f"{result['seconds']:9.0f} {result['frames']:7d} {result['peak_mb']:9.0f} {first:8.1f} {result['taken']:8.1f}",
            flush=True,
        )
    short, long = (result["peak_mb"] for result in results)
    print(
        json.dumps(
            {
                "peak_short_mb": round(short),
                "peak_long_mb": round(long),
                "growth_mb": round(long - short),
                "first_frame_seconds": round(first, 1),
            }
        )
    )


if __name__ == "__main__":
    main()

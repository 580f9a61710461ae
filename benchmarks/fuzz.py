"""Do damaged inputs end in one sentence? Files and texts are spoilt at random and read, in a process whose memory is watched.

    python benchmarks/fuzz.py [--minutes 10] [--seed 0]

Every input starts as a good one; bytes are changed, cut out, doubled or replaced by extreme numbers. A UserError or a result is
right, any other error counts as a traceback. Prints one line of JSON: tried (a count for each kind), tracebacks, distinct (an
example of each: kind, error, where), slowest_seconds, largest_mb (most memory that a reading added).
"""

import argparse
import io
import json
import multiprocessing
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

HANGS = 120.0
"""Seconds after which a reading is ended, and counted as a traceback."""
EXTREMES = (
    b"nan",
    b"-inf",
    b"1e39",
    b"9" * 400,
    b"9" * 5000,
    b"-1",
    b"null",
    b"[" * 3000,
    b'"',
    b"\x00",
    b"\xff\xff\xff\xff",
    b"",
)
KINDS = {"picture": ("png", "jpg", "gif", "webp", "tiff"), "sound": ("wav", "mp3", "flac"), "video": ("mp4",)}
KINDS |= {"motion": ("safetensors", "csv"), "weights": ("safetensors",), "emotion": ("json",), "prompt": ("txt",)}


def seeds(folder: Path) -> dict[str, list[tuple[str, bytes]]]:
    """Good inputs of each kind: (ending, bytes)."""
    import torch
    from PIL import Image
    from safetensors.torch import save

    from emotalker.emotion.track import EmotionTrack, Segment
    from emotalker.frames.denoiser import FrameDenoiser, FrameShape
    from emotalker.frames.painting import KIND
    from emotalker.motion.files import save_motion
    from emotalker.motion.motion import Motion

    picture = Image.open(ROOT / "samples" / "emotalker_portrait.png").convert("RGB").resize((96, 96))
    found: dict[str, list[tuple[str, bytes]]] = {kind: [] for kind in KINDS}
    for format in KINDS["picture"]:
        for image in (picture, picture.quantize(16)) if format in ("png", "gif") else (picture,):
            file = io.BytesIO()
            image.save(file, {"jpg": "jpeg"}.get(format, format))
            found["picture"].append((format, file.getvalue()))
    for kind in ("sound", "video"):
        for format in KINDS[kind]:
            found[kind].append((format, _media(folder, format)))
    motion = Motion(torch.rand(30, 52), torch.randn(30, 6), 25.0, {"seed": "1"})
    for format in KINDS["motion"]:
        found["motion"].append((format, save_motion(motion, folder / f"seed.{format}").read_bytes()))
    shape = {"size": 64, "channels": [16, 16, 32, 32], "layers": 1, "tokens": 32, "without": []}
    tensors = {key: value.half().contiguous() for key, value in FrameDenoiser(FrameShape(**shape)).state_dict().items()}
    found["weights"].append(("safetensors", save(tensors, {"format": KIND, "shape": json.dumps(shape)})))
    track = EmotionTrack((Segment(0, 1, {"happy": 0.5}), Segment(1, None, {"sad": 1.0}, units={"jawOpen": 0.2})))
    found["emotion"].append(("json", track.to_json().encode()))
    found["prompt"] += [("txt", b"happy=0.8, surprise=0.3"), ("txt", b'[0-2.5s] calm [40%-] furious {word: "never"} sad')]
    return found


def _media(folder: Path, format: str) -> bytes:
    """One second of noise, in mp4 with a picture that changes."""
    import av
    import numpy as np

    draw = np.random.default_rng(0)
    with av.open(str(folder / f"seed.{format}"), "w") as file:
        sound = file.add_stream({"wav": "pcm_s16le", "mp3": "mp3", "flac": "flac", "mp4": "aac"}[format], rate=16000)
        sound.layout = "mono"
        video = file.add_stream("mpeg4", rate=10) if format == "mp4" else None
        if video is not None:
            video.width = video.height = 64
            video.pix_fmt = "yuv420p"
        wave = av.AudioFrame.from_ndarray(draw.integers(-9000, 9000, (1, 16000)).astype(np.int16), "s16", "mono")
        wave.sample_rate = 16000
        file.mux([*sound.encode(wave), *sound.encode(None)])
        if video is not None:
            for _ in range(5):
                frame = av.VideoFrame.from_ndarray(draw.integers(0, 255, (64, 64, 3)).astype(np.uint8), "rgb24")
                file.mux(video.encode(frame))
            file.mux(video.encode(None))
    return (folder / f"seed.{format}").read_bytes()


def spoil(data: bytes, draw: random.Random) -> bytes:
    """The same with one to four faults."""
    spoilt = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        # Half of the faults lie in the first part, where files tell what they are.
        first = draw.randrange(min(len(spoilt), 256) if draw.random() < 0.5 else len(spoilt)) if spoilt else 0
        length = draw.choice((1, 1, 4, 16, 200))
        match draw.randrange(5):
            case 0:
                spoilt[first : first + length] = draw.randbytes(length)
            case 1:
                del spoilt[first : first + length]
            case 2:
                spoilt[first:first] = spoilt[first : first + length] * draw.randint(1, 50)
            case 3:
                spoilt[first : first + draw.choice((0, 1, 4))] = draw.choice(EXTREMES)
            case 4:
                del spoilt[first:]
    return bytes(spoilt)


def read(kind: str, path: Path) -> None:
    """Reads a file as the pack does."""
    from emotalker.emotion.timeline import parse_timeline
    from emotalker.emotion.track import EmotionTrack
    from emotalker.frames.painting import load_painter
    from emotalker.motion.files import load_motion
    from emotalker.picture import load_image
    from emotalker.video.audio import read_audio

    if kind == "picture":
        load_image(path)
    elif kind in ("sound", "video"):
        read_audio(path)
    elif kind == "motion":
        load_motion(path)
    elif kind == "weights":
        load_painter.__wrapped__(path)
    elif kind == "emotion":
        EmotionTrack.from_json(path.read_text(encoding="utf-8", errors="replace")).to_json()
    else:
        text = path.read_text(encoding="utf-8", errors="replace")
        parse_timeline(text)
        EmotionTrack.from_text(text)


def work(pipe) -> None:
    """Reads what comes through the pipe; answers (error, place, seconds, MB added)."""
    import resource

    import torch

    from emotalker.errors import UserError

    torch.set_num_threads(1)
    while True:
        kind, path = pipe.recv()
        before, started, error, place = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic(), "", ""
        try:
            read(kind, Path(path))
        except UserError:
            pass
        except Exception as raised:
            frames = [frame for frame in traceback.extract_tb(raised.__traceback__) if str(ROOT) in frame.filename]
            error, place = f"{type(raised).__name__}: {raised}"[:200], f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
        added = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        pipe.send((error, place, time.monotonic() - started, added))


class Worker:
    """A process that reads; one that dies or hangs is replaced by the next."""

    def __init__(self):
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=work, args=(other,), daemon=True)
        self.process.start()
        other.close()

    def read(self, kind: str, path: Path) -> tuple[str, str, float, float] | None:
        """The answer, or None after the process died or hung."""
        try:
            self.pipe.send((kind, str(path)))
            if self.pipe.poll(HANGS):
                return self.pipe.recv()
        except (EOFError, OSError):
            pass
        self.close()
        return None

    def close(self) -> None:
        """Ends the process."""
        self.process.kill()
        self.process.join()


def fuzz(seconds: float, seed: int) -> dict:
    """Reads spoilt inputs for so long; returns what the script prints."""
    draw = random.Random(seed)
    tried, distinct = dict.fromkeys(KINDS, 0), {}
    faults, slowest, largest = 0, 0.0, 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        good = seeds(folder)
        worker = Worker()
        for kind, examples in good.items():  # what is loaded once does not count
            for ending, data in examples:
                (folder / f"good.{ending}").write_bytes(data)
                worker.read(kind, folder / f"good.{ending}")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            kind = draw.choice(list(KINDS))
            ending, data = draw.choice(good[kind])
            path = folder / f"spoilt.{ending}"
            path.write_bytes(spoil(data, draw))
            answer = worker.read(kind, path)
            if answer is None:
                answer = ("the process died or hung", "", 0.0, 0.0)
                worker = Worker()
            error, place, taken, added = answer
            tried[kind] += 1
            slowest, largest = max(slowest, taken), max(largest, added)
            if error:
                faults += 1
                distinct.setdefault((kind, place, error.split(":")[0]), {"kind": kind, "error": error, "where": place})
        worker.close()
    return {
        "tried": tried,
        "tracebacks": faults,
        "distinct": list(distinct.values()),
        "slowest_seconds": round(slowest, 2),
        "largest_mb": round(largest),
    }


def main() -> None:
    """Runs for the time given and prints the findings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(json.dumps(fuzz(arguments.minutes * 60, arguments.seed)))


if __name__ == "__main__":
    main()

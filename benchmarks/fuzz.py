"""Do damaged inputs end in one sentence? Files, texts and inputs of nodes are spoilt at random and read, under watch.

    python3 dev.py run -- python benchmarks/fuzz.py [--minutes 10] [--seed 0]

Every input starts as a good one, which must be accepted, so that no kind is tried in vain. Of files and texts bytes are
changed, cut out, doubled or replaced by extreme numbers; of the nodes' inputs (see fuzz_nodes.py) one to three become values
that do not belong there. Half of the trials are files, half are nodes; without COMFYUI_PATH no nodes are tried.

A UserError or a result is right. Any other error counts as a traceback, also a process that dies or hangs, and an allocation of
more than ROOM at once or together: there the system gives the process no more (where Python has `resource`). Prints one line of
JSON: tried, kinds and refused (a count for each kind: tried, and answered by a UserError), tracebacks, distinct (an example of
each: kind, error, where), slowest_seconds and slowest (which kind), largest_mb and largest (most memory that a reading added to
what the process held, and of which kind; null where it cannot be told), limited (whether ROOM was enforced).
"""

import argparse
import contextlib
import functools
import io
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

try:
    import resource
except ImportError:  # Windows
    resource = None

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

HANGS = 120.0
"""Seconds after which a reading is ended, and counted as a traceback."""
ROOM = 2 << 30
"""Bytes that a reading may take beyond what the process holds."""
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
KINDS = {"picture": ("png", "jpg", "gif", "webp", "tiff"), "sound": ("wav", "mp3", "flac"), "video": ("mp4", "webm")}
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


CODECS = {
    "wav": ("pcm_s16le", ""),
    "mp3": ("mp3", ""),
    "flac": ("flac", ""),
    "mp4": ("aac", "mpeg4"),
    "webm": ("libopus", "libvpx"),
}
"""Of seeds: sound and picture."""


def _media(folder: Path, format: str) -> bytes:
    """One second of noise, in videos with a picture that changes."""
    import av
    import numpy as np

    draw = np.random.default_rng(0)
    with av.open(str(folder / f"seed.{format}"), "w") as file:
        sound = file.add_stream(CODECS[format][0], rate=48000)
        sound.layout = "mono"
        video = file.add_stream(CODECS[format][1], rate=10) if CODECS[format][1] else None
        if video is not None:
            video.width = video.height = 64
            video.pix_fmt = "yuv420p"
        wave = av.AudioFrame.from_ndarray(draw.integers(-9000, 9000, (1, 48000)).astype(np.int16), "s16", "mono")
        wave.sample_rate = 48000
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


def readings(kind: str, path: Path) -> list[Callable[[], object]]:
    """What the pack does with a file of a kind; each is tried, whatever becomes of the others."""
    from emotalker.emotion.prompt import read_prompt
    from emotalker.emotion.prompt.timeline import parse_timeline
    from emotalker.emotion.track import EmotionTrack
    from emotalker.frames.painting import load_painter
    from emotalker.motion.files import load_motion
    from emotalker.picture import load_image
    from emotalker.video.audio import read_audio
    from emotalker.video.decode import read_frames, video_facts

    if kind == "picture":
        return [lambda: load_image(path)]
    if kind == "sound":
        return [lambda: read_audio(path)]
    if kind == "video":
        return [lambda: read_audio(path), lambda: video_facts(path), lambda: sum(len(frames) for frames in read_frames(path))]
    if kind == "motion":
        return [lambda: load_motion(path)]
    if kind == "weights":
        return [lambda: load_painter.__wrapped__(path)]
    text = path.read_text(encoding="utf-8", errors="replace")
    if kind == "emotion":
        return [lambda: EmotionTrack.from_json(text).to_json()]
    strengths = [] if "[" in text else [lambda: EmotionTrack.from_text(text)]
    return [lambda: parse_timeline(text), lambda: read_prompt(text, _block(), 6.0).report(), *strengths]


@functools.cache
def _block():
    """What reads emotions out of a prompt."""
    from emotalker.emotion.eib import EmotionIntensityBlock

    return EmotionIntensityBlock.load("cpu")


class Answer(NamedTuple):
    """What became of a reading.

    Attributes:
        refused: the sentence of a UserError, "" without one.
        error, place: of any other error, "" without one.
        seconds, megabytes: what it took; megabytes is None where it cannot be told.
        limited: whether the system gave it ROOM and no more.
    """

    refused: str = ""
    error: str = ""
    place: str = ""
    seconds: float = 0.0
    megabytes: float | None = None
    limited: bool = False


def _kilobytes(name: str) -> int:
    """An entry of /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


class Gauge:
    """Memory that the process takes beyond what it holds now, in megabytes; None where it cannot be told.

    Linux can forget the highest it has seen. Elsewhere only what is higher than ever before is seen.
    """

    def __init__(self):
        self.forgets = True
        try:
            Path("/proc/self/clear_refs").write_text("5")
            self.before = _kilobytes("VmRSS")
        except (OSError, StopIteration):
            self.forgets, self.before = False, self._highest()

    @staticmethod
    def _highest() -> float | None:
        if resource is None:
            return None
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)

    def megabytes(self) -> float | None:
        """What was taken at most since it was made."""
        highest = _kilobytes("VmHWM") if self.forgets else self._highest()
        return None if highest is None else max(0.0, (highest - self.before) / 1024)


@contextlib.contextmanager
def limited(room: int):
    """Gives the process no more than `room` bytes of address space beyond what it has; yields whether the system can do so."""
    try:
        held = _kilobytes("VmSize") * 1024
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (held + room, before[1]))
    except (AttributeError, OSError, ValueError, StopIteration):
        yield False
        return
    try:
        yield True
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _starved(error: BaseException) -> bool:
    """Whether memory ran out somewhere behind an error, also where a sentence was made of it."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, MemoryError) or "allocate memory" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def measured(actions: list[Callable[[], object]], user_errors: tuple[type[Exception], ...], room: int | None = ROOM) -> Answer:
    """Does one thing after another; tells the first error that is no sentence, else the first sentence."""
    refused, error, place, started, gauge = "", "", "", time.monotonic(), Gauge()
    with limited(room) if room else contextlib.nullcontext(False) as held:
        for action in actions:
            try:
                action()
            except Exception as raised:
                sentence = isinstance(raised, user_errors) and not _starved(raised)
                if sentence:
                    refused = refused or str(raised)
                elif not error:
                    frames = [frame for frame in traceback.extract_tb(raised.__traceback__) if str(ROOT) in frame.filename]
                    error = f"{type(raised).__name__}: {raised}"[:200]
                    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
        return Answer(refused, error, place, time.monotonic() - started, gauge.megabytes(), held)


def work(pipe, folder: str) -> None:
    """Reads what comes through the pipe, (kind, path or seed, whether ROOM holds); answers each with an Answer.

    The first message that comes back names the nodes there are.
    """
    import torch

    from emotalker.errors import UserError

    torch.set_num_threads(1)
    nodes, sentences = None, (UserError,)
    if "COMFYUI_PATH" in os.environ:
        from fuzz_nodes import Nodes

        nodes = Nodes(Path(folder))
        sentences = (UserError, nodes.user_error)
    pipe.send(list(nodes.nodes) if nodes else [])
    while True:
        kind, what, held = pipe.recv()
        try:
            if nodes and kind in nodes.nodes:
                actions = [functools.partial(nodes.read, kind, what)]
            else:
                actions = readings(kind, Path(what))
        except OSError as error:
            actions = [functools.partial(_raise, error)]
        pipe.send(measured(actions, sentences, ROOM if held else None))


def _raise(error: Exception) -> None:
    raise error


class Worker:
    """A process that reads; one that dies or hangs is replaced by the next.

    Attributes:
        nodes: the nodes that it can try.
    """

    def __init__(self, folder: Path):
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=work, args=(other, str(folder)), daemon=True)
        self.process.start()
        other.close()
        self.nodes = self.pipe.recv()

    def read(self, kind: str, what: Path | int | None, held: bool = True) -> Answer | None:
        """The answer, or None after the process died or hung."""
        try:
            self.pipe.send((kind, str(what) if isinstance(what, Path) else what, held))
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


def start(folder: Path, good: dict[str, list[tuple[str, bytes]]]) -> Worker:
    """A worker that has read every good input; what is loaded once is loaded then, and does not count later.

    Raises:
        RuntimeError: a good input is refused, so that trying its kind would tell nothing.
    """
    worker = Worker(folder)
    for kind, examples in good.items():
        for number, (ending, data) in enumerate(examples):
            path = folder / f"good{number}.{ending}"
            path.write_bytes(data)
            _accepted(worker, kind, path)
    for node in worker.nodes:
        _accepted(worker, node, None)
    return worker


def _accepted(worker: Worker, kind: str, what: Path | None) -> None:
    answer = worker.read(kind, what, held=False)
    if answer is None or answer.error or answer.refused:
        raise RuntimeError(f"a good input of the kind {kind} is not accepted: {answer}")


def fuzz(seconds: float, seed: int) -> dict:
    """Reads spoilt inputs for so long; returns what the script prints."""
    draw = random.Random(seed)
    slowest, largest, distinct, faults, held = (0.0, ""), (None, ""), {}, 0, True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        good = seeds(folder)
        worker = start(folder, good)
        tried = dict.fromkeys([*KINDS, *worker.nodes], 0)
        refused = dict(tried)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if worker.nodes and draw.random() < 0.5:
                kind = draw.choice(worker.nodes)
                what: Path | int = draw.getrandbits(62)
            else:
                kind = draw.choice(list(KINDS))
                ending, data = draw.choice(good[kind])
                what = folder / f"spoilt.{ending}"
                what.write_bytes(spoil(data, draw))
            started = time.monotonic()
            answer = worker.read(kind, what)
            if answer is None:
                answer = Answer(error="the process died or hung", seconds=time.monotonic() - started)
                worker = start(folder, good)
            held = held and (answer.limited or answer.megabytes is None)
            tried[kind] += 1
            refused[kind] += bool(answer.refused)
            slowest = max(slowest, (answer.seconds, kind))
            if answer.megabytes is not None and answer.megabytes > (largest[0] or 0):
                largest = (answer.megabytes, kind)
            if answer.error:
                faults += 1
                seen = {"kind": kind, "error": answer.error, "where": answer.place}
                seen |= {} if isinstance(what, Path) else {"seed": what}
                distinct.setdefault((kind, answer.place, answer.error.split(":")[0]), seen)
        worker.close()
    return {
        "tried": sum(tried.values()),
        "kinds": tried,
        "refused": refused,
        "tracebacks": faults,
        "distinct": list(distinct.values()),
        "slowest_seconds": round(slowest[0], 2),
        "slowest": slowest[1],
        "largest_mb": None if largest[0] is None else round(largest[0]),
        "largest": largest[1],
        "limited": held,
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

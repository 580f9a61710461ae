"""Does a server hold out? One real ComfyUI server, two clients at once, prompts of every kind, and Cancel again and again.

    python benchmarks/soak.py [--prompts 60] [--cancels 30] [--warm 8] [--side 512]

Both clients queue their prompts; in the prompts to be cancelled, Cancel comes at another moment of the run each time. Prints a
line for each prompt and, last, one line of JSON: prompts and cancels, as they went; failures (prompts that ended otherwise than
they should, with what was said under "said"), growth_mb (of the server's resident memory, after the first `--warm` prompts, in
which everything is loaded, to the end, MiB), leftovers (files in ComfyUI's folders that no prompt that ended well has saved).
"""

import argparse
import json
import os
import queue
import random
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from PIL import Image  # noqa: E402

from devtools.client import ComfyClient, Outcome, PromptError  # noqa: E402
from devtools.graph import Graph  # noqa: E402
from devtools.server import ComfyServer  # noqa: E402
from devtools.workflow import to_prompt  # noqa: E402
from emotalker.video.audio import Sound, read_audio, write_wav  # noqa: E402

EMOTIONS = ("happy", "sad", "angry", "surprise")
FORMATS = ("mp4 (h264)", "webm (vp9)", "gif", "animated webp", "png sequence")
SECONDS = {"short.wav": 1.0, "long.wav": 6.0}
"""Voices; a prompt to be cancelled speaks the long one, or it might end before Cancel comes."""

SETTLE = 12  # seconds; ComfyUI collects what nobody holds every ten


def main() -> None:
    """Runs all prompts and prints what became of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=60, help="that are to end well")
    parser.add_argument("--cancels", type=int, default=30, help="further prompts, that are cancelled")
    parser.add_argument("--warm", type=int, default=8, help="prompts after which memory is first looked at")
    parser.add_argument("--side", type=int, default=512, help="of the picture, pixels")
    options = parser.parse_args()
    with ComfyServer() as server:
        print(json.dumps(soak(server, options.prompts, options.cancels, options.warm, options.side)))


def soak(server: ComfyServer, prompts: int, cancels: int, warm: int, side: int) -> dict:
    """What `main` prints last.

    Args:
        server: a fresh one that runs.
        prompts, cancels: how many are to end well, and how many are cancelled.
        warm: prompts of both kinds after which memory is first looked at.
        side: of the picture, pixels.
    """
    fill(server, side)
    client = ComfyClient(server.url)
    info = client.get("/object_info")
    example = json.loads((ROOT / "workflows" / "talking_portrait.json").read_text(encoding="utf-8"))
    before = files(server)
    waiting = queue.SimpleQueue()
    kinds = [False] * prompts + [True] * cancels
    random.Random(0).shuffle(kinds)
    for number, cancelled in enumerate(kinds):
        waiting.put((number, cancelled))
    results, memory, lock = [], [], threading.Lock()

    def work() -> None:
        own = ComfyClient(server.url)
        while True:
            try:
                number, cancelled = waiting.get_nowait()
            except queue.Empty:
                return
            graph = make(to_prompt(example, info), number, cancelled)
            wrong, outcome = run(own, graph, number, cancelled)
            with lock:
                results.append((cancelled, wrong, outcome))
                memory.append(resident_mb(server.process.pid))
                what = "cancelled" if cancelled else "ended well"
                print(f"{len(results):4d} {memory[-1]:7.0f} MiB  {wrong or what}", flush=True)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    time.sleep(SETTLE)  # the last prompt's node may still be ending
    memory.append(resident_mb(server.process.pid))
    # What the last video keeps in temp goes with it: the server is asked to let its results go, and does when it is idle.
    client.post("/free", {"unload_models": True, "free_memory": True})
    time.sleep(SETTLE)
    left = files(server) - before - {path for _, _, outcome in results if outcome for path in saved(server, outcome)}
    said = [wrong for _, wrong, _ in results if wrong]
    return {
        "prompts": sum(not cancelled and not wrong for cancelled, wrong, _ in results),
        "cancels": sum(cancelled and not wrong for cancelled, wrong, _ in results),
        "failures": len(said),
        "growth_mb": round(memory[-1] - memory[min(warm, len(memory)) - 1]),
        "leftovers": len(left),
        "said": said,
        "left": sorted(str(path.relative_to(server.folder)) for path in left)[:20],
    }


def fill(server: ComfyServer, side: int) -> None:
    """Puts the picture and the voices into the server's input folder."""
    folder = server.folder / "input"
    waveform, rate = read_audio(ROOT / "samples" / "emotalker_voice.wav")
    for name, seconds in SECONDS.items():
        write_wav(folder / name, Sound(waveform[:, : round(seconds * rate)], rate))
    Image.open(ROOT / "samples" / "emotalker_portrait.png").convert("RGB").resize((side, side)).save(folder / "soak.png")


def make(prompt: dict, number: int, cancelled: bool) -> Graph:
    """The example with another seed, emotion, frame rate and format each time; nothing of it is painted."""
    graph = Graph(prompt)
    graph.inputs("EmoTalkerLoadPortrait")["image"] = "soak.png"
    graph.inputs("LoadAudio")["audio"] = "long.wav" if cancelled else "short.wav"
    graph.inputs("EmoTalkerEmotionMixer").update(dict.fromkeys(EMOTIONS, 0.0) | {EMOTIONS[number % 4]: 0.8})
    graph.inputs("EmoTalkerSampler").update(seed=number, fps=(24.0, 25.0, 30.0)[number % 3], frames="rig only")
    graph.inputs("EmoTalkerVideoCombine").update(format=FORMATS[number % len(FORMATS)], filename_prefix="soak/clip")
    return graph


def run(client: ComfyClient, graph: Graph, number: int, cancelled: bool) -> tuple[str, Outcome | None]:
    """(what went wrong or "", how it went). Cancel comes after one to forty steps of saving, and only this prompt gets it."""
    pressed = threading.Event()
    name = graph.id("EmoTalkerVideoCombine")

    def watch(node: str, value: float, maximum: float) -> None:
        # Between two messages of this prompt another may have begun only when it has ended: then value is the maximum.
        if cancelled and node == name and 1 + 13 * number % 40 <= value < maximum and not pressed.is_set():
            pressed.set()
            threading.Thread(target=client.post, args=("/interrupt",)).start()

    try:
        outcome = client.run(graph.prompt, on_progress=watch)
    except (PromptError, TimeoutError) as error:
        return f"prompt {number}: {error}", None
    if outcome.interrupted != cancelled:
        return f"prompt {number} was {'not ' * cancelled}cancelled", outcome
    if not cancelled and not any("soak" in item["subfolder"] for item in outcome.files()):
        return f"prompt {number} saved nothing", outcome
    return "", outcome


def files(server: ComfyServer) -> set[Path]:
    """All that lies in the folders that prompts write to."""
    return {path for name in ("input", "output", "temp") for path in (server.folder / name).rglob("*") if path.is_file()}


def saved(server: ComfyServer, outcome: Outcome) -> set[Path]:
    """The files of a run that ended: those it names, and all of a png sequence's folder."""
    found = set()
    for item in outcome.files():
        path = server.folder / item["type"] / item["subfolder"] / item["filename"]
        found |= set(path.parent.iterdir()) if path.name == "frame_00000.png" else {path}
    return found


def resident_mb(pid: int) -> float:
    """Resident memory of a process, MiB."""
    if Path("/proc/self/statm").exists():
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    import psutil

    return psutil.Process(pid).memory_info().rss / 2**20


if __name__ == "__main__":
    main()

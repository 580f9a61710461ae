"""dev.py demo: the example workflow in a real ComfyUI, and its result as out/demo.mp4."""

import argparse
import json
import sys
import time
from pathlib import Path

from tqdm import tqdm

from emotalker.video.decode import read_frames, video_facts

from .client import ComfyClient, PromptError
from .server import ROOT, ComfyServer, ServerError
from .workflow import to_prompt


def main() -> int:
    """Runs the demo; 0 when the video was written."""
    parser = argparse.ArgumentParser(prog="dev.py demo", description=__doc__)
    parser.add_argument("--workflow", type=Path, default=ROOT / "workflows" / "talking_portrait.json")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "demo.mp4")
    options = parser.parse_args()
    workflow = json.loads(options.workflow.read_text(encoding="utf-8"))
    started = time.monotonic()
    print("Starting ComfyUI ...", flush=True)
    try:
        with ComfyServer() as server:
            print(f"ComfyUI runs after {time.monotonic() - started:.1f} s; queueing {options.workflow.name}", flush=True)
            client = ComfyClient(server.url)
            outcome = _run(client, workflow)
            video = next(item for item in outcome.files() if item["filename"].endswith((".mp4", ".webm")))
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_bytes(client.fetch(video))
    except (ServerError, PromptError, TimeoutError, StopIteration) as error:
        print(f"The demo failed: {error}", file=sys.stderr)
        return 1
    frames = sum(len(chunk) for chunk in read_frames(options.out))
    print(
        f"{options.out}: {frames} frames, {float(frames / video_facts(options.out).fps):.1f} s of speech, "
        f"{outcome.seconds:.1f} s taken ({time.monotonic() - started:.1f} s with ComfyUI's start)"
    )
    return 0


def _run(client: ComfyClient, workflow: dict):
    prompt = to_prompt(workflow, client.get("/object_info"))
    with tqdm(total=None, desc="frames", unit="", file=sys.stderr) as bar:

        def show(node: str, value: float, maximum: float) -> None:
            bar.set_description(prompt[node]["_meta"]["title"] if node in prompt else "frames")
            bar.total = maximum
            bar.n = value
            bar.refresh()

        return client.run(prompt, workflow, limit=3600, on_progress=show)


if __name__ == "__main__":
    sys.exit(main())

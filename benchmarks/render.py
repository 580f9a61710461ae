"""How fast the guide renderer is: a 512 x 512 picture filled by a face, real motion, frames rendered but not encoded.

    python benchmarks/render.py [--frames 100] [--size 512] [--threads 2] [--device cpu]

The picture is the project's sample photo, cropped to three face heights and scaled. Prints a table and, last, one line of
JSON: frames_per_second, and times_reference, the seconds of a frame over those of benchmarks/reference.py.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from reference import reference_seconds  # noqa: E402

from emotalker.emotion.track import EmotionTrack  # noqa: E402
from emotalker.face.portrait import Portrait  # noqa: E402
from emotalker.frames.guide import GuideRenderer  # noqa: E402
from emotalker.motion.sampling import load_denoiser  # noqa: E402
from emotalker.motion.take import make_take  # noqa: E402
from emotalker.picture import load_image  # noqa: E402
from emotalker.speech.analyse import analyse_speech  # noqa: E402
from emotalker.video.audio import read_audio  # noqa: E402


def face_picture(size: int) -> torch.Tensor:
    """[size,size,3] the sample photo's face with its surroundings, two face heights wide."""
    image = load_image(ROOT / "samples" / "emotalker_portrait.png")
    box = Portrait.from_image(image).face.box
    half = min(box[3] - box[1], image.shape[0] / 2, image.shape[1] / 2)
    x = min(max((box[0] + box[2]) / 2, half), image.shape[1] - half)
    y = min(max((box[1] + box[3]) / 2, half), image.shape[0] - half)
    cut = image[int(y - half) : int(y + half), int(x - half) : int(x + half)].permute(2, 0, 1)[None]
    return (
        torch.nn.functional.interpolate(cut, size=(size, size), mode="bicubic", antialias=True)[0].permute(1, 2, 0).clamp(0, 1)
    )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    portrait = Portrait.from_image(face_picture(options.size))
    waveform, rate = read_audio(ROOT / "samples" / "emotalker_voice.wav")
    motion = make_take(load_denoiser(), analyse_speech(waveform, rate), EmotionTrack.constant(happy=0.5), seed=1)
    start = time.perf_counter()
    renderer = GuideRenderer(portrait, options.device)
    prepare = time.perf_counter() - start

    def run(frames: int) -> float:
        start = time.perf_counter()
        done = 0
        while done < frames:
            for chunk in renderer.stream(motion, stop=frames - done, dtype=torch.uint8):
                done += len(chunk)
        if options.device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    run(16)
    reference = reference_seconds()
    seconds = run(options.frames) / options.frames
    print(f"picture {options.size} x {options.size}, {options.threads} threads, {options.device}")
    print(f"{'preparing the portrait':28}{prepare * 1000:9.0f} ms")
    print(f"{'one frame':28}{seconds * 1000:9.1f} ms")
    print(f"{'frames a second':28}{1 / seconds:9.1f}")
    print(f"{'frame / reference work':28}{seconds / reference:9.2f}")
    print(json.dumps({"frames_per_second": round(1 / seconds, 2), "times_reference": round(seconds / reference, 3)}))


if __name__ == "__main__":
    main()

"""What the scores of a video are worth, and how fast they are: python benchmarks/score.py [--shared FOLDER] [--only PART]

speed      the sample photo, 512 x 512 filled by a face, speaks the sample voice (7.1 s); the mp4 file is scored with its own
           sound against its first face. frames_per_second counts everything: loading, decoding, following the face, speech.
lips       the sample photo speaks the five LibriVox clips, motion drawn by the diffusion, a smile of 0.5, rendered at 320
           pixels. Each video is compared with its own sound, with that sound shifted by 2 to 10 frames both ways, and
           with every other clip of the data kit (over the frames that both have). offset_error: largest error of the
           offset, frames; shifted_share and other_share: highest confidence of a shifted sound, and of other speech, over
           the true pairing's.
identity   nine portraits at 320 pixels, each re-expressed by the guide renderer (8 emotions, 8 moments of speech, 6 turns of
           the head): lowest cosine of a frame with its own portrait, highest with another's.

Prints tables and, last, one line of JSON.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import torch

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from reference import reference_seconds  # noqa: E402
from render import face_picture  # noqa: E402

from emotalker.emotion.expression import face_units  # noqa: E402
from emotalker.emotion.taxonomy import EMOTIONS  # noqa: E402
from emotalker.emotion.track import EmotionTrack  # noqa: E402
from emotalker.face.finder import FaceFinder  # noqa: E402
from emotalker.face.identity import FaceEmbedder  # noqa: E402
from emotalker.face.portrait import Portrait  # noqa: E402
from emotalker.frames.guide import GuideRenderer  # noqa: E402
from emotalker.motion.motion import Motion  # noqa: E402
from emotalker.motion.sampling import load_denoiser  # noqa: E402
from emotalker.motion.take import make_take  # noqa: E402
from emotalker.picture import load_image  # noqa: E402
from emotalker.scoring.lipsync import compare, expected_mouth  # noqa: E402
from emotalker.scoring.measures import mouth_shape  # noqa: E402
from emotalker.scoring.score import score_video  # noqa: E402
from emotalker.speech.analyse import analyse_speech  # noqa: E402
from emotalker.speech.mouth import mouth_units  # noqa: E402
from emotalker.video.audio import Sound, read_audio  # noqa: E402
from emotalker.video.encode import write_video  # noqa: E402

FPS = 25.0
SIZE = 320
SHIFTS = (-10, -8, -6, -4, -3, -2, 2, 3, 4, 6, 8, 10)
TURNS = ((12, 0, 0), (-12, 0, 0), (0, 9, 0), (0, -9, 0), (0, 0, 9), (0, 0, -9))


def take(waveform: torch.Tensor, rate: int) -> Motion:
    """A drawn performance with a half smile."""
    return make_take(load_denoiser(), analyse_speech(waveform, rate), EmotionTrack.constant(happy=0.5), seed=1)


def measure_speed() -> dict[str, float]:
    """Score one video file, twice: the second time counts."""
    waveform, rate = read_audio(ROOT / "samples" / "emotalker_voice.wav")
    portrait = Portrait.from_image(face_picture(512))
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "a.mp4"
        frames = GuideRenderer(portrait).stream(take(waveform, rate), dtype=torch.uint8)
        write_video(frames, video, FPS, Sound(waveform, rate))
        score_video(video)
        reference = reference_seconds()
        start = time.perf_counter()
        report = score_video(video)
        seconds = (time.perf_counter() - start) / report.frames
    print(f"{'one frame scored':28}{seconds * 1000:9.1f} ms")
    print(f"{'frame / reference work':28}{seconds / reference:9.2f}")
    return {"frames_per_second": 1 / seconds, "times_reference": seconds / reference}


def measure_lips(shared: Path) -> dict[str, float]:
    """True, shifted and other sounds against the lips of five videos."""
    finder = FaceFinder.load()
    portrait = Portrait.from_image(face_picture(SIZE), finder=finder)
    renderer = GuideRenderer(portrait)
    sounds = {
        path.stem: read_audio(path) for path in sorted((shared / "speech").glob("*.*")) if path.suffix in (".wav", ".flac")
    }
    expected = {name: expected_mouth(analyse_speech(*sound, FPS)) for name, sound in sounds.items()}
    errors, shifted, others = [], [], []
    print(f"\n{'clip':<24}{'true':>7}{'offset':>7}  confidence with the sound shifted by {SHIFTS}; highest of other speech")
    for name, (waveform, rate) in sounds.items():
        if not name.startswith("librivox"):
            continue
        lips = []
        for frames in renderer.stream(take(waveform, rate), dtype=torch.uint8):
            lips.append(mouth_shape(finder.track(frames, portrait.face)[0]))
        lips = torch.cat(lips)
        true = compare(lips, expected[name], FPS)
        moved = [compare(lips, expected_mouth(analyse_speech(shift(waveform, rate, n), rate, FPS)), FPS) for n in SHIFTS]
        errors += [abs(true.offset), *(abs(sync.offset - n) for sync, n in zip(moved, SHIFTS, strict=True))]
        shifted.append(max(sync.confidence for sync in moved) / true.confidence)
        strange = [
            sync.confidence for other, mouth in expected.items() if other != name and (sync := compare(lips, mouth, FPS))
        ]
        others.append(max(strange) / true.confidence)
        values = " ".join(f"{sync.confidence:5.2f}" for sync in moved)
        print(f"{name:<24}{true.confidence:>7.2f}{true.offset:>7d}  {values}; {max(strange):5.2f}")
    return {"offset_error": max(errors), "shifted_share": max(shifted), "other_share": max(others)}


def shift(waveform: torch.Tensor, rate: int, frames: int) -> torch.Tensor:
    """The sound `frames` later, of the same length."""
    samples = round(abs(frames) / FPS * rate)
    quiet = waveform.new_zeros(waveform.shape[0], samples)
    return torch.cat([quiet, waveform[:, :-samples]] if frames > 0 else [waveform[:, samples:], quiet], 1)


def measure_identity(shared: Path) -> dict[str, float]:
    """Cosines of nine portraits under motion with all nine as they are."""
    finder, embedder = FaceFinder.load(), FaceEmbedder.load()
    mouth = mouth_units(analyse_speech(*read_audio(ROOT / "samples" / "emotalker_voice.wav"), FPS))
    speech = torch.cat([mouth[torch.linspace(10, len(mouth) - 10, 5).long()], mouth[mouth.sum(1).topk(3).indices]])
    units = torch.cat([face_units(torch.eye(len(EMOTIONS))), speech, torch.zeros(len(TURNS), mouth.shape[1])])
    head = torch.zeros(len(units), 6)
    head[-len(TURNS) :, :3] = torch.tensor(TURNS, dtype=torch.float32)
    names, own, shown = [], [], []
    for path in sorted((shared / "portraits").glob("0*.*g")):
        portrait = Portrait.from_image(close_up(load_image(path), finder), finder=finder)
        own.append(embedder.embed(portrait.image[None], portrait.face.landmarks[None])[0])
        frames = torch.cat(list(GuideRenderer(portrait).stream(Motion(units, head, FPS), dtype=torch.uint8)))
        shown.append(embedder.embed(frames, finder.track(frames, portrait.face)[0]))
        names.append(path.stem)
    cosines = torch.stack(shown) @ torch.stack(own).T
    print(f"\n{'portrait':<28}{'lowest with itself':>20}{'highest with others':>20}")
    same, different = [], []
    for i, name in enumerate(names):
        same.append(float(cosines[i, :, i].min()))
        different.append(float(cosines[i, :, [j for j in range(len(names)) if j != i]].max()))
        print(f"{name:<28}{same[-1]:>20.3f}{different[-1]:>20.3f}")
    return {"lowest_same": min(same), "highest_different": max(different)}


def close_up(image: torch.Tensor, finder: FaceFinder, size: int = SIZE) -> torch.Tensor:
    """The picture around its largest face, 2.2 face heights wide, at most `size` pixels."""
    x0, y0, x1, y1 = finder.find(image)[0].box
    half = 1.1 * max(x1 - x0, y1 - y0)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    part = image[max(0, int(y - half)) : int(y + half), max(0, int(x - half)) : int(x + half)].permute(2, 0, 1)[None]
    scale = min(1.0, size / max(part.shape[2:]))
    part = torch.nn.functional.interpolate(part, scale_factor=scale, mode="bicubic", antialias=True)
    return part[0].permute(1, 2, 0).clamp(0, 1)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="the data kit")
    parser.add_argument("--only", choices=("speed", "lips", "identity"), help="one part instead of all")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    figures = {}
    if options.only in (None, "speed"):
        figures |= measure_speed()
    if options.only in (None, "lips"):
        figures |= measure_lips(options.shared)
    if options.only in (None, "identity"):
        figures |= measure_identity(options.shared)
    print(json.dumps({name: round(float(value), 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()

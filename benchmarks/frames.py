"""What the frame diffusion is worth: python benchmarks/frames.py [--only PART ...] [--pairs DIR] [--shared FOLDER]

heads      held-out synthetic heads, where the truth is known (DIR of emotalker.training.frames.pairs --split held_out; without
           --pairs 24 portraits are made first). Errors against the truth where mouth, eyes and lids are: mean absolute (l1)
           and perceptual (benchmarks/perceptual.py), of the guide and of the painted frame, for each preservation ratio.
           error_reduction and perceptual_reduction: 1 - painted / guide at the default ratio.
speed      frames a second of the painting at 256 x 256 in 4 steps (frames_per_second), and of the whole job, 512 x 512.
people     six development portraits x seven emotions at strength 1, 8 moments of real speech: likeness to the portrait,
           sharpness and measured strength of the emotion (the networks of PerceptionScore), painted at the default ratio
           over rig alone.
ratio      six portraits speak for 4 s, each with another emotion, for each ratio and the rig alone: identity, emotion match,
           lip sync, jitter, sharpness. identity_rises: 1 if identity never falls from one ratio to the next.
strength   two portraits, three emotions: measured strength for asked strengths 0 to 1.5, each ratio, and the rig alone.
steady     a portrait that hardly moves: change from frame to frame in the face beyond what a moved picture has, over the rig's.
border     how far colours change at the border of what is painted, in 1/255.

Prints tables and, last, one line of JSON.
"""

import argparse
import json
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from perceptual import distance, load_features  # noqa: E402
from reference import reference_seconds  # noqa: E402
from render import face_picture  # noqa: E402
from score import close_up  # noqa: E402

from emotalker.emotion.taxonomy import EMOTION_INDEX, EMOTIONS  # noqa: E402
from emotalker.emotion.track import EmotionTrack  # noqa: E402
from emotalker.face.expression import ExpressionRecogniser  # noqa: E402
from emotalker.face.finder import FaceFinder  # noqa: E402
from emotalker.face.identity import FaceEmbedder  # noqa: E402
from emotalker.face.portrait import Portrait  # noqa: E402
from emotalker.frames.guide import GuideRenderer  # noqa: E402
from emotalker.frames.painting import Painting, PaintSettings, load_painter  # noqa: E402
from emotalker.frames.preservation import identity_weight, moving  # noqa: E402
from emotalker.motion.motion import Motion  # noqa: E402
from emotalker.motion.sampling import load_denoiser  # noqa: E402
from emotalker.motion.take import make_take  # noqa: E402
from emotalker.picture import load_image  # noqa: E402
from emotalker.scoring.score import Judges, score_stream  # noqa: E402
from emotalker.scoring.sharpness import Sharpness  # noqa: E402
from emotalker.speech.analyse import analyse_speech  # noqa: E402
from emotalker.training.frames.batches import FramePairs  # noqa: E402
from emotalker.training.frames.pairs import PairMaker, write_shard  # noqa: E402
from emotalker.training.frames.train import NEAR, paint_batch  # noqa: E402
from emotalker.training.heads.kit import HeadKit  # noqa: E402
from emotalker.training.motion.corpus import MotionCorpus, heard_features  # noqa: E402
from emotalker.training.motion.performance import perform  # noqa: E402
from emotalker.video.audio import Sound, read_audio  # noqa: E402

PARTS = ("heads", "speed", "people", "ratio", "strength", "steady", "border")
RATIOS = (0.0, 0.25, 0.5, 0.75, 1.0)
SIX = ("01", "02", "03", "05", "06", "08")
DEFAULT, RIG = PaintSettings(), PaintSettings(steps=0)
PAINTED = {**{PaintSettings(preservation=ratio): f"{ratio:g}" for ratio in RATIOS}, RIG: "rig"}
"""How faces are finished, and what that is called."""
SIDE = 384
MADE = 24
MOMENTS = 8


def voice(seconds: float | None = None) -> tuple[torch.Tensor, int]:
    """The sample voice, or its beginning."""
    waveform, rate = read_audio(ROOT / "samples" / "emotalker_voice.wav")
    return (waveform if seconds is None else waveform[:, : round(seconds * rate)]), rate


def made_pairs(shared: Path, folder: Path) -> Path:
    """A few held-out pairs, moved by what the rules perform to the LibriVox clips."""
    clips = []
    for number, path in enumerate(sorted((shared / "speech").glob("librivox*.wav"))):
        features = analyse_speech(*read_audio(path), 25.0)
        strengths = {EMOTIONS[1 + number % 7]: 0.9}
        take = perform(features, EmotionTrack.constant(strengths), number)
        motion = torch.cat([take.units, take.head], 1)[None].numpy()
        emotion = EmotionTrack.constant(strengths).at(torch.arange(len(take)) / 25)[None].numpy()
        clips.append((heard_features(features).numpy(), np.zeros(len(take)), motion, emotion))
    # Every clip is for the held-out split: there is no training here.
    corpus = MotionCorpus(*(list(column) for column in zip(*clips, strict=True)))
    maker = PairMaker(HeadKit.load(shared / "heads"), corpus, "held_out", seed=11, shared_clips=True)
    made = [pair for number in range(2 * MADE) if (pair := maker.make(number)) is not None][:MADE]
    folder.mkdir(parents=True, exist_ok=True)
    write_shard(folder / "pairs-00000.safetensors", made)
    return folder


def measure_heads(model, folder: Path, most: int) -> dict[str, float]:
    """Errors against the truth."""
    pairs, network = FramePairs(folder, model.shape.size), load_features()
    frames = np.linspace(0, len(pairs) - 1, min(most, len(pairs))).round().astype(int).tolist()
    totals = {name: np.zeros(4) for name in ("guide", *RATIOS)}
    skin = {name: np.zeros(2) for name in ("guide", *RATIOS)}
    for begin in range(0, len(frames), 8):
        batch = pairs.batch(frames[begin : begin + 8])
        c = batch.conditions
        near = moving(c.maps) > NEAR
        face = ~near & (identity_weight(c.maps) < 0.9)
        near, face = (F.interpolate(share.float(), size=batch.truth.shape[-2:]) for share in (near, face))
        for name in totals:
            picture = c.guide
            if name != "guide":
                settings = PaintSettings(preservation=name)
                picture = paint_batch(model, c, settings, torch.Generator().manual_seed(begin))
            away = (picture - batch.truth).abs().mean(1, keepdim=True)
            felt = distance(network, picture, batch.truth, near)
            totals[name] += [float((away * near).sum()), float(near.sum()), *felt]
            skin[name] += [float((away * face).sum()), float(face.sum())]
    print(f"{len(frames)} held-out frames\n{'':<22}{'l1':>9}{'of guide':>10}{'perceptual':>12}{'of guide':>10}{'skin l1':>10}")
    l1 = {name: value[0] / value[1] for name, value in totals.items()}
    felt = {name: value[2] / value[3] for name, value in totals.items()}
    for name in totals:
        row = f"{l1[name]:>9.4f}{l1[name] / l1['guide']:>10.3f}{felt[name]:>12.4f}{felt[name] / felt['guide']:>10.3f}"
        print(f"{name if name == 'guide' else f'ratio {name:g}':<22}{row}{skin[name][0] / skin[name][1]:>10.4f}")
    chosen = DEFAULT.preservation
    figures = {"error_reduction": 1 - l1[chosen] / l1["guide"], "perceptual_reduction": 1 - felt[chosen] / felt["guide"]}
    return figures | {f"l1_ratio_{ratio:g}": l1[ratio] / l1["guide"] for ratio in RATIOS}


def measure_speed(model) -> dict[str, float]:
    """Frames a second."""
    waveform, rate = voice(2.0)
    features = analyse_speech(waveform, rate, 25.0)
    track = EmotionTrack.constant(happy=0.8)
    take = make_take(load_denoiser(), features, track, 0)
    renderer = GuideRenderer(Portrait.from_image(face_picture(512)))
    painter = Painting(DEFAULT, features, track).painter(model, renderer, take)
    inside = [0.0]
    paint = painter.paint

    def timed(*arguments):
        began = time.perf_counter()
        result = paint(*arguments)
        inside[0] += time.perf_counter() - began
        return result

    painter.paint = timed
    list(renderer.stream(take, stop=4, paint=painter))
    inside[0], reference = 0.0, reference_seconds()
    began = time.perf_counter()
    for _ in renderer.stream(take, dtype=torch.uint8, paint=painter):
        pass
    whole = (time.perf_counter() - began) / len(take)
    one = inside[0] / len(take)
    print(f"painting {1 / one:.2f} frames/s ({one / reference:.1f} x reference work); whole frames {1 / whole:.2f} frames/s")
    return {"frames_per_second": 1 / one, "times_reference": one / reference, "whole_frames_per_second": 1 / whole}


def portraits(shared: Path, finder: FaceFinder, names=SIX) -> dict[str, Portrait]:
    """Development portraits, close up."""
    found = {}
    for name in names:
        path = next((shared / "portraits").glob(f"{name}_*.*g"))
        found[path.stem] = Portrait.from_image(close_up(load_image(path), finder, SIDE), finder=finder)
    return found


def part_of(take: Motion, frames: torch.Tensor) -> Motion:
    """Some frames of a take."""
    return Motion(take.units[frames], take.head[frames], take.fps)


def drawn(model, portrait: Portrait, take: Motion, features, track, settings: PaintSettings, frames: torch.Tensor):
    """[n,H,W,3] of some frames of a take, painted."""
    renderer = GuideRenderer(portrait)
    painter = None
    if settings.paints:
        painter = Painting(settings, features, track).painter(model, renderer, take)
        steering = painter.steering
        painter.steering = type(steering)(
            steering.speech[frames], steering.heard, steering.strengths[frames], steering.motion[frames]
        )
    return torch.cat(list(renderer.stream(part_of(take, frames), paint=painter)))


def measure_people(model, shared: Path) -> dict[str, float]:
    """Likeness, sharpness and strength of emotion, painted over rig alone."""
    finder, embedder, recogniser = FaceFinder.load(), FaceEmbedder.load(), ExpressionRecogniser.load()
    features = analyse_speech(*voice(), 25.0)
    rows, shown = {}, {emotion: np.zeros(2) for emotion in EMOTIONS[1:]}
    print(f"\n{'portrait':<28}{'identity':>10}{'rig':>8}{'sharpness':>11}{'rig':>8}")
    for name, portrait in portraits(shared, finder).items():
        own = embedder.embed(portrait.image[None], portrait.face.landmarks[None])[0]
        sharp = Sharpness(portrait.image, portrait.face.landmarks)
        values = np.zeros((2, 2))
        for emotion in EMOTIONS[1:]:
            track = EmotionTrack.constant({emotion: 1.0})
            take = make_take(load_denoiser(), features, track, 1)
            moments = torch.linspace(15, len(take) - 15, MOMENTS).long()
            for kind, settings in enumerate((DEFAULT, RIG)):
                frames = drawn(model, portrait, take, features, track, settings, moments)
                landmarks, _ = finder.track(frames, portrait.face)
                values[:, kind] += [
                    float((embedder.embed(frames, landmarks) @ own).mean()) / 7, float(sharp.see(frames, landmarks).mean()) / 7
                ]  # fmt: skip
                shown[emotion][kind] += (
                    float(recogniser.read(frames, landmarks).strengths[:, EMOTION_INDEX[emotion]].mean()) / 6
                )
        rows[name] = values
        print(f"{name:<28}{values[0, 0]:>10.3f}{values[0, 1]:>8.3f}{values[1, 0]:>11.3f}{values[1, 1]:>8.3f}", flush=True)
    print(f"\n{'measured strength':<28}{'painted':>10}{'rig':>8}")
    for emotion, (ours, rig) in shown.items():
        print(f"{emotion:<28}{ours:>10.3f}{rig:>8.3f}")
    mean = np.mean(list(rows.values()), 0)
    return {
        "identity_over_rig": min(v[0, 0] / v[0, 1] for v in rows.values()),
        "identity_over_rig_mean": mean[0, 0] / mean[0, 1],
        "sharpness_over_rig": min(v[1, 0] / v[1, 1] for v in rows.values()),
        "sharpness_over_rig_mean": mean[1, 0] / mean[1, 1],
        "emotions_not_lower": sum(ours >= rig - 1e-3 for ours, rig in shown.values()),
        "emotion_over_rig": float(np.mean([v[0] for v in shown.values()]) / np.mean([v[1] for v in shown.values()])),
    }


def measure_ratio(model, shared: Path) -> dict[str, float]:
    """The trade-off over the ratio."""
    finder, judges = FaceFinder.load(), Judges.load()
    waveform, rate = voice(4.0)
    features, sound = analyse_speech(waveform, rate, 25.0), Sound(waveform, rate)
    names = ("identity", "emotion", "lip sync", "jitter", "sharpness")
    totals = {settings: np.zeros(len(names)) for settings in PAINTED}
    for number, portrait in enumerate(portraits(shared, finder).values()):
        track = EmotionTrack.constant({EMOTIONS[1 + number]: 0.9})
        take = make_take(load_denoiser(), features, track, number)
        for settings in PAINTED:
            frames = drawn(model, portrait, take, features, track, settings, torch.arange(len(take)))
            report = score_stream(frames.split(8), 25, sound, portrait.image, emotion=track, judges=judges)
            totals[settings] += [
                report.identity, report.emotion_match, report.lip_sync.confidence, report.jitter, report.sharpness
            ]  # fmt: skip
        print(f"{number + 1} of {len(SIX)}", file=sys.stderr, flush=True)
    print(f"\n{'ratio':<10}" + "".join(f"{name:>11}" for name in names))
    means = {PAINTED[settings]: value / len(SIX) for settings, value in totals.items()}
    for called, values in means.items():
        print(f"{called:<10}" + "".join(f"{value:>11.3f}" for value in values))
    identity = [means[f"{ratio:g}"][0] for ratio in RATIOS]
    figures = {
        f"ratio_{called}_{name.replace(' ', '_')}": v
        for called, values in means.items()
        for name, v in zip(names, values, strict=True)
    }
    return figures | {"identity_rises": float(all(b >= a for a, b in pairwise(identity)))}


def measure_strength(model, shared: Path, sheet: Path | None) -> dict[str, float]:
    """Measured over asked strength, for each ratio."""
    finder, recogniser = FaceFinder.load(), ExpressionRecogniser.load()
    features = analyse_speech(*voice(), 25.0)
    asked, emotions = (0.0, 0.5, 1.0, 1.5), ("happy", "angry", "sad")
    chosen = portraits(shared, finder, ("01", "06"))
    figures, pages = {}, []
    print(f"\n{'ratio':<8}" + "".join(f"{f'strength {s:g}':>14}" for s in asked))
    for settings, called in PAINTED.items():
        values, line = [], []
        for strength in asked:
            felt = []
            for emotion in emotions:
                track = EmotionTrack.constant({emotion: strength}) if strength else EmotionTrack()
                take = make_take(load_denoiser(), features, track, 3)
                moments = torch.linspace(20, len(take) - 20, 4).long()
                for number, portrait in enumerate(chosen.values()):
                    frames = drawn(model, portrait, take, features, track, settings, moments)
                    landmarks, _ = finder.track(frames, portrait.face)
                    felt.append(float(recogniser.read(frames, landmarks).strengths[:, EMOTION_INDEX[emotion]].mean()))
                    if number == 0 and emotion == "happy":
                        line.append(frames[1])
            values.append(float(np.mean(felt)))
        pages.append(torch.cat(line, 1))
        figures |= {f"strength_{s:g}_ratio_{called}": v for s, v in zip(asked, values, strict=True)}
        print(f"{called:<8}" + "".join(f"{v:>14.3f}" for v in values), flush=True)
    if sheet is not None:
        from PIL import Image

        Image.fromarray((torch.cat(pages) * 255).byte().numpy()).save(sheet, quality=88)
    return figures


def measure_steady(model, shared: Path) -> dict[str, float]:
    """Change from frame to frame that no motion explains."""
    finder = FaceFinder.load()
    ratios = []
    time_ = torch.arange(24) / 25
    head = torch.zeros(24, 6)
    head[:, 0], head[:, 1] = 1.5 * (2 * time_).sin(), 0.8 * (3 * time_).cos()
    for portrait in portraits(shared, finder, ("01", "06", "08")).values():
        own = portrait.fitted.expression.clamp(0, 1)
        take = Motion(own.expand(24, -1).clone(), head, 25.0)
        changes = []
        for settings in (DEFAULT, RIG):
            frames = drawn(model, portrait, take, None, EmotionTrack(), settings, torch.arange(24))
            x0, y0, x1, y1 = (int(v) for v in portrait.face.box)
            part = frames[:, max(0, y0) : y1, max(0, x0) : x1]
            # A steady motion's second difference is small: what remains is flicker.
            changes.append(float((part[2:] - 2 * part[1:-1] + part[:-2]).abs().mean()))
        ratios.append(changes[0] / changes[1])
    print(f"\nflicker over the rig's: {', '.join(f'{ratio:.3f}' for ratio in ratios)}")
    return {"flicker_over_rig": max(ratios)}


def measure_border(model, shared: Path) -> dict[str, float]:
    """Colours at the border of what is painted."""
    finder = FaceFinder.load()
    features = analyse_speech(*voice(1.0), 25.0)
    track, worst = EmotionTrack.constant(happy=1.0), 0.0
    for portrait in portraits(shared, finder).values():
        take = make_take(load_denoiser(), features, track, 0)
        moments = torch.tensor([8, 16])
        pair = [drawn(model, portrait, take, features, track, s, moments) for s in (DEFAULT, RIG)]
        change = (pair[0] - pair[1]).mean(-1)
        # The border: pixels that change, up to four beside those that do not; what a viewer sees there is the mean colour.
        small, same = F.avg_pool2d(change[:, None], 9, 1, 4), (change[:, None] == 0).float()
        still = 1 - F.max_pool2d(1 - same, 5, 1, 2)  # without lone pixels that happen to stay
        edge = (F.max_pool2d(still, 13, 1, 6) > 0) & (same == 0)
        if edge.any():
            worst = max(worst, float(small[edge].abs().quantile(0.99)) * 255)
    print(f"\ncolour shift at the border: {worst:.3f} / 255")
    return {"border_shift": worst}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="the data kit")
    parser.add_argument("--pairs", type=Path, help="folder of held-out pairs")
    parser.add_argument("--model", type=Path, help="other weights, .safetensors")
    parser.add_argument("--frames", type=int, default=96, help="held-out frames that are measured at most")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS), help="parts instead of all")
    parser.add_argument("--sheet", type=Path, help="where strength's contact sheet goes")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model, figures = load_painter(options.model), {}
    if "heads" in options.only:
        folder = options.pairs or made_pairs(options.shared, ROOT / "out" / "pairs")
        figures |= measure_heads(model, folder, options.frames)
    if "speed" in options.only:
        figures |= measure_speed(model)
    for part, measure in (
        ("people", measure_people),
        ("ratio", measure_ratio),
        ("steady", measure_steady),
        ("border", measure_border),
    ):
        if part in options.only:
            figures |= measure(model, options.shared)
    if "strength" in options.only:
        figures |= measure_strength(model, options.shared, options.sheet)
    print(json.dumps({name: round(float(value), 4) for name, value in figures.items()}))


if __name__ == "__main__":
    main()

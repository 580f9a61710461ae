"""How well the mouth speaks: python benchmarks/speech.py [--shared FOLDER] [--no-video] [--clips PART_OF_NAME ...]

What the encoder hears, measured on the five LibriVox clips of the data kit against a forced alignment of their transcripts
by pocketsphinx (its times 8 ms later, see emotalker.speech.align) mapped to visemes by priors/arpabet_to_viseme.csv,
diphthongs split in the middle. No clip was trained on.

viseme_agreement  part of the 20 ms frames inside words whose most probable viseme (`analyse_speech` at 50 frames/s, without
                  transcript) is the alignment's viseme at the frame's middle. Frames that the alignment calls
                  silence do not count; the table shows the figure with them beside it.
closure_recall    part of the phones P, B, M of the alignment during which (20 ms of grace at each end) at least one frame's
                  most probable viseme is PP; `closure precision` is the part of the runs of PP frames that touch such a phone.

What the finished video shows, measured on all recordings of the data kit, of motion diffusion (`make_take`) and of the rules
that taught it (`perform`), both without emotion, with default gains and seed 0. Speech goes through the whole
chain: encoder, motion, rendered frames of portraits/02_neutral_frontal.png (its head, reduced to 320 pixels); then FaceFinder
finds landmarks in the frames. Lip distance: mean of three pairs of inner lip landmarks over the distance of the irises. It is
held against the alignment where the transcript has one, else against the visemes that the encoder hears.

aperture_recall   part of the P, B, M (without alignment: of the runs of PP, 40 ms or more) during which (one video frame of
                  grace at each end) the lip distance comes into the lowest quarter of the clip's frames, first to last
                  sound. `of range` is the same with a quarter of the way from the smallest to the largest distance.
correlation       of the lip distance with how far the visemes should open the lips, first to last sound, no shift.
lag               video frames (25 a second) by which the rendered lip distance trails what is expected: the shift of the
                  highest correlation between the two, from -6 to 6 frames, by a parabola through its top.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))

from clips import Clip, load_clips

from emotalker.emotion.track import EmotionTrack
from emotalker.face.finder import FaceFinder
from emotalker.face.portrait import Portrait
from emotalker.frames.guide import GuideRenderer
from emotalker.motion.motion import Motion
from emotalker.motion.sampling import GUIDANCE, Settings, load_denoiser
from emotalker.motion.take import make_take
from emotalker.picture import load_image
from emotalker.speech.analyse import analyse_speech
from emotalker.speech.features import VISEME_INDEX
from emotalker.speech.phones import sample_segments
from emotalker.training.motion.performance import perform

FPS = 50
GRACE = 0.02
VIDEO_FPS = 25
INNER_LIPS = ((82, 87), (13, 14), (312, 317))
IRISES = (468, 473)
LONGEST_LAG = 6
HEAD, PIXELS = 1.7, 320  # side of the picture around the face in sizes of the face, and in pixels
PP, SIL = VISEME_INDEX["PP"], VISEME_INDEX["sil"]


@dataclass
class Score:
    """Counts behind the figures of one clip; they add up."""

    frames: int = 0
    agreed: int = 0
    frames_all: int = 0
    agreed_all: int = 0
    closures: int = 0
    closed: int = 0
    runs: int = 0
    true_runs: int = 0

    def __add__(self, other: "Score") -> "Score":
        return Score(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    def row(self, name: str) -> str:
        """A line of the table."""
        return (
            f"{name:<28}{self.agreed / self.frames:>10.3f}{self.agreed_all / self.frames_all:>12.3f}"
            f"{self.closed / self.closures:>10.3f}{self.true_runs / max(self.runs, 1):>12.3f}{self.closures:>10d}"
        )


def score_visemes(clip: Clip) -> Score:
    """Agreement of the encoder with the alignment."""
    features = analyse_speech(clip.sound, clip.rate, FPS)
    found = features.visemes.argmax(1).numpy()
    times = (np.arange(len(found)) + 0.5) / FPS
    truth = sample_segments(clip.segments, times)
    spoken = truth != SIL
    same = found == truth
    closures = clip.closures
    closed = sum(bool((found[(times >= start - GRACE) & (times <= end + GRACE)] == PP).any()) for start, end in closures)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], found == PP, [0]])))
    runs = [(times[a] - GRACE, times[b - 1] + GRACE) for a, b in edges.reshape(-1, 2)]
    true_runs = sum(any(a <= end and b >= start for start, end in closures) for a, b in runs)
    return Score(
        int(spoken.sum()), int(same[spoken].sum()), len(same), int(same.sum()), len(closures), closed, len(runs), true_runs
    )


class Mirror:
    """Renders motion and looks at the lips of the result.

    Args:
        portrait: picture file.
    """

    def __init__(self, portrait: Path) -> None:
        self.finder = FaceFinder.load()
        self.portrait = Portrait.from_image(head_of(load_image(portrait), self.finder), finder=self.finder)
        self.renderer = GuideRenderer(self.portrait)

    def lip_distances(self, motion: Motion) -> np.ndarray:
        """[T] distance of the inner lips in each video frame, in distances of the irises."""
        distances = []
        for frames in self.renderer.stream(motion):
            landmarks, _ = self.finder.track(frames, self.portrait.face)
            lips = torch.stack([(landmarks[:, a, :2] - landmarks[:, b, :2]).norm(dim=1) for a, b in INNER_LIPS]).mean(0)
            distances.append(lips / (landmarks[:, IRISES[0], :2] - landmarks[:, IRISES[1], :2]).norm(dim=1))
        return torch.cat(distances).numpy()


def head_of(image: torch.Tensor, finder: FaceFinder) -> torch.Tensor:
    """The head of a picture [H, W, 3], PIXELS wide: it renders quickly, and the finder sees faces at 256 pixels anyway."""
    x0, y0, x1, y1 = finder.find(image)[0].box
    half = HEAD * max(x1 - x0, y1 - y0) / 2
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    box = [max(0, round(m - half)) for m in middle] + [
        min(side, round(m + half)) for m, side in zip(middle, (image.shape[1], image.shape[0]), strict=True)
    ]
    picture = Image.fromarray((image * 255).round().byte().numpy()).crop(box)
    size = (PIXELS, round(PIXELS * picture.height / picture.width))
    return torch.from_numpy(np.array(picture.resize(size, Image.LANCZOS))).float() / 255


@dataclass
class LipScore:
    """Closures seen in the video of one clip, correlation with what is expected, and lag in frames."""

    closures: int
    low: int
    low_of_range: int
    correlation: float
    lag: float

    def row(self, name: str, of: str) -> str:
        """A line of the table."""
        return (
            f"{name:<28}{of:<12}{self.closures:>10d}{self.low:>12d}{self.low_of_range:>10d}"
            f"{self.correlation:>13.3f}{self.lag:>8.2f}"
        )


def score_lips(clip: Clip, distances: np.ndarray) -> LipScore:
    """Whether the lips of a video meet when they should, open as they should, and when they move."""
    times = (np.arange(len(distances)) + 0.5) / VIDEO_FPS
    spoken = clip.spoken(times)
    quarter = np.quantile(distances[spoken], 0.25)
    lowest, highest = distances[spoken].min(), distances[spoken].max()
    grace = 1 / VIDEO_FPS
    smallest = np.array([distances[(times >= start - grace) & (times <= end + grace)].min() for start, end in clip.closures])
    low_of_range = int((smallest <= lowest + (highest - lowest) / 4).sum())
    expected = clip.opening(times, 1 / VIDEO_FPS)
    correlation = float(np.corrcoef(distances[spoken], expected[spoken])[0, 1])
    return LipScore(len(smallest), int((smallest <= quarter).sum()), low_of_range, correlation, _lag(distances, expected))


def _lag(distances: np.ndarray, expected: np.ndarray) -> float:
    """Frames by which the video trails what is expected; negative if it leads."""
    shifts = range(-LONGEST_LAG, LONGEST_LAG + 1)
    inner = slice(LONGEST_LAG, len(distances) - LONGEST_LAG)
    match = [np.corrcoef(np.roll(distances, -shift)[inner], expected[inner])[0, 1] for shift in shifts]
    top = int(np.clip(np.argmax(match), 1, len(match) - 2))
    before, here, after = match[top - 1 : top + 2]
    return shifts[top] + 0.5 * (before - after) / (before - 2 * here + after)


def heard(clips: list[Clip]) -> dict[str, float]:
    """Table and figures of the encoder."""
    total = Score()
    print(f"{'clip':<28}{'visemes':>10}{'and silence':>12}{'closures':>10}{'precision':>12}{'number':>10}")
    for clip in clips:
        score = score_visemes(clip)
        total += score
        print(score.row(clip.name), flush=True)
    print(total.row("all"))
    return {"viseme_agreement": total.agreed / total.frames, "closure_recall": total.closed / total.closures}


def shown(clips: list[Clip], mirror: Mirror, weights: str, settings: Settings) -> dict[str, float]:
    """Table and figures of the finished video."""
    model = load_denoiser(weights)
    found: dict[str, list[LipScore]] = {"diffusion": [], "rules": []}
    print(f"\n{'clip':<28}{'motion by':<12}{'closures':>10}{'in quarter':>12}{'of range':>10}{'correlation':>13}{'lag':>8}")
    for clip in clips:
        features = analyse_speech(clip.sound, clip.rate, VIDEO_FPS)
        motions = {
            "diffusion": make_take(model, features, EmotionTrack(), 0, settings),
            "rules": perform(features, EmotionTrack()),
        }
        for name, motion in motions.items():
            score = score_lips(clip, mirror.lip_distances(motion))
            found[name].append(score)
            print(score.row(clip.name, name), flush=True)
    figures = {}
    for name, scores in found.items():
        after = "" if name == "diffusion" else "_rules"
        count = sum(score.closures for score in scores)
        figures["aperture_recall" + after] = sum(score.low for score in scores) / count
        figures["aperture_recall_of_range" + after] = sum(score.low_of_range for score in scores) / count
        figures["correlation" + after] = float(np.mean([score.correlation for score in scores]))
        figures["largest_lag_frames" + after] = max(abs(score.lag) for score in scores)
    return figures


def main() -> None:
    """Print the tables and, as the last line, the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared", help="the data kit")
    parser.add_argument("--no-video", action="store_true", help="leave out what needs rendered video")
    parser.add_argument("--clips", nargs="*", help="parts of file names: only clips that have one of them in theirs")
    parser.add_argument("--weights", default="motion", help="name of the motion's weights")
    parser.add_argument("--guidance", type=float, default=GUIDANCE, help="of speech and emotion alike")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clips = load_clips(options.shared, False, options.clips)
    aligned = [clip for clip in clips if clip.name.startswith("librivox")]
    figures = heard(aligned) if aligned else {}
    if not options.no_video:
        scale = options.guidance
        mirror = Mirror(options.shared / "portraits" / "02_neutral_frontal.png")
        figures |= shown(clips, mirror, options.weights, Settings(speech_guidance=scale, emotion_guidance=scale))
    print(json.dumps({name: round(float(value), 4) for name, value in figures.items()}))


if __name__ == "__main__":
    main()

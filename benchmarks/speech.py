"""How well the mouth speaks: python benchmarks/speech.py [--shared FOLDER] [--no-video]

Measured on the five LibriVox clips of the data kit, against a forced alignment of their transcripts by pocketsphinx
(its times 8 ms later, see emotalker.speech.align) mapped to visemes by priors/arpabet_to_viseme.csv, diphthongs split in
the middle. No clip was trained on.

viseme_agreement  part of the 20 ms frames inside words whose most probable viseme (`analyse_speech` at 50 frames/s, without
                  transcript) is the alignment's viseme at the frame's middle. Frames that the alignment calls
                  silence do not count; the table shows the figure with them beside it.
closure_recall    part of the phones P, B, M of the alignment during which (20 ms of grace at each end) at least one frame's
                  most probable viseme is PP; `closure precision` is the part of the runs of PP frames that touch such a phone.
aperture_recall   part of those phones during which (one video frame of grace at each end) the lip distance in the rendered
                  video comes into the lowest quarter of the clip's frames, first to last word. Lip distance: mean of
                  three pairs of inner lip landmarks, found by FaceFinder in the finished frames, over the distance of the
                  irises. `of range` is the same with a quarter of the way from the smallest to the largest distance.
lag               video frames (25 a second) by which the rendered lip distance trails what the alignment expects: the
                  shift of the highest correlation between the two, from -6 to 6 frames, by a parabola through its top.

The video is that of `perform` with default gains, no emotion and seed 0 on portraits/02_neutral_frontal.png.
"""

import argparse
import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.io import wavfile

sys.path.insert(0, str(Path(__file__).parent.parent))

from emotalker.emotion.track import EmotionTrack
from emotalker.face.finder import FaceFinder
from emotalker.face.portrait import Portrait
from emotalker.frames.guide import GuideRenderer
from emotalker.motion.mouth import TARGETS
from emotalker.picture import load_image
from emotalker.speech.align import align_transcript
from emotalker.speech.analyse import analyse_speech
from emotalker.speech.features import VISEME_INDEX, VISEMES
from emotalker.speech.phones import Segment, sample_segments, viseme_segments
from emotalker.training.performance import perform

FPS = 50
GRACE = 0.02
VIDEO_FPS = 25
INNER_LIPS = ((82, 87), (13, 14), (312, 317))
IRISES = (468, 473)
LONGEST_LAG = 6
BILABIALS = {"P", "B", "M"}
PP, SIL = VISEME_INDEX["PP"], VISEME_INDEX["sil"]


@dataclass
class Clip:
    """One clip with its alignment."""

    name: str
    rate: int
    sound: torch.Tensor
    phones: list[Segment]


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


def load_clips(shared: Path) -> list[Clip]:
    """The LibriVox clips of the data kit."""
    with open(shared / "speech" / "transcripts.tsv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["file"].startswith("librivox")]
    clips = []
    for row in rows:
        rate, samples = wavfile.read(shared / "speech" / row["file"])
        sound = torch.from_numpy(samples.astype(np.float32) / 32768)
        clips.append(Clip(row["file"].removesuffix(".wav"), rate, sound, align_transcript(sound, row["text"])))
    return clips


def score_visemes(clip: Clip) -> Score:
    """Agreement of the encoder with the alignment."""
    features = analyse_speech(clip.sound, clip.rate, FPS)
    found = features.visemes.argmax(1).numpy()
    times = (np.arange(len(found)) + 0.5) / FPS
    truth = sample_segments(viseme_segments(clip.phones), times)
    spoken = truth != SIL
    same = found == truth
    closures = [(start, end) for start, end, phone in clip.phones if phone in BILABIALS]
    closed = sum(bool((found[(times >= start - GRACE) & (times <= end + GRACE)] == PP).any()) for start, end in closures)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], found == PP, [0]])))
    runs = [(times[a] - GRACE, times[b - 1] + GRACE) for a, b in edges.reshape(-1, 2)]
    true_runs = sum(any(a <= end and b >= start for start, end in closures) for a, b in runs)
    return Score(
        int(spoken.sum()), int(same[spoken].sum()), len(same), int(same.sum()), len(closures), closed, len(runs), true_runs
    )


class Mirror:
    """Renders what a clip says and looks at the lips of the result.

    Args:
        portrait: picture file.
    """

    def __init__(self, portrait: Path) -> None:
        self.finder = FaceFinder.load()
        self.portrait = Portrait.from_image(load_image(portrait), finder=self.finder)
        self.renderer = GuideRenderer(self.portrait)

    def lip_distances(self, clip: Clip) -> np.ndarray:
        """[T] distance of the inner lips in each video frame, in distances of the irises."""
        features = analyse_speech(clip.sound, clip.rate, VIDEO_FPS)
        motion = perform(features, EmotionTrack(()), seed=0)
        distances = []
        for frames in self.renderer.stream(motion):
            landmarks, _ = self.finder.track(frames, self.portrait.face)
            lips = torch.stack([(landmarks[:, a, :2] - landmarks[:, b, :2]).norm(dim=1) for a, b in INNER_LIPS]).mean(0)
            distances.append(lips / (landmarks[:, IRISES[0], :2] - landmarks[:, IRISES[1], :2]).norm(dim=1))
        return torch.cat(distances).numpy()


@dataclass
class LipScore:
    """Closures seen in the video of one clip, and its lag in frames."""

    closures: int
    low: int
    low_of_range: int
    lag: float


def score_lips(clip: Clip, distances: np.ndarray) -> LipScore:
    """Whether the lips of the video meet when they should, and when they move."""
    times = (np.arange(len(distances)) + 0.5) / VIDEO_FPS
    words = [(start, end) for start, end, phone in clip.phones if phone != "SIL"]
    spoken = (times >= words[0][0]) & (times <= words[-1][1])
    quarter = np.quantile(distances[spoken], 0.25)
    lowest, highest = distances[spoken].min(), distances[spoken].max()
    grace = 1 / VIDEO_FPS
    smallest = np.array(
        [
            distances[(times >= start - grace) & (times <= end + grace)].min()
            for start, end, phone in clip.phones
            if phone in BILABIALS
        ]
    )
    low_of_range = int((smallest <= lowest + (highest - lowest) / 4).sum())
    return LipScore(len(smallest), int((smallest <= quarter).sum()), low_of_range, _lag(clip, distances, times))


def _lag(clip: Clip, distances: np.ndarray, times: np.ndarray) -> float:
    """Frames by which the video trails the alignment; negative if it leads."""
    opening = np.array([0.0 if name == "PP" else TARGETS[name][0] for name in VISEMES])
    segments = viseme_segments(clip.phones)
    fine = np.linspace(-0.5, 0.5, 9) / VIDEO_FPS
    expected = np.mean([opening[sample_segments(segments, times + offset)] for offset in fine], axis=0)
    shifts = range(-LONGEST_LAG, LONGEST_LAG + 1)
    inner = slice(LONGEST_LAG, len(times) - LONGEST_LAG)
    match = [np.corrcoef(np.roll(distances, -shift)[inner], expected[inner])[0, 1] for shift in shifts]
    top = int(np.clip(np.argmax(match), 1, len(match) - 2))
    before, here, after = match[top - 1 : top + 2]
    return shifts[top] + 0.5 * (before - after) / (before - 2 * here + after)


def main() -> None:
    """Print the tables and, as the last line, the figures as JSON."""
    parser = argparse.ArgumentParser(description="How well the mouth speaks.")
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared", help="the data kit")
    parser.add_argument("--no-video", action="store_true", help="leave out what needs rendered video")
    options = parser.parse_args()
    torch.set_num_threads(2)
    clips = load_clips(options.shared)
    total = Score()
    print(f"{'clip':<28}{'visemes':>10}{'and silence':>12}{'closures':>10}{'precision':>12}{'number':>10}")
    for clip in clips:
        score = score_visemes(clip)
        total += score
        print(score.row(clip.name))
    print(total.row("all"))
    figures = {"viseme_agreement": total.agreed / total.frames, "closure_recall": total.closed / total.closures}
    if not options.no_video:
        mirror = Mirror(options.shared / "portraits" / "02_neutral_frontal.png")
        seen = []
        print(f"\n{'clip':<28}{'closures':>10}{'in quarter':>12}{'of range':>10}{'lag':>12}")
        for clip in clips:
            lips = score_lips(clip, mirror.lip_distances(clip))
            seen.append(lips)
            print(f"{clip.name:<28}{lips.closures:>10d}{lips.low:>12d}{lips.low_of_range:>10d}{lips.lag:>12.2f}")
        count = sum(lips.closures for lips in seen)
        figures["aperture_recall"] = sum(lips.low for lips in seen) / count
        figures["aperture_recall_of_range"] = sum(lips.low_of_range for lips in seen) / count
        figures["largest_lag_frames"] = max(abs(lips.lag) for lips in seen)
    print(json.dumps({name: round(float(value), 4) for name, value in figures.items()}))


if __name__ == "__main__":
    main()

"""How well the mouth speaks: python benchmarks/speech.py [--shared FOLDER] [--no-video] [--portrait FILE]

Measured on the five LibriVox clips of the data kit, against a forced alignment of their transcripts by pocketsphinx
(its times 8 ms later, see emotalker.speech.align) mapped to visemes by priors/arpabet_to_viseme.csv, diphthongs split in
the middle. No clip was trained on.

viseme_agreement  part of the 20 ms frames inside words whose most probable viseme (`analyse_speech` at 50 frames/s, without
                  transcript) is the alignment's viseme at the frame's middle. Frames that the alignment calls
                  silence do not count; the table shows the figure with them beside it.
closure_recall    part of the phones P, B, M of the alignment during which (20 ms of grace at each end) at least one frame's
                  most probable viseme is PP; `closure precision` is the part of the runs of PP frames that touch such a phone.
aperture_recall   part of those phones during which (one video frame of grace at each end) the lips of the rendered video's
                  landmarks come into the clip's lowest quarter of lip distance (inner lips over interocular distance).
lag               video frames by which the rendered lip distance trails what the alignment expects: the shift of the highest
                  correlation between the two, from -6 to 6 frames.
"""

import argparse
import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.io import wavfile

from emotalker.speech.align import align_transcript
from emotalker.speech.analyse import analyse_speech
from emotalker.speech.features import VISEME_INDEX
from emotalker.speech.phones import Segment, sample_segments, viseme_segments

FPS = 50
GRACE = 0.02
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


def main() -> None:
    """Print the table and, as the last line, the figures as JSON."""
    parser = argparse.ArgumentParser(description="How well the mouth speaks.")
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared")
    options = parser.parse_args()
    torch.set_num_threads(2)
    total = Score()
    print(f"{'clip':<28}{'visemes':>10}{'and silence':>12}{'closures':>10}{'precision':>12}{'number':>10}")
    for clip in load_clips(options.shared):
        score = score_visemes(clip)
        total += score
        print(score.row(clip.name))
    print(total.row("all"))
    print(
        json.dumps(
            {
                "viseme_agreement": round(total.agreed / total.frames, 4),
                "closure_recall": round(total.closed / total.closures, 4),
            }
        )
    )


if __name__ == "__main__":
    main()

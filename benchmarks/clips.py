"""Clips of the data kit's speech, with what is said in them and when."""

import csv
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from emotalker.speech.align import align_transcript
from emotalker.speech.analyse import analyse_speech
from emotalker.speech.features import VISEMES
from emotalker.speech.mouth import TARGETS
from emotalker.speech.phones import Segment, sample_segments, viseme_segments
from emotalker.speech.sound import RATE, Sound
from emotalker.video.audio import read_audio

FINE = 50
"""Frames a second at which the encoder is asked for the visemes of a clip without transcript."""
SHORTEST = 0.03
"""Seconds: a run of PP that the encoder hears must be longer to count as a closure; it is two frames then."""
BILABIALS = {"P", "B", "M"}
OPENING = np.array([0.0 if name == "PP" else TARGETS[name][0] for name in VISEMES])
"""How far each viseme opens the lips, as the rules have it."""


@dataclass
class Clip:
    """One clip with what is said in it.

    Attributes:
        name: of the file.
        rate: samples a second.
        sound: [N] mono.
        phones: (start s, end s, ARPAbet phone) of the transcript's forced alignment; without transcript none.
        segments: (start s, end s, viseme) of the alignment; without transcript what the speech encoder hears.
    """

    name: str
    rate: int
    sound: torch.Tensor
    phones: list[Segment]
    segments: list[Segment]

    @property
    def closures(self) -> list[tuple[float, float]]:
        """Start and end of what needs shut lips: P, B, M; without transcript the longer runs of PP that the encoder hears."""
        if self.phones:
            return [(start, end) for start, end, phone in self.phones if phone in BILABIALS]
        return [(start, end) for start, end, viseme in self.segments if viseme == "PP" and end - start > SHORTEST]

    def spoken(self, times: np.ndarray) -> np.ndarray:
        """[T] whether times lie between the first sound's start and the last one's end."""
        sounds = [(start, end) for start, end, viseme in self.segments if viseme != "sil"]
        return (times >= sounds[0][0]) & (times <= sounds[-1][1])

    def opening(self, times: np.ndarray, step: float) -> np.ndarray:
        """[T] how far the lips should be open, mean over `step` seconds around each time, in units of an open jaw."""
        offsets = np.linspace(-0.5, 0.5, 9) * step
        return np.mean([OPENING[sample_segments(self.segments, times + offset)] for offset in offsets], axis=0)


def load_clips(shared: Path, aligned: bool = True, names: list[str] | None = None) -> list[Clip]:
    """Clips of the data kit.

    Args:
        shared: its folder.
        aligned: only the LibriVox clips; else all recordings.
        names: parts of file names: only clips that have one of them in theirs.
    """
    with open(shared / "speech" / "transcripts.tsv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    clips = []
    for row in rows:
        name = Path(row["file"]).stem
        if (aligned and not name.startswith("librivox")) or (names and not any(part in name for part in names)):
            continue
        waveform, rate = read_audio(shared / "speech" / row["file"])
        sound = Sound(waveform, rate).read(0, math.ceil(waveform.shape[1] / rate))
        sound = sound[: round(waveform.shape[1] / rate * RATE)]
        phones = align_transcript(sound, row["text"]) if row["text"] and row["language"] == "en" else []
        segments = viseme_segments(phones) if phones else heard_segments(sound)
        clips.append(Clip(name, RATE, sound, phones, segments))
    return clips


def heard_segments(sound: torch.Tensor) -> list[Segment]:
    """(start s, end s, viseme) of the runs of most probable visemes that the speech encoder hears."""
    found = analyse_speech(sound, RATE, FINE).visemes.argmax(1).numpy()
    edges = np.flatnonzero(np.diff(found, prepend=-1, append=-1))
    return [(a / FINE, b / FINE, VISEMES[found[a]]) for a, b in pairwise(edges.tolist())]

"""What the expression recogniser sees: python benchmarks/perception.py [--heads DIR] [--pairs DIR] [--shared FOLDER]

held out    synthetic people with skins, hair, eyes and kinds of light that training never shows (DIR/held_out of
            emotalker.training.heads.make and frames.pairs). held_out_macro: macro accuracy over the eight emotions at strength
            0.6 and more; held_out_units: mean absolute error of the 52 face units. Without --heads, 400 such heads are made
            first.
portraits   the development portraits as they are, against labels given by eye before any network saw them
            (portrait_expressions.tsv; "also" is a second label that the eye allows), and re-expressed by the guide renderer: 8
            emotions at strength 1, as stills and with a speaking mouth.
            agreement: part of all these that get their label, second ones not counted; own, stills, speaking: its parts.

Prints tables and, last, one line of JSON.
"""

import argparse
import csv
import json
import sys
from collections import Counter
from pathlib import Path

import torch

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from score import close_up  # noqa: E402

from emotalker.emotion.taxonomy import EMOTIONS  # noqa: E402
from emotalker.face.expression import ExpressionRecogniser  # noqa: E402
from emotalker.face.finder import FaceFinder  # noqa: E402
from emotalker.face.portrait import Portrait  # noqa: E402
from emotalker.frames.guide import GuideRenderer  # noqa: E402
from emotalker.frames.sheet import still  # noqa: E402
from emotalker.motion.blend import join_speech  # noqa: E402
from emotalker.motion.motion import Motion  # noqa: E402
from emotalker.picture import load_image  # noqa: E402
from emotalker.speech.analyse import analyse_speech  # noqa: E402
from emotalker.speech.mouth import lip_closure, mouth_units  # noqa: E402
from emotalker.training.heads.kit import HeadKit  # noqa: E402
from emotalker.training.heads.make import HeadMaker  # noqa: E402
from emotalker.training.heads.pictures import FacePictures, pictures_of  # noqa: E402
from emotalker.training.heads.train import accuracy  # noqa: E402
from emotalker.video.audio import read_audio  # noqa: E402

SPOKEN = 12
"""Moments of speech for each emotion and portrait; what the frames show together counts, as in a score."""
FPS = 25.0


def measure_held_out(network: ExpressionRecogniser, shared: Path, heads: Path | None, pairs: Path | None) -> dict[str, float]:
    """Figures of held-out synthetic people."""
    if heads is None:
        maker = HeadMaker(HeadKit.load(shared / "heads"), "held_out", seed=7)
        faces = FacePictures(pictures_of([maker.make(number) for number in range(400)]))
    else:
        faces = FacePictures.load(heads / "held_out", pairs and pairs / "held_out")
    figures = accuracy(network, faces)
    print(f"{len(faces)} held-out faces")
    for name, value in figures.items():
        print(f"  {name:24}{value:8.3f}")
    return {"held_out_macro": figures["macro"], "held_out_units": figures["units_error"]}


def measure_portraits(network: ExpressionRecogniser, shared: Path) -> dict[str, float]:
    """Agreement on the development portraits."""
    finder = FaceFinder.load()
    with open(ROOT / "benchmarks" / "portrait_expressions.tsv", encoding="utf-8") as file:
        labels = {row["portrait"]: row for row in csv.DictReader(file, delimiter="\t")}
    sound = read_audio(ROOT / "samples" / "emotalker_voice.wav")
    features = analyse_speech(*sound, FPS)
    speech, closed = mouth_units(features), lip_closure(features)
    right: Counter = Counter()
    total: Counter = Counter()
    confused: Counter = Counter()
    print(f"\n{'portrait':<26}{'by eye':<20}{'seen':<12}re-expressed: stills, speaking (asked -> seen where it differs)")
    for name, row in labels.items():
        picture = load_image(next((shared / "portraits").glob(f"{name}.*")))
        portrait = Portrait.from_image(close_up(picture, finder), finder=finder)
        seen = EMOTIONS[int(network.read(portrait.image[None], portrait.face.landmarks[None]).soft[0].argmax())]
        total["own"] += 1
        right["own"] += seen == row["label"]
        right["own, or the second label"] += seen in (row["label"], row["also"])
        renderer, wrong = GuideRenderer(portrait), []
        for index, emotion in enumerate(EMOTIONS):
            strengths = torch.zeros(1, len(EMOTIONS))
            strengths[0, index] = float(index > 0)
            felt = still(strengths, with_head=False)
            moments = torch.linspace(12, len(speech) - 12, SPOKEN).long()
            spoken = join_speech(speech, felt.units.expand(len(speech), -1), features.visemes, closed, 1.0, FPS)[moments]
            for kind, units in (("stills", felt.units), ("speaking", spoken)):
                frames = torch.cat(list(renderer.stream(Motion(units, torch.zeros(len(units), 6), FPS))))
                landmarks, _ = finder.track(frames, portrait.face)
                found = EMOTIONS[int(network.read(frames, landmarks).soft.mean(0).argmax())]
                total[kind] += 1
                right[kind] += found == emotion
                if found != emotion:
                    wrong.append(f"{kind[:2]} {emotion} -> {found}")
                    confused[f"{emotion} -> {found}"] += 1
        eye = row["label"] + (f" ({row['also']})" if row["also"] else "")
        print(f"{name:<26}{eye:<20}{seen:<12}{'; '.join(wrong)}", flush=True)
    print(f"\n{'':<28}{'right':>7}{'of':>6}")
    for kind in ("own", "stills", "speaking"):
        print(f"{kind:<28}{right[kind]:>7}{total[kind]:>6}")
    print(f"{'own, or the second label':<28}{right['own, or the second label']:>7}{total['own']:>6}")
    print("most confused:", "; ".join(f"{name} {count}" for name, count in confused.most_common(6)))
    kinds = ("own", "stills", "speaking")
    figures = {"agreement": sum(right[k] for k in kinds) / sum(total[k] for k in kinds)}
    return figures | {f"{kind}_agreement": right[kind] / total[kind] for kind in kinds}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="the data kit")
    parser.add_argument("--heads", type=Path, help="folder with held_out/ of emotalker.training.heads.make")
    parser.add_argument("--pairs", type=Path, help="folder with held_out/ of emotalker.training.frames.pairs")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    network = ExpressionRecogniser.load()
    figures = measure_held_out(network, options.shared, options.heads, options.pairs)
    figures |= measure_portraits(network, options.shared)
    print(json.dumps({name: round(float(value), 4) for name, value in figures.items()}))


if __name__ == "__main__":
    main()

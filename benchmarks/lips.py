"""Do the lips move as the speaker's own? Talking clips of a person, made again from their sound and one still.

    python3 dev.py run -- python benchmarks/lips.py --tracker PYTHON [--clips 100] [--out FILE]

Each test clip of ../shared/talk (test.txt: never trained on) is generated from its sound and its first frame with a face, as
`generate` does. Both films, the person's and ours, are measured by mediapipe's face mesh, which runs in an environment of its
own (PYTHON: a Python with `pip install mediapipe==0.10.21`, whose numpy is older than ours) and took no part in any training of
the motion. Prints JSON:

    gap_correlation, width_correlation   of the distance between the lips, and between their corners, with the speaker's own,
                                         mean over clips at the best lag within two frames; gap_lag, width_lag in frames
    closure_recall, closure_other        share of p, b, m (by the words' alignment) at which the lips come into the lowest
                                         quarter of the clip's range; the same of as many other moments of speech
    energy_correlation, energy_correlation_real   of the lips' distance with the loudness of the sound, ours and the speaker's
    gap_sd, gap_sd_real                  sd of the lips' distance over the distance between the eyes
"""

import argparse
import contextlib
import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
TALK = ROOT.parent / "shared" / "talk"
LAG = 2
LABIALS = {
    "bin": 0.1, "blue": 0.1, "by": 0.1, "place": 0.1, "please": 0.1, "b": 0.1, "p": 0.1, "m": 0.9,
}  # fmt: skip
"""Words of the corpus with p, b or m, and where in the word the lips meet, as a share of its length."""
REACH = 0.08
"""Seconds around that place within which the lips must have met: the alignment is of words."""
TRACK = """
import sys, numpy as np, mediapipe as mp, cv2
mesh = mp.solutions.face_mesh.FaceMesh(refine_landmarks=True, max_num_faces=1)
for path in sys.argv[1:]:
    film, rows = cv2.VideoCapture(path), []
    while True:
        ok, frame = film.read()
        if not ok:
            break
        frame = cv2.cvtColor(cv2.resize(frame, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), cv2.COLOR_BGR2RGB)
        found = mesh.process(frame).multi_face_landmarks
        if not found:
            rows.append([np.nan] * 2)
            continue
        size = np.array([frame.shape[1], frame.shape[0]])
        at = lambda i: np.array([found[0].landmark[i].x, found[0].landmark[i].y]) * size
        eyes = np.linalg.norm(at(33) + at(133) - at(263) - at(362)) / 2
        gap = np.mean([np.linalg.norm(at(a) - at(b)) for a, b in ((13, 14), (82, 87), (312, 317))])
        rows.append([gap / eyes, np.linalg.norm(at(61) - at(291)) / eyes])
    np.save(path + '.npy', np.array(rows))
"""


def best(ours: np.ndarray, real: np.ndarray) -> tuple[float, int]:
    """Highest correlation within LAG frames, and the lag; positive: ours comes later."""
    found = []
    for lag in range(-LAG, LAG + 1):
        a, b = (ours[lag:], real[: len(real) - lag]) if lag >= 0 else (ours[:lag], real[-lag:])
        found.append((float(np.corrcoef(a, b)[0, 1]), lag))
    return max(found)


def portrait_of(film: Path):
    """Of the first frame of a film in which a face is found."""
    from emotalker.errors import UserError
    from emotalker.face.portrait import Portrait
    from emotalker.video.decode import read_frames

    for frame in read_frames(film, 1, 0, 25):
        with contextlib.suppress(UserError):
            return Portrait.from_image(frame[0].float() / 255)
    raise SystemExit(f"no face was found in the first second of {film.name}")


def low_share(gap: np.ndarray, times: list[float]) -> list[bool]:
    """Whether the lips come into the lowest quarter of their range near each time."""
    limit = gap.min() + 0.25 * (gap.max() - gap.min())
    reach = round(REACH * 25)
    return [bool(gap[max(0, round(t * 25) - reach) : round(t * 25) + reach + 1].min(initial=9) <= limit) for t in times]


def main() -> None:
    """Generate, track, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracker", required=True, help="a Python with mediapipe 0.10.21")
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--weights", help="another motion denoiser: a folder with motion.safetensors and motion.json")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if not TALK.is_dir():
        sys.exit(f"{TALK} is missing: this benchmark needs the data kit beside the project.")
    import torch

    from emotalker import pipeline
    from emotalker.video.audio import read_recording

    if options.weights:
        from emotalker import weights

        shipped = weights.weights_path
        other = Path(options.weights) / "motion.safetensors"
        weights.weights_path = lambda name: other if name == "motion" else shipped(name)
    names = (TALK / "test.txt").read_text().split()[: options.clips]
    words: dict[str, list[tuple[float, float, str]]] = {}
    for line in gzip.decompress((TALK / "words.tsv.gz").read_bytes()).decode().splitlines()[1:]:
        clip, start, end, word = line.split("\t")
        words.setdefault(clip, []).append((float(start), float(end), word))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        films = []
        for name in names:
            source = TALK / f"{name}.mp4"
            target = Path(folder) / f"{name}.mp4"
            pipeline.generate(portrait_of(source), source, target, seed=0, head=0.3, blink=0.0, quality=95)
            (Path(folder) / f"{name}_real.mp4").symlink_to(source)
            films += [str(target), str(Path(folder) / f"{name}_real.mp4")]
        subprocess.run([options.tracker, "-c", TRACK, *films], check=True, capture_output=True)
        draw = np.random.default_rng(0)
        for name in names:
            ours, real = (np.load(Path(folder) / f"{name}{part}.mp4.npy") for part in ("", "_real"))
            count = min(len(ours), len(real))
            ours, real = ours[:count], real[:count]
            if np.isnan(ours).any() or np.isnan(real).any():
                continue
            sound = read_recording(TALK / f"{name}.mp4").sound
            level = torch.stack([part.square().mean() for part in sound.waveform[0].split(sound.sample_rate // 25)])[:count]
            energy = (level.clamp(min=1e-8).log10()).numpy()
            energy = np.pad(energy, (0, count - len(energy)), mode="edge")
            spoken = [(a, b, w) for a, b, w in words[name] if w != "sil"]
            inside = slice(round(spoken[0][0] * 25), round(spoken[-1][1] * 25) + 1)
            met = [a + LABIALS[w] * (b - a) for a, b, w in spoken if w in LABIALS]
            others = draw.uniform(spoken[0][0], spoken[-1][1], 12)
            others = [t for t in others if all(abs(t - m) > 0.12 for m in met)]
            rows.append(
                {
                    "gap": best(ours[:, 0], real[:, 0]),
                    "width": best(ours[:, 1], real[:, 1]),
                    "energy": [float(np.corrcoef(x[inside, 0], energy[inside])[0, 1]) for x in (ours, real)],
                    "sd": [float(x[:, 0].std()) for x in (ours, real)],
                    "closed": [low_share(x[:, 0], met) for x in (ours, real)],
                    "other": [low_share(x[:, 0], others) for x in (ours, real)],
                }
            )

    def mean(read) -> float:
        return round(float(np.nanmean([read(row) for row in rows])), 3)

    def share(key: str, place: int) -> float:
        return round(float(np.mean([value for row in rows for value in row[key][place]])), 3)

    result = {
        "clips": len(rows),
        "gap_correlation": mean(lambda row: row["gap"][0]),
        "gap_lag": mean(lambda row: row["gap"][1]),
        "width_correlation": mean(lambda row: row["width"][0]),
        "width_lag": mean(lambda row: row["width"][1]),
        "closure_recall": share("closed", 0),
        "closure_recall_real": share("closed", 1),
        "closure_other": share("other", 0),
        "closure_other_real": share("other", 1),
        "energy_correlation": mean(lambda row: row["energy"][0]),
        "energy_correlation_real": mean(lambda row: row["energy"][1]),
        "gap_sd": mean(lambda row: row["sd"][0]),
        "gap_sd_real": mean(lambda row: row["sd"][1]),
    }
    print(json.dumps(result, indent=2))
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

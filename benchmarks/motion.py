"""How good drawn motion is, beside the rules that taught it: python benchmarks/motion.py [--weights NAME] [--quick]

Every figure is taken twice, of takes by motion diffusion (`make_take`) and of `perform` (the rules), on the LibriVox clips of
the data kit, heard by the speech encoder; neither was trained on them. Motion is measured as face units, not in rendered
video.

closure_recall     part of the P, B, M of a forced alignment during which (one frame of grace) the lips' gap (`lip_gap`, from
                   face units) comes into the lowest quarter of the clip's frames, first to last word.
shut               part of them in which the gap comes to 0.03 of an open jaw or less.
sync_loss, lag     1 less the correlation of the gap with the opening that the alignment expects; frames by which it trails.
seams              mean size of the acceleration at the first frames of windows over that elsewhere, with standard error. `all`:
                   all channels, each over its own spread, summed; `each`: each channel over its own acceleration elsewhere,
                   so that heads count as much as lips. Aim: 1.1 at most. The rules have no windows: theirs is 1 but for chance.
blinks             a minute: the lids pass half shut; while speaking, and in silence (`rest`).
head               of takes of 60 s: sd and range in degrees, mean speed in degrees a second. In brackets what is accepted.
jitter             mean size of the third difference of the lips' gap and of the head's angles.
variety            variance across seeds of head angles, brows and the lips' gap, mean over time, over that of the rules; of the
                   lips (the rules' are the same with every seed) over their variance in time. Aims: 0.5 at least; small.
strength           emotion shown: mean of the emotion's own face units (those of 0.2 and more), less the same without emotion,
                   over what the table of expressions asks for; 1 is the table's. benchmarks/motion_emotion.py has more.
times_real_time    seconds of motion a second, features given, best of three. cpu: seconds of processor time for one second.

--quick takes one clip or two seeds where the whole takes all, and less than a minute of processor time: for ablations.
"""

import argparse
import json
import resource
import sys
import time
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from clips import load_clips
from motion_measures import (
    BLINKS_REST,
    Draw,
    Heard,
    accepted,
    join,
    lips,
    mean_of,
    nature,
    seams,
    shown,
    silence,
    standard_errors,
    variety,
)
from reference import reference_seconds

from emotalker.emotion.taxonomy import EMOTIONS
from emotalker.emotion.track import EmotionTrack
from emotalker.motion.denoiser import RATE
from emotalker.motion.motion import Motion
from emotalker.motion.sampling import GUIDANCE, Settings, load_denoiser
from emotalker.motion.take import make_take
from emotalker.speech.analyse import analyse_speech
from emotalker.speech.features import SpeechFeatures
from emotalker.training.motion.performance import perform

GUIDANCES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
HALF = 0.5
"""Strength at which guidance is measured: far enough from the top that more can show."""
CALM = EmotionTrack()


def show(title: str, rows: dict[str, tuple], columns: tuple[str, ...]) -> None:
    """A table of numbers and words."""
    print(f"\n{title:<34}" + "".join(f"{column:>14}" for column in columns))
    for name, values in rows.items():
        cells = (f"{value:>14}" if isinstance(value, str) else f"{value:>14.3f}" for value in values)
        print(f"{name:<34}" + "".join(cells), flush=True)


def measure_lips(both: dict[str, Draw], clips: Heard, seeds: range) -> dict[str, float]:
    """Table of lips without emotion."""
    found = {n: lips(clips, [[draw(heard, CALM, seed) for seed in seeds] for _, heard in clips]) for n, draw in both.items()}
    show("lips, no emotion", {key: tuple(part[key] for part in found.values()) for key in found["rules"]}, tuple(both))
    return {f"lips_{key}": value for key, value in found["diffusion"].items()}


def measure_nature(both: dict[str, Draw], features: list[SpeechFeatures], minutes: int, priors: Path) -> dict[str, float]:
    """Tables of seams, blinks, head movement and jitter; of a different speech and seed every minute."""
    speeches = [join(features, 60.0, minute) for minute in range(minutes)]
    takes = {name: [draw(speech, CALM, seed) for seed, speech in enumerate(speeches)] for name, draw in both.items()}
    figures = {}
    found = {name: seams(part) for name, part in takes.items()}
    rows = {kind: tuple(number for part in found.values() for number in part[kind]) for kind in ("all", "each")}
    show(f"seams, {minutes} minutes", rows, ("diffusion", "± s.e.", "rules", "± s.e."))
    for kind, (mean, error) in found["diffusion"].items():
        figures |= {f"seams_{kind}": mean, f"seams_{kind}_error": error}

    each = {name: [nature(take) for take in part] for name, part in takes.items()}
    means, errors = mean_of(each["diffusion"]), standard_errors(each["diffusion"])
    rules = mean_of(each["rules"])
    ranges = accepted(priors, rules)
    quiet = silence(features[0], 60.0)
    rest = {name: mean_of([nature(draw(quiet, CALM, seed)) for seed in range(min(minutes, 6))]) for name, draw in both.items()}
    rows, missed = {}, []
    for name, (least, most) in (ranges | {"blinks_rest": BLINKS_REST}).items():
        value, of_rules = (part["blinks"] for part in rest.values()) if name == "blinks_rest" else (means[name], rules[name])
        fits = least <= value <= most
        rows[name] = (value, errors.get(name, float("nan")), of_rules, f"{least:.3g} - {most:.3g}", "yes" if fits else "NO")
        figures[name] = value
        if not fits:
            missed.append(name)
    show("60 s, no emotion", rows, ("diffusion", "± s.e.", "rules", "accepted", "accepted?"))
    figures["nature_missed"] = len(missed)
    return figures


def measure_variety(both: dict[str, Draw], speech: SpeechFeatures, seeds: range) -> dict[str, float]:
    """Table of the variance across seeds."""
    ours, rules = (variety([draw(speech, CALM, seed) for seed in seeds]) for draw in both.values())
    rows = {name: (ours[name], rules[name], ours[name] / rules[name]) for name in ("head", "brows")}
    rows["lips"] = (ours["lips"], rules["lips"], ours["lips"] / ours["lips over time"])
    show(f"variance across {len(seeds)} seeds", rows, (*both, "ratio"))
    return {f"variety_{name}": row[2] for name, row in rows.items()}


def measure_emotion(draw: Draw, clips: Heard, seeds: range, strength: float) -> tuple[float, float, dict[str, float]]:
    """(mean strength shown, that of the weakest emotion, `lips` of all takes) of the seven emotions."""
    plain = [[draw(heard, CALM, seed) for seed in seeds] for _, heard in clips]
    strengths, closed = [], []
    for emotion in EMOTIONS[1:]:
        track = EmotionTrack.constant({emotion: strength})
        takes = [[draw(heard, track, seed) for seed in seeds] for _, heard in clips]
        strengths.append(shown(takes, plain, emotion))
        closed.append(lips(clips, takes))
    return float(np.mean(strengths)), min(strengths), mean_of(closed)


def measure_guidance(guided, clips: Heard, seeds: range) -> dict[str, float]:
    """Table over the emotion guidance; guided(scale) draws with it."""
    rows = {}
    for scale in GUIDANCES:
        mean, _, closed = measure_emotion(guided(scale), clips, seeds, HALF)
        rows[f"{scale:g}"] = (mean, closed["closure_recall"], closed["sync_loss"])
    show(f"emotion guidance, strength {HALF}", rows, ("strength", "closures", "sync loss"))
    figures = {f"guidance_{scale}": row[0] for scale, row in rows.items()}
    figures |= {f"guidance_{scale}_sync_loss": row[2] for scale, row in rows.items()}
    shown_at = [row[0] for row in rows.values()]
    return figures | {"guidance_rises": float(all(b > a for a, b in pairwise(shown_at)))}


def measure_speed(draw: Draw, features: list[SpeechFeatures], quick: bool) -> dict[str, float]:
    """Real-time factor on a minute; unless quick, memory of ten minutes."""
    minute = join(features, 60.0)
    draw(features[0], CALM, 0)
    reference, times = reference_seconds(), []
    for _ in range(1 if quick else 3):
        start, began = time.perf_counter(), time.process_time()
        draw(minute, EmotionTrack.constant(happy=0.5), 0)
        times.append((time.perf_counter() - start, time.process_time() - began))
    seconds, cost = (value / minute.duration for value in min(times))
    print(f"\n{1 / seconds:.1f} times real time on {torch.get_num_threads()} threads, {cost:.4f} s of processor time a second")
    print(f"a second of motion takes {seconds / reference:.2f} times the reference work")
    figures = {"times_real_time": 1 / seconds, "cpu_seconds_per_second": cost, "times_reference": seconds / reference}
    if not quick:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        draw(join(features, 600.0), CALM, 0)
        figures["growth_mb_ten_minutes"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(f"ten minutes of speech took {figures['growth_mb_ten_minutes']:.0f} MiB more")
    return figures


def main() -> None:
    """Print the tables and, as the last line, the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared", help="the data kit")
    parser.add_argument("--weights", default="motion", help="name of the weights")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--solver", default="dpm", choices=["ddim", "dpm"])
    parser.add_argument("--speech-guidance", type=float, default=GUIDANCE)
    parser.add_argument("--emotion-guidance", type=float, default=GUIDANCE)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--minutes", type=int, default=24, help="of speech for seams and nature")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="fewer clips, seeds and minutes; no table of guidance")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = load_denoiser(options.weights)

    def drawn(features: SpeechFeatures, track: EmotionTrack, seed: int, scale: float = options.emotion_guidance) -> Motion:
        settings = Settings(options.steps, options.speech_guidance, scale, options.solver)
        return make_take(model, features, track, seed, settings)

    quick = options.quick
    clips = [(clip, analyse_speech(clip.sound, clip.rate, RATE)) for clip in load_clips(options.shared)]
    features = [heard for _, heard in clips]
    both: dict[str, Draw] = {"diffusion": drawn, "rules": perform}
    seeds = range(options.seeds)

    figures = measure_lips(both, clips, seeds[:1] if quick else seeds)
    figures |= measure_nature(both, features, 3 if quick else options.minutes, options.shared / "priors")
    figures |= measure_variety(both, features[0], range(10))
    if quick:
        strength = measure_emotion(drawn, clips[:1], seeds[:2], 1.0)
    else:
        strength = measure_emotion(drawn, clips[:2], seeds, 1.0)
        figures |= measure_guidance(lambda scale: partial(drawn, scale=scale), clips[:2], seeds[:2])
    show("seven emotions at 1", {"": (*strength[:2], strength[2]["closure_recall"])}, ("strength", "weakest", "closures"))
    figures |= {"emotion_strength": strength[0], "emotion_least_strength": strength[1]}
    figures["emotion_closure_recall"] = strength[2]["closure_recall"]
    figures |= measure_speed(drawn, features, quick)
    print(json.dumps({name: round(float(value), 4) for name, value in figures.items()}))


if __name__ == "__main__":
    main()

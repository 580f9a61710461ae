"""How good drawn motion is, beside the rules that taught it: python benchmarks/motion.py [--weights NAME] [--steps 10]

Every figure is taken twice, of the motion diffusion and of `perform` (the rules), on the five LibriVox clips of the data
kit, heard by the speech encoder; neither was trained on them. Motion is measured as face units, not in rendered video.

closure_recall     part of the P, B, M of a forced alignment during which (one frame of grace) the lips' gap (`lip_gap`, from
                   face units) comes into the lowest quarter of the clip's frames, first to last word.
shut               part of them in which the gap comes to 0.03 of an open jaw or less.
correlation, lag   of the gap with the opening that the alignment expects; frames by which the gap trails it.
strength           emotion shown: mean over speech of the emotion's own face units (those of 0.2 and more), less the same
                   without emotion, over what the table of expressions asks for; 1 is the table's.
variety            variance across 10 seeds of head angles, brows and the lips' gap, mean over time, over that of the rules.
seams              mean size of the acceleration (all channels, each over its own spread) at the first frames of windows, over
                   that elsewhere.
blinks             a minute: the lids pass half shut. head: sd in degrees and mean speed in degrees a second, yaw pitch roll.
jitter             mean size of the third difference of the lips' gap and of the head's angles, over that of the rules.
times_real_time    seconds of motion a second, features given.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent.parent))

from speech import Clip, LipScore, load_clips, score_lips

from emotalker.emotion.expression import UNIT_TABLE
from emotalker.emotion.taxonomy import EMOTION_INDEX, EMOTIONS
from emotalker.emotion.track import EmotionTrack
from emotalker.face.arkit import UNIT_INDEX
from emotalker.motion.blend import lip_gap
from emotalker.motion.denoiser import RATE
from emotalker.motion.motion import Motion
from emotalker.motion.sampling import OVERLAP, WINDOW, Settings, draw_motion, load_denoiser
from emotalker.speech.analyse import analyse_speech
from emotalker.speech.features import SpeechFeatures
from emotalker.training.performance import perform

SHUT = 0.03
OWN_UNIT = 0.2
STRENGTHS = (0.3, 0.6, 1.0)
GUIDANCES = (0.0, 1.0, 2.0, 3.0)
BROWS = ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")

Draw = Callable[[SpeechFeatures, EmotionTrack, int], Motion]


def lips(draw: Draw, clips: list[tuple[Clip, SpeechFeatures]], track: EmotionTrack, seeds: range) -> dict[str, float]:
    """Closures, correlation and lag over all clips."""
    scores: list[LipScore] = []
    shut, matches = 0, []
    for clip, features in clips:
        for seed in seeds:
            gap = lip_gap(draw(features, track, seed).units).clamp(min=0).numpy()
            scores.append(score_lips(clip, gap))
            times = (np.arange(len(gap)) + 0.5) / RATE
            spans = [(start, end) for start, end, phone in clip.phones if phone in ("P", "B", "M")]
            shut += sum(bool(gap[(times >= a - 1 / RATE) & (times <= b + 1 / RATE)].min() <= SHUT) for a, b in spans)
            rules = lip_gap(perform(features, EmotionTrack(), 0).units).clamp(min=0).numpy()
            matches.append(np.corrcoef(gap, rules)[0, 1])
    count = sum(score.closures for score in scores)
    return {
        "closure_recall": sum(score.low for score in scores) / count,
        "shut": shut / count,
        "largest_lag": max(abs(score.lag) for score in scores),
        "correlation_with_rules": float(np.mean(matches)),
    }


def calm_units(draw: Draw, features: list[SpeechFeatures], seeds: range) -> Tensor:
    """[clips, seeds, 52] mean units without emotion."""
    return torch.stack([torch.stack([draw(heard, EmotionTrack(), seed).units.mean(0) for seed in seeds]) for heard in features])


def shown(draw: Draw, features: list[SpeechFeatures], calm: Tensor, emotion: str, strength: float, seeds: range) -> float:
    """Strength at which an emotion shows, see `strength` above; calm is calm_units of the same."""
    row = UNIT_TABLE[EMOTION_INDEX[emotion]]
    own = row >= OWN_UNIT
    track = EmotionTrack.constant({emotion: strength})
    felt = torch.stack([torch.stack([draw(heard, track, seed).units.mean(0) for seed in seeds]) for heard in features])
    return float((felt - calm)[..., own].sum(2).mean() / row[own].sum())


def variety(draw: Draw, features: SpeechFeatures, seeds: int = 10) -> Tensor:
    """[3] variance across seeds: head angles (degrees²), brows, lips' gap."""
    takes = [draw(features, EmotionTrack(), seed) for seed in range(seeds)]
    heads = torch.stack([take.head[:, :3] for take in takes])
    brows = torch.stack([take.units[:, [UNIT_INDEX[name] for name in BROWS]] for take in takes])
    gaps = torch.stack([lip_gap(take.units) for take in takes])
    return torch.stack([values.var(0).mean() for values in (heads, brows, gaps)])


def seams(motion: Motion) -> float:
    """Acceleration at window joints over that elsewhere."""
    values = torch.cat([motion.units, motion.head], 1)
    values = values[:, values.std(0) > 1e-3]
    size = (values / values.std(0)).diff(n=2, dim=0).abs().mean(1)  # row i: frames i, i + 1, i + 2
    joints = set()
    for first in range(WINDOW - OVERLAP, len(values) - OVERLAP, WINDOW - OVERLAP):
        joints |= {first + OVERLAP - 2, first + OVERLAP - 1}
    at = torch.tensor(sorted(joint for joint in joints if joint < len(size)))
    elsewhere = torch.ones(len(size), dtype=torch.bool)
    elsewhere[at] = False
    return float(size[at].mean() / size[elsewhere].mean())


def nature(motion: Motion) -> dict[str, float]:
    """Blinks, head movement and jitter."""
    lids = motion.units[:, [UNIT_INDEX["eyeBlinkLeft"], UNIT_INDEX["eyeBlinkRight"]]].amin(1)
    shut = lids > 0.5
    angles, gap = motion.head[:, :3], lip_gap(motion.units)
    figures = {"blinks": float((shut[1:] & ~shut[:-1]).sum()) / motion.duration * 60}
    for index, name in enumerate(("yaw", "pitch", "roll")):
        figures[f"{name}_sd"] = float(angles[:, index].std())
        figures[f"{name}_speed"] = float(angles[:, index].diff().abs().mean() * motion.fps)
    figures["jitter_lips"] = float(gap.diff(n=3).abs().mean())
    figures["jitter_head"] = float(angles.diff(n=3, dim=0).abs().mean())
    return figures


def join(features: list[SpeechFeatures], seconds: float) -> SpeechFeatures:
    """Clips one after the other until so many seconds are full."""
    frames = round(seconds * RATE)
    heard = {
        name: torch.cat([getattr(part, name) for part in features] * (1 + frames // sum(p.frames for p in features)))[:frames]
        for name in ("visemes", "voicing", "loudness", "embedding")
    }
    return SpeechFeatures(fps=RATE, duration=seconds, **heard)


def show(title: str, rows: dict[str, tuple[float, ...]], columns: tuple[str, ...]) -> None:
    """A table."""
    print(f"\n{title:<34}" + "".join(f"{column:>12}" for column in columns))
    for name, values in rows.items():
        print(f"{name:<34}" + "".join(f"{value:>12.3f}" for value in values), flush=True)


def main() -> None:
    """Print the tables and, as the last line, the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared", help="the data kit")
    parser.add_argument("--weights", default="motion", help="name of the weights")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--solver", default="dpm", choices=["ddim", "dpm"])
    parser.add_argument("--speech-guidance", type=float, default=1.0)
    parser.add_argument("--emotion-guidance", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="only lips, seams, nature and speed")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = load_denoiser(options.weights)
    settings = Settings(options.steps, options.speech_guidance, options.emotion_guidance, options.solver)

    def drawn(features: SpeechFeatures, track: EmotionTrack, seed: int, settings: Settings = settings) -> Motion:
        return draw_motion(model, features, track, seed, settings)

    clips = [(clip, analyse_speech(clip.sound, clip.rate, RATE)) for clip in load_clips(options.shared)]
    features = [heard for _, heard in clips]
    minute = join(features, 60.0)
    figures: dict[str, float] = {}
    both = {"diffusion": drawn, "rules": perform}
    seeds = range(options.seeds)

    found = {name: lips(draw, clips, EmotionTrack(), seeds) for name, draw in both.items()}
    show("lips, no emotion", {key: tuple(part[key] for part in found.values()) for key in found["rules"]}, tuple(both))
    figures |= {f"lips_{key}": value for key, value in found["diffusion"].items()}

    takes = {name: [draw(minute, EmotionTrack(), seed) for seed in range(3)] for name, draw in both.items()}
    rows = {"seams": tuple(float(np.mean([seams(take) for take in part])) for part in takes.values())}
    for key in nature(takes["rules"][0]):
        rows[key] = tuple(float(np.mean([nature(take)[key] for take in part])) for part in takes.values())
    show("60 s, no emotion, mean of 3 takes", rows, tuple(both))
    figures |= {key: value[0] for key, value in rows.items()}

    spread = {name: variety(draw, features[0]) for name, draw in both.items()}
    rows = {
        name: (float(a), float(b), float(a / b) if b > 1e-6 else float("nan"))
        for name, a, b in zip(("head", "brows", "lips"), *spread.values(), strict=True)
    }
    show("variance across 10 seeds", rows, (*both, "ratio"))
    figures |= {f"variety_{name}": row[2] for name, row in rows.items() if row[2] == row[2]}
    figures["lips_sd_across_seeds"] = rows["lips"][0] ** 0.5

    if not options.quick:
        figures |= emotions(drawn, both, clips, features, seeds, settings)
    figures |= speed(drawn, minute, features)
    print(json.dumps({name: round(float(value), 4) for name, value in figures.items()}))


def emotions(drawn, both: dict[str, Draw], clips, features, seeds: range, settings: Settings) -> dict[str, float]:
    """Tables of emotion strength and of guidance."""
    figures, grows = {}, 0
    for name, draw in both.items():
        rows, calm = {}, calm_units(draw, features[:2], seeds)
        for emotion in EMOTIONS[1:]:
            values = tuple(shown(draw, features[:2], calm, emotion, strength, seeds) for strength in STRENGTHS)
            closed = lips(draw, clips[:2], EmotionTrack.constant({emotion: 1.0}), seeds[:2])
            rows[emotion] = (*values, closed["closure_recall"], closed["shut"])
            if name == "diffusion":
                grows += int(0 < values[0] < values[1] < values[2])
        show(f"strength shown, {name}", rows, (*(f"at {strength}" for strength in STRENGTHS), "closures", "shut"))
        if name == "diffusion":
            figures["emotion_strength"] = float(np.mean([row[2] for row in rows.values()]))
            figures["emotion_least_strength"] = min(row[2] for row in rows.values())
            figures["emotion_closure_recall"] = float(np.mean([row[3] for row in rows.values()]))
    figures["emotions_that_grow"] = grows
    rows = {}
    for scale in GUIDANCES:
        guided = Settings(settings.steps, settings.speech_guidance, scale, settings.solver)

        def draw(heard, track, seed, guided=guided):
            return drawn(heard, track, seed, guided)

        calm = calm_units(draw, features[:1], seeds[:2])
        felt = float(np.mean([shown(draw, features[:1], calm, emotion, 0.5, seeds[:2]) for emotion in EMOTIONS[1:]]))
        closed = [
            lips(draw, clips[:2], EmotionTrack.constant({emotion: 0.5}), seeds[:1]) for emotion in ("happy", "angry", "fear")
        ]
        rows[f"{scale:g}"] = (
            felt,
            *(float(np.mean([c[key] for c in closed])) for key in ("closure_recall", "correlation_with_rules")),
        )
        figures[f"guidance_{scale:g}"] = felt
    show("emotion guidance, strength 0.5", rows, ("strength", "closures", "correlation"))
    return figures


def speed(drawn: Draw, minute: SpeechFeatures, features: list[SpeechFeatures]) -> dict[str, float]:
    """Real-time factor on a minute and memory of ten minutes."""
    drawn(features[0], EmotionTrack(), 0)
    start = time.perf_counter()
    drawn(minute, EmotionTrack.constant(happy=0.5), 0)
    factor = minute.duration / (time.perf_counter() - start)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    drawn(join(features, 600.0), EmotionTrack(), 0)
    growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"\n{factor:.1f} times real time on {torch.get_num_threads()} threads; ten minutes of speech took {growth:.0f} MiB more"
    )
    return {"times_real_time": factor, "growth_mb_ten_minutes": growth}


if __name__ == "__main__":
    main()

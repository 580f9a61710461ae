"""Do drawn emotions use the right facial actions, more with more strength? python benchmarks/motion_emotion.py [--weights NAME]

Motion diffusion speaks LibriVox clips of the data kit with each of the eight emotions at the strengths 0.3, 0.6 and 1, and
without emotion, with several seeds each. Measured as face units (not in rendered video), mean over the frames in which speech
is heard, over clips and seeds, less the same without emotion.

actions     the action units (AU) of an emotion after emotion_prototypes.csv of the data kit, only lists that were checked; face
            units of an AU after au_to_arkit.csv. An AU rises by the mean of its units; one of one side only (R12) counts by
            that side's, and must rise more than twice the other side's. An emotion may have several lists: it is right if
            every AU of one of them rises by more than NOTICED at strength 1. Shown: the longest such list.
grows       every AU of that list rises more and more with the strength.
closures    part of the P, B, M of the forced alignment in which the lips' gap (`lip_gap`) comes into the lowest quarter of the
            clip's frames (one frame of grace), at strength 1; `shut`: to 0.03 of an open jaw or less.
neutral     asks for nothing: largest mean change of any face unit, at any strength. It must stay below NOTICED.
"""

import argparse
import csv
import json
import re
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent.parent))

from clips import Clip, load_clips
from speech import score_lips

from emotalker.arkit import UNIT_INDEX
from emotalker.emotion.taxonomy import EMOTIONS
from emotalker.emotion.track import EmotionTrack
from emotalker.motion.blend import lip_gap
from emotalker.motion.denoiser import RATE
from emotalker.motion.sampling import GUIDANCE, Settings, load_denoiser
from emotalker.motion.take import make_take
from emotalker.speech.analyse import analyse_speech
from emotalker.speech.features import VISEME_INDEX, SpeechFeatures

STRENGTHS = (0.3, 0.6, 1.0)
NOTICED = 0.03
"""Change of a mean weight that counts as one: the mean of five takes without emotion is uncertain by about a third of it."""
SHUT = 0.03
NAMES = {"happiness": "happy", "sadness": "sad", "anger": "angry"}
CLIPS = ["0870", "0920"]

Action = tuple[str, tuple[int, ...], tuple[int, ...]]
"""Name of an AU, its face units, and those of the other side if it is one-sided."""


def action_lists(priors: Path) -> dict[str, list[list[Action]]]:
    """Emotion to its lists of actions."""
    with open(priors / "au_to_arkit.csv", encoding="utf-8") as file:
        units = {row["au"]: [name for name in row["arkit_blendshapes"].split(";") if name] for row in csv.DictReader(file)}
    lists: dict[str, list[list[Action]]] = {}
    with open(priors / "emotion_prototypes.csv", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["checked"] == "yes":
                parts = [re.fullmatch(r"([RL]?)(\d+)[A-E]?", part).groups() for part in row["action_units"].split("+")]
                actions = [_action(side, units[number], number) for side, number in parts]
                lists.setdefault(NAMES.get(row["emotion"], row["emotion"]), []).append(actions)
    return lists


def _action(side: str, names: list[str], number: str) -> Action:
    if not side:
        return number, tuple(UNIT_INDEX[name] for name in names), ()
    this, other = ("Right", "Left") if side == "R" else ("Left", "Right")
    return side + number, *(tuple(UNIT_INDEX[name] for name in names if name.endswith(end)) for end in (this, other))


class Stage:
    """Draws takes of clips and averages them.

    Args:
        weights: name of the model's weights.
        clips: what is spoken.
        seeds: how many takes of each.
        settings: how they are drawn.
    """

    def __init__(self, weights: str, clips: list[Clip], seeds: int, settings: Settings) -> None:
        self.model, self.seeds, self.settings = load_denoiser(weights), seeds, settings
        self.parts: list[tuple[Clip, SpeechFeatures]] = [(c, analyse_speech(c.sound, c.rate, RATE)) for c in clips]

    def units(self, emotion: str, strength: float) -> list[list[Tensor]]:
        """[clips][seeds] of [T, 52]."""
        track = EmotionTrack.constant({emotion: strength}) if strength else EmotionTrack()
        return [
            [make_take(self.model, heard, track, seed, self.settings).units for seed in range(self.seeds)]
            for _, heard in self.parts
        ]

    def mean(self, takes: list[list[Tensor]]) -> Tensor:
        """[52] mean over the frames with speech."""
        means = []
        for (_, heard), clip in zip(self.parts, takes, strict=True):
            speaks = heard.visemes[:, VISEME_INDEX["sil"]] < 0.5
            means += [units[speaks].mean(0) for units in clip]
        return torch.stack(means).mean(0)

    def closures(self, takes: list[list[Tensor]]) -> tuple[float, float]:
        """Part of the closures whose gap is low, and part that is shut."""
        count = low = shut = 0
        for (clip, _), clip_takes in zip(self.parts, takes, strict=True):
            for units in clip_takes:
                gap = lip_gap(units).clamp(min=0).numpy()
                score = score_lips(clip, gap)
                times = (np.arange(len(gap)) + 0.5) / RATE
                count, low = count + score.closures, low + score.low
                shut += sum(
                    bool(gap[(times >= a - 1 / RATE) & (times <= b + 1 / RATE)].min() <= SHUT) for a, b in clip.closures
                )
        return low / count, shut / count


def rise(change: Tensor, action: Action) -> float:
    """How far an action rises in changes [52] of the units; 0 for a one-sided one that the other side joins."""
    _, own, other = action
    risen = float(change[list(own)].mean())
    return 0.0 if other and float(change[list(other)].mean()) > risen / 2 else risen


def best_list(lists: list[list[Action]], change: Tensor) -> list[Action]:
    """The longest list whose every action rises in changes [52]; if there is none, the one whose weakest rises most."""

    def value(actions: list[Action]) -> tuple[bool, int, float]:
        weakest = min(rise(change, action) for action in actions)
        return weakest > NOTICED, len(actions) if weakest > NOTICED else 0, weakest

    return max(lists, key=value)


def main() -> None:
    """Print the table and, as the last line, the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared", help="the data kit")
    parser.add_argument("--weights", default="motion", help="name of the weights")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=Settings().steps)
    parser.add_argument("--emotion-guidance", type=float, default=GUIDANCE)
    parser.add_argument("--clips", nargs="*", default=CLIPS, help="parts of names of LibriVox clips")
    parser.add_argument("--only", nargs="*", default=EMOTIONS, choices=EMOTIONS, help="emotions")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    lists = action_lists(options.shared / "priors")
    settings = Settings(steps=options.steps, emotion_guidance=options.emotion_guidance)
    stage = Stage(options.weights, load_clips(options.shared, names=options.clips), options.seeds, settings)
    calm_takes = stage.units("neutral", 0)
    calm = stage.mean(calm_takes)
    right = grow = 0
    recalls, neutral = {"calm": stage.closures(calm_takes)[0]}, 0.0
    print(
        f"{'emotion':<10}{'actions':<20}{'weakest':>9}"
        + "".join(f"{f'at {s:g}':>8}" for s in STRENGTHS)
        + "  grows  closures  shut"
    )
    for emotion in options.only:
        changes = []
        for strength in STRENGTHS:
            takes = stage.units(emotion, strength)
            changes.append(stage.mean(takes) - calm)
        recall, shut = stage.closures(takes)
        recalls[emotion] = recall
        if emotion == "neutral":
            neutral = max(float(change.abs().max()) for change in changes)
            print(f"{emotion:<10}{'none':<20}{neutral:>9.3f}{'':>24}{'':>7}{recall:>10.3f}{shut:>6.2f}", flush=True)
            continue
        actions = best_list(lists[emotion], changes[-1])
        rises = [[rise(change, action) for change in changes] for action in actions]
        weakest = min(levels[-1] for levels in rises)
        grows = all(b > a for levels in rises for a, b in pairwise([0.0, *levels]))
        right, grow = right + (weakest > NOTICED), grow + grows
        means = "".join(f"{np.mean([levels[i] for levels in rises]):>8.3f}" for i in range(len(STRENGTHS)))
        shown = "+".join(action[0] for action in actions)
        print(
            f"{emotion:<10}{shown:<20}{weakest:>9.3f}{means}{'yes' if grows else 'NO':>7}{recall:>10.3f}{shut:>6.2f}",
            flush=True,
        )
    figures = {"right_actions": right, "that_grow": grow, "of": len(options.only) - ("neutral" in options.only)}
    figures |= {
        "neutral_change": neutral,
        "least_closure_recall": min(recalls.values()),
        "calm_closure_recall": recalls["calm"],
    }
    print(json.dumps({name: round(float(value), 4) for name, value in figures.items()}))


if __name__ == "__main__":
    main()

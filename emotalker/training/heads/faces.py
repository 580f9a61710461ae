"""Random faces: emotions of some strength, as people differ in showing them, over speech, gaze and blinks, with labels."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...arkit import FACE_UNITS, UNIT_INDEX
from ...emotion.expression import ANTAGONISTS, AU_UNITS, DAMPING, EXPRESSIONS, saturate
from ...emotion.soft_label import soft_label
from ...emotion.taxonomy import COMPOUNDS, EMOTION_INDEX, EMOTIONS
from ...motion.blend import join_speech
from ...motion.gaze import EYE_DOWN, EYE_UP, EYE_YAW, LID_FOLLOW_DOWN, LID_FOLLOW_UP
from ...speech.features import VISEMES, SpeechFeatures
from ...speech.mouth import lip_closure, mouth_units

KINDS = {"neutral": 0.14, "single": 0.54, "compound": 0.16, "pair": 0.16}
"""Shares of what a face shows: nothing, one emotion, one of the compounds of Du et al., two emotions of any strengths."""
SPEAKING = 0.4
MUSCLES = 0.22
"""Standard deviation of the logarithm of how strongly a person uses an action unit."""
ONE_SIDED, LOPSIDED = 0.12, 0.13
"""Share of faces that are plainly one-sided, and the deviation of the log ratio of left to right in the others."""
PROTOTYPE = 0.35
"""Share of expressions made from a published list of action units, instead of those that EmoTalker performs by."""
PROTOTYPES: dict[str, tuple[dict[int, float], ...]] = {
    "happy": ({6: 1, 12: 1}, {6: 1, 12: 1, 25: 1}, {12: 1, 25: 1}, {12: 1}),
    "sad": ({1: 1, 4: 1, 15: 1}, {1: 1, 4: 0.7}, {6: 0.6, 15: 1}, {4: 0.6, 15: 1, 17: 1}, {1: 1, 15: 0.8, 17: 0.8}),
    "angry": ({4: 1, 5: 0.7, 7: 1, 23: 1}, {4: 1, 5: 0.7, 7: 1, 24: 1}, {4: 1, 7: 1, 17: 0.8, 24: 1},
              {4: 1, 5: 0.7, 7: 1, 10: 0.7, 23: 0.8, 25: 0.8}),
    "fear": ({1: 1, 2: 0.8, 4: 0.7, 5: 1, 20: 1, 26: 0.7}, {1: 1, 2: 0.7, 4: 0.6, 5: 1, 7: 0.5, 20: 1, 26: 0.6},
             {1: 1, 4: 0.7, 20: 1, 25: 1}, {1: 1, 2: 0.8, 4: 0.6, 5: 1, 20: 1, 25: 1}),
    "disgust": ({9: 1, 15: 0.8, 16: 0.7}, {4: 0.8, 10: 1, 17: 0.8}, {9: 1}, {9: 1, 17: 1}, {9: 1, 10: 1, 17: 0.8}),
    "surprise": ({1: 1, 2: 1, 5: 0.7, 26: 1}, {1: 1, 2: 1, 25: 1, 26: 0.8}, {1: 1, 2: 1, 5: 1, 26: 1.6}),
    "contempt": ({12: 0.5, 14: 1}, {14: 1}, {12: 0.6, 14: 0.8, 10: 0.4}),
}  # fmt: skip
"""Action units and their share: FACS 1978, EMFACS and FACS 2002 as listed in the priors (emotion_prototypes.csv), and Du et al.
2014, Table 1; the shares where a list names none are ours. Contempt is one-sided."""
PROTOTYPE_GAIN = 0.85
SPEECH_FPS = 5.0
REPEAT = 9
"""Speech is made as REPEAT equal frames a face, of which the middle one counts: what surrounds a face does not reach it."""


@dataclass(frozen=True)
class Expression:
    """What N faces show.

    Attributes:
        units: [N,52] weights 0..1; strengths: [N,8] of the emotions in order, 0..1 (neutral 0).
        soft: [N,8] share of each emotion, sum 1; neutral has all where nothing is shown.
        speaking: [N] bool.
    """

    units: Tensor
    strengths: Tensor
    soft: Tensor
    speaking: Tensor


def random_strengths(random: np.random.Generator) -> np.ndarray:
    """Strengths [8] of one face."""
    strengths = np.zeros(len(EMOTIONS))
    kind = str(random.choice(list(KINDS), p=list(KINDS.values())))
    felt = EMOTIONS[1:]
    if kind == "single":
        strengths[EMOTION_INDEX[str(random.choice(felt))]] = random.uniform(0.15, 1.0)
    elif kind == "compound":
        names = [name for name, compound in COMPOUNDS.items() if len(compound.blend) > 1]
        size = random.uniform(0.5, 1.2)
        for name, value in COMPOUNDS[str(random.choice(names))].blend.items():
            strengths[EMOTION_INDEX[name]] = min(value * size, 1.0)
    elif kind == "pair":
        for name in random.choice(felt, 2, replace=False):
            strengths[EMOTION_INDEX[str(name)]] = random.uniform(0.15, 0.9)
    return strengths


def emotion_units(strengths: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Face units [52] of emotions [8] as one person shows them."""
    total = np.zeros(len(FACE_UNITS))
    habits = {action: float(np.exp(random.normal(0, MUSCLES))) for action in AU_UNITS}
    lean = random.normal(0, 0.9) if random.random() < ONE_SIDED else random.normal(0, LOPSIDED)
    for name, strength in zip(EMOTIONS, strengths, strict=True):
        if strength <= 0 or name == "neutral":
            continue
        flip = name == "contempt" and random.random() < 0.5
        if random.random() < PROTOTYPE:
            chosen = PROTOTYPES[name][random.integers(len(PROTOTYPES[name]))]
            sides = "R" if name == "contempt" else "LR"
            actions = [(au, PROTOTYPE_GAIN * share, sides) for au, share in chosen.items()]
        else:
            actions = list(EXPRESSIONS[name])
        for au, action, sides in actions:
            for unit, share in AU_UNITS[au].items():
                side = "L" if unit.endswith("Left") else "R" if unit.endswith("Right") else None
                if side and flip:
                    side = "R" if side == "L" else "L"
                if side is None or side in sides:
                    tilt = np.exp({"L": lean, "R": -lean}.get(side, 0.0)) if abs(lean) < 0.5 else 1.0
                    one = {"L": np.clip(1 + lean, 0.25, 1), "R": np.clip(1 - lean, 0.25, 1)}.get(side, 1.0)
                    size = strength * action * share * habits[au] * (tilt if abs(lean) < 0.5 else one)
                    total[UNIT_INDEX[unit]] += size**2
    units = np.sqrt(total)
    damped = units.copy()
    for one, other in ANTAGONISTS:
        a, b = UNIT_INDEX[one], UNIT_INDEX[other]
        damped[a] *= 1 - DAMPING * min(units[b], 1)
        damped[b] *= 1 - DAMPING * min(units[a], 1)
    return saturate(torch.from_numpy(damped)).numpy()


def add_speech(units: np.ndarray, random: np.random.Generator) -> tuple[Tensor, np.ndarray]:
    """Units [N,52] with the mouths of some of the faces speaking, and which [N] bool."""
    count = len(units)
    speaking = random.random(count) < SPEAKING
    visemes = np.zeros((count, len(VISEMES)))
    visemes[:, 0] = 1
    for row in np.flatnonzero(speaking):
        one, other = random.integers(1, len(VISEMES), 2)
        mix = random.beta(0.5, 0.5)
        visemes[row] = 0
        visemes[row, one] += mix
        visemes[row, other] += 1 - mix
    frames = torch.from_numpy(visemes).float().repeat_interleave(REPEAT, 0)
    loud = torch.from_numpy(random.uniform(0.4, 1.0, count)).float().repeat_interleave(REPEAT)
    features = SpeechFeatures(SPEECH_FPS, frames, 1 - frames[:, 0], loud, frames[:, :1], len(frames) / SPEECH_FPS)
    speech = mouth_units(features, float(random.uniform(0.9, 1.3)))
    felt = torch.from_numpy(units).float().repeat_interleave(REPEAT, 0)
    joined = join_speech(speech, felt, frames, lip_closure(features), 1.0, SPEECH_FPS)[REPEAT // 2 :: REPEAT]
    mouth = torch.from_numpy(speaking)[:, None]
    return torch.where(mouth, joined, torch.from_numpy(units).float()), speaking


def random_faces(count: int, random: np.random.Generator) -> Expression:
    """`count` faces with their labels."""
    strengths = np.stack([random_strengths(random) for _ in range(count)])
    units = np.stack([emotion_units(row, random) for row in strengths])
    joined, speaking = add_speech(units, random)
    for row in joined:
        for side in ("Left", "Right"):
            row[UNIT_INDEX[f"eyeBlink{side}"]] += float(random.normal(0.03, 0.04))
        if random.random() < 0.08:
            closed = random.uniform(0.3, 1.0)
            for side in ("Left", "Right"):
                row[UNIT_INDEX[f"eyeBlink{side}"]] = max(float(row[UNIT_INDEX[f"eyeBlink{side}"]]), closed)
        # Faces at rest are not the model's rest: every muscle has some tone.
        few = random.random(len(FACE_UNITS)) < 0.12
        rest = np.where(few, np.abs(random.normal(0, 0.08, len(FACE_UNITS))), 0)
        for name, index in UNIT_INDEX.items():
            if not name.startswith(("eye", "jaw", "tongue", "mouthClose", "cheekPuff")):
                row[index] += float(rest[index])
    tensor = torch.from_numpy(strengths).float()
    return Expression(joined.clamp(0, 1), tensor, soft_label(tensor), torch.from_numpy(speaking))


def look(units: Tensor, yaw: float, pitch: float) -> None:
    """Turn the eyes of units [52] by yaw (to the picture's right) and pitch (up) in degrees, lids following, in place."""
    right, up = yaw / EYE_YAW, pitch / (EYE_UP if pitch > 0 else EYE_DOWN)
    # The subject's left is the picture's right.
    for side, inward in (("Left", -right), ("Right", right)):
        units[UNIT_INDEX[f"eyeLookIn{side}"]] = min(max(inward, 0), 1)
        units[UNIT_INDEX[f"eyeLookOut{side}"]] = min(max(-inward, 0), 1)
        units[UNIT_INDEX[f"eyeLookUp{side}"]] = min(max(up, 0), 1)
        units[UNIT_INDEX[f"eyeLookDown{side}"]] = min(max(-up, 0), 1)
        blink = UNIT_INDEX[f"eyeBlink{side}"]
        units[blink] = (units[blink] + LID_FOLLOW_DOWN * max(-up, 0)).clamp(0, 1)
        wide = UNIT_INDEX[f"eyeWide{side}"]
        units[wide] = (units[wide] + LID_FOLLOW_UP * max(up, 0)).clamp(0, 1)

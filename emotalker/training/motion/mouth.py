"""A person's way of speaking, learned from tracked takes: what moves the mouths of the motion corpus.

    python -m emotalker train prepare --videos DIR --data TAKES
    python -m emotalker.training.motion.mouth --takes TAKES --out mouth.safetensors
    python -m emotalker.training.motion.corpus --speech SPEECH_CORPUS --mouth mouth.safetensors --data CORPUS

A small convolutional network hears what the motion model hears and says how the units of the mouth move. It replaces the
dominance rules of `speech.mouth`, whose mouths open with loudness: fitted to one speaker they reach a correlation of 0.85
with his lips, this network 0.91. Closures of p, b and m are sealed by rule afterwards, for a tracker sees lips that only
nearly meet.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...arkit import FACE_UNITS, UNIT_INDEX
from ...face.rig import Rig
from ...motion.denoiser import HEARD, RATE
from ...speech.features import VISEMES, SpeechFeatures
from ...speech.mouth import CLOSED_UNITS, PARTING_UNITS, lip_closure
from .losses import LIPS

MOVED = (
    "jawOpen", "mouthFunnel", "mouthPucker", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight", "mouthStretchLeft",
    "mouthStretchRight", "mouthSmileLeft", "mouthSmileRight", "mouthDimpleLeft", "mouthDimpleRight",
)  # fmt: skip
"""Face units that speech moves, beside those that seal a closure. No tongue: lips hide it from a tracker."""
MOVED_INDEX = [UNIT_INDEX[name] for name in MOVED]
QUIET = 0.85
"""Probability of silence from which a frame shows the speaker's mouth at rest."""
WIDTH, KERNEL, LAYERS = 96, 9, 2
"""Channels, frames and layers before the last: 0.36 s are heard to each side."""
STEPS, BATCH, LENGTH = 1500, 48, 64
RATE_PEAK, DECAY = 2e-3, 0.02
UNEVEN = 1.0
"""sd of the noise on the logarithm of what is heard, so that another voice's posteriors move the mouth alike."""
DEAF_TO_LOUDNESS = 0.3
"""Share of the windows whose loudness is another window's: sounds, not loudness, move the mouth."""
RIDGE, FIT_STEPS = 3e-5, 400
HELD_OUT = 10
"""Every so many takes one is kept to measure on."""


class LipContour:
    """The lips' contour as the rig moves it, over the distance of the outer corners of the eyes."""

    def __init__(self) -> None:
        rig = Rig.load()
        rest = rig.landmarks(rig.vertices)
        eye = (rest[33] - rest[263]).norm()
        effects = rig.landmarks(rig.units)[:, list(LIPS), :2] / eye
        self.all = effects.flatten(1)
        self.moved = self.all[MOVED_INDEX]
        upper, lower, right, left = (LIPS.index(point) for point in (13, 14, 61, 291))
        sign = 1.0 if effects[UNIT_INDEX["jawOpen"], lower, 1] > effects[UNIT_INDEX["jawOpen"], upper, 1] else -1.0
        self.measures = torch.zeros(2 * len(LIPS), 2)
        self.measures[2 * lower + 1, 0], self.measures[2 * upper + 1, 0] = sign, -sign
        self.measures[2 * left, 1], self.measures[2 * right, 1] = 1.0, -1.0

    def gap_and_width(self, contour: Tensor) -> Tensor:
        """[..., 2] change of the distance between the lips and between the corners, of contours [..., 80]."""
        return contour @ self.measures


class MouthTeacher(nn.Module):
    """From speech [B, T, HEARD] to the units MOVED, [B, T, len(MOVED)] 0..1."""

    def __init__(self) -> None:
        super().__init__()
        widths = [HEARD] + [WIDTH] * LAYERS
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv1d(before, after, KERNEL, padding=KERNEL // 2, padding_mode="replicate"), nn.GELU()]
        self.layers = nn.Sequential(*layers, nn.Conv1d(WIDTH, len(MOVED), 1))

    def forward(self, heard: Tensor) -> Tensor:
        """Units of the mouth; a little below 0 counts as 0, so that rest can be reached."""
        return (self.layers(heard.transpose(1, 2)).transpose(1, 2) * 0.3).clamp(-0.05, 1)

    @torch.no_grad()
    def speak(self, heard: SpeechFeatures, said: SpeechFeatures | None = None) -> Tensor:
        """Face units [T, 52] of the speaking mouth, sealed where p, b and m are said (as far as that is known, else heard)."""
        features = torch.cat([heard.visemes, heard.voicing[:, None], heard.loudness[:, None]], 1).float()
        return seal(self(features[None])[0], lip_closure(said or heard))

    @classmethod
    def load(cls, path: Path) -> "MouthTeacher":
        """Weights as `main` writes them."""
        teacher = cls()
        teacher.load_state_dict(load_file(path))
        return teacher.eval().requires_grad_(False)


def seal(moved: Tensor, closed: Tensor) -> Tensor:
    """Face units [T, 52] of MOVED [T, M], with lips that meet where `closed` [T] is 1."""
    units = moved.new_zeros(len(moved), len(FACE_UNITS))
    units[:, MOVED_INDEX] = moved.clamp(0, 1)
    for name, weight in CLOSED_UNITS.items():
        index = UNIT_INDEX[name]
        units[:, index] = torch.maximum(units[:, index], closed * weight)
    for name in PARTING_UNITS:
        units[:, UNIT_INDEX[name]] *= 1 - closed
    units[:, UNIT_INDEX["mouthClose"]] = units[:, UNIT_INDEX["jawOpen"]] * closed
    return units


def tracked_contour(heard: Tensor, motion: Tensor, lips: LipContour) -> Tensor:
    """[T, 80] the lips' contour of a tracked take (heard [T, HEARD], motion [T, 58]) against the speaker's own rest."""
    contour = motion[:, : len(FACE_UNITS)] @ lips.all
    quiet = heard[:, 0] > QUIET
    return contour - (contour[quiet] if quiet.any() else contour[:1]).median(0).values


def units_of(contour: Tensor, lips: LipContour) -> Tensor:
    """[T, M] units of MOVED that bring the rig's lips nearest to contours [T, 80]: non-negative least squares by FISTA."""
    gram = lips.moved @ lips.moved.T + RIDGE * torch.eye(len(MOVED))
    wanted = contour @ lips.moved.T
    step = 1 / float(torch.linalg.eigvalsh(gram)[-1])
    found = look = contour.new_zeros(len(contour), len(MOVED))
    speed = 1.0
    for _ in range(FIT_STEPS):
        new = (look - step * (look @ gram - wanted)).clamp(0, 1)
        faster = (1 + (1 + 4 * speed**2) ** 0.5) / 2
        look = new + (speed - 1) / faster * (new - found)
        found, speed = new, faster
    return found


def fit_teacher(heard: list[Tensor], contours: list[Tensor], lips: LipContour, seed: int = 0) -> MouthTeacher:
    """Learn to move the lips as in takes.

    Args:
        heard: [T, HEARD] of each take.
        contours: [T, 80] of tracked_contour.
        lips: the contour of the rig.
        seed: of weights and windows.
    """
    torch.manual_seed(seed)
    draw = np.random.default_rng(seed)
    teacher = MouthTeacher()
    optimiser = torch.optim.AdamW(teacher.parameters(), lr=RATE_PEAK, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    whole = [i for i, part in enumerate(heard) if len(part) >= LENGTH]
    if not whole:
        raise ValueError(f"no take is {LENGTH / RATE:g} s long")
    for _ in range(STEPS):
        spans = [(i, int(draw.integers(len(heard[i]) - LENGTH + 1))) for i in draw.choice(whole, BATCH)]
        said = torch.stack([heard[i][first : first + LENGTH] for i, first in spans])
        wanted = torch.stack([contours[i][first : first + LENGTH] for i, first in spans])
        found = teacher(_vary(said)) @ lips.moved
        error = found - wanted
        measures = lips.gap_and_width(error)
        speed = lips.gap_and_width(error.diff(dim=1))
        loss = error.square().mean() + 0.5 * measures.square().mean() + 0.5 * speed.square().mean()
        optimiser.zero_grad(set_to_none=True)
        (1000 * loss).backward()
        optimiser.step()
        schedule.step()
    return teacher.eval().requires_grad_(False)


def _vary(heard: Tensor) -> Tensor:
    """[B, T, HEARD] as other voices and levels would be heard."""
    heard = heard.clone()
    count = heard.shape[1]
    visemes = heard[..., : len(VISEMES)].clamp(min=1e-6).log()
    strength = UNEVEN * torch.rand(len(heard), 1, 1)
    noise = torch.randn(len(heard), -(-count // 2), len(VISEMES)).repeat_interleave(2, 1)[:, :count]
    heard[..., : len(VISEMES)] = (visemes * torch.empty(len(heard), 1, 1).uniform_(0.7, 1.4) + strength * noise).softmax(-1)
    other = torch.rand(len(heard)) < DEAF_TO_LOUDNESS
    heard[other, :, -1] = heard[torch.randperm(len(heard))][other, :, -1]
    return heard


def measure(teacher: MouthTeacher, heard: list[Tensor], contours: list[Tensor], lips: LipContour) -> dict[str, float]:
    """Mean over takes of the correlation of gap and width with the tracked ones, and their sd over it."""
    rows = []
    for said, wanted in zip(heard, contours, strict=True):
        found = lips.gap_and_width(teacher(said[None])[0].clamp(0, 1) @ lips.moved).numpy()
        real = lips.gap_and_width(wanted).numpy()
        rows.append([np.corrcoef(found[:, k], real[:, k])[0, 1] for k in (0, 1)] + (found.std(0) / real.std(0)).tolist())
    names = ("gap_correlation", "width_correlation", "gap_size", "width_size")
    return {name: round(float(value), 3) for name, value in zip(names, np.nanmean(rows, 0), strict=True)}


def load_takes(folder: Path, lips: LipContour) -> tuple[list[Tensor], list[Tensor]]:
    """(heard, contours) of the shards that `train prepare` wrote."""
    from .corpus import load_motion_corpus  # corpus knows this teacher

    corpus = load_motion_corpus(folder)
    heard = [torch.from_numpy(part).float() for part in corpus.features]
    motion = [torch.from_numpy(part[0]).float() for part in corpus.motion]
    return heard, [tracked_contour(said, take, lips) for said, take in zip(heard, motion, strict=True)]


def main(arguments: list[str] | None = None) -> None:
    """Fit, measure on takes that were kept back, and write."""
    parser = argparse.ArgumentParser(prog="mouth", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--takes", type=Path, required=True, help="folder of tracked takes (train prepare makes it)")
    parser.add_argument("--out", type=Path, required=True, help="file for the teacher's weights")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    lips = LipContour()
    heard, contours = load_takes(options.takes, lips)
    shown = [i for i in range(len(heard)) if i % HELD_OUT]
    kept = [i for i in range(len(heard)) if i % HELD_OUT == 0]
    teacher = fit_teacher([heard[i] for i in shown], [contours[i] for i in shown], lips, options.seed)
    print(measure(teacher, [heard[i] for i in kept], [contours[i] for i in kept], lips))
    save_file(teacher.state_dict(), options.out)


if __name__ == "__main__":
    main()

"""The teacher of the motion corpus: a whole performance by rules, in which speech stays readable whatever is felt."""

from dataclasses import replace

import numpy as np
import torch
from scipy.signal import lfilter
from torch import Tensor

from ...arkit import FACE_UNITS, UNIT_INDEX
from ...curves import sample
from ...emotion.expression import face_units
from ...emotion.taxonomy import EMOTION_INDEX
from ...emotion.track import EmotionTrack
from ...errors import UserError
from ...motion.blend import join_speech
from ...motion.blink import blink_closure, close_lids, draw_blinks
from ...motion.gaze import gaze_mood, gaze_units
from ...motion.motion import Motion
from ...motion.steering import steer, steered_units, take_gaze
from ...speech import prosody as rhythm
from ...speech.features import SpeechFeatures, frame_count
from ...speech.mouth import lip_closure, mouth_units
from ...speech.prosody import RATE, Prosody, noise, smooth, stream
from .gaze import draw_gaze, gaze_angles
from .head import draw_head

# How an expression lives in time.
ONSET = 0.10  # s, smoothing of every change: even a sudden emotion takes about 0.3 s to rise
RELEASE = 0.35  # s, an expression leaves more slowly than it comes
APEX, APEX_TIME = 0.12, 0.8  # how far the start of an emotion exceeds what follows, and the s it takes to settle
FIRST = 0.6  # share of the expression that the first frame already shows
SLOW_VARIATION, VARIATION_TIME = 0.07, 0.9  # sd of the strength's slow wander, s of its smoothing
PHRASE_LIFT = 0.10  # a loud phrase shows this much more
ASYMMETRY = 0.06  # sd of the difference between the two sides (Ekman, Hager, Friesen, Psychophysiology 18, 1981)
BROW_INNER, BROW_OUTER = (
    0.16,
    0.20,
)  # brow raise on a full stress (brows rise with the voice: Cavé et al., ICSLP 1996; the size is ours)
IDLE_BROW = 0.03  # sd of the brows' wander without emotion


def perform(
    features: SpeechFeatures,
    emotion: EmotionTrack,
    seed: int = 0,
    mouth: float = 1.0,
    expression: float = 1.0,
    head: float = 1.0,
    blink: float = 1.0,
    fps: float | None = None,
    gaze: float | None = None,
    speech: Tensor | None = None,
) -> Motion:
    """Make the face and the head perform a speech.

    Mouth, expression, head, blinks and gaze each draw from a random stream of their own: changing one gain leaves the
    others as they were. One seed gives the same performance at any frame rate.

    Args:
        features: what is heard, T frames.
        emotion: which emotions show when, and which face units it steers directly; an empty track shows none.
        seed: any whole number; another seed is another take.
        mouth: 0..2, how far the mouth moves with speech.
        expression: 0..2, how far emotions and speech-linked brows show.
        head: 0..2, how far the head moves; never past 15° yaw, 10° pitch, 10° roll.
        blink: 0..2, how often the eyes blink.
        fps: frames per second; None takes the features' own rate (best for the lips: each closure has its frame there).
        gaze: 0..1, how far the eyes move; None follows `blink` up to 1, so that all gains at 0 mean no motion at all.
        speech: [T, 52] units of the speaking mouth at the features' rate, before the gain; None asks the rules (mouth_units).

    Returns:
        Motion on the features' device, `frame_count(features.duration, fps)` frames.

    Raises:
        UserError: a gain outside its range.
    """
    for name, value, top in (
        ("mouth", mouth, 2),
        ("expression", expression, 2),
        ("head", head, 2),
        ("blink", blink, 2),
        ("gaze", gaze, 1),
    ):
        if value is not None and not 0 <= value <= top:
            raise UserError(f"the {name} gain is {value}: use a number from 0 to {top}.")
    gaze = min(blink, 1.0) if gaze is None else gaze
    # A few numbers a frame: everything is computed on the CPU, which makes it the same whatever the device.
    device = features.visemes.device
    heard = ("visemes", "voicing", "loudness", "embedding")
    features = replace(features, **{name: getattr(features, name).detach().float().cpu() for name in heard})
    rate = features.fps if fps is None else float(fps)
    count = features.frames if rate == features.fps else frame_count(features.duration, rate)
    times = (torch.arange(count, dtype=torch.float64) + 0.5) / rate
    prosody = rhythm.analyse(features)

    on_grid = live_strengths(emotion, prosody, seed)
    pose = draw_head(prosody, on_grid, seed, head)
    poses = prosody.at(pose, times)

    felt = face_units(prosody.at(on_grid, times) * _lift(prosody, times)) * expression
    felt = (felt * _sides(prosody, seed, times)).clamp(0, 1)
    look = torch.zeros(count, 2)
    if (steered := steered_units(emotion, prosody.duration, times)) is not None:
        steered, look = take_gaze(min(1.0, expression) * steered)
        felt = steer(felt, steered)
    spoken = mouth_units(features, gain=mouth) if speech is None else (mouth * speech).clamp(0, 1)
    speech = _at_rate(spoken, features, times)
    visemes = _at_rate(features.visemes, features, times)
    closure = _at_rate(lip_closure(features), features, times)
    units = join_speech(speech, felt, visemes, closure, min(1.0, mouth), rate)
    _add(units, expression * _brows(prosody, on_grid, seed, times))

    shifts = draw_gaze(prosody, seed)
    angles = gaze_angles(shifts, times) + gaze_mood(prosody.at(on_grid, times))
    angles = gaze * (angles - poses[:, :2]) + look  # eyes hold their target while the head turns
    _add(units, gaze_units(angles))
    if blink > 0:
        close_lids(units, blink_closure(draw_blinks(prosody, seed, shifts, blink), times))

    metadata = {"seed": str(seed), "emotion": emotion.to_json()}
    metadata |= {
        n: f"{v:g}" for n, v in (("mouth", mouth), ("expression", expression), ("head", head), ("blink", blink), ("gaze", gaze))
    }
    return Motion(units.clamp(0, 1).to(device), poses.to(device), rate, metadata)


def live_strengths(emotion: EmotionTrack, prosody: Prosody, seed: int) -> Tensor:
    """[N, 8] strengths on the prosody grid with onset, apex, slow release and small variation."""
    grid = torch.arange(prosody.size, dtype=torch.float64) / RATE
    asked = emotion.at(grid)
    if emotion.is_empty:
        return asked
    keep = 1 - 1 / (RELEASE * RATE)
    released = torch.from_numpy(_decay(asked.numpy(), keep)).float()
    strengths = torch.maximum(asked, released)
    settle = 1 / (APEX_TIME * RATE)
    settled = torch.from_numpy(lfilter([settle], [1, settle - 1], strengths.double().numpy(), axis=0)).float()
    strengths = smooth(strengths + APEX * (strengths - settled).clamp(min=0), ONSET)
    wander = noise(stream(seed, "expression"), prosody.size, 8, VARIATION_TIME).clamp(-2, 2)
    begin = (grid.float() / 0.7).clamp(0, 1)[:, None]
    begin = FIRST + (1 - FIRST) * begin * begin * (3 - 2 * begin)
    return strengths * (1 + SLOW_VARIATION * wander) * begin


def _decay(asked: np.ndarray, keep: float) -> np.ndarray:
    """What is left of earlier strengths: after each fall, an exponential release from the level before it."""
    falls = np.clip(-np.diff(asked, axis=0, prepend=asked[:1]), 0, None).astype(np.float64)
    return asked + lfilter([1.0], [1, -keep], falls, axis=0)


def _lift(prosody: Prosody, times: Tensor) -> Tensor:
    """[T, 1] a loud phrase shows a little more."""
    return 1 + PHRASE_LIFT * (prosody.at(smooth(prosody.loudness, 0.5), times)[:, None] - 0.5)


def _sides(prosody: Prosody, seed: int, times: Tensor) -> Tensor:
    """[T, 52] factors near 1: no face is symmetric, and the difference wanders."""
    generator = stream(seed, "sides")
    fixed = 0.7 * ASYMMETRY * torch.randn(2, generator=generator).clamp(-1.5, 1.5)
    moving = 0.5 * ASYMMETRY * prosody.at(noise(generator, prosody.size, 2, 1.5), times).clamp(-1.5, 1.5)
    offset = fixed + moving  # one for the brows and eyes, one for the mouth and cheeks
    factors = torch.ones(times.shape[0], len(FACE_UNITS))
    for index, name in enumerate(FACE_UNITS):
        sign = 1 if name.endswith("Left") else -1 if name.endswith("Right") else 0
        factors[:, index] += sign * offset[:, 0 if name.startswith(("brow", "eye")) else 1]
    return factors


def _brows(prosody: Prosody, strengths: Tensor, seed: int, times: Tensor) -> Tensor:
    """[T, 52] brows that mark stressed syllables (an angry face frowns on them instead) and never stand quite still."""
    hits = torch.zeros(prosody.size)
    if prosody.stresses:
        luck = torch.rand(len(prosody.stresses), generator=stream(seed, "brows")).tolist()
        for (time, strength), chance in zip(prosody.stresses, luck, strict=True):
            if chance < 0.7 * strength:
                hits[min(round(time * RATE), prosody.size - 1)] += strength
    offsets = torch.arange(-50, 51, dtype=torch.float32) / RATE
    bump = torch.where(offsets < 0, torch.exp(-0.5 * (offsets / 0.09) ** 2), torch.exp(-0.5 * (offsets / 0.16) ** 2))
    accent = torch.nn.functional.conv1d(hits[None, None], bump.flip(0)[None, None], padding=50)[0, 0].clamp(max=1.2)
    angry = strengths[:, EMOTION_INDEX["angry"]].clamp(0, 1)
    idle = IDLE_BROW * noise(stream(seed, "idle"), prosody.size, 2, 0.8).clamp(0, 2) * (0.3 + 0.7 * prosody.activity[:, None])
    curves = torch.stack(
        [
            BROW_INNER * accent * (1 - angry) + idle[:, 0],
            BROW_OUTER * accent * (1 - angry) + idle[:, 1],
            BROW_OUTER * accent * angry,
        ],
        1,
    )
    curves = prosody.at(curves, times)
    units = torch.zeros(times.shape[0], len(FACE_UNITS))
    names = (("browInnerUp", 0), ("browOuterUpLeft", 1), ("browOuterUpRight", 1), ("browDownLeft", 2), ("browDownRight", 2))
    for name, column in names:
        units[:, UNIT_INDEX[name]] = curves[:, column]
    return units


def _add(units: Tensor, more: Tensor) -> None:
    """Lay weights over others in place: each takes its share of what is left to 1, so none overshoots."""
    units += more.clamp(0, 1) * (1 - units)


def _at_rate(values: Tensor, features: SpeechFeatures, times: Tensor) -> Tensor:
    """Per-frame curves of the features at other frame times (both stand for the middle of a frame)."""
    if times.shape[0] == values.shape[0]:
        return values
    return sample(values, features.fps, times - 0.5 / features.fps)

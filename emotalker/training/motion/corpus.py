"""The corpus of the motion diffusion: synthetic speech with exact phone timings, performed by the rules with random styles.

A corpus is a folder of shards (.npz). Each holds clips, all in a row: `features` [N, 17] what the speech encoder heard
(visemes, voicing, loudness), `closure` [N] how far the lips must be shut, `motion` [K, N, 58] of K takes of every clip,
`emotion` [K, N, 8] the strengths that were asked for, `lengths` frames of each clip. All at FPS, all but lengths float16.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.signal import fftconvolve
from torch import Tensor

from ...arkit import FACE_UNITS
from ...emotion.taxonomy import COMPOUNDS, EMOTIONS
from ...emotion.track import EASINGS, EmotionTrack, Segment
from ...motion.motion import Motion
from ...speech.analyse import analyse_speech
from ...speech.features import VISEMES, SpeechFeatures
from ...speech.mouth import lip_closure
from ...speech.phones import ARPABET, sample_segments, viseme_segments
from ..speech.corpus import Corpus, load_shard
from ..speech.voices import RATE
from .mouth import LipContour, MouthTeacher, seal, tracked_contour, units_of
from .performance import perform

FPS = 25.0
TAKES_SHARD = "motion_takes.npz"
"""Of tracked takes that were performed again, see perform_takes."""
CHANNELS = len(FACE_UNITS) + 6
"""Face units, then yaw, pitch, roll in degrees and x, y, z in distances between the eyes, as in Motion."""
HEARD = len(VISEMES) + 2
VIDEO_SHARD = "motion_video_"
"""How the names of shards of real videos begin (train prepare)."""

TAKES = 3
"""Performances of every clip, each with its own emotion, style and seed."""

# The randomness of sounds and performances: every range is a choice, wide enough to hold how people differ.
JOINED = (2, 4)  # utterances in a clip
LEAD, PAUSE, TAIL = (0.0, 0.7), (0.12, 1.0), (0.0, 0.9)  # s of silence before, between and after them
LONG_PAUSE, LONG_PAUSE_CHANCE = (1.0, 2.5), 0.12
QUIET_CHANCE, QUIET = 0.03, (6.0, 10.0)  # clips in which nobody speaks, and their s
SPEED = (0.87, 1.15)  # factor on the time and pitch of a clip
NOISE_CHANCE, NOISE = 0.7, (12.0, 45.0)  # dB of speech over coloured noise
ROOM_CHANCE, ROOM, ROOM_LEVEL = 0.25, (0.1, 0.4), (0.1, 0.5)  # s of reverberation, its share
NARROW_CHANCE = 0.15  # a telephone's 3.4 kHz
LABEL_WIDTH = (0.04, 0.08)  # s over which the sounds of the phones run into each other (co-articulation)
MOUTH, EXPRESSION, HEAD, BLINK, GAZE = (0.9, 1.12), (0.88, 1.12), (0.75, 1.25), (0.75, 1.3), (0.7, 1.0)  # gains of `perform`
SIDES = 0.05  # sd of a speaker's own difference between left and right, beside that of `perform`
KINDS = {"none": 0.12, "single": 0.40, "compound": 0.13, "pair": 0.10, "changing": 0.25}  # share of each kind of track
STRENGTH = (0.1, 1.2)
SEGMENT = (1.0, 5.0)  # s of each part of a changing track
FADE = (0.1, 1.5)  # s of onset and release
CALM_PART = 0.25  # chance that a part of a changing track asks for nothing
MICRO_CHANCE, MICRO, MICRO_STRENGTH = 0.25, (0.16, 0.45), (0.15, 0.45)  # a leaked expression that the condition hides
NEUTRAL_CHANCE = 0.3  # how often "neutral" is asked for beside other emotions, which changes nothing


@dataclass(frozen=True)
class Clip:
    """One sound: what was heard of it and what was said in it.

    Attributes:
        heard: the speech encoder's features at FPS.
        said: the same with the visemes of the exact phone timings.
    """

    heard: SpeechFeatures
    said: SpeechFeatures


@dataclass
class MotionCorpus:
    """Clips in memory.

    Attributes:
        features: [T, 17] float16 of each clip.
        closure: [T] float16, 0..1.
        motion: [K, T, 58] float16 of K takes.
        emotion: [K, T, 8] float16, strengths 0..1.5.
    """

    features: list[np.ndarray]
    closure: list[np.ndarray]
    motion: list[np.ndarray]
    emotion: list[np.ndarray]

    @property
    def hours(self) -> float:
        """Length of all takes together."""
        return sum(part.shape[0] * part.shape[1] for part in self.motion) / FPS / 3600

    def part(self, wanted: list[int]) -> "MotionCorpus":
        """The clips with the given indices."""
        return MotionCorpus(*([values[i] for i in wanted] for values in vars(self).values()))


def heard_features(features: SpeechFeatures) -> Tensor:
    """[T, 17] what the motion model hears: visemes, voicing, loudness."""
    return torch.cat([features.visemes, features.voicing[:, None], features.loudness[:, None]], 1).float()


def frame_times(count: int) -> Tensor:
    """[T] seconds of the middles of frames at FPS."""
    return (torch.arange(count, dtype=torch.float64) + 0.5) / FPS


def stack(motion: Motion) -> Tensor:
    """[T, 58] of a motion."""
    return torch.cat([motion.units, motion.head], 1)


def build_motion_corpus(
    speech: Path, folder: Path, shards: int, seed: int = 0, part: int = 0, parts: int = 1, mouth: MouthTeacher | None = None
) -> None:
    """Perform the sounds of a speech corpus; goes on where an earlier run stopped.

    Args:
        speech: folder of `speech_corpus.build_corpus`.
        folder: where the motion shards go, one for each shard of speech.
        shards: how many, from the first on.
        seed: of all randomness; shard i is the same whenever it is made.
        part, parts: make only shards with i % parts == part (several processes can share the work).
        mouth: moves the mouths; None leaves them to the rules.

    Raises:
        FileNotFoundError: a shard of speech is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for shard in range(part, shards, parts):
        path = folder / f"motion_{shard:04d}.npz"
        if path.is_file():
            continue
        draw = np.random.default_rng([seed, shard])
        corpus = load_shard(speech / f"shard_{shard:04d}.npz")
        write_shard(path, [perform_clip(clip, draw, mouth=mouth) for clip in draw_clips(corpus, draw)])


def write_shard(path: Path, clips: list[tuple[Tensor, Tensor, Tensor, Tensor]]) -> None:
    """Write clips (features [T, 17], closure [T], motion [K, T, 58], emotion [K, T, 8]) as one shard."""
    partial = path.with_suffix(".part.npz")
    features, closure, motion, emotion = zip(*clips, strict=True)
    np.savez(
        partial,
        lengths=np.array([len(part) for part in features]),
        features=torch.cat(features).half().numpy(),
        closure=torch.cat(closure).half().numpy(),
        motion=torch.cat(motion, 1).half().numpy(),
        emotion=torch.cat(emotion, 1).half().numpy(),
    )
    partial.rename(path)


def load_motion_corpus(folder: Path) -> MotionCorpus:
    """All shards of a folder: those of the rules and those of `train_prepare` alike."""
    corpus = MotionCorpus([], [], [], [])
    for path in sorted(folder.glob("motion_*.npz")):
        if path.name.endswith(".part.npz"):
            continue
        with np.load(path, allow_pickle=False) as data:
            cuts = np.cumsum(data["lengths"])[:-1]
            corpus.features += np.split(data["features"], cuts)
            corpus.closure += np.split(data["closure"], cuts)
            corpus.motion += np.split(data["motion"], cuts, 1)
            corpus.emotion += np.split(data["emotion"], cuts, 1)
    return corpus


def draw_clips(corpus: Corpus, draw: np.random.Generator):
    """Join the utterances of a shard, in random order, to clips with pauses, noise and rooms, and listen to them.

    Yields:
        Clip.
    """
    order = draw.permutation(len(corpus.audio)).tolist()
    while order:
        if draw.random() < QUIET_CHANCE:
            yield _listen(np.zeros(int(draw.uniform(*QUIET) * RATE)), [], draw)
        count = min(len(order), int(draw.integers(JOINED[0], JOINED[1] + 1)))
        sounds, segments, now = [], [], 0.0

        def rest(seconds: float) -> float:
            sounds.append(np.zeros(int(seconds * RATE)))  # noqa: B023
            return len(sounds[-1]) / RATE  # noqa: B023

        now += rest(draw.uniform(*LEAD))
        for place in range(count):
            index = order.pop()
            ends, phones = corpus.ends[index], corpus.phones[index]
            starts = np.concatenate([[0.0], ends[:-1]])
            segments += [(now + a, now + b, ARPABET[p]) for a, b, p in zip(starts, ends, phones, strict=True)]
            sounds.append(corpus.audio[index].astype(np.float64) / 32768)
            now += len(sounds[-1]) / RATE
            if place < count - 1:
                now += rest(draw.uniform(*(LONG_PAUSE if draw.random() < LONG_PAUSE_CHANCE else PAUSE)))
        rest(draw.uniform(*TAIL))
        yield _listen(np.concatenate(sounds), segments, draw)


def _listen(sound: np.ndarray, segments: list, draw: np.random.Generator) -> Clip:
    """Colour a sound as recordings are, change its speed, and hear it."""
    speed = float(np.exp(draw.uniform(*np.log(SPEED))))
    sound = np.interp(np.arange(0, len(sound) - 1, speed), np.arange(len(sound)), sound)
    segments = [(start / speed, end / speed, name) for start, end, name in segments]
    if draw.random() < ROOM_CHANCE:
        seconds = draw.uniform(*ROOM)
        time = np.arange(int(seconds * RATE)) / RATE
        echo = draw.normal(size=len(time)) * np.exp(-6.9 * time / seconds)
        echo *= draw.uniform(*ROOM_LEVEL) / np.sqrt((echo**2).sum())
        echo[0] = 1.0
        sound = fftconvolve(sound, echo)[: len(sound)]
    level = np.sqrt((sound**2).mean()) or 0.05
    if draw.random() < NOISE_CHANCE or not segments:
        spectrum = np.fft.rfft(draw.normal(size=len(sound)))
        spectrum *= np.maximum(np.arange(len(spectrum)), 30.0) ** (-draw.uniform(0.0, 1.0))
        noise = np.fft.irfft(spectrum, len(sound))
        sound = sound + noise / np.sqrt((noise**2).mean()) * level * 10 ** (-draw.uniform(*NOISE) / 20)
    if draw.random() < NARROW_CHANCE:
        spectrum = np.fft.rfft(sound)
        spectrum[int(3400 * len(sound) / RATE) :] = 0
        sound = np.fft.irfft(spectrum, len(sound))
    heard = analyse_speech(torch.from_numpy(sound).float(), RATE, FPS)
    width = draw.uniform(*LABEL_WIDTH)
    if not segments:
        return Clip(heard, replace(heard, visemes=torch.eye(len(VISEMES))[:1].expand(heard.frames, -1).contiguous()))
    return Clip(heard, replace(heard, visemes=exact_visemes(segments, heard.frames, width)))


def exact_visemes(segments: list[tuple[float, float, str]], count: int, width: float) -> Tensor:
    """[count, 15] share of each viseme in `width` seconds around the middle of every frame, of phones (start, end, name)."""
    offsets = np.linspace(-width / 2, width / 2, 16)
    times = (frame_times(count).numpy()[:, None] + offsets).ravel()
    labels = sample_segments(viseme_segments(segments), times)
    return (
        torch.nn.functional.one_hot(torch.from_numpy(labels.astype(np.int64)), len(VISEMES)).float().view(count, 16, -1).mean(1)
    )


def perform_takes(takes: Path, folder: Path, seed: int = 0) -> None:
    """Perform tracked takes: mouths as the person moved them, all else by the rules, with random emotions.

    Args:
        takes: folder of `train prepare`.
        folder: where the one shard goes, TAKES_SHARD.
        seed: of all randomness.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draw, lips = np.random.default_rng([seed, 1]), LipContour()
    clips = []
    tracked = load_motion_corpus(takes)
    for features, motion in zip(tracked.features, tracked.motion, strict=True):
        heard = torch.from_numpy(features).float()
        count = len(VISEMES)
        said = SpeechFeatures(
            FPS, heard[:, :count], heard[:, count], heard[:, count + 1], heard.new_zeros(len(heard), 0), len(heard) / FPS
        )
        contour = tracked_contour(heard, torch.from_numpy(motion[0]).float(), lips)
        speech = seal(units_of(contour, lips), lip_closure(said))
        clips.append(perform_clip(Clip(said, said), draw, speech=speech))
    write_shard(folder / TAKES_SHARD, clips)


def perform_clip(
    clip: Clip,
    draw: np.random.Generator,
    takes: int = TAKES,
    mouth: MouthTeacher | None = None,
    speech: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Takes of a clip by the rules: features [T, 17], closure [T], motion [K, T, 58], emotion [K, T, 8].

    The mouth moves as in `speech` [T, 52], else as `mouth` hears it, else by the rules too.
    """
    motions, emotions = [], []
    if speech is None and mouth is not None:
        speech = mouth.speak(clip.heard, clip.said)
    for _ in range(takes):
        asked, shown = draw_emotion(clip.heard.duration, draw)
        gains = [float(draw.uniform(*span)) for span in (MOUTH, EXPRESSION, HEAD, BLINK)]
        motion = perform(clip.said, shown, int(draw.integers(1 << 40)), *gains, gaze=float(draw.uniform(*GAZE)), speech=speech)
        motions.append(stack(_take_sides(motion, draw)))
        strengths = asked.at(frame_times(clip.heard.frames))
        if draw.random() < NEUTRAL_CHANCE:
            strengths[:, 0] = float(draw.uniform(0, 1))
        emotions.append(strengths)
    return heard_features(clip.heard), lip_closure(clip.said), torch.stack(motions), torch.stack(emotions)


def _take_sides(motion: Motion, draw: np.random.Generator) -> Motion:
    """A speaker whose brows and mouth are always a little stronger on one side."""
    offsets = draw.normal(0, SIDES, 2)
    units = motion.units.clone()
    for index, name in enumerate(FACE_UNITS):
        if name.startswith(("eyeBlink", "eyeLook")):
            continue  # both eyes blink and look as one
        sign = 1 if name.endswith("Left") else -1 if name.endswith("Right") else 0
        units[:, index] *= 1 + sign * float(offsets[0 if name.startswith(("brow", "eye")) else 1])
    return Motion(units.clamp(0, 1), motion.head, motion.fps, motion.metadata)


def draw_emotion(seconds: float, draw: np.random.Generator) -> tuple[EmotionTrack, EmotionTrack]:
    """A random emotion track of one of KINDS: (what is asked for, what is shown: that and perhaps a micro-expression)."""
    kind = draw.choice(list(KINDS), p=list(KINDS.values()))
    fade = float(draw.uniform(*FADE))
    easing = str(draw.choice(EASINGS))
    if kind == "changing":
        segments, start = [], 0.0
        while start < seconds:
            end = start + float(draw.uniform(*SEGMENT))
            if draw.random() >= CALM_PART:
                what = _strengths(str(draw.choice(["single", "single", "compound", "pair"])), draw)
                segments.append(Segment(start, end, what, easing, fade))
            start = end
        asked = EmotionTrack(tuple(segments))
    else:
        asked = EmotionTrack((Segment(strengths=_strengths(kind, draw)),) if kind != "none" else ())
    if draw.random() >= MICRO_CHANCE or seconds < 1.5:
        return asked, asked
    start = float(draw.uniform(0.2, seconds - 1))
    leaked = {str(draw.choice(EMOTIONS[1:])): float(draw.uniform(*MICRO_STRENGTH))}
    micro = Segment(start, start + float(draw.uniform(*MICRO)), leaked, "smooth", 0.1)
    return asked, EmotionTrack((*asked.segments, micro))


def _strengths(kind: str, draw: np.random.Generator) -> dict[str, float]:
    """Emotions of one moment."""
    strength = float(draw.uniform(*STRENGTH))
    if kind == "single":
        return {str(draw.choice(EMOTIONS[1:])): strength}
    if kind == "compound":
        blend = COMPOUNDS[str(draw.choice(list(COMPOUNDS)))].blend
        return {name: min(1.5, value * strength) for name, value in blend.items()}
    first, second = (str(name) for name in draw.choice(EMOTIONS[1:], 2, replace=False))
    return {first: 0.9 * strength, second: float(draw.uniform(0.1, 0.9))}


def main(arguments: list[str] | None = None) -> None:
    """Make the corpus."""
    parser = argparse.ArgumentParser(prog="motion_corpus", description=__doc__)
    parser.add_argument("--speech", type=Path, required=True, help="folder of the speech corpus (train speech makes it)")
    parser.add_argument("--data", type=Path, required=True, help="folder for the motion corpus")
    parser.add_argument("--shards", type=int, default=40, help="shards of speech to perform, about 9 minutes each")
    parser.add_argument(
        "--mouth", type=Path, help="a person's way of speaking (emotalker.training.motion.mouth makes it); rules otherwise"
    )
    parser.add_argument("--takes", type=Path, help="folder of tracked takes (train prepare makes it) to perform too")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", type=int, default=0, help="this process makes shards i with i %% PARTS == PART")
    parser.add_argument("--parts", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    mouth = MouthTeacher.load(options.mouth) if options.mouth else None
    if options.takes and options.part == 0:
        perform_takes(options.takes, options.data, options.seed)
    build_motion_corpus(options.speech, options.data, options.shards, options.seed, options.part, options.parts, mouth)


if __name__ == "__main__":
    main()

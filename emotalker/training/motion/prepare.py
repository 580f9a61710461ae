"""Turn talking videos into a motion corpus: python -m emotalker train prepare --videos DIR --data CORPUS

Any folder of videos with one speaker each will do. In MEAD's layout (.../PERSON/video/VIEW/EMOTION/level_N/NNN.mp4, or with
the words anywhere in the path) and CREMA-D's (1001_DFA_ANG_HI.mp4) the emotion and its intensity are read from the name;
other videos count as without an emotion asked for. Goes on where an earlier run stopped. Check the licence of what you
train on: both data sets restrict their use.
"""

import argparse
import re
from collections.abc import Collection
from pathlib import Path

import torch
from torch import Tensor

from ...arguments import whole
from ...emotion.taxonomy import ALIASES, EMOTION_INDEX, EMOTIONS
from ...errors import UserError
from ...face.expression import ExpressionRecogniser
from ...face.finder import FaceFinder
from ...face.fitted import FittedRig
from ...face.fitting import fit_rig, fit_units
from ...face.rig import Rig
from ...motion.denoiser import RATE
from ...motion.motion import Motion
from ...speech.analyse import analyse_speech
from ...speech.features import frame_count
from ...speech.mouth import lip_closure
from ...video.audio import read_soundtrack
from ...video.decode import read_frames, video_facts
from .corpus import VIDEO_SHARD, heard_features, stack, write_shard

ENDINGS = (".mp4", ".mkv", ".mov", ".webm", ".avi", ".flv", ".m4v")
LEVELS = {"level_1": 0.4, "level_2": 0.7, "level_3": 1.0}
"""Strength that MEAD's intensity levels stand for: our reading, the data set gives names only."""
CREMA_EMOTIONS = {"NEU": "neutral", "HAP": "happy", "SAD": "sad", "ANG": "angry", "FEA": "fear", "DIS": "disgust"}
CREMA_LEVELS = {"LO": 0.4, "MD": 0.7, "HI": 1.0, "XX": 0.7}
"""CREMA-D's intensities: low, medium, high and unspecified; the strengths are our reading."""
CREMA_NAME = re.compile(r"^\d{4}_[A-Z0-9]{3}_([A-Z]{3})_([A-Z]{2})$")
SHORTEST, LONGEST = 1.0, 60.0
"""Seconds of a clip; longer videos are cut."""
LEAST_SCORE = 0.5
"""Sureness of the face finder below which a frame counts as without a face."""
MOST_LOST = 0.1
"""Share of such frames above which a video is left out."""
STEADY = (
    6, 168, 197, 195, 5, 4, 1, 33, 133, 263, 362, 10, 151, 9, 8, 67, 109, 297, 338, 103, 332, 54, 284, 127, 356, 234, 454,
    21, 251, 162, 389, 98, 327, 2, 94,
)  # fmt: skip
"""Landmarks of mediapipe's mesh that expressions hardly move: nose, eye corners, forehead, temples."""
SMOOTH = (0.25, 0.5, 0.25)
"""Kernel over the frames of the head's pose, whose depth is a guess."""


def label_of(path: Path) -> dict[str, float]:
    """Emotion and strength that a video's name tells, by MEAD's or CREMA-D's layout; {} if it tells none."""
    crema = CREMA_NAME.match(path.stem)
    if crema and crema[1] in CREMA_EMOTIONS:
        return {CREMA_EMOTIONS[crema[1]]: 1.0 if crema[1] == "NEU" else CREMA_LEVELS.get(crema[2], 0.7)}
    parts = [part.lower() for part in path.parts[:-1]]
    for place, part in enumerate(parts):
        name = ALIASES.get(part, part)
        if name in EMOTION_INDEX:
            level = parts[place + 1] if place + 1 < len(parts) else ""
            return {name: 1.0 if name == "neutral" else LEVELS.get(level, 1.0)}
    return {}


def head_pose(fitted: FittedRig, landmarks: Tensor) -> Tensor:
    """[T, 6] the head's pose, as Motion.head, in frames with landmarks [T, 478, 3]: what turns, moves and grows the steady
    points of the rig's rest shape to where they are seen (Procrustes with scale, in picture space)."""
    rest = fitted.landmarks(fitted.rest)[list(STEADY)].double()
    seen = landmarks[:, list(STEADY)].double().to(rest)
    depth = seen[:1, :, 2].mean() - rest[:, 2].mean()
    seen = seen - torch.stack([depth * 0, depth * 0, depth])
    middle, middles = rest.mean(0), seen.mean(1)
    a, b = rest - middle, seen - middles[:, None]
    u, sizes, vt = torch.linalg.svd(b.transpose(1, 2) @ a)
    flip = torch.linalg.det(u @ vt).sign()
    fix = torch.stack([torch.ones_like(flip), torch.ones_like(flip), flip], 1)
    turns = (u * fix[:, None]) @ vt
    size = (sizes * fix).sum(1) / a.square().sum()
    angles = _angles(fitted, turns)
    # x' = s R (x - pivot) + pivot + shift, as FittedRig.turn has it.
    pivot = fitted.pivot.double()
    placed = size[:, None] * (turns @ (middle - pivot)) + pivot
    shift = (middles - placed) / fitted.scale
    shift[:, 2] = 10.0 * (1 / size.clamp(min=0.2) - 1)  # leaning shows as a change of size: VIEWING_DISTANCE of fitted.py
    return _steady(torch.cat([angles, shift], 1).float())


def still_face(fitted: FittedRig, landmarks: Tensor, head: Tensor) -> Tensor:
    """Landmarks [T, 478, 3] with the head's pose [T, 6] taken out: the face as if it held still."""
    turns = fitted.head_turns(head)
    size = 1 / (1 + head[:, 5] / 10.0).clamp(min=0.5)
    centre = fitted.pivot + head[:, 3:] * fitted.scale * head.new_tensor([1.0, 1.0, 0.0])
    back = (landmarks - centre[:, None]) @ turns  # the inverse of a rotation is its transpose
    return back / size[:, None, None] + fitted.pivot


def motion_of(fitted: FittedRig, landmarks: Tensor, fps: float, first: Tensor) -> Motion:
    """Motion of tracked landmarks [T, 478, 3] at a frame rate, relative to those [478, 3] that the rig was fitted to."""
    # The finder's depth is not the rig's, which shows as a turn that is always there.
    head = head_pose(fitted, landmarks) - head_pose(fitted, first[None])
    units = fit_units(fitted, still_face(fitted, landmarks.float(), head)).clamp(0, 1)
    return Motion(units, head, fps)


def prepare_video(
    path: Path, finder: FaceFinder, rig: Rig, recogniser: ExpressionRecogniser
) -> tuple[Tensor, Tensor, Tensor, Tensor] | None:
    """One video as clip of a corpus: features [T, 17], closure [T], motion [1, T, 58], emotion [1, T, 8].

    Returns:
        None if the video is too short or its face is often out of sight.

    Raises:
        UserError: no video, no sound or no face in it.
    """
    facts = video_facts(path)
    fps, sound = float(facts.fps), read_soundtrack(path, facts.start).sound
    waveform, rate = sound.waveform, sound.sample_rate
    landmarks, scores, face = [], [], None
    for frames in read_frames(path, chunk=32, stop=int(LONGEST * fps)):
        if face is None:
            faces = finder.find(frames[0].float() / 255)
            if not faces:
                raise UserError(f"No face was found in the first frame of {path.name}: start the clip where it can be seen.")
            face = faces[0]
            shown = recogniser.read(frames[:1], face.landmarks[None]).units[0]
        points, score = finder.track(frames, face)
        landmarks.append(points.cpu())
        scores.append(score.cpu())
    points, score = torch.cat(landmarks), torch.cat(scores)
    seconds = len(points) / fps
    if seconds < SHORTEST or float((score < LEAST_SCORE).float().mean()) > MOST_LOST:
        return None
    motion = motion_of(fit_rig(rig, face.landmarks, shown=shown), points, fps, face.landmarks).resample(RATE)
    heard = analyse_speech(waveform[..., : round(seconds * rate)], rate, RATE)
    count = min(len(motion), heard.frames, frame_count(seconds, RATE))
    emotion = torch.zeros(1, count, len(EMOTIONS))
    for name, strength in label_of(path).items():
        emotion[..., EMOTION_INDEX[name]] = strength
    return heard_features(heard)[:count], lip_closure(heard)[:count], stack(motion)[None, :count], emotion


def prepare_videos(videos: Path, folder: Path, device: str = "cpu", progress=print, left_out: Collection[str] = ()) -> int:
    """Turn every video under a folder into a shard of a motion corpus.

    Args:
        videos: folder, searched with its subfolders.
        folder: where shards go: motion_video_NAME.npz.
        device: where the networks run.
        progress: called with a line for each video.
        left_out: names of videos, without ending, that are passed over.

    Returns:
        How many shards the folder now holds of these videos.

    Raises:
        UserError: no video in the folder.
    """
    paths = sorted(path for path in videos.rglob("*") if path.suffix.lower() in ENDINGS and path.stem not in left_out)
    if not paths:
        raise UserError(f"There is no video in {videos.name}: choose a folder that holds {', '.join(ENDINGS)} files.")
    folder.mkdir(parents=True, exist_ok=True)
    finder, rig, recogniser, made = FaceFinder.load(device), Rig.load(), ExpressionRecogniser.load(device), 0
    for path in paths:
        name = re.sub(r"[^A-Za-z0-9]+", "_", str(path.relative_to(videos).with_suffix(""))).strip("_")
        shard = folder / f"{VIDEO_SHARD}{name}.npz"
        if not shard.is_file():
            try:
                clip = prepare_video(path, finder, rig, recogniser)
            except UserError as error:
                progress(f"left out: {error}")
                continue
            if clip is None:
                progress(f"left out: {path.name} is too short, or its face is often out of sight.")
                continue
            write_shard(shard, [clip])
        made += 1
        progress(f"{shard.name}: {label_of(path) or 'no emotion in its name'}")
    return made


def _angles(fitted: FittedRig, turns: Tensor) -> Tensor:
    """[T, 3] yaw, pitch, roll in degrees of picture-space rotations [T, 3, 3]: the inverse of FittedRig.head_turns."""
    axes = fitted.axes.double()
    # In the head's own axes (left, up, forward) the turn is Y(yaw) X(-pitch) Z(-roll).
    own = axes @ turns @ axes.T
    yaw = torch.atan2(own[:, 0, 2], own[:, 2, 2])
    pitch = torch.asin(own[:, 1, 2].clamp(-1, 1))
    roll = -torch.atan2(own[:, 1, 0], own[:, 1, 1])
    return torch.rad2deg(torch.stack([yaw, pitch, roll], 1))


def _steady(pose: Tensor) -> Tensor:
    """[T, C] with a small blur over time."""
    if len(pose) < 3:
        return pose
    kernel = pose.new_tensor(SMOOTH)
    padded = torch.nn.functional.pad(pose.T[:, None], (1, 1), mode="replicate")
    return torch.nn.functional.conv1d(padded, kernel[None, None])[:, 0].T


def main(arguments: list[str] | None = None) -> None:
    """Prepare a folder of videos."""
    parser = argparse.ArgumentParser(
        prog="emotalker train prepare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--videos", type=Path, required=True, help="folder of talking videos")
    parser.add_argument("--data", type=Path, required=True, help="folder for the motion corpus")
    parser.add_argument("--without", type=Path, help="text file that names videos to leave out, one a line: a test set")
    parser.add_argument("--threads", type=whole(1, 1024), default=1, help="processor threads")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu, cuda, ...")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    left_out = set(options.without.read_text(encoding="utf-8").split()) if options.without else set()
    made = prepare_videos(options.videos, options.data, options.device, left_out=left_out)
    print(f"{made} videos are in {options.data}")

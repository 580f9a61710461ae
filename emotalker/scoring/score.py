"""Scores of a talking video: is it the person, do lips fit the sound, does the face show what is felt, is it steady and sharp?

    print(score_video("out.mp4", portrait="portrait.png").to_json())

Frames pass through once; what stays of each is a row of numbers.
"""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from ..emotion.taxonomy import EMOTIONS
from ..emotion.track import EmotionTrack
from ..errors import UserError
from ..face.expression import ExpressionRecogniser
from ..face.finder import Face, FaceFinder
from ..face.identity import FaceEmbedder
from ..face.portrait import as_rgb
from ..picture import load_image
from ..speech.analyse import analyse_speech
from ..video.audio import Sound, read_recording, read_soundtrack
from ..video.decode import read_frames, video_facts
from .emotions import emotion_match, main_emotions, pooled
from .follow import FaceFollower, regroup
from .lipsync import REACH, SHORTEST, LipSync, compare, expected_mouth
from .measures import lid_opening, mouth_shape
from .sharpness import Sharpness
from .steadiness import Trembling, blinks

LEAST_SHARE = 0.05
"""Emotions with less of a mean share are not worth a line."""
CURVES = ("identity", "sharpness", "jitter", "aperture", "width", "lids")


@dataclass(frozen=True)
class Report:
    """What was measured on a video. A score that could not be measured is None, and a note says why.

    Attributes:
        frames, fps: of the video.
        compared_with: "portrait", or "first frame" when no portrait was given; None when no face was found.
        face_found: 0..1, share of frames that show the face.
        identity: mean cosine, -1..1, between the faces of portrait and frames.
        identity_lowest: the same of the least similar frame.
        sharpness: of the face, mean over that of the portrait; 1 is as sharp.
        jitter: root mean square trembling of the head, percent of the distance between the eyes.
        blinks_per_minute: of the time that shows the face.
        lip_sync: lips against sound.
        emotion_match: 0..1, how much of the emotions asked for is seen, see emotions.emotion_match; None when none were given.
        emotions: mean share of each emotion that is seen, largest first.
        notes: a sentence each, on what could not be measured.
        curves: name -> [T] value of each frame, NaN where there is none: identity, sharpness, jitter, aperture and width of
            the mouth (distances between the eyes), lids (opening over width of the eyes); expected_aperture and
            expected_width (over those of the mouth at rest) when there was a sound.
        shown: [T,8] strengths of the emotions that are seen, smoothed over time, NaN where there is no face.
        asked: [T,8], or None.
    """

    frames: int
    fps: float
    compared_with: str | None
    face_found: float
    identity: float | None
    identity_lowest: float | None
    sharpness: float | None
    jitter: float | None
    blinks_per_minute: float | None
    lip_sync: LipSync | None
    emotion_match: float | None
    emotions: dict[str, float]
    notes: tuple[str, ...]
    curves: dict[str, Tensor] = field(repr=False)
    shown: Tensor = field(repr=False)
    asked: Tensor | None = field(repr=False)

    def to_json(self) -> str:
        """The scores, without the curves."""
        sync = self.lip_sync
        values = {
            "frames": self.frames,
            "fps": self.fps,
            "compared_with": self.compared_with,
            "face_found": self.face_found,
            "identity": self.identity,
            "identity_lowest": self.identity_lowest,
            "lip_sync": None
            if sync is None
            else {
                "correlation": sync.correlation,
                "confidence": sync.confidence,
                "offset_frames": sync.offset,
                "offset_ms": sync.offset * 1000 / self.fps,
                "best_confidence": sync.best_confidence,
            },
            "emotion_match": self.emotion_match,
            "emotions": {name: share for name, share in self.emotions.items() if share >= LEAST_SHARE},
            "sharpness": self.sharpness,
            "jitter": self.jitter,
            "blinks_per_minute": self.blinks_per_minute,
            "notes": list(self.notes),
        }
        return json.dumps(_rounded(values), indent=2)


@dataclass
class Judges:
    """The networks that look at faces.

    Attributes:
        finder, embedder, recogniser: where the face is, who it is, what it shows.
    """

    finder: FaceFinder
    embedder: FaceEmbedder
    recogniser: ExpressionRecogniser

    @classmethod
    def load(cls, device: str | torch.device = "cpu") -> "Judges":
        """The shipped networks on a device. Raises UserError when a weight file is missing."""
        return cls(FaceFinder.load(device), FaceEmbedder.load(device), ExpressionRecogniser.load(device))

    def move(self, device: torch.device) -> None:
        """Compute on a device to which the networks have been brought already."""
        self.finder.device = self.embedder.device = device


def score_stream(
    frames: Iterable[Tensor],
    fps: float | Fraction,
    sound: Sound | None = None,
    portrait: Tensor | None = None,
    device: str | torch.device = "cpu",
    on_progress: Callable[[int], None] | None = None,
    emotion: EmotionTrack | None = None,
    judges: Judges | None = None,
) -> Report:
    """Score a video as its frames come.

    Args:
        frames: chunks [n, H, W, 3] of any length, float 0..1 or bytes, all of one size.
        fps: frames per second, 1..240.
        sound: what is heard from the first frame on; None leaves lip sync out.
        portrait: [H, W, C] float 0..1, C = 1, 3 or 4, whom the video should show; None compares with the video's first face.
        device: where the networks run.
        on_progress: called with the number of frames done after each chunk; what it raises ends the run.
        emotion: what the face should show when; None leaves the match out.
        judges: networks to use again; fresh ones by default.

    Raises:
        UserError: no frames, no face in the portrait, or a frame rate out of range.
    """
    fps = float(fps)
    if not 1 <= fps <= 240:
        raise UserError(f"The video has {fps:g} frames per second: choose 1 to 240.")
    watcher = _Watcher(judges or Judges.load(device), portrait)
    for chunk in regroup(frames):
        watcher.see(chunk)
        if on_progress is not None:
            on_progress(watcher.count)
    return watcher.report(fps, sound, emotion, device)


def score_video(
    video: str | Path,
    portrait: str | Path | None = None,
    audio: str | Path | None = None,
    device: str | torch.device = "cpu",
    on_progress: Callable[[int], None] | None = None,
    emotion: EmotionTrack | None = None,
) -> Report:
    """Score a video file.

    Args:
        video: any video file.
        portrait: image file; None compares with the video's first face.
        audio: audio or video file; None takes the video's own sound track, if it has one.
        device: where the networks run.
        on_progress, emotion: see score_stream.

    Raises:
        UserError: a file cannot be used; the message says which and what to do.
    """
    facts = video_facts(video)
    recording = None
    if audio is not None:
        recording = read_recording(audio)
    elif facts.sound:
        recording = read_soundtrack(video, facts.start)
    image = None if portrait is None else load_image(portrait)
    sound = None if recording is None else recording.sound
    report = score_stream(read_frames(video), facts.fps, sound, image, device, on_progress, emotion)
    return report if recording is None else replace(report, notes=(*report.notes, *recording.warnings))


class _Watcher:
    """Turns chunks of frames into rows of numbers."""

    def __init__(self, judges: Judges, portrait: Tensor | None):
        finder, self.embedder, self.recogniser = judges.finder, judges.embedder, judges.recogniser
        self.person: Tensor | None = None
        self.sharpness: Sharpness | None = None
        self.compared_with: str | None = None
        if portrait is not None:
            portrait = as_rgb(portrait)
            faces = finder.find(portrait)
            if not faces:
                raise UserError("No face was found in the portrait: give the picture that the video was made from.")
            self._compare_with("portrait", portrait, faces[0].landmarks)
        self.follower = FaceFollower(finder, self._choose)
        self.trembling = Trembling()
        self.rows: list[Tensor] = []
        self.felt: list[Tensor] = []
        self.count = 0

    def _compare_with(self, name: str, image: Tensor, landmarks: Tensor) -> None:
        self.compared_with = name
        self.person = self.embedder.embed(image[None], landmarks[None])[0]
        self.sharpness = Sharpness(image, landmarks)

    def _choose(self, frame: Tensor, faces: list[Face]) -> Face:
        """Of several faces the one most like the person; without a person the largest."""
        if self.person is None:
            return faces[0]
        landmarks = torch.stack([face.landmarks for face in faces])
        likeness = self.embedder.embed(frame.expand(len(faces), -1, -1, -1), landmarks) @ self.person
        return faces[int(likeness.argmax())]

    def see(self, frames: Tensor) -> None:
        landmarks, found = self.follower.follow(frames)
        rows = torch.full((len(frames), len(CURVES)), math.nan)
        felt = torch.full((len(frames), 2, len(EMOTIONS)), math.nan)
        rows[:, CURVES.index("jitter")] = self.trembling.see(landmarks, found)
        if found.any():
            shown, points = frames[found.to(frames.device)], landmarks[found]
            if self.sharpness is None:
                self._compare_with("first frame", shown[0], points[0])
            columns = [self.embedder.embed(shown, points) @ self.person, self.sharpness.see(shown, points)]
            columns += [*mouth_shape(points).T, lid_opening(points)]
            rows[found.nonzero(), [i for i, name in enumerate(CURVES) if name != "jitter"]] = torch.stack(columns, 1)
            read = self.recogniser.read(shown, points)
            felt[found] = torch.stack([read.soft, read.strengths], 1)
        self.rows.append(rows)
        self.felt.append(felt)
        self.count += len(frames)

    def report(self, fps: float, sound: Sound | None, emotion: EmotionTrack | None, device: str | torch.device) -> Report:
        if not self.rows:
            raise UserError("There are no frames to score: give a video with at least one frame.")
        curves = dict(zip(CURVES, torch.cat(self.rows).T.contiguous(), strict=True))
        # A frame's trembling is known when the next one has come.
        curves["jitter"] = torch.cat([curves["jitter"][1:], curves["jitter"].new_tensor([math.nan])])
        shown = int(curves["lids"].isfinite().sum())
        notes = [] if shown else ["No face was found in the video."]
        sync = None
        if sound is None:
            notes.append("Without a sound there is no lip sync to measure.")
        else:
            expected = expected_mouth(analyse_speech(sound.waveform, sound.sample_rate, fps, device=device))[: self.count]
            sync = compare(torch.stack([curves["aperture"], curves["width"]], 1), expected, fps)
            missing = expected.new_full((self.count - len(expected), 2), math.nan)
            curves["expected_aperture"], curves["expected_width"] = torch.cat([expected, missing]).T.contiguous()
            if sync is None and shown:
                notes.append(
                    f"Lip sync needs {SHORTEST + REACH:g} seconds or more in which a face is seen and speech is heard."
                )
        soft, strengths = torch.cat(self.felt).unbind(1)
        asked = None if emotion is None else emotion.at((torch.arange(self.count, dtype=torch.float64) + 0.5) / fps)
        trembling = _mean(curves["jitter"].square())
        return Report(
            frames=self.count,
            fps=fps,
            compared_with=self.compared_with if shown else None,
            face_found=shown / self.count,
            identity=_mean(curves["identity"]),
            identity_lowest=float(curves["identity"].nan_to_num(nan=math.inf).min()) if shown else None,
            sharpness=_mean(curves["sharpness"]),
            jitter=None if trembling is None else math.sqrt(trembling),
            blinks_per_minute=len(blinks(curves["lids"], fps)) / shown * fps * 60 if shown else None,
            lip_sync=sync,
            emotion_match=None if asked is None else emotion_match(asked, soft, fps),
            emotions=main_emotions(soft),
            notes=tuple(notes),
            curves=curves,
            shown=pooled(strengths, fps),
            asked=asked,
        )


def _mean(curve: Tensor) -> float | None:
    """Of the frames that have a value."""
    known = curve[curve.isfinite()]
    return float(known.mean()) if len(known) else None


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    return round(value, 4) if isinstance(value, float) else value

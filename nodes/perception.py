"""Perception Score."""

import functools
import logging

import comfy.model_management as memory
import torch
from comfy_api.latest import InputImpl, io
from comfy_execution.graph_utils import ExecutionBlocker

from ..emotalker.errors import UserError
from ..emotalker.face.expression import ExpressionRecogniser
from ..emotalker.face.finder import FaceFinder
from ..emotalker.face.identity import FaceEmbedder
from ..emotalker.face.portrait import Portrait
from ..emotalker.scoring.plot import plot_report
from ..emotalker.scoring.score import Judges, Report, score_stream
from ..emotalker.video.audio import Sound, read_soundtrack
from ..emotalker.video.decode import read_frames, video_facts
from .checks import as_audio, as_images, checked, parts_of
from .progress import Progress, say
from .support import blame, patcher_of
from .types import EMOTION, PORTRAIT, schema
from .video import TalkingVideo

CHUNK = 8
ROOM = 256 << 20  # bytes; eight frames in all networks took less
PLOT_SIZE = (960, 560)
LIMITS = {"identity": "identity", "lip_sync": "lip sync", "emotion": "emotion"}


@functools.cache
def judges():
    """The networks that look at faces, and ComfyUI's hold on them."""
    finder, embedder, recogniser = FaceFinder.load("cpu"), FaceEmbedder.load("cpu"), ExpressionRecogniser.load("cpu")
    networks = [*finder.detector.networks.values(), finder.network.network, embedder.network, recogniser]
    return Judges(finder, embedder, recogniser), patcher_of(networks)


def _least(name: str, tooltip: str) -> io.Float.Input:
    return io.Float.Input(f"least_{name}", default=0.0, min=0.0, max=1.0, step=0.01, optional=True, tooltip=tooltip)


class PerceptionScore(io.ComfyNode):
    """Measures a talking video inside the graph."""

    @classmethod
    def define_schema(cls):
        return schema(
            node_id="EmoTalkerPerceptionScore",
            display_name="Perception Score",
            description="Measures a talking video, of this or any other pack: is it the person, do the lips fit the sound, "
            "does the face show the emotion asked for, is the picture sharp and steady? Frames pass through unchanged; limits "
            "can stop the graph when a score is too low.",
            search_aliases=["emotalker", "score", "quality", "evaluate", "lip sync", "identity", "emotion recognition"],
            inputs=[
                io.Image.Input("images", optional=True, tooltip="Frames in their order. Connect these or a video."),
                io.Video.Input("video", optional=True, tooltip="A video of any node. Connect this or images."),
                io.Audio.Input(
                    "audio", optional=True, tooltip="What is said. Without it a video's own sound is used."
                ),
                io.MultiType.Input(
                    "portrait", types=[PORTRAIT, io.Image], optional=True,
                    tooltip="Whom the video should show: a portrait, or any picture. Without it the first face of the video "
                    "itself is compared with.",
                ),
                EMOTION.Input("emotion", optional=True, tooltip="What the face should show when."),
                io.Float.Input(
                    "fps", default=25.0, min=1.0, max=240.0, step=0.01,
                    tooltip="Frames per second of the images. A video knows its own.",
                ),
                _least("identity", "Stops the graph when the likeness is below this. 0 never does; 0.5 is a clear likeness."),
                _least("lip_sync", "Stops the graph when the confidence of the lip sync is below this. 0 never does."),
                _least("emotion", "Stops the graph when less of the emotions asked for is seen. 0 never does."),
            ],
            outputs=[
                io.Image.Output("images_out", display_name="images", tooltip="The images, as they came in."),
                io.Video.Output("video_out", display_name="video", tooltip="The video, as it came in."),
                io.Float.Output("identity_out", display_name="identity",
                                tooltip="Likeness to the portrait: 1 is the same, below 0.3 somebody else."),
                io.Float.Output("lip_sync_out", display_name="lip sync",
                                tooltip="How well lips fit the sound: about 1 in time, about 0 for other speech."),
                io.Float.Output("offset_out", display_name="offset (ms)",
                                tooltip="By how much the sound comes late (positive) or early (negative)."),
                io.Float.Output("emotion_out", display_name="emotion", tooltip="How much of what was asked for is seen."),
                io.Float.Output("sharpness_out", display_name="sharpness", tooltip="Of the face, over that of the portrait."),
                io.Float.Output("jitter_out", display_name="jitter", tooltip="Trembling of the head."),
                io.Float.Output("blinks_out", display_name="blinks a minute", tooltip="Blinks a minute."),
                io.Float.Output("found_out", display_name="face found", tooltip="Share of the frames that show the face."),
                io.String.Output("report", display_name="report", tooltip="All scores as JSON."),
                io.Image.Output("plot", display_name="plot", tooltip="Emotions asked for and seen over time; lips and sound."),
            ],
        )  # fmt: skip

    @classmethod
    @checked
    def execute(
        cls, fps, images=None, video=None, audio=None, portrait=None, emotion=None, least_identity=0.0, least_lip_sync=0.0,
        least_emotion=0.0,
    ) -> io.NodeOutput:  # fmt: skip
        node = cls.SCHEMA.display_name
        with blame(node, "images or video"):
            if (images is None) == (video is None):
                wrong = "Neither is connected" if images is None else "Both are connected"
                raise UserError(f"{wrong}: connect either pictures to images, or a video to video.")
        with blame(node, "images" if video is None else "video"):
            frames, rate, count, own = _frames(as_images(images), fps) if video is None else _of_video(video)
        with blame(node, "audio"):
            audio = own if audio is None else as_audio(audio)
        sound = None
        if audio is not None and audio["waveform"].shape[-1]:
            sound = Sound(audio["waveform"][0], audio["sample_rate"])
        with blame(node, "portrait"):
            picture = portrait.image if isinstance(portrait, Portrait) else None if portrait is None else as_images(portrait)[0]
        networks, patcher = judges()
        memory.load_models_gpu([patcher], memory_required=ROOM)
        networks.move(patcher.load_device)
        progress = Progress(count)
        with blame(node, "images" if video is None else "video", "portrait"):
            report = score_stream(
                frames,
                rate,
                sound,
                picture,
                patcher.load_device,
                progress.show,
                emotion,
                networks,
            )
        for note in report.notes:
            logging.info("EmoTalker, %s: %s", node, note)
        say(_summary(report))
        cls._stop(report, {"identity": least_identity, "lip_sync": least_lip_sync, "emotion": least_emotion})
        sync = report.lip_sync
        values = (
            report.identity, sync and sync.confidence, sync and sync.offset * 1000 / report.fps, report.emotion_match,
            report.sharpness, report.jitter, report.blinks_per_minute, report.face_found,
        )  # fmt: skip
        nothing = ExecutionBlocker(None)
        plot = plot_report(report, PLOT_SIZE)[None].to(memory.intermediate_device())
        # What could not be measured goes on as 0, and the report says so: a graph that compares numbers must not break.
        return io.NodeOutput(
            nothing if images is None else images,
            nothing if video is None else video,
            *(0.0 if value is None else float(value) for value in values),
            report.to_json(),
            plot,
        )

    @classmethod
    def _stop(cls, report: Report, limits: dict[str, float]) -> None:
        """Raises what says that a score is too low; a score that could not be measured counts as too low."""
        sync = report.lip_sync
        found = {"identity": report.identity, "lip_sync": sync and sync.confidence, "emotion": report.emotion_match}
        for name, least in limits.items():
            value = found[name]
            if least > 0 and (value is None or value < least):
                told = "could not be measured" if value is None else f"is {value:.2f}"
                raise UserError(
                    f"{cls.SCHEMA.display_name}: {LIMITS[name]} {told}, and least_{name} asks for {least:.2f} or more. "
                    + " ".join((*report.notes, "Make another take, or lower the limit (0 never stops)."))
                )


def _summary(report: Report) -> str:
    """A line for each score, to be read on the node."""
    sync, lines = report.lip_sync, []
    if report.identity is not None:
        lines.append(f"identity {report.identity:.2f} (lowest {report.identity_lowest:.2f}), to the {report.compared_with}")
    if sync is not None:
        lines.append(f"lip sync {sync.confidence:.2f}, offset {sync.offset * 1000 / report.fps:+.0f} ms")
    if report.emotion_match is not None:
        lines.append(f"emotion {report.emotion_match:.2f} of what was asked for")
    seen = ", ".join(f"{name} {share:.2f}" for name, share in list(report.emotions.items())[:3] if share >= 0.1)
    if seen:
        lines.append(f"seen: {seen}")
    if report.sharpness is not None:
        lines.append(f"sharpness {report.sharpness:.2f}")
    return "\n".join((*lines, *report.notes))


def _frames(images: torch.Tensor, fps: float):
    """(chunks, frames per second, number, sound) of an IMAGE batch."""
    return (images[i : i + CHUNK] for i in range(0, len(images), CHUNK)), fps, len(images), None


def _of_video(video):
    """The same of a VIDEO; the pack's own is rendered as it is looked at, any other is what core makes of it."""
    if isinstance(video, TalkingVideo):
        return video.frames(), video.get_frame_rate(), video.get_frame_count(), video.sound()
    if (path := _whole_file(video)) is not None:
        # Core's own reader counts frames: their times, the start of the sound and the default track would be lost.
        facts = video_facts(path)
        sound = read_soundtrack(path, facts.start).sound if facts.sound else None
        audio = sound and {"waveform": sound.waveform[None], "sample_rate": sound.sample_rate}
        return read_frames(path, CHUNK), facts.fps, max(1, round(facts.seconds * facts.fps)), audio
    images, audio, fps = parts_of(video)
    return *_frames(images, fps)[:3], audio


def _whole_file(video) -> str | None:
    """The path of a VIDEO that is a file on disk from its first frame to its last; None for any other."""
    if not isinstance(video, InputImpl.VideoFromFile):
        return None
    source = video.get_stream_source()
    if not isinstance(source, str) or abs(video_facts(source).seconds - video.get_duration()) > 0.1:
        return None  # in memory, or cut
    return source

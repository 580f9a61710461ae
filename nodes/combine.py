"""Video Combine."""

import contextlib
import json
import os

import comfy.model_management as memory
from comfy.cli_args import args
from comfy_api.latest import io, ui

from ..emotalker.draft import TakenError
from ..emotalker.errors import UserError
from ..emotalker.pipeline import MAX_SIZE
from ..emotalker.video.audio import Sound
from ..emotalker.video.encode import FORMATS, fitted_size, write_video
from .checks import as_audio, as_images, checked, parts_of
from .progress import Progress, say
from .support import blame, output_names
from .types import schema
from .video import TalkingVideo

CHOICES = {
    "mp4 (h264)": "mp4",
    "webm (vp9)": "webm",
    "gif": "gif",
    "animated webp": "webp",
    "png sequence": "png",
}
CHUNK = 8


class VideoCombine(io.ComfyNode):
    """Pictures or a video, and a sound, become a file."""

    @classmethod
    def define_schema(cls):
        return schema(
            node_id="EmoTalkerVideoCombine",
            display_name="Video Combine",
            description="Saves pictures or a video together with a sound. The sound is never cut: when it is longer the last "
            "frame is held, when the pictures are longer silence follows. Prompt and workflow are stored in the file.",
            search_aliases=["emotalker", "save video", "mux", "mp4", "webm", "gif", "webp", "png sequence", "export"],
            inputs=[
                io.Image.Input("images", optional=True, tooltip="Pictures in their order. Connect these or a video."),
                io.Video.Input(
                    "video",
                    optional=True,
                    tooltip="A video of the EmoTalker Sampler or any other node. Connect this or images.",
                ),
                io.Audio.Input(
                    "audio", optional=True, tooltip="The sound. Without it a video keeps its own and pictures stay silent."
                ),
                io.Float.Input(
                    "fps",
                    default=25.0,
                    min=1.0,
                    max=240.0,
                    step=1.0,
                    round=0.001,
                    tooltip="Frames per second of the images. A video keeps its own rate. 23.976 and 29.97 are exact.",
                ),
                io.Combo.Input(
                    "format",
                    options=list(CHOICES),
                    default="mp4 (h264)",
                    tooltip="mp4 plays everywhere; webm suits web pages. gif and animated webp have no sound. A png sequence "
                    "is exact, with the sound beside it as sound.wav.",
                ),
                io.Int.Input("quality", default=85, min=1, max=100, tooltip="1 is the smallest file, 100 the best picture."),
                io.String.Input(
                    "filename_prefix",
                    default="EmoTalker",
                    tooltip="Start of the file's name, in ComfyUI's output folder. May name folders, and placeholders like "
                    "%date:yyyy-MM-dd%.",
                ),
                io.Int.Input(
                    "max_size",
                    default=MAX_SIZE,
                    min=0,
                    max=16384,
                    optional=True,
                    tooltip="Frames whose shorter side has more pixels are made smaller: browsers do not play what is much "
                    "larger. 0 keeps every size. A png sequence always does.",
                ),
            ],
            outputs=[],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )

    @classmethod
    @checked
    def execute(
        cls, fps, format, quality, filename_prefix, images=None, video=None, audio=None, max_size=MAX_SIZE
    ) -> io.NodeOutput:
        node = cls.SCHEMA.display_name
        with blame(node, "images or video"):
            if (images is None) == (video is None):
                wrong = "Neither is connected" if images is None else "Both are connected"
                raise UserError(f"{wrong}: connect either pictures to images, or a video to video.")
        with blame(node, "images" if video is None else "video"):
            frames, size, fps, own = _pictures(as_images(images), fps) if video is None else _moving(video)
        kind = CHOICES[format]
        with blame(node, "filename_prefix"):
            names = output_names(filename_prefix, FORMATS[kind], cls.hidden.prompt, *size)
            target, file, subfolder = next(names)
        with blame(node, "audio"):
            sound = _sound(own if audio is None else as_audio(audio))
        if kind != "png" and (smaller := fitted_size(*size, max_size)) != size:
            say(
                f"The frames of {size[0]} x {size[1]} pixels are saved with {smaller[0]} x {smaller[1]}: max_size is "
                f"{max_size}, 0 keeps their size."
            )
        while True:
            with blame(node, "images" if video is None else "video"), contextlib.suppress(TakenError):
                write_video(
                    frames,
                    target,
                    fps,
                    sound,
                    kind,
                    quality,
                    cls._metadata(),
                    on_frame=lambda *_: memory.throw_exception_if_processing_interrupted(),
                    replace=False,  # another server with the same output folder may have taken the name
                    max_size=max_size,
                )
                break
            target, file, subfolder = next(names)
        if kind == "png":
            first = ui.SavedResult("frame_00000.png", os.path.join(subfolder, file), io.FolderType.output)
            return io.NodeOutput(ui=ui.SavedImages([first]))
        return io.NodeOutput(ui=ui.PreviewVideo([ui.SavedResult(file, subfolder, io.FolderType.output)]))

    @classmethod
    def _metadata(cls) -> dict[str, str]:
        """Prompt and workflow as ComfyUI stores them, unless the server runs with --disable-metadata."""
        if args.disable_metadata:
            return {}
        found = {} if cls.hidden.prompt is None else {"prompt": cls.hidden.prompt}
        found.update(cls.hidden.extra_pnginfo or {})
        return {key: json.dumps(value) for key, value in found.items()}


def _pictures(images, fps):
    """(frames, (width, height), fps, sound) of an IMAGE batch."""

    def watched():
        progress = Progress(len(images))
        for start in range(0, len(images), CHUNK):
            progress.show(start)
            yield images[start : start + CHUNK]

    return watched(), (images.shape[2], images.shape[1]), fps, None


def _moving(video):
    """The same of a VIDEO; the pack's own is rendered as it is written, any other is what core makes of it."""
    if isinstance(video, TalkingVideo):
        return video.rendered(), video.get_dimensions(), video.get_frame_rate(), video.sound()
    images, audio, fps = parts_of(video)
    return *_pictures(images, fps)[:3], audio


def _sound(audio: dict | None) -> Sound | None:
    if audio is None or audio["waveform"].shape[-1] == 0:
        return None
    return Sound(audio["waveform"][0], int(audio["sample_rate"]))

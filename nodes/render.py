"""Render Frames."""

import comfy.model_management as memory
import torch
from comfy_api.latest import io

from ..emotalker.errors import UserError
from .checks import checked, parts_of
from .support import blame
from .types import schema
from .video import TalkingVideo


class RenderFrames(io.ComfyNode):
    """A video, or a part of it, as pictures."""

    @classmethod
    def define_schema(cls):
        return schema(
            node_id="EmoTalkerRenderFrames",
            display_name="Render Frames",
            description="Turns a video, or a part of it, into an IMAGE batch for upscalers, face restorers and everything else "
            "that works on pictures. A batch lies in memory whole: about 3 GB for 10 s at 1024 x 1024, so choose parts.",
            search_aliases=["emotalker", "video to images", "frames", "extract frames", "image batch"],
            inputs=[
                io.Video.Input("video", tooltip="From the EmoTalker Sampler (or any other video)."),
                io.Int.Input("start", default=0, min=0, max=10_000_000, tooltip="First frame, counted from 0."),
                io.Int.Input("count", default=0, min=0, max=10_000_000, tooltip="How many frames; 0 is all up to the end."),
            ],
            outputs=[
                io.Image.Output("images", display_name="images", tooltip="The frames."),
                io.Audio.Output("audio", display_name="audio", tooltip="The sound of exactly these frames."),
                io.Float.Output("fps", display_name="fps", tooltip="Frames per second."),
            ],
        )

    @classmethod
    @checked
    def execute(cls, video, start, count) -> io.NodeOutput:
        whole = None
        with blame(cls.SCHEMA.display_name, "video"):
            if isinstance(video, TalkingVideo):
                total = video.get_frame_count()
            else:  # counted as decoded: a file's header may be wrong, and not every pack's video counts its frames
                whole, audio, fps = parts_of(video)
                total = len(whole)
        if start >= total:
            found = "one frame, frame 0" if total == 1 else f"{total} frames, 0 to {total - 1}"
            with blame(cls.SCHEMA.display_name, "start"):
                raise UserError(f"Frame {start} lies behind the video's end: it has {found}.")
        stop = min(start + count, total) if count else total
        if whole is None:
            parts = video.range(start, stop).get_components()
            return io.NodeOutput(parts.images, parts.audio, float(parts.frame_rate))
        audio = None if audio is None else _cut(audio, start, stop, float(fps))
        images = whole[start:stop].to(memory.intermediate_device(), torch.float32)
        return io.NodeOutput(images, audio, float(fps))


def _cut(audio: dict, start: int, stop: int, fps: float) -> dict:
    rate = audio["sample_rate"]
    return {"waveform": audio["waveform"][..., round(start / fps * rate) : round(stop / fps * rate)], "sample_rate": rate}

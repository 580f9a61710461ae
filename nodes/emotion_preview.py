"""Emotion Preview."""

import comfy.model_management as memory
import torch
from comfy_api.latest import io

from ..emotalker.frames.sheet import MOST_POSES, contact_sheet, key_poses
from .checks import checked
from .progress import say
from .support import blame
from .types import EMOTION, FEATURES, PORTRAIT, schema
from .video import TalkingVideo
from .widgets import seconds


class EmotionPreview(io.ComfyNode):
    """The key poses of a timeline on one picture."""

    @classmethod
    def define_schema(cls):
        return schema(
            node_id="EmoTalkerEmotionPreview",
            display_name="Emotion Preview",
            description="Shows the portrait at the height of each segment of a timeline, side by side, within a second or two: "
            "look before you render. The face is shown without speech.",
            search_aliases=["emotalker", "contact sheet", "key poses", "preview", "expression"],
            inputs=[
                PORTRAIT.Input("portrait", tooltip="Whose face."),
                EMOTION.Input("emotion", tooltip="The timeline, from any emotion node."),
                FEATURES.Input("features", optional=True, tooltip="The speech, for its length. Without it, the seconds below."),
                seconds(
                    "seconds",
                    6.0,
                    "Length of the speech: where a segment without an end ends. Used only without features.",
                    least=0.1,
                    step=0.1,
                ),
            ],
            outputs=[
                io.Image.Output(
                    "sheet",
                    display_name="sheet",
                    tooltip=f"The faces with time and emotions under each, at most {MOST_POSES} of them.",
                )
            ],
        )

    @classmethod
    @checked
    def execute(cls, portrait, emotion, seconds, features=None) -> io.NodeOutput:
        with blame(cls.SCHEMA.display_name, "emotion"):
            poses = key_poses(emotion, seconds if features is None else features.features.duration)
        silence = {"waveform": torch.zeros(1, 1, 1), "sample_rate": 16000}
        frames = torch.cat(list(TalkingVideo(portrait, poses.motion, silence).frames()))
        if poses.left_out:
            say(f"{poses.left_out} segments are not shown: they begin behind the end of the speech, or there are too many.")
        return io.NodeOutput(contact_sheet(frames, portrait.face.box, poses.captions)[None].to(memory.intermediate_device()))

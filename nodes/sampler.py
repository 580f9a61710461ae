"""EmoTalker Sampler."""

from comfy_api.latest import io

from ..emotalker.emotion.track import EmotionTrack
from ..emotalker.motion.performance import perform
from .support import blame, device, make_room
from .types import EMOTION, FEATURES, MOTION, PORTRAIT, schema
from .video import TalkingVideo


def _gain(name: str, tooltip: str) -> io.Float.Input:
    return io.Float.Input(name, default=1.0, min=0.0, max=2.0, step=0.05, display_mode=io.NumberDisplay.slider, tooltip=tooltip)


class EmoTalkerSampler(io.ComfyNode):
    """Draws a performance: speech and emotions become facial motion."""

    @classmethod
    def define_schema(cls):
        return schema(
            node_id="EmoTalkerSampler",
            display_name="EmoTalker Sampler",
            description="Draws a performance: what is heard and what is felt become mouth, expression, blinks, gaze and head "
            "movement. The video is rendered while it is saved, so a long speech needs no more memory than a short one.",
            search_aliases=["emotalker", "talking head", "talking face", "lip sync", "audio driven", "animate portrait"],
            inputs=[
                PORTRAIT.Input("portrait", tooltip="Who speaks."),
                FEATURES.Input("features", tooltip="What is said, from Audio Features."),
                EMOTION.Input("emotion", optional=True, tooltip="What is felt. Without it the face stays calm."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Another seed is another take: blinks, gaze, head and small variations change, the words do not.",
                ),
                io.Float.Input(
                    "fps", default=25.0, min=24.0, max=60.0, step=1.0, tooltip="Frames per second of the video, 24 to 60."
                ),
                _gain("mouth", "How far the mouth moves with the words. 1 is natural."),
                _gain("expression", "How far emotions and the brows show. 1 is natural, 0 leaves only the words."),
                _gain("head", "How far the head moves. 0 holds it still."),
                _gain("blink", "How often the eyes blink. 0 keeps them open."),
            ],
            outputs=[
                io.Video.Output(
                    "video",
                    display_name="video",
                    tooltip="The talking portrait with its sound, rendered while it is saved.",
                ),
                io.Audio.Output("audio", display_name="audio", tooltip="The voice."),
                io.Float.Output("fps_out", display_name="fps", tooltip="Frames per second of the video."),
                MOTION.Output(
                    "motion",
                    display_name="motion",
                    tooltip="The performance: 52 face units and the head's pose, frame by frame.",
                ),
            ],
        )

    @classmethod
    def execute(cls, portrait, features, seed, fps, mouth, expression, head, blink, emotion=None) -> io.NodeOutput:
        node = cls.SCHEMA.display_name
        with blame(node, "features"):
            make_room(256 << 20)
            heard = features.at(fps, device())
        with blame(node, "emotion"):
            motion = perform(heard, emotion or EmotionTrack(), seed, mouth, expression, head, blink, fps)
        return io.NodeOutput(TalkingVideo(portrait, motion, features.audio), features.audio, float(fps), motion)

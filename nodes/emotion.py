"""Emotion Mixer."""

from comfy_api.latest import io

from ..emotalker.emotion.taxonomy import EMOTIONS
from ..emotalker.emotion.track import EmotionTrack
from .checks import checked
from .support import blame
from .types import EMOTION, schema
from .widgets import strength

HINTS = {
    "neutral": "calm, relaxed features; weakens nothing else",
    "happy": "smile, raised cheeks, narrowed eyes",
    "sad": "raised inner brows, lowered lip corners",
    "angry": "lowered brows, tense lids, tight lips",
    "fear": "raised and drawn brows, wide eyes, stretched lips",
    "disgust": "wrinkled nose, raised upper lip",
    "surprise": "raised brows, wide eyes, dropped jaw",
    "contempt": "one lip corner tightened and raised",
}


class EmotionMixer(io.ComfyNode):
    """Eight emotions, each with a strength."""

    @classmethod
    def define_schema(cls):
        return schema(
            node_id="EmoTalkerEmotionMixer",
            display_name="Emotion Mixer",
            description="Mixes eight emotions, each with its own strength. Several may show at once: happy with some surprise, "
            "sad with a little anger.",
            search_aliases=["emotalker", "expression", "mood", "feeling", "happy", "sad", "angry", "talking head"],
            inputs=[
                strength(
                    name,
                    0.6 if name == "happy" else 0.0,
                    f"{HINTS[name][0].upper()}{HINTS[name][1:]}. 0 is none, 1 full, up to 1.5 exaggerated.",
                )
                for name in EMOTIONS
            ],
            outputs=[EMOTION.Output("emotion", display_name="emotion", tooltip="The mixture, the same from start to end.")],
        )

    @classmethod
    @checked
    def execute(cls, **strengths) -> io.NodeOutput:
        with blame(cls.SCHEMA.display_name, "strengths"):
            return io.NodeOutput(EmotionTrack.constant({name: value for name, value in strengths.items() if value > 0}))

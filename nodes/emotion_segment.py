"""Emotion Segment."""

from comfy_api.latest import io

from ..emotalker.emotion.compose import append
from ..emotalker.emotion.taxonomy import ALIASES, COMPOUNDS, EMOTIONS
from ..emotalker.emotion.track import EASINGS, FADE, EmotionTrack
from .checks import checked
from .support import blame
from .types import EMOTION, schema
from .widgets import seconds, strength

# The eight, then the mixtures that are more than another word for one of them.
CHOICES = [*EMOTIONS, *(name for name, compound in COMPOUNDS.items() if len(compound.blend) > 1 and name not in ALIASES)]


class EmotionSegment(io.ComfyNode):
    """One stretch of time with an emotion; several in a row make a timeline."""

    @classmethod
    def define_schema(cls):
        return schema(
            node_id="EmoTalkerEmotionSegment",
            display_name="Emotion Segment",
            description="Adds one emotion from one second to another. Several of these in a row, each wired to the next, make "
            "a timeline; where segments overlap, both show.",
            search_aliases=["emotalker", "timeline", "keyframe", "emotion over time", "expression", "schedule"],
            inputs=[
                EMOTION.Input(
                    "previous", optional=True, tooltip="The segments so far. This one is added to them; none of them changes."
                ),
                EMOTION.Input(
                    "mixture",
                    optional=True,
                    tooltip="What is felt, from Emotion Mixer or any other emotion node, in place of the emotion and strength "
                    "below. A timeline begins at the start of this segment and is cut off at its end.",
                ),
                io.Combo.Input(
                    "emotion",
                    options=CHOICES,
                    default="happy",
                    tooltip="What is felt, when no mixture is connected: one of eight emotions, or two that show together.",
                ),
                strength("strength", 0.7, "0 is none, 1 full, up to 1.5 exaggerated. Not used when a mixture is connected."),
                seconds("start", 0.0, "Where it begins, in seconds."),
                seconds("end", 0.0, "Where it ends, in seconds; 0 is the end of the speech."),
                io.Combo.Input(
                    "easing",
                    options=list(EASINGS),
                    default="smooth",
                    tooltip="How it comes and goes: at once (step), evenly (linear) or gently (smooth).",
                ),
                io.Float.Input(
                    "fade",
                    default=FADE,
                    min=0.0,
                    max=60.0,
                    step=0.05,
                    tooltip="Seconds that coming and going take, half of them before start and end, so that segments that "
                    "touch cross-fade. Not used by step.",
                ),
            ],
            outputs=[EMOTION.Output("emotion_out", display_name="emotion", tooltip="The segments so far and this one.")],
        )

    @classmethod
    @checked
    def execute(cls, emotion, strength, start, end, easing, fade, previous=None, mixture=None) -> io.NodeOutput:
        node = cls.SCHEMA.display_name
        with blame(node, "strength"):
            what = EmotionTrack.constant({emotion: strength}) if mixture is None else mixture
        with blame(node, "end"):
            return io.NodeOutput(append(previous or EmotionTrack(), what, start, end or None, easing, fade))

"""Emotion Prompt (EIB)."""

import functools
import logging
import textwrap

import comfy.model_management as memory
from comfy_api.latest import io, ui

from ..emotalker.emotion.eib import EmotionIntensityBlock
from ..emotalker.emotion.plot import plot_track
from ..emotalker.emotion.prompt import read_prompt
from .checks import checked
from .progress import say
from .support import blame, patcher_of
from .types import EMOTION, FEATURES, schema
from .widgets import seconds, strength

EXAMPLE = "starts calm, then grows furious and ends in tears"

LINE = 240  # characters of a line that the node shows
PLOT_SIZE = (720, 420)  # pixels; as wide as a node that shows it, about, so that its words can be read there


@functools.cache
def reader():
    """The block that reads prompts, and ComfyUI's hold on its networks; loaded once, on the first prompt."""
    block = EmotionIntensityBlock.load("cpu")
    return block, patcher_of([block.encoder, block.heads])


class EmotionPromptEIB(io.ComfyNode):
    """Words become emotions over time."""

    @classmethod
    def define_schema(cls):
        return schema(
            node_id="EmoTalkerEmotionPromptEIB",
            display_name="Emotion Prompt (EIB)",
            description="Reads a description of feelings in plain English (which, how strong, when) and makes an emotion "
            "timeline of it: a little sad and fearful; starts calm, then grows furious and ends in tears.",
            search_aliases=["emotalker", "text to emotion", "prompt", "feeling", "expression", "mood", "timeline", "EIB"],
            inputs=[
                io.String.Input(
                    "prompt",
                    default=EXAMPLE,
                    multiline=True,
                    tooltip="What is felt, in English. Order words (starts, then, suddenly, finally) are laid over the speech; "
                    "exact times go into brackets: [0-2.5s] calm [2.5s-] furious. Facial actions may be said outright: raised "
                    "eyebrows.",
                ),
                strength("strength", 1.0, "Multiplies all strengths. 1 is as the words say, 0 none, up to 1.5 exaggerated."),
                FEATURES.Input(
                    "features",
                    optional=True,
                    tooltip="The speech: its length and pauses are used for timing. Without it, the seconds below.",
                ),
                seconds(
                    "seconds",
                    6.0,
                    "Length of the speech that order words are spread over. Used only when no features are connected.",
                    least=0.1,
                    step=0.1,
                ),
            ],
            outputs=[
                EMOTION.Output("emotion", display_name="emotion", tooltip="The timeline, for the sampler."),
                io.String.Output("json", display_name="json", tooltip="The timeline as text, for Emotion from JSON."),
                io.Image.Output("plot", display_name="plot", tooltip="The strengths over time, with the words they come from."),
            ],
        )

    @classmethod
    @checked
    def execute(cls, prompt, strength, seconds, features=None) -> io.NodeOutput:
        block, patcher = reader()
        memory.load_models_gpu([patcher])
        speech, words = (None, "") if features is None else (features.features, features.transcript or "")
        with blame(cls.SCHEMA.display_name, "prompt"):
            reading = read_prompt(prompt, block, seconds, speech, words, strength=strength)
        for warning in reading.warnings:
            logging.warning("EmoTalker, %s: %s", cls.SCHEMA.display_name, warning)
        said = "\n".join(textwrap.shorten(line, LINE, placeholder=" ...") for line in reading.report().splitlines())
        say(said)
        length = seconds if speech is None else speech.duration
        plot = plot_track(reading.track, length, PLOT_SIZE, speech, reading.passages)[None].to(memory.intermediate_device())
        return io.NodeOutput(reading.track, reading.track.to_json(), plot, ui=ui.PreviewText(said))

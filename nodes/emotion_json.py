"""Emotion from JSON and Emotion to JSON, with named presets."""

import logging

from comfy_api.latest import io, ui

from ..emotalker.emotion.track import EmotionTrack
from . import presets
from .checks import checked
from .progress import say
from .support import blame
from .types import EMOTION, schema
from .widgets import accepted

NO_PRESET = "(the text below)"
EXAMPLE = EmotionTrack.from_text("happy=0.6").to_json()


class EmotionFromJSON(io.ComfyNode):
    """A timeline from a preset or from text."""

    @classmethod
    def define_schema(cls):
        return schema(
            node_id="EmoTalkerEmotionFromJSON",
            display_name="Emotion from JSON",
            description="Reads an emotion timeline: a preset that Emotion to JSON has saved, or JSON that you write or paste.",
            search_aliases=["emotalker", "load emotion", "preset", "timeline", "json"],
            inputs=[
                io.Combo.Input(
                    "preset",
                    options=[NO_PRESET, *presets.names()],
                    default=NO_PRESET,
                    tooltip="A saved preset, or the text below. Presets lie in ComfyUI's user folder under "
                    "default/emotalker/emotions; press R to see new ones.",
                ),
                io.String.Input(
                    "json",
                    default=EXAMPLE,
                    multiline=True,
                    tooltip="The timeline: segments, each with start and end in seconds (null is the end of the speech), "
                    "strengths from 0 to 1.5, easing (step, linear, smooth) and fade. Not used with a preset.",
                ),
            ],
            outputs=[
                EMOTION.Output("emotion", display_name="emotion", tooltip="The timeline."),
                io.String.Output("json_out", display_name="json", tooltip="The same as text, complete and in order."),
            ],
        )

    @classmethod
    @checked
    def execute(cls, preset, json) -> io.NodeOutput:
        chosen = preset != NO_PRESET
        with blame(cls.SCHEMA.display_name, "preset" if chosen else "json"):
            track = presets.load(preset) if chosen else EmotionTrack.from_json(json)
        return io.NodeOutput(track, track.to_json())

    @classmethod
    def fingerprint_inputs(cls, preset, **_):
        return "" if preset in (None, NO_PRESET) else presets.fingerprint(preset)

    @classmethod
    def validate_inputs(cls, preset):
        return accepted(presets.load, None if preset == NO_PRESET else preset)


class EmotionToJSON(io.ComfyNode):
    """A timeline as text, and as a preset if wanted."""

    @classmethod
    def define_schema(cls):
        return schema(
            node_id="EmoTalkerEmotionToJSON",
            display_name="Emotion to JSON",
            description="Writes an emotion timeline as readable JSON, and keeps it as a preset if you name one.",
            search_aliases=["emotalker", "save emotion", "preset", "timeline", "json", "export"],
            inputs=[
                EMOTION.Input("emotion", tooltip="The timeline, from any emotion node."),
                io.String.Input(
                    "preset_name",
                    default="",
                    tooltip="Optional: a name, under which Emotion from JSON offers it from then on. Empty saves nothing.",
                ),
                io.Boolean.Input(
                    "overwrite",
                    default=False,
                    tooltip="Replace a preset of the same name. Off, it is kept, and the node says that nothing was saved.",
                ),
            ],
            outputs=[io.String.Output("json", display_name="json", tooltip="The timeline as text.")],
            is_output_node=True,
        )

    @classmethod
    @checked
    def execute(cls, emotion, preset_name, overwrite) -> io.NodeOutput:
        text = emotion.to_json()
        if not preset_name.strip():
            return io.NodeOutput(text, ui=ui.PreviewText(text))
        with blame(cls.SCHEMA.display_name, "preset_name"):
            said = presets.save(preset_name, emotion, overwrite)
        logging.info("EmoTalker: %s", said)
        say(said)
        return io.NodeOutput(text, ui=ui.PreviewText(said))

    @classmethod
    def fingerprint_inputs(cls, preset_name, **_):
        # A preset that was deleted or changed is saved, or reported, again. A wired name is not known yet (None).
        return presets.fingerprint(preset_name or "")

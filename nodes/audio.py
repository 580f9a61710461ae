"""Audio Features."""

from comfy_api.latest import io

from ..emotalker.errors import UserError
from ..emotalker.motion.denoiser import RATE
from ..emotalker.speech.analyse import analyse_speech
from .checks import as_audio, checked
from .progress import report
from .support import blame, device, make_room
from .types import FEATURES, Speech, schema

ROOM = 256 << 20  # bytes; a minute of speech took less


class AudioFeatures(io.ComfyNode):
    """What is heard in a voice."""

    @classmethod
    def define_schema(cls):
        return schema(
            node_id="EmoTalkerAudioFeatures",
            display_name="Audio Features",
            description="Listens to a voice and notes, frame by frame, which mouth shape it needs, how loud it is and where "
            "the pauses are. Any language, sample rate, number of channels and length.",
            search_aliases=["emotalker", "speech", "voice", "lip sync", "viseme", "phoneme", "talking head"],
            inputs=[
                io.Audio.Input("audio", tooltip="The voice. Background music is tolerated, a clean voice works best."),
                io.String.Input(
                    "transcript",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="Optional: the spoken words in English. With the package pocketsphinx installed the mouth follows "
                    "them exactly. Leave empty for any other language.",
                ),
            ],
            outputs=[
                FEATURES.Output("features", display_name="features", tooltip="What was heard, for the sampler."),
                io.Audio.Output("audio_out", display_name="audio", tooltip="The voice, passed on unchanged."),
            ],
        )

    @classmethod
    @checked
    def execute(cls, audio, transcript="") -> io.NodeOutput:
        with blame(cls.SCHEMA.display_name, "audio"):
            voice = as_audio(audio)
            if voice["waveform"].shape[-1] == 0:
                raise UserError("There is no sound: connect an audio that lasts at least a moment.")
            words = transcript.strip() or None
            make_room(ROOM)
            features = analyse_speech(voice["waveform"][0], voice["sample_rate"], RATE, words, device(), report(), lazily=True)
        return io.NodeOutput(Speech(voice, words, features), audio)

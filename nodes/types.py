"""The pack's own wire types, and what travels on them."""

import dataclasses

from comfy_api.latest import io

from ..emotalker.speech.analyse import analyse_speech
from ..emotalker.speech.features import SpeechFeatures
from .progress import report

PORTRAIT = io.Custom("EMOTALKER_PORTRAIT")  # emotalker.face.portrait.Portrait
FEATURES = io.Custom("EMOTALKER_FEATURES")  # Speech, below
EMOTION = io.Custom("EMOTALKER_EMOTION")  # emotalker.emotion.track.EmotionTrack
MOTION = io.Custom("EMOTALKER_MOTION")  # emotalker.motion.motion.Motion

CATEGORY = "EmoTalker"
_SCHEMA_FIELDS = {field.name for field in dataclasses.fields(io.Schema)}


def schema(**fields) -> io.Schema:
    """io.Schema without the fields that an older ComfyUI does not know yet (search_aliases came after 0.3.75)."""
    return io.Schema(category=CATEGORY, **{name: value for name, value in fields.items() if name in _SCHEMA_FIELDS})


@dataclasses.dataclass
class Speech:
    """A voice and what was heard in it.

    Attributes:
        audio: ComfyUI's AUDIO: waveform [1, C, N], sample_rate.
        transcript: the words, or None.
        features: analysis at the frame rate of the last call of `at`.
    """

    audio: dict
    transcript: str | None
    features: SpeechFeatures

    def at(self, fps: float, device) -> SpeechFeatures:
        """The analysis at a frame rate: a lip closure is shorter than a frame, so it is made for the frames themselves."""
        if self.features.fps != fps:
            waveform, rate = self.audio["waveform"][0], self.audio["sample_rate"]
            self.features = analyse_speech(waveform, rate, fps, self.transcript, device, report())
        return self.features

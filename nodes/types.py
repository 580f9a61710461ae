"""The pack's own wire types, and what travels on them."""

import dataclasses

from comfy_api.latest import io

from ..emotalker.frames.denoiser import FrameDenoiser
from ..emotalker.speech.features import SpeechFeatures

PORTRAIT = io.Custom("EMOTALKER_PORTRAIT")  # emotalker.face.portrait.Portrait
FEATURES = io.Custom("EMOTALKER_FEATURES")  # Speech, below
EMOTION = io.Custom("EMOTALKER_EMOTION")  # emotalker.emotion.track.EmotionTrack
MOTION = io.Custom("EMOTALKER_MOTION")  # emotalker.motion.motion.Motion
PAINTER = io.Custom("EMOTALKER_MODEL")  # PaintModel, below

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
        features: analysis at the frame rate that motion is drawn at.
    """

    audio: dict
    transcript: str | None
    features: SpeechFeatures


@dataclasses.dataclass(frozen=True)
class PaintModel:
    """A frame diffusion and ComfyUI's hold on it.

    Attributes:
        model: the network.
        patcher: what memory.load_models_gpu takes.
    """

    model: FrameDenoiser
    patcher: object

"""The nodes: schema, checks and a call into the library each."""

from comfy_api.latest import ComfyExtension, io

from .audio import AudioFeatures
from .combine import VideoCombine
from .emotion import EmotionMixer
from .emotion_json import EmotionFromJSON, EmotionToJSON
from .emotion_preview import EmotionPreview
from .emotion_prompt import EmotionPromptEIB
from .emotion_segment import EmotionSegment
from .model import LoadModel, register_folder
from .motion import LoadMotion, MotionToJSON, SaveMotion
from .perception import PerceptionScore
from .portrait import LoadPortrait, PortraitFromImage
from .render import RenderFrames
from .sampler import EmoTalkerSampler
from .samples import place_samples


class EmoTalkerExtension(ComfyExtension):
    """What ComfyUI loads."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """All nodes of the pack."""
        return [
            LoadPortrait,
            PortraitFromImage,
            AudioFeatures,
            EmotionPromptEIB,
            EmotionMixer,
            EmotionSegment,
            EmotionFromJSON,
            EmotionToJSON,
            EmotionPreview,
            EmoTalkerSampler,
            SaveMotion,
            LoadMotion,
            MotionToJSON,
            RenderFrames,
            VideoCombine,
            PerceptionScore,
            LoadModel,
        ]


async def comfy_entrypoint() -> EmoTalkerExtension:
    """ComfyUI's way in."""
    place_samples()
    register_folder()
    return EmoTalkerExtension()

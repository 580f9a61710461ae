"""EmoTalker: a portrait, a voice and an emotion become a talking head. Knows nothing of ComfyUI."""

__version__ = "0.1.0"

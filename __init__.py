"""EmoTalker for ComfyUI: a portrait, a voice and an emotion become a talking head.

ComfyUI imports this file as the entry of a node pack. Everything that computes lies in the package `emotalker` beside it,
which knows nothing of ComfyUI; the nodes in `nodes` are thin. Outside ComfyUI this file does nothing.
"""

import importlib.util
import logging

WEB_DIRECTORY = "./web"

if __package__ and importlib.util.find_spec("comfy_api") is not None:
    from .nodes import comfy_entrypoint

    __all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
elif __package__:
    logging.warning("EmoTalker needs a ComfyUI with the V3 node schema (0.3.75 or newer): update ComfyUI.")

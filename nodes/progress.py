"""The progress bar, the preview picture, text on a node, and Cancel."""

import html
import time
from collections.abc import Callable

import numpy as np
import torch
from comfy.model_management import throw_exception_if_processing_interrupted
from comfy.utils import ProgressBar
from comfy_execution.graph_utils import is_link
from comfy_execution.progress import get_progress_state
from comfy_execution.utils import get_executing_context
from PIL import Image

SAMPLER = "EmoTalkerSampler"
PREVIEW_SIDE = 512  # pixels
PREVIEW_EVERY = 0.5  # seconds between two preview pictures


def report() -> Callable[[int, int], None]:
    """A function (done, total) that moves the running node's bar, and raises when the user has pressed Cancel.

    In a later node, for which the work of this one goes on, the bar is that node's own: there it only looks for Cancel.
    """
    bar, own = ProgressBar(1), _running()

    def moved(done: int, total: int) -> None:
        if _running() == own:
            bar.update_absolute(done, total)
        else:
            throw_exception_if_processing_interrupted()

    return moved


def _running() -> str | None:
    context = get_executing_context()
    return None if context is None else context.node_id


def say(text: str) -> None:
    """Shows a text, one line or more, on the node that runs; it stays until the node says something else.

    The editor takes what it is sent for HTML, in every window that is open: the text is escaped here, for it may repeat what
    somebody typed, or a file's name.
    """
    context = get_executing_context()
    if context is None:
        return
    from server import PromptServer  # here, where a server runs: importing it starts half of ComfyUI

    PromptServer.instance.send_progress_text(html.escape(text), context.node_id)


class Progress:
    """Moves the bar of the node that runs, and shows pictures in the sampler that it renders for.

    Not in the running node itself: the editor would go on showing the last picture there in place of the saved video.
    """

    def __init__(self, total: int):
        self._total = total
        self._bar = ProgressBar(total)
        self._sampler = sampler_of_running_node()
        self._screen = None if self._sampler is None else ProgressBar(total, self._sampler)
        self._last = 0.0

    def show(self, done: int, picture: torch.Tensor | np.ndarray | None = None) -> None:
        """Moves the bar to `done`; picture [H, W, 3] uint8 is shown now and then.

        Raises:
            InterruptProcessingException: the user has pressed Cancel.
        """
        self._bar.update_absolute(done)
        if self._screen is None or picture is None:
            return
        if done >= self._total:
            self._screen.update_absolute(done, preview=_preview(picture))
            get_progress_state().finish_progress(self._sampler)
        elif time.monotonic() - self._last > PREVIEW_EVERY:
            self._last = time.monotonic()
            self._screen.update_absolute(done, preview=_preview(picture))


def _preview(picture: torch.Tensor | np.ndarray) -> tuple[str, Image.Image, int]:
    image = Image.fromarray(picture.cpu().numpy() if isinstance(picture, torch.Tensor) else picture)
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    return "JPEG", image, PREVIEW_SIDE


def sampler_of_running_node() -> str | None:
    """Id of the nearest sampler upstream of the node that runs; None when there is none.

    Looked up in the running prompt and not remembered in the video: a cached video may come from a node that has since
    been removed or renumbered.
    """
    context = get_executing_context()
    if context is None:
        return None
    prompt = get_progress_state().dynprompt
    waiting, seen = [context.node_id], set()
    while waiting:
        name = waiting.pop(0)
        if name in seen or not prompt.has_node(name):
            continue
        seen.add(name)
        node = prompt.get_node(name)
        if node["class_type"] == SAMPLER:
            return name
        waiting += [value[0] for value in node["inputs"].values() if is_link(value)]
    return None

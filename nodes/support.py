"""What all nodes share: errors that name node and input, safe file names, device and memory through ComfyUI."""

import contextlib
import gc
import hashlib
import os
import re
import time
from collections.abc import Iterator

import comfy.model_management as memory
import comfy.model_patcher
import folder_paths
import torch

from ..emotalker.draft import check_target
from ..emotalker.errors import UserError, quoted, short


@contextlib.contextmanager
def blame(node: str, name: str, *others: str) -> Iterator[None]:
    """Puts node and input in front of the library's error messages.

    Args:
        node: display name.
        name: the input that an error is about.
        others: further inputs that it may be about; the library's message then begins with that input's name.
    """
    try:
        yield
    except UserError as error:
        name = next((other for other in others if str(error).startswith(other)), name)
        raise UserError(f"{node}, input '{name}': {error}") from error


def chosen_file(name: str) -> str:
    """Path of a file chosen in a widget ("NAME", "FOLDER/NAME" or "NAME [output]").

    Raises:
        UserError: it lies outside ComfyUI's input, output and temp folders, or is not there.
    """
    inner, base = folder_paths.annotated_filepath(name)
    base = os.path.abspath(base or folder_paths.get_input_directory())
    path = os.path.abspath(os.path.join(base, inner.strip()))
    if os.path.commonpath([base, path]) != base:
        raise UserError(f"{short(name)} lies outside ComfyUI's folders: upload the file, or put it into the input folder.")
    if not os.path.isfile(path):
        raise UserError(f"There is no file {short(name)} in ComfyUI's folders: upload it, or choose another.")
    return path


def fingerprint(name: str | None) -> str:
    """Changes when a chosen file's content does; "" for a name that comes over a wire and is not known yet (None)."""
    if not isinstance(name, str):
        return ""
    try:
        with open(chosen_file(name), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(file)
    except UserError as error:
        return str(error)


def _digest(file) -> str:
    digest = hashlib.sha256()  # Python 3.10 has no file_digest
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def output_names(prefix: str, ending: str, prompt: dict | None = None, width: int = 0, height: int = 0):
    """Free names in ComfyUI's output folder, one after another: (path, file, subfolder).

    Args:
        prefix: what a person typed; may name folders, and hold the placeholders of ComfyUI's own save nodes.
        ending: of the file, "" for a folder.
        prompt: the running prompt, whose widgets "%Node.widget%" stands for.
        width, height: what %width% and %height% stand for.

    Raises:
        UserError: the name leads out of the output folder, or is impossible.
    """
    prefix = expanded(prefix, prompt)
    try:
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            prefix, folder_paths.get_output_directory(), width, height
        )
    except Exception as error:  # core raises Exception itself
        raise UserError(f"{quoted(prefix)} names no place in ComfyUI's output folder: choose another.") from error
    check_target(os.path.join(folder, f"{name}_{counter:05}_{ending}"), not ending)
    while True:
        file = f"{name}_{counter:05}_{ending}"
        yield os.path.join(folder, file), file, subfolder
        counter += 1


DATE = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "M": "%m", "dd": "%d", "d": "%d", "hh": "%H", "h": "%H", "mm": "%M", "m": "%M"}
DATE |= {"ss": "%S", "s": "%S"}
"""Parts of a date as the editor writes them, to those of strftime; single letters are without a leading zero."""


def expanded(prefix: str, prompt: dict | None = None) -> str:
    """A file name's start with the editor's placeholders filled in: %date:yyyy-MM-dd% and %Node title.widget%.

    The editor fills them in for core's save nodes alone. Characters that some system's file names cannot have become "-".
    """
    now = time.localtime()

    def date(match: re.Match) -> str:
        def part(found: re.Match) -> str:
            text = time.strftime(DATE[found[0]], now)
            return text.lstrip("0") or "0" if len(found[0]) == 1 else text

        return re.sub("|".join(DATE), part, match[1])

    def widget(match: re.Match) -> str:
        for node in (prompt or {}).values():
            if match[1] in (node.get("_meta", {}).get("title"), node.get("class_type")):
                value = node.get("inputs", {}).get(match[2])
                if isinstance(value, str | int | float):
                    return re.sub(r"[/\\]", "_", str(value))
        return match[0]

    prefix = re.sub(r"%date:([^%]*)%", date, prefix)
    prefix = re.sub(r"%([^%./\\]+)\.([^%./\\]+)%", widget, prefix)
    return re.sub(r'[\x00-\x1f\ud800-\udfff<>:"|?*]', "-", prefix)


def device() -> torch.device:
    """Where ComfyUI computes."""
    return memory.get_torch_device()


def make_room(size: int) -> None:
    """Asks ComfyUI to unload other models until `size` bytes are free on its device."""
    if device().type != "cpu":
        memory.free_memory(size, device())


def patcher_of(networks: list[torch.nn.Module]) -> "comfy.model_patcher.ModelPatcher":
    """ComfyUI's hold on networks (modules on the CPU): memory.load_models_gpu takes it, and brings them to its device."""
    # ComfyUI replaces CoreModelPatcher at start-up, so it is looked up here and not imported.
    kind = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    return kind(torch.nn.ModuleList(networks), load_device=device(), offload_device=memory.unet_offload_device())


def onto_device(networks: list[torch.nn.Module], size: int = 0) -> "comfy.model_patcher.ModelPatcher":
    """Has ComfyUI bring networks to its device; they stay as long as the returned patcher is held.

    Args:
        networks: modules on the CPU.
        size: bytes the computation itself will need.
    """
    patcher = patcher_of(networks)
    memory.load_models_gpu([patcher], memory_required=size)
    return patcher


def without_running_out(stream, start: int, stop: int, chunk: int) -> Iterator[torch.Tensor]:
    """Frames start..stop of stream(start, stop, chunk); on out-of-memory the chunk is halved and the stream goes on.

    Raises:
        UserError: not even one frame at a time fits.
    """
    while start < stop:
        try:
            for frames in stream(start, stop, chunk):
                start += len(frames)
                yield frames
            return
        except memory.OOM_EXCEPTION as error:
            if chunk == 1:
                raise UserError("Not even one frame of this portrait fits into memory: use a smaller picture.") from error
            chunk = max(1, chunk // 2)
        gc.collect()
        memory.soft_empty_cache()

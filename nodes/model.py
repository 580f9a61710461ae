"""Load Model."""

import functools
import os
import re

import comfy.model_management as memory
import folder_paths
from comfy_api.latest import io

from ..emotalker.errors import UserError, quoted, short
from ..emotalker.frames.painting import check_kind, load_painter
from .checks import checked
from .progress import say
from .support import blame, device, patcher_of
from .types import PAINTER, PaintModel, schema

FOLDER = "emotalker"
"""Of models, below ComfyUI's folder models."""
BUILT_IN = "built-in"
ENDING = ".safetensors"
MOST_BYTES = 4 << 30
"""Of a weight file from the hub."""
NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
"""Of a hub repository: owner/name."""


def register_folder() -> None:
    """Tell ComfyUI about models/emotalker."""
    folder_paths.add_model_folder_path(FOLDER, os.path.join(folder_paths.models_dir, FOLDER))


@functools.lru_cache(maxsize=2)
def paint_model(path: str | None = None, changed: float = 0.0) -> PaintModel:
    """The frame diffusion of a file (None: the built-in one), in the numbers that suit ComfyUI's device.

    Args:
        changed: when the file was changed; another file at the same place is read anew.
    """
    model = load_painter.__wrapped__(path)
    count = sum(value.numel() for value in model.parameters())
    model = model.to(memory.unet_dtype(device=device(), model_params=count))
    return PaintModel(model, patcher_of([model]))


def fetch(repository: str) -> str:
    """A hub repository's weights in models/emotalker, fetched there if they are not; returns the file's path.

    Of the file that is chosen the header is read first (a few kilobytes), so that other models are not downloaded.

    Raises:
        UserError: it cannot be fetched or holds no frame diffusion as safetensors.
    """
    import huggingface_hub  # only who names a repository needs it
    from tqdm import tqdm

    class Watched(tqdm):
        """A bar that Cancel stops."""

        def update(self, n=1):
            memory.throw_exception_if_processing_interrupted()
            return super().update(n)

    if not NAME.fullmatch(repository) or ".." in repository:
        raise UserError(f"{quoted(repository)} is no name of a hub repository: write owner/name.")
    base = folder_paths.get_folder_paths(FOLDER)[0]
    place = os.path.join(base, *repository.split("/"))
    try:
        hub = huggingface_hub.HfApi()
        known = hub.model_info(repository, files_metadata=True).siblings
        sizes = {file.rfilename: file.size or 0 for file in known or ()}
        chosen = min((name for name in sizes if name.endswith(ENDING) and "/" not in name), default=None)
        if chosen is None:
            raise UserError(f"{repository} holds no {ENDING} file: name a repository of EmoTalker weights.")
        if sizes[chosen] > MOST_BYTES:
            raise UserError(
                f"{chosen} of {repository} has {sizes[chosen] / 1e9:.1f} GB, more than any frame diffusion of EmoTalker: name "
                "another repository."
            )
        try:
            header = hub.parse_safetensors_file_metadata(repository, chosen).metadata
        except huggingface_hub.errors.SafetensorsParsingError as error:
            raise UserError(f"{chosen} of {repository} is no safetensors file ({short(error)}): name another.") from error
        check_kind(f"{chosen} of {repository}", header or {})
        # Only weights that cannot carry code, and their card.
        card = chosen.removesuffix(ENDING) + ".json"
        huggingface_hub.snapshot_download(repository, allow_patterns=[chosen, card], local_dir=place, tqdm_class=Watched)
    except UserError:
        raise
    except (huggingface_hub.errors.HfHubHTTPError, OSError, ValueError) as error:
        raise UserError(f"{repository} could not be fetched ({short(error)}): check its name and the connection.") from error
    return os.path.join(place, chosen)


class LoadModel(io.ComfyNode):
    """The frame diffusion that paints."""

    @classmethod
    def define_schema(cls):
        files = [name for name in folder_paths.get_filename_list(FOLDER) if name.endswith(ENDING)]
        return schema(
            node_id="EmoTalkerLoadModel",
            display_name="EmoTalker Load Model",
            description="Loads the frame diffusion that paints mouths, eyes and folds. The sampler has the built-in one by "
            "itself; this node is for others: files in models/emotalker, or a repository of the Hugging Face hub.",
            search_aliases=["emotalker", "checkpoint", "frame diffusion", "weights"],
            inputs=[
                io.Combo.Input(
                    "model",
                    options=[BUILT_IN, *files],
                    default=BUILT_IN,
                    tooltip="The built-in weights, or a file in models/emotalker. Press R after adding one.",
                ),
                io.String.Input(
                    "repository",
                    default="",
                    tooltip="Name of a hub repository (owner/name) to use instead. Its safetensors are fetched once into "
                    "models/emotalker. Empty fetches nothing.",
                ),
            ],
            outputs=[PAINTER.Output("model_out", display_name="model", tooltip="For the sampler's input model.")],
        )

    @classmethod
    @checked
    def execute(cls, model, repository) -> io.NodeOutput:
        with blame(cls.SCHEMA.display_name, "repository" if repository.strip() else "model"):
            if repository.strip():
                path = fetch(repository.strip())
            elif model == BUILT_IN:
                path = None
            else:
                path = folder_paths.get_full_path_or_raise(FOLDER, model)
            made = paint_model(path, os.path.getmtime(path) if path else 0.0)
            say(f"{os.path.basename(path) if path else 'The built-in frame diffusion'} paints.")
            return io.NodeOutput(made)

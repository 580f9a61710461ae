"""The weights that ship with the package: safetensors, each with a model card (json) of the same name."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from ..errors import UserError, short

FOLDER = Path(__file__).parent


def weights_path(name: str) -> Path:
    """Path of a shipped weight file.

    Args:
        name: file name without folder or suffix, for example "rig".

    Raises:
        UserError: the file is not there (an incomplete installation).
    """
    path = FOLDER / f"{name}.safetensors"
    if not path.is_file():
        raise UserError(
            f"EmoTalker's weight file {path.name} is missing: install the node pack again, with its weights folder."
        )
    return path


def load_weights(name: str, device: str | torch.device = "cpu") -> dict[str, torch.Tensor]:
    """Tensors of a shipped weight file, as stored (usually float16).

    Raises:
        UserError: the file is not there, or damaged.
    """
    return read_tensors(weights_path(name), device)


def read_header(path: Path) -> tuple[dict[str, str], dict[str, tuple[int, ...]]]:
    """(metadata, name to shape) of a safetensors file, without reading its tensors.

    Raises:
        UserError: not a safetensors file, or cut off.
    """
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}, {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        raise UserError(f"{path.name} is no whole safetensors file ({short(error)}): download or make it again.") from None


def read_tensors(path: Path, device: str | torch.device = "cpu") -> dict[str, torch.Tensor]:
    """All tensors of a safetensors file.

    Raises:
        UserError: not a safetensors file, cut off, or with values that are no finite numbers.
    """
    read_header(path)
    try:
        tensors = load_file(path, device=str(device))
    except (OSError, SafetensorError, ValueError) as error:
        raise UserError(f"{path.name} cannot be read ({short(error)}): download or make it again.") from None
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise UserError(f"{path.name} holds values that are no numbers, in {short(name)}: download or make it again.")
    return tensors


def load_card(name: str) -> dict:
    """The model card of a shipped weight file.

    Raises:
        UserError: the weight file is not there.
    """
    return json.loads(weights_path(name).with_suffix(".json").read_text())

"""The weights that ship with the package: safetensors, each with a model card (json) of the same name."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file

from ..errors import UserError

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
        UserError: the file is not there.
    """
    return load_file(weights_path(name), device=str(device))


def load_card(name: str) -> dict:
    """The model card of a shipped weight file.

    Raises:
        UserError: the weight file is not there.
    """
    return json.loads(weights_path(name).with_suffix(".json").read_text())

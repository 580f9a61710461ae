"""Reads a TensorFlow.js graph model (development only): a json file with the operations, a bin file with the constants."""

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass
class Operation:
    """One operation: its name, its kind, the names of its inputs, and what the converter asks of its attributes.

    Attributes:
        stride: of a convolution, the same in both directions.
        padding: "SAME" or "VALID".
        fused: kinds of the operations that follow within it, such as "BiasAdd", "Relu".
    """

    name: str
    kind: str
    inputs: list[str]
    stride: int = 1
    padding: str = ""
    fused: list[str] = field(default_factory=list)


def read_tfjs(path: Path) -> tuple[list[Operation], dict[str, np.ndarray]]:
    """Parse a model whose weights lie in one file beside it.

    Args:
        path: the json file.

    Returns:
        operations in the order of computing, without constants; and the constants by name.

    Raises:
        ValueError: the file holds something this reader does not know how to keep.
    """
    model = json.loads(path.read_text())
    constants: dict[str, np.ndarray] = {}
    for group in model["weightsManifest"]:
        stored = b"".join((path.parent / name).read_bytes() for name in group["paths"])
        position = 0
        for weight in group["weights"]:
            if weight.get("quantization"):
                raise ValueError(f"the constant {weight['name']} is quantised, which is not known")
            kind, count = np.dtype(weight["dtype"]), int(np.prod(weight["shape"]))
            constants[weight["name"]] = np.frombuffer(stored, kind, count, position).reshape(weight["shape"])
            position += count * kind.itemsize
        if position != len(stored):
            raise ValueError(f"{len(stored) - position} bytes of the weights are left over")
    operations = [_operation(node) for node in model["modelTopology"]["node"] if node["op"] != "Const"]
    return operations, constants


def _operation(node: dict) -> Operation:
    attributes = node.get("attr", {})
    if attributes.get("data_format", {}).get("s") not in (None, _encoded("NHWC")):
        raise ValueError(f"{node['name']}: only rows before columns before channels is known")
    for name in ("strides", "dilations"):
        values = attributes.get(name, {}).get("list", {}).get("i", ["1"] * 4)
        if values[0] != "1" or values[3] != "1" or values[1] != values[2] or (name == "dilations" and values[1] != "1"):
            raise ValueError(f"{node['name']}: {name} {values} are not known")
    return Operation(
        node["name"],
        node["op"],
        [name.split(":")[0] for name in node.get("input", [])],
        int(attributes["strides"]["list"]["i"][1]) if "strides" in attributes else 1,
        _decoded(attributes["padding"]["s"]) if "padding" in attributes else "",
        [_decoded(value) for value in attributes.get("fused_ops", {}).get("list", {}).get("s", [])],
    )


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()

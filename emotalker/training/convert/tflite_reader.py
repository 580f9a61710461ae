"""Reads a .tflite file (development only): its operations, with every constant unpacked to float arrays.

Needs the `tflite` package, the generated reader of the format's schema.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tflite
from flatbuffers import flexbuffers
from tflite.utils import opcode2name

TYPES = {0: np.float32, 1: np.float16, 2: np.int32, 3: np.uint8, 4: np.int64, 9: np.int8}
OPTIONS = {
    "CONV_2D": (tflite.Conv2DOptions, ("Padding", "StrideH", "StrideW", "DilationHFactor", "FusedActivationFunction")),
    "DEPTHWISE_CONV_2D": (
        tflite.DepthwiseConv2DOptions,
        ("Padding", "StrideH", "StrideW", "DepthMultiplier", "DilationHFactor", "FusedActivationFunction"),
    ),
    "ADD": (tflite.AddOptions, ("FusedActivationFunction",)),
    "MUL": (tflite.MulOptions, ("FusedActivationFunction",)),
    "MAX_POOL_2D": (
        tflite.Pool2DOptions,
        ("Padding", "StrideH", "StrideW", "FilterHeight", "FilterWidth", "FusedActivationFunction"),
    ),
    "AVERAGE_POOL_2D": (
        tflite.Pool2DOptions,
        ("Padding", "StrideH", "StrideW", "FilterHeight", "FilterWidth", "FusedActivationFunction"),
    ),
    "RESIZE_BILINEAR": (tflite.ResizeBilinearOptions, ("AlignCorners", "HalfPixelCenters")),
    "CONCATENATION": (tflite.ConcatenationOptions, ("Axis",)),
    "DEPTH_TO_SPACE": (tflite.DepthToSpaceOptions, ("BlockSize",)),
}


@dataclass
class Operation:
    """One operation: name (custom ones by their own name), tensor ids, options."""

    name: str
    inputs: list[int]
    outputs: list[int]
    options: dict = field(default_factory=dict)


@dataclass
class TfliteModel:
    """Operations in order (constant unpacking left out), tensor shapes, constants by tensor id, input and output ids."""

    operations: list[Operation]
    shapes: dict[int, list[int]]
    constants: dict[int, np.ndarray]
    input: int
    outputs: dict[str, int]


def read_tflite(path: Path) -> TfliteModel:
    """Parse one file whose first subgraph is the network.

    Raises:
        ValueError: an operation has options this reader does not know how to keep.
    """
    model = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
    graph = model.Subgraphs(0)
    tensors = [graph.Tensors(i) for i in range(graph.TensorsLength())]
    shapes = {i: [int(n) for n in t.ShapeAsNumpy()] if t.ShapeLength() else [] for i, t in enumerate(tensors)}
    constants = {}
    for i, tensor in enumerate(tensors):
        buffer = model.Buffers(tensor.Buffer())
        if buffer.DataLength():
            data = np.frombuffer(buffer.DataAsNumpy().tobytes(), TYPES[tensor.Type()])
            constants[i] = densify(data, shapes[i], tensor.Sparsity()) if tensor.Sparsity() else data.reshape(shapes[i])
    operations = []
    for i in range(graph.OperatorsLength()):
        raw = graph.Operators(i)
        code = model.OperatorCodes(raw.OpcodeIndex())
        name = opcode2name(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))
        inputs, outputs = (list(map(int, ids)) for ids in (raw.InputsAsNumpy(), raw.OutputsAsNumpy()))
        if name in ("DEQUANTIZE", "DENSIFY"):
            constants[outputs[0]] = constants[inputs[0]]
            continue
        options = {}
        if name == "CUSTOM":
            name, options = code.CustomCode().decode(), custom_options(code.CustomCode().decode(), raw)
        elif name in OPTIONS:
            kind, fields = OPTIONS[name]
            table = kind()
            table.Init(raw.BuiltinOptions().Bytes, raw.BuiltinOptions().Pos)
            options = {key: getattr(table, key)() for key in fields}
        operations.append(Operation(name, inputs, outputs, options))
    names = {tensors[i].Name().decode(): int(i) for i in graph.OutputsAsNumpy()}
    return TfliteModel(operations, shapes, constants, int(graph.Inputs(0)), names)


def custom_options(name: str, raw) -> dict:
    """Options of a custom operation: a flexbuffer map, or a plain C struct for the transposed convolution."""
    data = raw.CustomOptionsAsNumpy().tobytes() if raw.CustomOptionsLength() else b""
    if name == "Convolution2DTransposeBias":
        padding, height, width = np.frombuffer(data, np.int32)
        return {"Padding": int(padding), "StrideH": int(height), "StrideW": int(width)}
    return flexbuffers.Loads(data) if data else {}


def densify(data: np.ndarray, shape: list[int], sparsity) -> np.ndarray:
    """Fill in the zeros of a tensor stored sparsely (the format's traversal order, blocks, dense and CSR dimensions)."""
    order = [int(i) for i in sparsity.TraversalOrderAsNumpy()]
    blocks = [int(i) for i in sparsity.BlockMapAsNumpy()] if sparsity.BlockMapLength() else []
    block_size = {}
    levels = []
    for level, dim in enumerate(order):
        meta = sparsity.DimMetadata(level)
        if meta.Format() == tflite.DimensionType.DENSE:
            levels.append((dim, meta.DenseSize(), None))
        else:
            segments, indices = (vector(meta, "ArraySegments"), vector(meta, "ArrayIndices"))
            levels.append((dim, segments, indices))
        if dim >= len(shape):
            block_size[blocks[dim - len(shape)]] = meta.DenseSize()
    dense = np.zeros(shape, data.dtype)
    taken = 0

    def fill(level: int, place: int, index: dict[int, int]):
        nonlocal taken
        if level == len(levels):
            where = [index[d] * block_size.get(d, 1) for d in range(len(shape))]
            for k, d in enumerate(blocks):
                where[d] += index[len(shape) + k]
            dense[tuple(where)] = data[taken]
            taken += 1
            return
        dim, size, indices = levels[level]
        if indices is None:
            for i in range(size):
                fill(level + 1, place * size + i, index | {dim: i})
        else:
            for k in range(size[place], size[place + 1]):
                fill(level + 1, k, index | {dim: int(indices[k])})

    fill(0, 0, {})
    if taken != len(data):
        raise ValueError(f"sparse tensor of shape {shape}: {taken} of {len(data)} values were placed")
    return dense


def vector(meta, name: str) -> np.ndarray:
    """An index vector of a sparse dimension, stored as 8, 16 or 32 bit integers."""
    kinds = {1: (tflite.Int32Vector,), 2: (tflite.Uint16Vector,), 3: (tflite.Uint8Vector,)}
    (kind,) = kinds[getattr(meta, name + "Type")()]
    table = kind()
    raw = getattr(meta, name)()
    table.Init(raw.Bytes, raw.Pos)
    return table.ValuesAsNumpy()

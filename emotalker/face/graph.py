"""A small network described as data: the list of its operations is read from the metadata of its safetensors file.

The published face networks are plain stacks of convolutions with a few unusual joints. Kept as data, one interpreter over
a closed set of operations runs all of them, for any batch, and (where nothing fixes it) any picture size.
"""

import json

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor, nn

from ..weights import weights_path

ACTIVATIONS = {"relu": F.relu_, "hardswish": F.hardswish, "sigmoid": torch.sigmoid}


def conv(module, attrs, x):
    """Convolution with TensorFlow's explicit padding (top, bottom, left, right), bias and optional activation."""
    top, bottom, left, right = attrs["pad"]
    padding = (top, left)
    if top != bottom or left != right:
        x, padding = F.pad(x, (left, right, top, bottom)), 0
    y = F.conv2d(x, module.weight(attrs, "w"), module.weight(attrs, "b"), attrs["stride"], padding, 1, attrs["groups"])
    return ACTIVATIONS[attrs["act"]](y) if attrs.get("act") else y


def deconv(module, attrs, x):
    """Transposed convolution whose stride is its kernel size."""
    return F.conv_transpose2d(x, module.weight(attrs, "w"), module.weight(attrs, "b"), attrs["stride"])


def prelu(module, attrs, x):
    """Leaky rectifier with one slope per channel."""
    return F.prelu(x, module.weight(attrs, "w"))


def add(module, attrs, x, y):
    """Sum; where x has fewer channels than y it is added to y's first ones (a shortcut across a widening)."""
    if x.shape[1] < y.shape[1]:
        out = y.clone()
        out[:, : x.shape[1]] += x
    else:
        out = x + y
    return ACTIVATIONS[attrs["act"]](out) if attrs.get("act") else out


def max_pool(module, attrs, x):
    """Largest of each 2 x 2 pixels of an even-sized picture; several times faster on a CPU than F.max_pool2d."""
    rows = torch.maximum(x[:, :, ::2], x[:, :, 1::2])
    return torch.maximum(rows[..., ::2], rows[..., 1::2])


def anchors(module, attrs, x):
    """[B, k * c, H, W] -> [B, H * W * k, c]: one row per anchor or point, in the order of pixels."""
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, attrs["size"])


def depth_to_space(module, attrs, x):
    """[B, s * s * c, H, W] -> [B, c, H * s, W * s], block position in the outer channels."""
    s = attrs["size"]
    b, c, h, w = x.shape
    return x.reshape(b, s, s, c // (s * s), h, w).permute(0, 3, 4, 1, 5, 2).reshape(b, c // (s * s), h * s, w * s)


def landmark_matrix(module, attrs, points):
    """Points [B, n, 3] -> [B, 2, 3]: from a grid of `size` cells to the upright box around a subset of the points.

    The box is turned so that the line between two chosen points is level, and enlarged by `scale`.
    """
    left, right = points[:, attrs["left"], :2], points[:, attrs["right"], :2]
    delta = right - left
    angle = torch.atan2(delta[:, 1], delta[:, 0])
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)  # box axes -> picture
    subset = points[:, attrs["subset"], :2] @ turn
    low, high = subset.amin(1), subset.amax(1)
    matrix = turn * ((high - low) * attrs["scale"] / attrs["size"])[:, None, :]
    centre = (turn @ ((low + high) / 2)[..., None])[..., 0]
    return torch.cat([matrix, (centre - matrix.sum(2) * (attrs["size"] / 2))[..., None]], 2)


def sample(module, attrs, x, matrix):
    """Bilinear samples of x [B, C, H, W] on a grid of `size` cells placed by matrix [B, 2, 3]; 0 outside the pixel centres."""
    size, (h, w) = attrs["size"], x.shape[2:]
    cells = torch.arange(size, device=x.device, dtype=x.dtype) + 0.5
    row, column = torch.meshgrid(cells, cells, indexing="ij")
    grid = torch.stack([column, row, torch.ones_like(row)], -1) @ matrix[:, None].transpose(2, 3)
    extent = grid.new_tensor([w, h])
    inside = ((grid >= 0.5) & (grid <= extent - 0.5)).all(-1)
    out = F.grid_sample(x, grid * (2 / extent) - 1, align_corners=False, padding_mode="border")
    return out * inside[:, None]


def place(module, attrs, points, matrix):
    """Points [B, n, 2] of a refined region -> the whole crop's pixels, by the region's matrix [B, 2, 3].

    `unit` is how many units of the points one grid cell has, `scale` how many pixels of the crop one sampled pixel has.
    """
    linear = matrix[:, :, :2] * (attrs["scale"] / attrs["unit"])
    return points @ linear.transpose(1, 2) + matrix[:, None, :, 2] * attrs["scale"]


OPERATIONS = {
    "conv": conv,
    "deconv": deconv,
    "prelu": prelu,
    "add": add,
    "anchors": anchors,
    "depth_to_space": depth_to_space,
    "landmark_matrix": landmark_matrix,
    "sample": sample,
    "place": place,
    "relu": lambda module, attrs, x: F.relu(x),
    "hardswish": lambda module, attrs, x: F.hardswish(x),
    "sigmoid": lambda module, attrs, x: torch.sigmoid(x),
    "mul": lambda module, attrs, x, y: x * y,
    "scale": lambda module, attrs, x: x * attrs["by"],
    "max_pool": max_pool,
    "mean": lambda module, attrs, x: x.mean((2, 3), keepdim=True),
    "upsample": lambda module, attrs, x: F.interpolate(x, scale_factor=attrs["by"], mode="bilinear", align_corners=False),
    "concat": lambda module, attrs, *xs: torch.cat(xs, 1),
}


class Graph(nn.Module):
    """A network read from a shipped safetensors file: its metadata lists nodes and outputs, tensors are its weights.

    Args:
        nodes: list of {"op", "in": value ids, "out": value id, "attrs"}; value 0 is the input.
        outputs: name -> value id.
        weights: tensors named in the nodes' attrs.

    Raises:
        KeyError: a node names an operation or a weight that does not exist.
    """

    def __init__(self, nodes: list[dict], outputs: dict[str, int], weights: dict[str, Tensor]):
        super().__init__()
        self.outputs = outputs
        self.nodes = [(OPERATIONS[n["op"]], n["attrs"], tuple(n["in"]), n["out"]) for n in nodes]
        for name, tensor in weights.items():
            tensor = tensor.float()
            if tensor.ndim == 4:
                tensor = tensor.contiguous(memory_format=torch.channels_last)
            self.register_buffer(name, tensor)
        last = {value: index for index, node in enumerate(self.nodes) for value in node[2]}
        keep = set(outputs.values())
        self.free = [[v for v in set(node[2]) if last[v] == i and v not in keep] for i, node in enumerate(self.nodes)]

    @classmethod
    def load(
        cls, name: str, part: str = "", device: str | torch.device = "cpu", outputs: dict[str, int] | None = None
    ) -> "Graph":
        """Read a shipped network, or the named part of a file that holds several. Raises UserError when the file is missing.

        Args:
            outputs: name -> value id of what `forward` returns instead of the network's own outputs, such as inner features;
                what they do not need is left out.
        """
        with safe_open(str(weights_path(name)), "pt") as file:
            graph = json.loads(file.metadata()["graphs"])[part]
            nodes = graph["nodes"]
            if outputs is not None:
                needed, kept = set(outputs.values()), []
                for node in reversed(nodes):
                    if node["out"] in needed:
                        kept.append(node)
                        needed.update(node["in"])
                nodes = kept[::-1]
            names = {node["attrs"][key] for node in nodes for key in ("w", "b") if key in node["attrs"]}
            weights = {key: file.get_tensor(key) for key in names}
        return cls(nodes, outputs or graph["outputs"], weights).eval().to(device)

    def learn_after(self, value: int) -> None:
        """Make the weights of all operations after the one that makes `value` parameters; those before stay as they are."""
        first = [out for _, _, _, out in self.nodes].index(value) + 1
        for _, attrs, _, _ in self.nodes[first:]:
            for name in (attrs[key] for key in ("w", "b") if key in attrs):
                if name in self._buffers:
                    self.register_parameter(name, nn.Parameter(self._buffers.pop(name)))

    def weight(self, attrs: dict, key: str) -> Tensor:
        return getattr(self, attrs[key])

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Picture [B, 3, H, W] in the network's own range -> its named outputs."""
        values = {0: x.contiguous(memory_format=torch.channels_last)}
        for (operation, attrs, inputs, out), free in zip(self.nodes, self.free, strict=True):
            values[out] = operation(self, attrs, *(values[i] for i in inputs))
            for value in free:
                del values[value]
        return {name: values[value] for name, value in self.outputs.items()}

"""Convert MediaPipe's published face networks to the safetensors files that ship in emotalker/weights.

    pip download mediapipe==0.10.21 --no-deps
    python -m emotalker.training.convert.mediapipe mediapipe-0.10.21-*.whl

Values are kept exactly (half precision, as published). Needs the development package `tflite`.
"""

import argparse
import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from ...weights import FOLDER
from ..commit import commit_name
from .tflite_reader import Operation, TfliteModel, read_tflite

MODULES = "mediapipe/modules"
FILES = {
    "face_detector": {
        "short": "face_detection/face_detection_short_range.tflite",
        "full": "face_detection/face_detection_full_range_sparse.tflite",
    },
    "face_landmarks": {"": "face_landmark/face_landmark_with_attention.tflite"},
    "person_matte": {"": "selfie_segmentation/selfie_segmentation.tflite"},
}
PURPOSE = {
    "face_detector": "BlazeFace: boxes and six key points of faces, near (short) and far (full)",
    "face_landmarks": "Attention mesh: 468 face landmarks, refined lips and eyes, 10 iris points, presence",
    "person_matte": "Selfie segmentation: alpha of the person",
}
ACTIVATION = {0: None, 1: "relu"}
# Largest differences: outputs here against those of MediaPipe's own runtime, on development portrait 02. Mean errors: landmarks
# of the whole face finder against those of MediaPipe 0.10.21, on every development portrait.
METRICS = {
    "face_detector": {"largest_difference_short": 1.1e-4, "largest_difference_full": 2.4e-4},
    "face_landmarks": {
        "largest_difference_crop_pixels": 4.6e-5,
        "mean_error_percent_of_iris_distance": {
            "01_smile_teeth_photo": 0.88,
            "02_neutral_frontal": 0.54,
            "03_oil_painting": 1.44,
            "04_cartoon_3d": 0.75,
            "05_older_face": 1.04,
            "06_dark_skin": 0.39,
            "07_glasses_turned": 0.98,
            "08_head_turn": 0.56,
            "09_full_body_small_face": 0.48,
            "10_two_faces": [0.71, 0.69],
            "bad_large_2000x3000": 1.23,
        },
    },
    "person_matte": {"largest_difference": 2.4e-5},
}
SIMPLE = {"RELU": "relu", "LOGISTIC": "sigmoid", "HARD_SWISH": "hardswish"}
SAME = 0


class Converter:
    """Turns a tflite model into the nodes of emotalker.face.graph; one method for each kind of operation."""

    def __init__(self, model: TfliteModel):
        self.model = model
        self.nodes, self.weights = [], {}
        self.alias = {model.input: 0}
        self.padded = {}  # value id -> (source id, (top, bottom, left, right)) of a spatial PAD waiting for its convolution

    def convert(self) -> tuple[dict, dict[str, torch.Tensor]]:
        for operation in self.model.operations:
            self.operation(operation)
        outputs = {self.output_name(name): self.value(i) for name, i in self.model.outputs.items()}
        return {"nodes": self.nodes, "outputs": outputs}, self.weights

    @staticmethod
    def output_name(name: str) -> str:
        known = {
            "Identity": "regressors",
            "Identity_1": "classificators",
            "activation_10": "alpha",
            "conv_faceflag": "presence",
        }
        return known.get(name, name.removeprefix("output_").removesuffix("_identity"))

    def value(self, tensor: int) -> int:
        return self.alias.get(tensor, tensor)

    def node(self, op: str, inputs: list[int], out: int, **attrs):
        if out == 0:
            raise ValueError("value 0 is the picture")
        self.nodes.append({"op": op, "in": [self.value(i) for i in inputs], "out": out, "attrs": attrs})

    def store(self, array: np.ndarray) -> str:
        name = f"t{len(self.weights)}"
        self.weights[name] = torch.from_numpy(np.array(array, np.float16, order="C"))
        if not np.array_equal(self.weights[name].numpy(), array):
            raise ValueError("a weight does not fit half precision")
        return name

    def operation(self, o: Operation):
        shapes, out = self.model.shapes, o.outputs[0]
        shape_in = shapes[o.inputs[0]]
        constants = [self.model.constants.get(i) for i in o.inputs]
        if o.name in SIMPLE:
            self.node(SIMPLE[o.name], o.inputs, out)
        elif o.name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            self.convolution(o)
        elif o.name == "Convolution2DTransposeBias":
            kernel = constants[1]
            self.node(
                "deconv",
                o.inputs[:1],
                out,
                w=self.store(kernel.transpose(3, 0, 1, 2)),
                b=self.store(constants[2]),
                stride=o.options["StrideH"],
            )
        elif o.name == "PRELU":
            self.node("prelu", o.inputs[:1], out, w=self.store(constants[1].reshape(-1)))
        elif o.name == "PAD":
            pad = constants[1]
            if pad[3].any():
                if pad[:3].any() or pad[3, 0]:
                    raise ValueError(f"padding {pad.tolist()} is not known")
                self.alias[out] = self.value(o.inputs[0])  # `add` takes the missing channels as zeros
            else:
                self.padded[out] = (o.inputs[0], [int(n) for n in pad[1:3].reshape(-1)])
        elif o.name == "ADD":
            act = ACTIVATION[o.options["FusedActivationFunction"]]
            inputs = sorted(o.inputs, key=lambda i: i not in self.alias)  # a widened shortcut first
            self.node("add", inputs, out, act=act)
        elif o.name == "MUL":
            if constants[1] is None:
                self.node("mul", o.inputs, out)
            elif constants[1].size == 1:
                self.node("scale", o.inputs[:1], out, by=constants[1].item())
            else:  # a crop's matrix brought to pixels: done by `place`
                self.alias[out] = self.value(o.inputs[0])
                if not np.array_equal(constants[1].reshape(4, 4)[:2], [[1, 1, 4, 4], [1, 1, 4, 4]]):
                    raise ValueError("the crops' matrices are scaled in an unknown way")
        elif o.name == "MAX_POOL_2D":
            if o.options["StrideH"] != 2 or o.options["FilterHeight"] != 2 or shape_in[1] % 2:
                raise ValueError("only pooling of 2 x 2 pixels is known")
            self.node("max_pool", o.inputs, out)
        elif o.name == "AVERAGE_POOL_2D":
            if o.options["FilterHeight"] != shape_in[1]:
                raise ValueError("only a mean over the whole picture is known")
            self.node("mean", o.inputs, out)
        elif o.name == "RESIZE_BILINEAR":
            if o.options["AlignCorners"] or not o.options["HalfPixelCenters"]:
                raise ValueError("only half-pixel resizing is known")
            self.node("upsample", o.inputs[:1], out, by=int(constants[1][0]) // shape_in[1])
        elif o.name == "DEPTH_TO_SPACE":
            self.node("depth_to_space", o.inputs, out, size=o.options["BlockSize"])
        elif o.name == "CONCATENATION":
            self.node("concat", o.inputs, out)
        elif o.name == "RESHAPE" and len(shapes[out]) == 3:
            self.node("anchors", o.inputs[:1], out, size=shapes[out][2])
        elif o.name in ("RESHAPE", "STRIDED_SLICE"):  # outputs kept as rows of points
            source = o.inputs[0]
            if np.prod(shapes[out]) != np.prod(shape_in):
                raise ValueError("a slice that drops values is not known")
            self.alias[out] = self.value(source)
        elif o.name == "Landmarks2TransformMatrix":
            option = o.options
            if option["scale_x"] != option["scale_y"] or option["target_rotation_radians"]:
                raise ValueError("unknown crop")
            left, right = option["left_rotation_idx"], option["right_rotation_idx"]
            subset = list(option["subset_idxs"])
            self.node(
                "landmark_matrix",
                o.inputs,
                out,
                left=left,
                right=right,
                subset=subset,
                scale=option["scale_x"],
                size=option["output_width"],
            )
        elif o.name == "TransformTensorBilinear":
            self.node("sample", o.inputs, out, size=o.options["output_width"])
        elif o.name == "TransformLandmarks":
            self.node("place", o.inputs, out, scale=4, unit=4)
        else:
            raise ValueError(f"operation {o.name} is not known")

    def convolution(self, o: Operation):
        kernel, bias = (self.model.constants[i] for i in o.inputs[1:3])
        source, pad = self.padded.get(o.inputs[0], (o.inputs[0], [0, 0, 0, 0]))
        stride = o.options["StrideH"]
        if o.options["DilationHFactor"] != 1 or stride != o.options["StrideW"]:
            raise ValueError("dilated convolutions are not known")
        groups = 1
        if o.name == "DEPTHWISE_CONV_2D":  # [1, h, w, c] -> [c, 1, h, w]
            kernel, groups = kernel.transpose(3, 0, 1, 2), kernel.shape[3]
        else:  # [out, h, w, in] -> [out, in, h, w]
            kernel = kernel.transpose(0, 3, 1, 2)
        if o.options["Padding"] == SAME:
            size = self.model.shapes[o.inputs[0]][1]
            total = max((-(-size // stride) - 1) * stride + kernel.shape[2] - size, 0)
            pad = [total // 2, total - total // 2] * 2
        act = ACTIVATION[o.options["FusedActivationFunction"]]
        w, b = self.store(kernel), self.store(bias)
        self.node("conv", [source], o.outputs[0], w=w, b=b, stride=stride, pad=pad, groups=groups, act=act)


def convert(folder: Path, target: Path = FOLDER):
    """Write every network of an unpacked wheel, and the model cards, into the folder of shipped weights."""
    for name, parts in FILES.items():
        graphs, tensors = {}, {}
        for part, file in parts.items():
            graph, weights = Converter(read_tflite(folder / MODULES / file)).convert()
            prefix = f"{part}_" if part else ""
            for node in graph["nodes"]:
                node["attrs"] |= {key: prefix + node["attrs"][key] for key in ("w", "b") if key in node["attrs"]}
            tensors |= {prefix + key: value for key, value in weights.items()}
            graphs[part] = graph
        save_file(tensors, target / f"{name}.safetensors", {"graphs": json.dumps(graphs, separators=(",", ":"))})
        (target / f"{name}.safetensors").chmod(0o644)
        card = {
            "name": name,
            "purpose": PURPOSE[name],
            "data": f"converted from the PyPI wheel mediapipe 0.10.21: {', '.join(parts.values())}",
            "command": "python -m emotalker.training.convert.mediapipe mediapipe-0.10.21-*.whl",
            "seed": None,
            "commit": commit_name(),
            "metrics": METRICS[name],
            "licence": "Apache-2.0, The MediaPipe Authors",
        }
        (target / f"{name}.json").write_text(json.dumps(card, indent=2) + "\n")


def main():
    """Command line: the wheel, or the folder it was unpacked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="the wheel, or the folder it was unpacked to")
    source = parser.parse_args().source
    if source.is_dir():
        convert(source)
    else:
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(source) as wheel:
            wheel.extractall(folder, [f"{MODULES}/{file}" for parts in FILES.values() for file in parts.values()])
            convert(Path(folder))


if __name__ == "__main__":
    main()

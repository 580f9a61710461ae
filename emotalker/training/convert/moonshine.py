"""Convert the encoder of Moonshine's tiny English model to the safetensors file that ships in emotalker/weights.

    pip download moonshine-voice==0.0.49 --no-deps
    python -m emotalker.training.convert.moonshine moonshine_voice-0.0.49-*.whl

The matrices are published as bytes with a scale and a zero, and kept so; the convolutions go to half precision. Needs the
development package `onnxruntime`, which brings the reader of the file's format.
"""

import argparse
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from safetensors.torch import save_file
from torch import Tensor

from ...speech.encoder import HEARD
from ...speech.moonshine import HOP, SPAN, Moonshine, unpacked
from ...weights import FOLDER
from ..commit import commit_name

sys.path.insert(0, str(Path(onnxruntime.__file__).parent / "tools" / "ort_format_model"))
from ort_flatbuffers_py.fbs.InferenceSession import InferenceSession

LAYERS = 6
FILE = "moonshine_voice/assets/tiny-en/encoder_model.ort"
TYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 9: np.bool_}
"""TensorProto.DataType of ONNX."""
WHOLE = {
    "conv1.weight": "conv1.weight_add_tensor",
    "conv2.weight": "conv2.weight_add_tensor",
    "conv2.bias": "conv2.bias",
    "conv3.weight": "conv3.weight_add_tensor",
    "conv3.bias": "conv3.bias",
    "norm.weight": "onnx::Mul_2080",
    "norm.bias": "onnx::Add_2081",
}
WHOLE_OF_LAYER = {
    "before_attention.weight": "input_layernorm.weight",
    "before_widening.weight": "post_attention_layernorm.weight",
    "widen.bias": "mlp.fc1.bias",
    "narrow.bias": "mlp.fc2.bias",
}
MATRICES = {
    "query": "self_attn/q_proj", "key": "self_attn/k_proj", "value": "self_attn/v_proj", "out": "self_attn/o_proj",
    "widen": "mlp/fc1", "narrow": "mlp/fc2",
}  # fmt: skip
"""Our names to the published ones: of initialisers, and of the places in the graph where a matrix is used."""


def read_graph(data: bytes) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """The constants of an .ort file by name, and the inputs of the operation that makes each value."""
    graph = InferenceSession.GetRootAs(data, 0).Model().Graph()
    constants, inputs = {}, {}
    for i in range(graph.InitializersLength()):
        tensor = graph.Initializers(i)
        raw = tensor.RawDataAsNumpy().tobytes() if tensor.RawDataLength() else b""
        shape = [tensor.Dims(k) for k in range(tensor.DimsLength())]
        constants[tensor.Name().decode()] = np.frombuffer(raw, TYPES[tensor.DataType()]).reshape(shape)
    for i in range(graph.NodesLength()):
        node = graph.Nodes(i)
        if node is not None:
            names = [node.Inputs(k).decode() for k in range(node.InputsLength())]
            inputs |= {node.Outputs(k).decode(): names for k in range(node.OutputsLength())}
    return constants, inputs


def convert(data: bytes, layers: int) -> dict[str, Tensor]:
    """Weights of emotalker.speech.moonshine.Moonshine from an .ort file.

    Raises:
        ValueError: a place where a matrix should be used is not there, or more than one.
    """
    constants, inputs = read_graph(data)
    tensors = {ours: _tensor(constants[theirs]).half() for ours, theirs in WHOLE.items()}
    tensors = {name: value.flatten() if name.startswith("norm.") else value for name, value in tensors.items()}
    for layer in range(layers):
        for ours, theirs in WHOLE_OF_LAYER.items():
            tensors[f"layers.{layer}.{ours}"] = _tensor(constants[f"layers.{layer}.{theirs}"])
        for ours, theirs in MATRICES.items():
            place = f"/layers.{layer}/{theirs}/"
            used = {name for value, names in inputs.items() if value.startswith(place) for name in names}
            packed = [name for name in used if name in constants and name.endswith("_quantized")]
            if len(packed) != 1:
                raise ValueError(f"{place} uses {len(packed)} matrices instead of one: is this the file of version 0.0.49?")
            name, stem = f"layers.{layer}.{ours}.weight", packed[0].removesuffix("_quantized")
            tensors[name] = _tensor(constants[packed[0]]).T
            tensors[f"{name}.scale"] = _tensor(constants[f"{stem}_scale"])
            tensors[f"{name}.zero"] = _tensor(constants[f"{stem}_zero_point"]).float()
    return {name: value.contiguous() for name, value in tensors.items()}


@torch.no_grad()
def correlation(data: bytes, seconds: int = 4) -> float:
    """Of the whole encoder's output here with that of the published graph, on swelling noise.

    The published graph also rounds what flows between the layers to bytes, so that it cannot be 1.
    """
    model = Moonshine(LAYERS).eval()
    model.load_state_dict(unpacked(convert(data, LAYERS)))
    time = torch.arange(seconds * 16000 // HOP * HOP) / 16000
    sound = torch.randn(len(time), generator=torch.Generator().manual_seed(0)) * (0.1 + 0.1 * torch.sin(6 * time))
    weight = _tensor(read_graph(data)[0]["layer_norm.weight"])
    ours = torch.nn.functional.layer_norm(model(sound[None])[-1], weight.shape, weight)
    padded = torch.nn.functional.pad(sound, (SPAN // 2, SPAN - SPAN // 2))[None].numpy()
    session = onnxruntime.InferenceSession(data)
    (theirs,) = session.run(None, {"input_values": padded, "attention_mask": np.ones(padded.shape, np.int64)})
    return float(np.corrcoef(ours.flatten(), theirs.flatten())[0, 1])


def _tensor(value: np.ndarray) -> Tensor:
    return torch.from_numpy(value.copy())


def main() -> None:
    """Convert and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="moonshine_voice-0.0.49-*.whl")
    parser.add_argument("--out", type=Path, default=FOLDER)
    options = parser.parse_args()
    with zipfile.ZipFile(options.wheel) as wheel:
        data = wheel.read(FILE)
    save_file(convert(data, max(HEARD)), options.out / "moonshine.safetensors")
    card = {
        "name": "moonshine",
        "purpose": f"Front of the speech encoder: convolutions and the first {max(HEARD)} of 6 transformer layers of the "
        "encoder of Moonshine tiny (English speech recognition), 41.7 frames a second",
        "data": f"{FILE} of the PyPI package moonshine-voice 0.0.49 (Moonshine AI); trained by its authors on recordings of "
        "people",
        "command": f"python -m emotalker.training.convert.moonshine {options.wheel.name}",
        "seed": None,
        "commit": commit_name(),
        "metrics": {"correlation_of_the_last_layer_with_the_published_graph": round(correlation(data), 4)},
        "licence": "MIT, Copyright (c) 2025 Moonshine AI (the package's README: code and English-language models)",
    }
    (options.out / "moonshine.json").write_text(json.dumps(card, indent=2) + "\n")


if __name__ == "__main__":
    main()

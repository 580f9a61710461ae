"""Batches of pairs (emotalker.training.frames.pairs) for the frame denoiser: whole faces, and windows of mouths and eyes."""

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from ...face.crop import MIDDLE, SPAN
from ...face.expression import ExpressionRecogniser
from ...frames.denoiser import BLOCK, PaintConditions
from ...frames.guide import MAPS
from ..heads.make import unpacked
from ..motion.windows import mirror
from .pairs import CROP, FRAMES, MAP, TABLES

MIRROR = 0.5
LIGHT, TINT, GAMMA, COLOUR, GREY = 0.15, 0.12, 0.15, 0.25, 0.05
"""Spread of the logarithm of a picture's brightness, its colours, its gamma and its saturation, and how often it has no colour:
there are fifteen skins to learn from, and many more complexions, lamps and painters' palettes."""
MOUTH_AT, EYES_AT = (0.0, 1.15), (0.0, 0.0)
"""Where a window looks, in distances between the eyes from their middle."""
SHIFT = 0.3
PLACES = ((MOUTH_AT, 0.45), (EYES_AT, 0.35), (None, 0.2))
"""Middles of windows and how often each is taken; None is anywhere."""


@dataclass(frozen=True, eq=False)
class FrameBatch:
    """Frames to learn from: what steers them, their guides not yet drifted, and the true pictures [n,3,s,s] 0..1."""

    conditions: PaintConditions
    truth: Tensor

    def to(self, device: torch.device) -> "FrameBatch":
        """The same on a device."""
        return FrameBatch(self.conditions.to(device, torch.float32), self.truth.to(device))


class FramePairs:
    """All frames of a folder of pairs; pictures stay compressed until they are asked for.

    Args:
        folder: of pairs-*.safetensors.
        size: pixels of a face crop's side.

    Raises:
        FileNotFoundError: there are none.
    """

    def __init__(self, folder: Path, size: int = CROP) -> None:
        self.size, self.jpeg, self.maps = size, [], []
        tables: dict[str, list[Tensor]] = {name: [] for name in TABLES}
        for path in sorted(folder.glob("pairs-*.safetensors")):
            stored = load_file(path)
            self.jpeg += unpacked(stored["jpeg"], stored["jpeg_ends"])
            self.maps += unpacked(stored["maps"], stored["maps_ends"])
            for name in TABLES:
                tables[name].append(stored[name].float())
        if not self.jpeg:
            raise FileNotFoundError(f"{folder} holds no pairs: make them with python -m emotalker.training.frames.pairs")
        self.tables = {name: torch.cat(values) for name, values in tables.items()}
        self.swap, self.signs = mirror()
        self.pool = ThreadPoolExecutor(4)
        self.own = self._own()

    @torch.inference_mode()
    def _own(self) -> Tensor:
        """[pairs,52] face units that the recogniser sees in the portraits."""
        recogniser, found = ExpressionRecogniser.load(), []
        for begin in range(0, len(self) // FRAMES, 16):
            numbers = range(begin, min(begin + 16, len(self) // FRAMES))
            pictures = np.stack([self.picture(number, "portrait") for number in numbers])
            found.append(recogniser.see(torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255).units)
        return torch.cat(found)

    def __len__(self) -> int:
        """Frames."""
        return len(self.maps)

    def picture(self, pair: int, kind: str, frame: int = 0) -> np.ndarray:
        """uint8 [s,s,3] of a pair: its "portrait", a "guide" or a "truth"."""
        place = pair * (1 + 2 * FRAMES) + {"portrait": 0, "guide": 1 + frame, "truth": 1 + FRAMES + frame}[kind]
        image = Image.open(io.BytesIO(self.jpeg[place]))
        if self.size < CROP:
            image.draft("RGB", (self.size, self.size))
        image = image.convert("RGB")
        return np.asarray(image if image.width == self.size else image.resize((self.size, self.size), Image.Resampling.BOX))

    def batch(self, indices: list[int], draw: np.random.Generator | None = None, window: int | None = None) -> FrameBatch:
        """Frames with the given numbers.

        Args:
            draw: varies light and side; None leaves frames as they are.
            window: pixels of a random window's side, a multiple of 32; None for the whole crop. Needs `draw`.
        """
        chosen = [divmod(index, FRAMES) for index in indices]
        load = [(pair, kind, frame) for pair, frame in chosen for kind in ("guide", "portrait", "truth")]
        pictures = np.stack(list(self.pool.map(lambda what: self.picture(*what), load)))
        pictures = torch.from_numpy(pictures).view(len(chosen), 3, self.size, self.size, 3).permute(0, 1, 4, 2, 3).float() / 255
        blobs = [self.maps[index] for index in indices]
        maps = np.stack([np.asarray(Image.open(io.BytesIO(blob))).reshape(len(MAPS), MAP, MAP) for blob in blobs])
        maps = torch.from_numpy(maps).float() / 254
        maps[:, 1:4] = 2 * maps[:, 1:4] - 1
        cells = self.size // BLOCK
        if cells != MAP:
            maps = torch.nn.functional.interpolate(maps, size=(cells, cells), mode="area")
        rows, frames = torch.tensor(chosen).unbind(1)
        speech, heard, strengths = (self.tables[name][rows, frames] for name in ("speech", "heard", "strengths"))
        mirrored = np.array([draw is not None and draw.random() < MIRROR for _ in chosen])
        motion, own, taken, _, _ = self.movement(np.array(indices), mirrored)
        corners = torch.zeros(len(chosen), 2)
        if draw is not None:
            for i in range(len(chosen)):
                if mirrored[i]:
                    pictures[i], maps[i] = pictures[i].flip(-1), maps[i].flip(-1)
                    maps[i, MAPS.index("right")] *= -1
                gain = np.exp(draw.normal(0, LIGHT) + draw.normal(0, TINT, 3))
                gamma = np.exp(draw.normal(0, GAMMA))
                colour = np.exp(draw.normal(0, COLOUR)) * (draw.random() >= GREY)
                toned = (pictures[i] ** float(gamma)) * torch.tensor(gain, dtype=torch.float32)[:, None, None]
                grey = toned.mean(1, keepdim=True)
                pictures[i] = torch.lerp(grey, toned, float(colour)).clamp(0, 1)
            if window is not None:
                pictures, maps, corners = self._window(pictures, maps, window, draw)
        guide, portrait, truth = (value.contiguous() for value in pictures.unbind(1))
        ones = torch.ones(len(chosen))
        told = speech, heard, strengths, motion, own, taken, ones, corners
        return FrameBatch(PaintConditions(guide, portrait, maps, *told), truth)

    def movement(self, indices: np.ndarray, mirrored: np.ndarray) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """What moves in frames with the given numbers, those mirrored that are so marked: motion [n,58], units of the portrait
        as the recogniser sees them and as the fit took them away [n,52], places and drifts [n,478,2] in pixels."""
        rows, frames = (torch.from_numpy(part) for part in np.divmod(indices, FRAMES))
        units, head, places, drifts = (self.tables[name][rows, frames] for name in ("units", "head", "places", "drifts"))
        motion, places, drifts = torch.cat([units, head], 1), places.clone(), drifts.clone()
        own, taken = self.own[rows], self.tables["taken"][rows]
        some = torch.from_numpy(mirrored)
        motion[some] = motion[some][:, self.swap] * torch.from_numpy(self.signs)
        for expression in (own, taken):
            expression[some] = expression[some][:, self.swap[: expression.shape[1]]]
        places[some, :, 0] = CROP - places[some, :, 0]
        drifts[some, :, 0] *= -1
        return motion, own, taken, places * (self.size / CROP), drifts * (self.size / CROP)

    def _window(self, pictures: Tensor, maps: Tensor, window: int, draw: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """The same random window, for each frame its own, of pictures [n,3,3,s,s] and maps [n,8,s/4,s/4]; and where its corner
        was, [n,2]."""
        cut, cut_maps, corners, cells = [], [], [], window // BLOCK
        for some, other in zip(pictures, maps, strict=True):
            place = PLACES[draw.choice(len(PLACES), p=[share for _, share in PLACES])][0]
            if place is None:
                middle = draw.uniform(0, self.size, 2)
            else:
                middle = (np.array(place) + draw.normal(0, SHIFT, 2) + [SPAN / 2, SPAN / 2 - MIDDLE]) * self.size / SPAN
            x, y = (int(np.clip(v - window / 2, 0, self.size - window)) // BLOCK for v in middle)
            cut.append(some[..., y * BLOCK : y * BLOCK + window, x * BLOCK : x * BLOCK + window])
            cut_maps.append(other[:, y : y + cells, x : x + cells])
            corners.append((x * BLOCK, y * BLOCK))
        return torch.stack(cut), torch.stack(cut_maps), torch.tensor(corners, dtype=torch.float32)

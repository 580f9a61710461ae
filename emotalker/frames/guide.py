"""The guide renderer: motion in, finished frames out, at the portrait's own resolution.

A chunk of frames is drawn like this: the rig is deformed; face and sheet are rasterised coarsely to a *reading
displacement* (where each pixel reads the portrait), finely around mouth and eyes; the person layer is read there and laid
over the background plate; eyeballs, lids and the inside of the mouth are added through their openings; the crop goes
back into the picture, whose other pixels are never touched.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..arkit import UNIT_INDEX
from ..curves import smoothstep
from ..face.landmarks478 import FACE_OVAL, IRIS
from ..face.portrait import Portrait
from ..motion.motion import Motion
from ..motion.retarget import part_changes
from .eyes import Eye
from .fill import blur
from .lips import Lips, Reading
from .mouth import Mouth
from .palette import Palette
from .plate import split_layers
from .rasteriser import rasterise
from .sampling import Box, Texture, box_around, sample
from .surface import Part, Surface, vertex_normals

# Pixels of the coarse flow along the crop's longer side.
_FLOW_SIZE = 224
# Turn of the eyeball at unit weight 1, degrees (ARKit's own range is about this).
_GAZE_RANGE = {"In": 30.0, "Out": 30.0, "Up": 25.0, "Down": 30.0}
# Crop around the head in head widths: room for the sheet's motion to fade out.
_CROP_MARGIN = 0.64
_MOUTH_UNITS = slice(UNIT_INDEX["jawForward"], UNIT_INDEX["mouthUpperUpRight"] + 1)
# Landmarks from the cheeks over the jaw to the chin, and under the nose: where lips part and the jaw passes over the neck.
_LOWER_FACE = (132, 172, 150, 176, 152, 400, 379, 397, 361, 2, 98, 327)
# What is finer than this is no colour of the face but grain of the picture, in head widths.
_GRAIN = 0.008
# Pixels that neighbours read apart, beyond their own distance, where skin folds over skin.
_FOLD = 1.5
# Pixels by which skin is continued into the openings of mouth and eyes, for soft edges to mix with.
_GROW = 2
# Pixels that read the picture closer than this to themselves do not move, pixels.
_STILL = 2e-3
# Frames rendered together: at most so many, so many pixels of the crop (more is slower: the C library then returns each
# picture to the system), and so many pixels of whole pictures.
_CHUNK, _CHUNK_PIXELS, _CHUNK_PICTURE = 8, 1_100_000, 16_000_000
# Pixels of the crop that are warped together (or one frame's): more leave the processor's caches.
_TOGETHER = 300_000

MAPS = ("face", "right", "down", "away", "stretched", "lids", "mouth", "eyes")
"""What is known of each pixel of a guide frame: 1 on the face's front; the skin's normal, -1..1, x right, y down, z away from
the viewer (0 beside the face); how far the portrait's pixels are stretched there, 0 not or compressed, 1 eightfold or
more; share that is made up lid skin, inside of the mouth, eyeball."""
_MOST_STRETCHED = 8.0
KNOWN = (*MAPS, "own")
"""What is known of a drawn pixel: MAPS, which the network sees, and the share in which the mouth's inside is the portrait's
own: its teeth, and all of it as long as the mouth stays as it is."""


@dataclass(frozen=True)
class Drawn:
    """What `GuideRenderer.draw` makes of n frames.

    Attributes:
        frames: [n,3,h,w] the crop, 0..1.
        landmarks: [n,478,2] of the moved face, in pixels of the crop.
        maps: [n,9,h,w] in the order of KNOWN; None when not asked for.
    """

    frames: Tensor
    landmarks: Tensor
    maps: Tensor | None = None


class GuideRenderer:
    """Renders a portrait under motion.

    Args:
        portrait: whom.
        device: where the pictures are computed.
    """

    def __init__(self, portrait: Portrait, device: str | torch.device = "cpu") -> None:
        self.portrait = portrait
        self.device = torch.device(device)
        rig = portrait.rig.to(self.device)
        fitted = portrait.fitted.to(self.device)
        self.fitted = fitted
        height, width = portrait.image.shape[:2]
        skin = rig.triangles[rig.skin_triangles]
        head = fitted.rest[torch.unique(skin)]
        extent = head[:, 0].amax() - head[:, 0].amin()
        margin = float(extent) * _CROP_MARGIN
        low, high = head[:, :2].amin(0) - margin, head[:, :2].amax(0) + margin
        bounds = Box(int(low[0]), int(low[1]), int(high[0]) + 1, int(high[1]) + 1)
        self.crop = bounds.clipped((height, width))
        self.size = self.crop.size
        self.offset = torch.tensor([self.crop.x0, self.crop.y0, 0.0], device=self.device)
        self.rest = fitted.rest - self.offset
        self.source = portrait.image.to(self.device)
        rows, columns = self.crop.slices
        picture = self.source[rows, columns]
        local_bounds = bounds.shifted(-self.crop.x0, -self.crop.y0)
        landmarks = portrait.face.landmarks[:, :2].to(self.device) - self.offset[:2]
        oval = landmarks[list(FACE_OVAL)]
        middle = float(fitted.pivot[2])
        openings = torch.cat([rig.lip_ring(0), rig.lid_ring("Right", 0), rig.lid_ring("Left", 0)])
        self.surface = Surface(self.rest, skin, oval, openings, fitted.head_weight, middle, local_bounds)
        matte = portrait.matte.to(self.device)[rows, columns]
        layer, self.plate = split_layers(picture, matte, 0.04 * float(extent))
        self.layer = Texture(layer)
        planes = self.picture = picture.permute(2, 0, 1).contiguous()
        self.eyes = {
            "Right": Eye(planes, self.surface, *rig.lid_halves("Right"), landmarks[list(IRIS[0])]),
            "Left": Eye(planes, self.surface, *rig.lid_halves("Left"), landmarks[list(IRIS[1])]),
        }
        whites = [eye.white for eye in self.eyes.values()]
        self.palette = self._find_palette(planes)
        self.lips = Lips(planes, rig, self.surface, self.palette)
        self.mouth = Mouth(planes, rig, self.surface, self.lips, whites, self.palette)
        jaw = rig.landmark_vertices[list(_LOWER_FACE)].flatten()
        spread = self.rest[jaw, :2]
        reach = float((spread.amax(0) - spread.amin(0)).norm()) / 2
        self.lower_face = Part.around(self.surface, spread.mean(0), 1.25 * reach, jaw, self.lips.ring, 0.14 * reach)
        self.parts = (self.lower_face, *(eye.part for eye in self.eyes.values()))
        self.centres = torch.stack(Box(0, 0, *self.size[::-1]).pixel_centres(self.device))
        self.flow_scale = min(1.0, _FLOW_SIZE / max(self.size))
        self.flow_size = (max(2, round(self.size[0] * self.flow_scale)), max(2, round(self.size[1] * self.flow_scale)))

    def _find_palette(self, picture: Tensor) -> Palette:
        """Of the skin and lips that the picture [3,H,W] shows, without its grain and noise."""
        shown = self.surface.facing > 0.5
        shown &= torch.isin(torch.arange(len(shown), device=shown.device), self.surface.skin)
        points = self.rest[shown]
        soft = blur(picture.permute(1, 2, 0), _GRAIN * self.surface.head_width).permute(2, 0, 1)
        return Palette(sample(soft, points[None, None, :, 0], points[None, None, :, 1])[0, :, 0].T)

    def stream(
        self,
        motion: Motion,
        chunk: int | None = None,
        start: int = 0,
        stop: int | None = None,
        dtype: torch.dtype = torch.float32,
        paint: Callable[[Drawn, int], Tensor] | None = None,
    ) -> Iterator[Tensor]:
        """Frames, chunk by chunk.

        Args:
            motion: the performance.
            chunk: frames at a time; by default what is fastest.
            start, stop: range of frames, stop exclusive.
            dtype: torch.float32 (0..1) or torch.uint8 (0..255).
            paint: given what was drawn (with maps) and the number of its first frame, returns the frames [n,3,h,w] to use.

        Yields:
            [n,H,W,3] on the renderer's device.
        """
        stop = len(motion) if stop is None else min(stop, len(motion))
        if chunk is None:
            crop, picture = self.size[0] * self.size[1], self.source.shape[0] * self.source.shape[1]
            chunk = max(1, min(_CHUNK, _CHUNK_PIXELS // crop, _CHUNK_PICTURE // picture))
        base = self.source if dtype == torch.float32 else (self.source * 255).round().to(torch.uint8)
        rows, columns = self.crop.slices
        for first in range(start, stop, chunk):
            last = min(first + chunk, stop)
            deltas = part_changes(motion, self.portrait.fitted.expression, self.portrait.neutralise, first, last)
            head = motion.part(first, last).head
            with torch.inference_mode():
                frames = base.expand(last - first, -1, -1, -1).clone()
                drawn = self.draw(deltas.to(self.device), head.to(self.device), maps=paint is not None)
                crops = drawn.frames if paint is None else paint(drawn, first)
                for frame, crop in zip(frames, crops, strict=True):
                    crop = crop.permute(1, 2, 0)
                    if dtype == torch.uint8:
                        crop = crop.contiguous().mul_(255).round_()
                    frame[rows, columns] = crop
            yield frames

    def render(self, deltas: Tensor, head: Tensor) -> Tensor:
        """The crop of n frames.

        Args:
            deltas: [n,52] face units as changes from the portrait.
            head: [n,6] yaw, pitch, roll in degrees, translation in interocular distances.

        Returns:
            [n,3,h,w] 0..1.
        """
        return self.draw(deltas, head).frames

    def draw(self, deltas: Tensor, head: Tensor, maps: bool = False) -> Drawn:
        """`render`, with what is known of the frames: where the landmarks are and, with `maps`, what each pixel shows."""
        vertices = self.fitted.deform(deltas, head) - self.offset
        opened, slide = self.lips.open(vertices)

        def turn(points: Tensor, share: Tensor) -> Tensor:
            return self.fitted.turn(points + self.offset, share, head) - self.offset

        positions, displacement = self.surface.place(vertices, slide, turn)
        values = displacement
        if maps:
            values = torch.cat([displacement, self._kinds(vertices)], 2)
        flow = rasterise(positions * self.flow_scale, self.surface.triangles, values, self.flow_size, cull=self.surface.cull)
        flow, kinds = flow.values.permute(0, 3, 1, 2).contiguous().split([2, values.shape[2] - 2], 1)
        details = [self._detail(positions, displacement, part) for part in self.parts]
        frame = flow.new_empty(len(flow), 3, *self.size)
        step = max(1, _TOGETHER // (self.size[0] * self.size[1]))
        reads = []
        for i in range(0, len(flow), step):
            some = slice(i, i + step)
            read = F.interpolate(flow[some], size=self.size, mode="bilinear", align_corners=False)
            for box, values, share in details:
                rows, columns = box.slices
                read[:, :, rows, columns].lerp_(values[some], share[some])
            self._warp(read, frame[some])
            reads.append(read)

        def reading(box: Box) -> Tensor:
            return torch.cat([read[:, :, box.slices[0], box.slices[1]] for read in reads])

        shown = torch.cat([kinds, self._stretch(flow), flow.new_zeros(len(flow), 4, *self.flow_size)], 1) if maps else None
        if maps:
            shown = F.interpolate(shown, size=self.size, mode="bilinear", align_corners=False)
        for side, eye in self.eyes.items():
            rows, columns, lid, ball = self._draw_eye(frame, eye, vertices, self._gaze(deltas, side), reading)
            if maps:
                shown[:, 5:6, rows, columns] = torch.maximum(shown[:, 5:6, rows, columns], lid)
                shown[:, 7:8, rows, columns] = torch.maximum(shown[:, 7:8, rows, columns], ball)
        activity = deltas[:, _MOUTH_UNITS].abs().amax(1)
        self.lips.cover(frame, vertices, opened, activity, reading)
        inside = self.mouth.draw(frame, vertices, opened, activity)
        if maps and inside is not None:
            rows, columns = inside[0].slices
            shown[:, 6:7, rows, columns], shown[:, 8:, rows, columns] = inside[1:]
        return Drawn(frame.clamp_(0, 1), self.fitted.landmarks(vertices)[..., :2], shown)

    def _kinds(self, vertices: Tensor) -> Tensor:
        """[n,V+G,4] of vertices [n,V,3] and the sheet's nodes: 1 on the face's front, and its normals; 0 on the sheet."""
        face = self.surface.skin
        kinds = vertices.new_zeros(len(vertices), len(self.rest) + len(self.surface.nodes), 4)
        kinds[:, face.unique(), 0] = 1
        kinds[:, : len(self.rest), 1:] = vertex_normals(vertices, face)
        return kinds

    def _stretch(self, flow: Tensor) -> Tensor:
        """[n,1,h,w] 0..1 how far the portrait is stretched at displacements [n,2,h,w] on the coarse grid."""
        across, down = (flow.diff(dim=d, append=flow.narrow(d, flow.shape[d] - 1, 1)) * self.flow_scale for d in (3, 2))
        area = (1 + across[:, :1]) * (1 + down[:, 1:]) - across[:, 1:] * down[:, :1]
        return (-area.clamp(min=1 / _MOST_STRETCHED).log2() / math.log2(_MOST_STRETCHED)).clamp(0, 1)

    @staticmethod
    def _gaze(deltas: Tensor, side: str) -> Tensor:
        """[n,2] radians to the picture's right and down."""
        look = {way: deltas[:, UNIT_INDEX[f"eyeLook{way}{side}"]] * r for way, r in _GAZE_RANGE.items()}
        right = look["Out"] - look["In"] if side == "Left" else look["In"] - look["Out"]
        return torch.deg2rad(torch.stack([right, look["Down"] - look["Up"]], 1))

    def _warp(self, read: Tensor, frame: Tensor) -> None:
        """Person over background.

        Args:
            read: [n,2,h,w] displacement at which each pixel reads the crop; becomes the place that it reads.
            frame: [n,3,h,w] is written.
        """
        still = torch.maximum(read[:, :1].abs(), read[:, 1:].abs()) < _STILL
        layer = self.layer.at(*read.add_(self.centres).unbind(1), outside="reflection")
        warped = torch.addcmul(layer[:, :3], 1 - layer[:, 3:], self.plate)
        # Reading in place is only exact to rounding: what does not move stays bit for bit.
        torch.where(still, self.picture, warped, out=frame)

    def _detail(self, positions: Tensor, displacement: Tensor, part: Part) -> tuple[Box, Tensor, Tensor]:
        """The reading displacement at full resolution, where edges matter: a box, values [n,2,h,w] and their share [n,1,h,w]
        over the coarse one."""
        box = box_around(positions[:, part.vertices], part.margin, self.size)
        shifted = positions - positions.new_tensor([box.x0, box.y0, 0.0])
        fine = rasterise(shifted, part.triangles, displacement, box.size, cull=self.surface.cull)
        values, covered = fine.values.permute(0, 3, 1, 2).contiguous(), fine.covered[:, None]
        # Pixels cut by an opening's edge still need skin to mix with: grow the skin a little into the opening, in each frame
        # into its own, so that frames do not depend on their chunk.
        opening = positions[:, part.opening] - positions.new_tensor([box.x0, box.y0, 0.0])
        hole = box_around(opening, _GROW, box.size)
        spot = (..., *hole.slices)
        own = _within(opening, _GROW, hole) > -0.5
        grown, reached = _grow(values[spot], covered[spot] & own, _GROW)
        values[spot] = torch.where(own, grown, values[spot])
        covered[spot] |= reached & own
        _soften_folds(values, covered)
        # Likewise each fades to the coarse flow at its own box.
        soft = smoothstep(_within(positions[:, part.vertices], part.margin, box), 0.0, 0.6 * part.margin)
        return box, values, torch.where(covered, soft, 0.0)

    def _draw_eye(
        self, frame: Tensor, eye: Eye, vertices: Tensor, gaze: Tensor, reading: Reading
    ) -> tuple[slice, slice, Tensor, Tensor]:
        """Draw an eye in place; returns rows, columns, and the shares [n,1,h,w] of made up lid skin and of the eyeball."""
        drawn = eye.frame(vertices, gaze, self.size)
        rows, columns = drawn.box.slices
        view = frame[:, :, rows, columns]
        x, y = reading(drawn.box).unbind(1)
        lid = (drawn.lid * eye.box.holds(x, y))[:, None]
        x, y = x - eye.box.x0, y - eye.box.y0
        filled, beyond = sample(eye.filled, x, y).split(1, 1)
        # Under its fitted edge an open eye may go on.
        lid = lid * (1 - beyond * (1 - drawn.shut[:, None, None, None]))
        ball = drawn.coverage[:, None]
        view += (eye.skin.at(x, y) * drawn.lash - view) * lid
        view += (drawn.colour - view) * ball
        return rows, columns, filled * lid * (1 - ball), ball


def _within(points: Tensor, margin: float, box: Box) -> Tensor:
    """[n,1,h,w] how far the pixels of a box lie inside each frame's own box of points [n,K,2+], grown by `margin`; pixels."""
    low, high = (v[:, :2, None, None] for v in (points.amin(1) - margin, points.amax(1) + margin))
    at = torch.stack(box.pixel_centres(points.device))
    return torch.minimum(at - low, high - at).amin(1, keepdim=True)


def _soften_folds(values: Tensor, covered: Tensor) -> None:
    """Take steps out of reading displacements [n,2,h,w], in place, where skin covers skin below it, as a pouting lip does the
    chin: a pixel there reads between what its neighbours read, which is the edge that the fold hides.

    Args:
        covered: [n,1,h,w] where there is skin.
    """
    # Where reading runs ahead of the pixels something is hidden. Where it falls behind lips or lids part, or skin is stretched.
    fold = (values[:, 1:].diff(dim=2) > _FOLD) & covered[:, :, 1:] & covered[:, :, :-1]
    rows = fold.any(3).any(0).flatten().nonzero().flatten()
    if len(rows) == 0:
        return
    some = slice(max(0, int(rows[0]) - 1), int(rows[-1]) + 4)  # the rows below steps, and two on either side
    part, marks = values[:, :, some], torch.cat([F.pad(fold, (0, 0, 1, 0)), ~covered], 1)[:, :, some]
    near, bare = F.max_pool2d(marks.to(part), 3, 1, 1).bool().split(1, 1)
    values[:, :, some] = torch.where(near & ~bare, F.avg_pool2d(part, 3, 1, 1, count_include_pad=False), part)


def _grow(values: Tensor, covered: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Give uncovered pixels the value of a covered neighbour, `steps` pixels deep; values [n,C,h,w], covered [n,1,h,w]."""
    for _ in range(steps):
        for axis in (-1, -2):
            for shift in (1, -1):
                near, there = values.roll(shift, axis), covered.roll(shift, axis)
                # What rolls in from the other side is no neighbour.
                there.select(axis, 0 if shift == 1 else -1).fill_(False)
                values = torch.where(~covered & there, near, values)
                covered = covered | there
    return values, covered

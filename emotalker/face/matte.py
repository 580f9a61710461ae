"""Which pixels belong to the person: MediaPipe's selfie segmentation, sharpened by the picture's own colours and edges."""

import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from ..curves import smoothstep
from .finder import Face
from .geometry import Pyramid
from .graph import Graph

SIZE = 256  # pixels of the network's input
CROPS = (2.6, 4.5)  # further looks, in sizes of the face's box; chosen on the development portraits
MARGIN = 0.15  # part of a crop's side over which it fades into the wider look
GRID = 640  # longest side in pixels at which colours and edges are examined
BINS = 16  # of each colour channel in the person's and the background's colour statistics
ODDS = 2.0  # how far (in log odds) colour statistics may move the network's answer
ROUNDS = 2  # of re-estimating them
RADIUS = 1 / 64  # guided filter: half of its window, over the grid's long side
EPSILON = 1e-4  # guided filter: variance of colours in 0..1 that counts as flat
FAINT = 0.05  # alpha that counts as none, and 1 - alpha that counts as none: the network's doubt in plain areas
APART = 0.5  # alpha from which pixels hang together with the face
WISPS = 1 / 48  # how far beyond those, over the grid's long side, fainter ones are kept
# Outline of the face mesh in order (MediaPipe 0.10.21, FACEMESH_FACE_OVAL).
# fmt: off
OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
        152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
# fmt: on

Box = tuple[int, int, int, int]


@torch.no_grad()
def person_matte(image: Tensor, face: Face, device: str | torch.device = "cpu") -> Tensor:
    """Soft mask of the person (hair, body, clothes) whose face this is.

    Args:
        image: [H, W, 3] float in 0..1.
        face: the face as the finder gave it.
        device: where to compute.

    Returns:
        [H, W] in 0..1 on the device, 1 = person. The inside of the face's outline is always 1.

    Raises:
        UserError: the network's file is missing.
    """
    picture = Pyramid(image.to(device, torch.float32).permute(2, 0, 1)[None])
    network = Graph.load("person_matte", device=device)
    boxes = looks(face, *picture.size)
    small = torch.cat([cut(picture, box, SIZE, SIZE) for box in boxes])
    both = network(torch.cat([small, small.flip(3)]))["alpha"]
    answers = ((both[: len(boxes)] + both[len(boxes) :].flip(3)) / 2).split(1)
    width, height = picture.size
    matte = picture.levels[0].new_zeros(1, 1, height, width)
    for box in boxes[:1] + boxes[-1:] if len(boxes) > 1 else boxes:
        part = examine(picture, box, boxes, answers, face)
        x0, y0, x1, y1 = box
        weight = window(box, width, height, x1 - x0, y1 - y0).to(part)
        matte[:, :, y0:y1, x0:x1] = torch.lerp(matte[:, :, y0:y1, x0:x1], part, weight)
    return matte[0, 0]


def looks(face: Face, width: int, height: int) -> list[Box]:
    """Boxes (x0, y0, x1, y1) the network looks at: the whole picture, then crops around the face well inside it."""
    x0, y0, x1, y1 = face.box
    boxes = [(0, 0, width, height)]
    for scale in sorted(CROPS, reverse=True):
        half = scale * max(x1 - x0, y1 - y0) / 2
        cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
        low = [max(0, int(v)) for v in (cx - half, cy - half)]
        high = [min(limit, int(v) + 1) for v, limit in ((cx + half, width), (cy + half, height))]
        if 0 < (high[0] - low[0]) * (high[1] - low[1]) < 0.8 * width * height:
            boxes.append((*low, *high))
    return boxes


def cut(picture: Pyramid, box: Box, width: int, height: int) -> Tensor:
    """Pixels of a box, stretched to a size -> [1, C, height, width]."""
    x0, y0, x1, y1 = box
    sx, sy = (x1 - x0) / width, (y1 - y0) / height
    matrix = picture.levels[0].new_tensor([[sx, 0, x0 + sx / 2 - 0.5], [0, sy, y0 + sy / 2 - 0.5]])
    return picture.sample(matrix[None], width, height)


def window(box: Box, width: int, height: int, columns: int, rows: int) -> Tensor:
    """Weight [rows, columns] of a look: 1 inside, falling to 0 at those of its sides that are not the picture's."""
    ramps = []
    for low, high, limit, count in ((box[1], box[3], height, rows), (box[0], box[2], width, columns)):
        at = (torch.arange(count) + 0.5) / count
        before = at / MARGIN if low > 0 else torch.ones(count)
        after = (1 - at) / MARGIN if high < limit else torch.ones(count)
        ramp = torch.minimum(before, after).clamp(max=1)
        ramps.append(smoothstep(ramp))
    return ramps[0][:, None] * ramps[1][None]


def examine(picture: Pyramid, box: Box, boxes: list[Box], answers: tuple[Tensor, ...], face: Face) -> Tensor:
    """Matte of one box at full resolution [1, 1, h, w]: all looks, the colours, the edges, the face and what hangs on it."""
    x0, y0, x1, y1 = box
    scale = min(1.0, GRID / max(x1 - x0, y1 - y0))
    columns, rows = max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale))
    colours = cut(picture, box, columns, rows)
    alpha, total = torch.zeros_like(colours[:, :1]), 0
    for other, answer in zip(boxes, answers, strict=True):
        weight = window(other, *picture.size, SIZE, SIZE).to(answer)[None, None]
        seen, weight = (place(values, other, box, columns, rows) for values in (answer * weight, weight))
        alpha, total = alpha + seen, total + weight
    alpha = alpha / total.clamp(min=1e-6)
    oval = inside_oval(face, box, columns, rows).to(alpha)
    alpha = torch.maximum(by_colour(colours, alpha), oval)
    alpha = alpha * hanging_on(alpha, oval)
    full = picture.levels[0][:, :, y0:y1, x0:x1]
    matte = ((guided(colours, alpha, full) - FAINT) / (1 - 2 * FAINT)).clamp(0, 1)
    return torch.maximum(matte, F.interpolate(oval, (y1 - y0, x1 - x0), mode="bilinear", align_corners=False))


def place(values: Tensor, source: Box, target: Box, columns: int, rows: int) -> Tensor:
    """Values [1, 1, h, w] known over one box, sampled over another [1, 1, rows, columns]; 0 outside."""
    h, w = values.shape[2:]
    sx, sy = (source[2] - source[0]) / w, (source[3] - source[1]) / h
    tx, ty = (target[2] - target[0]) / columns, (target[3] - target[1]) / rows
    shift_x, shift_y = (target[0] - source[0] + tx / 2) / sx - 0.5, (target[1] - source[1] + ty / 2) / sy - 0.5
    matrix = values.new_tensor([[tx / sx, 0, shift_x], [0, ty / sy, shift_y]])
    edge = "zeros" if source != target else "border"
    return Pyramid(values).sample(matrix[None], columns, rows, border=edge)


def by_colour(colours: Tensor, alpha: Tensor) -> Tensor:
    """Alpha [1, 1, h, w] moved, where the network was unsure, to the side whose colours [1, 3, h, w] the pixel has."""
    cell = (colours * (BINS - 1) + 0.5).long().clamp(0, BINS - 1)
    cell = (cell[:, 0] * BINS + cell[:, 1]) * BINS + cell[:, 2]
    network = torch.logit(alpha, 1e-3)
    for _ in range(ROUNDS):
        counts = []
        for share in (alpha, 1 - alpha):
            grid = torch.zeros(BINS**3, device=alpha.device).index_add_(0, cell.flatten(), share.flatten())
            grid = F.avg_pool3d(grid.reshape(1, 1, BINS, BINS, BINS), 3, 1, 1).flatten()
            counts.append(grid / grid.sum().clamp(min=1e-6) + 1e-6)
        odds = (counts[0] / counts[1]).log()[cell][:, None]
        alpha = torch.sigmoid(network + odds.clamp(-ODDS, ODDS))
    return alpha


def hanging_on(alpha: Tensor, oval: Tensor) -> Tensor:
    """Weight [1, 1, h, w]: 0 on other people and stray spots, which no path over the person joins to the face."""
    labels = torch.from_numpy(ndimage.label((alpha[0, 0] > APART).cpu().numpy())[0])
    own = labels[(oval[0, 0] > 0.5).cpu()].unique()
    own = torch.isin(labels, own[own > 0])
    own, other = (part.to(alpha)[None, None] for part in (own, (labels > 0) & ~own))
    wisps = max(2, round(WISPS * max(alpha.shape[2:])))
    return box_mean(grow(own, 2 * wisps), wisps) * (1 - grow(other, 4) * (1 - grow(own, 4)))


def grow(mask: Tensor, radius: int) -> Tensor:
    """The largest value within a square window."""
    size = 2 * radius + 1
    return F.max_pool2d(F.max_pool2d(mask, (1, size), 1, (0, radius)), (size, 1), 1, (radius, 0))


def inside_oval(face: Face, box: Box, columns: int, rows: int) -> Tensor:
    """Inside of the face's outline over a box [1, 1, rows, columns], its edge one pixel soft."""
    x0, y0, x1, y1 = box
    scale = torch.tensor([columns / (x1 - x0), rows / (y1 - y0)])
    points = (face.landmarks[list(OVAL), :2].cpu() + 0.5 - torch.tensor([x0, y0])) * scale
    y, x = torch.meshgrid(torch.arange(rows) + 0.5, torch.arange(columns) + 0.5, indexing="ij")
    inside = torch.zeros(rows, columns, dtype=torch.bool)
    distance = torch.full((rows, columns), 1e9)
    for (ax, ay), (bx, by) in zip(points.tolist(), points.roll(-1, 0).tolist(), strict=True):
        dx, dy = bx - ax, by - ay
        along = (((x - ax) * dx + (y - ay) * dy) / max(dx * dx + dy * dy, 1e-9)).clamp(0, 1)
        distance = torch.minimum(distance, (x - ax - along * dx).square() + (y - ay - along * dy).square())
        crosses = (ay > y) != (by > y)
        inside ^= crosses & (x < ax + (y - ay) * dx / (dy or 1e-9))
    signed = distance.sqrt() * torch.where(inside, 1.0, -1.0)
    return (signed + 0.5).clamp(0, 1)[None, None]


def box_mean(values: Tensor, radius: int) -> Tensor:
    """Mean over a square window, of those of its pixels that lie in the picture: by running sums, whatever the radius."""
    for dim in (2, 3):
        size = values.shape[dim]
        sums = F.pad(values.cumsum(dim), (1, 0) if dim == 3 else (0, 0, 1, 0))
        at = torch.arange(size, device=values.device)
        low, high = (at - radius).clamp(min=0), (at + radius + 1).clamp(max=size)
        count = (high - low).reshape((1, 1, -1, 1) if dim == 2 else (1, 1, 1, -1))
        values = (sums.index_select(dim, high) - sums.index_select(dim, low)) / count
    return values


def guided(colours: Tensor, alpha: Tensor, full: Tensor) -> Tensor:
    """Guided filter (He, Sun, Tang 2013) with a colour guide, solved on a small grid, applied at full resolution.

    Args:
        colours, alpha: [1, 3, h, w] and [1, 1, h, w] on the grid.
        full: [1, 3, H, W], the same region at full resolution.

    Returns:
        [1, 1, H, W]: alpha that follows the picture's edges.
    """
    radius = max(2, round(RADIUS * max(colours.shape[2:])))
    mean, target = box_mean(colours, radius), box_mean(alpha, radius)
    pairs = colours[:, :, None] * colours[:, None]
    shape = pairs.shape
    spread = box_mean(pairs.flatten(1, 2), radius).reshape(shape) - mean[:, :, None] * mean[:, None]
    spread = spread + EPSILON * torch.eye(3, device=full.device)[None, :, :, None, None]
    shared = box_mean(colours * alpha, radius) - mean * target
    # rows of the 3 x 3 inverse times the determinant: cross products of the other two columns
    adjugate = torch.stack([torch.linalg.cross(spread[:, :, i - 2], spread[:, :, i - 1], dim=1) for i in range(3)], 1)
    determinant = (adjugate[:, 0] * spread[:, :, 0]).sum(1)
    slope = (adjugate * shared[:, None]).sum(2) / determinant[:, None]
    offset = target - (slope * mean).sum(1, keepdim=True)
    both = F.interpolate(box_mean(torch.cat([slope, offset], 1), radius), full.shape[2:], mode="bilinear", align_corners=False)
    return ((both[:, :3] * full).sum(1, keepdim=True) + both[:, 3:]).clamp(0, 1)

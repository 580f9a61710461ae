"""How sharp a face is, next to the portrait: strength of its finest details over that of coarser ones, at points of the skin.

The points are landmarks, so they move with the head and the face. Both pictures are looked at on the scale of the one with
fewer pixels to the face, so the head's size does not matter; nor does contrast, since it raises fine and coarse details alike.
"""

import math

import torch.nn.functional as F
from torch import Tensor

from ..curves import gaussian
from ..face.landmarks import LEFT_EYE, LIPS, MESH, RIGHT_EYE
from ..face.landmarks478 import FACE_OVAL
from .measures import eye_distance

SKIN = tuple(sorted(set(range(MESH)) - {*LIPS, *LEFT_EYE, *RIGHT_EYE, *FACE_OVAL}))
"""Landmarks on nose, cheeks, chin and forehead: lips and lids change what they show."""
FINEST = 0.7
"""Standard deviation, in pixels of the picture that has fewer, of the finest details (a Gaussian's, less its double)."""
COARSER = 4.0
"""How many times coarser the details are that the finest are compared with. On nine development portraits, 320 pixels wide,
the two are in a ratio of 0.30 to 0.45. A blur of 1 pixel in 40 between the eyes leaves 0.65 to 0.78 of it, of 2 pixels 0.43 to
0.60; re-expressed by the guide renderer 0.81 to 1.01 are left."""
PIXEL = 0.4
"""Standard deviation of a pixel itself, in pixels, as common resampling filters leave it."""
STEPS = 4
"""Scales per octave: a head that comes nearer changes the scale in steps, so that the portrait is filtered only a few times."""
SPREAD = 4.0
"""The area around a point, as the standard deviation of a Gaussian, in units of the finest details'."""
LARGEST = 160.0
"""Pixels between the eyes from which on a picture counts as sharp enough: finer details are not looked at."""


class Sharpness:
    """Sharpness of frames relative to a reference picture.

    Args:
        image: [H, W, 3] float 0..1 or bytes.
        landmarks: [478, 3] of its face, in pixels.
    """

    def __init__(self, image: Tensor, landmarks: Tensor):
        self.image, self.landmarks = image[None], landmarks[None]
        self.eyes = float(eye_distance(landmarks))
        self._known: dict[float, float] = {}

    def see(self, frames: Tensor, landmarks: Tensor) -> Tensor:
        """Sharpness of frames over that of the reference.

        Args:
            frames: [n, H, W, 3] float 0..1 or bytes.
            landmarks: [n, 478, 3] in pixels.

        Returns:
            [n]: 1 is as sharp as the reference; above 1 it is sharper, or noisy.
        """
        eyes = float(eye_distance(landmarks).median())
        steps = STEPS * math.log2(min(eyes, self.eyes, LARGEST))
        scale = FINEST / 2 ** (math.floor(steps) / STEPS)  # of the distance between the eyes
        if scale not in self._known:
            self._known[scale] = float(fineness(self.image, self.landmarks, scale * self.eyes))
        return fineness(frames, landmarks, scale * eyes) / max(self._known[scale], 1e-6)


def fineness(pictures: Tensor, landmarks: Tensor, scale: float) -> Tensor:
    """Strength of fine details on the skin of faces over that of details COARSER times as large.

    Args:
        pictures: [n, H, W, 3] float 0..1 or bytes.
        landmarks: [n, 478, 3] in pixels.
        scale: standard deviation of the fine details in pixels, at least FINEST.

    Returns:
        [n], 0 for pictures without any detail.
    """
    points = landmarks[:, SKIN, :2].to(pictures.device)
    margin = math.ceil(3 * (2 * COARSER + SPREAD) * scale)
    height, width = pictures.shape[1:3]
    low, high = points.amin((0, 1)).tolist(), points.amax((0, 1)).tolist()
    x0, x1 = (min(max(int(v), 0), width - 1) for v in (low[0] - margin, high[0] + margin))
    y0, y1 = (min(max(int(v), 0), height - 1) for v in (low[1] - margin, high[1] + margin))
    cut = pictures[:, y0 : y1 + 1, x0 : x1 + 1]
    grey = cut.float().mean(-1)[:, None] / (1 if cut.is_floating_point() else 255)
    grid = (points - points.new_tensor([x0, y0]) + 0.5) * 2 / points.new_tensor([grey.shape[3], grey.shape[2]]) - 1
    strengths = []
    for size in (scale, COARSER * scale):
        band = _blur(grey, math.sqrt(size**2 - PIXEL**2))
        band = (band - _blur(band, math.sqrt(3) * size)).abs()
        near = F.grid_sample(_blur(band, SPREAD * scale), grid[:, :, None], padding_mode="border", align_corners=False)
        strengths.append(near.mean((1, 2, 3)).cpu())
    return strengths[0] / strengths[1].clamp(min=1e-4)


def _blur(planes: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of [n, 1, H, W]; the edges are held."""
    reach = max(1, math.ceil(3 * sigma))
    kernel = gaussian(sigma, reach, planes)
    planes = F.conv2d(F.pad(planes, (reach, reach, 0, 0), mode="replicate"), kernel[None, None, None])
    return F.conv2d(F.pad(planes, (0, 0, reach, reach), mode="replicate"), kernel[None, None, :, None])

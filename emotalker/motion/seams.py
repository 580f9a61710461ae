"""Estimates of clean motion that go on from given frames without a seam, blurred where motion is steady.

All of it is linear in time, so that it is one matrix for each kind of channel, made once for each pattern of given frames.
"""

from functools import lru_cache

import torch
from torch import Tensor

from ..arkit import FACE_UNITS
from ..curves import smoothstep

FADE, GAZE_FADE, STEADY_FADE = 3.0, 8.0, 8.0
"""Frames in which an estimate comes back from the given frames to its own view (sigma of a Gaussian): of what jumps, of gaze,
which no sound asks back and whose quick return would be one more jump, and of what is steady (STEADY of the denoiser), which
also goes on at its speed."""
GAZE = tuple(index for index, name in enumerate(FACE_UNITS) if name.startswith("eyeLook"))
SEEN, GONE = 6, 3
"""Frames of an estimate beside given ones, and of these, whose straight line tells value and speed of what is steady. With 6
frames heads and brows are as lively at the joints as elsewhere; fewer follow the estimate's own tremor and come out too
smooth, more miss how it begins (measured: acceleration 0.44, 0.88, 1.29 of that elsewhere with 4, 6, 8 frames)."""


class Joiner:
    """Makes estimates of windows go on from their given frames, before and after.

    What jumps (lips, lids, gaze) is moved by what the nearest given frame differs from the estimate of it, fading. The
    estimate of given frames is nothing that the model was trained on, so steady channels do not use it: there, the line through
    the first frames that are not given is moved and turned to that of the given ones, fading, and the blur sees the given
    frames themselves.

    Args:
        blurs: [CHANNELS, 1, K] kernels of the denoiser; those that are a single 1 belong to channels that jump.
        given: [B, T] 1 where frames are given, else 0.
        known: [B, T, CHANNELS] normalised motion of the given frames.
    """

    def __init__(self, blurs: Tensor, given: Tensor, known: Tensor) -> None:
        looks = torch.zeros(len(blurs), 1)
        looks[list(GAZE)] = 1
        kernels, kind = torch.cat([looks, blurs[:, 0].cpu()], 1).unique(dim=0, return_inverse=True)
        self.joined = torch.zeros_like(known)
        self.parts: list[tuple[Tensor, Tensor]] = []
        rows = [tuple(row) for row in given.gt(0).tolist()]
        for index, (look, *kernel) in enumerate(kernels.tolist()):
            channels = (kind == index).nonzero()[:, 0].to(known.device)
            pairs = [_matrices(row, tuple(kernel), GAZE_FADE if look else FADE) for row in rows]
            of_clean, of_known = (torch.stack(parts).to(known) for parts in zip(*pairs, strict=True))
            self.joined[..., channels] = of_known @ known[..., channels]
            self.parts.append((channels, of_clean))

    def __call__(self, clean: Tensor) -> Tensor:
        """[B, T, CHANNELS] estimate of the motion to the same with the given frames, and without a seam beside them."""
        joined = self.joined.clone()
        for channels, of_clean in self.parts:
            joined[..., channels] += of_clean @ clean[..., channels]
        return joined


@lru_cache(maxsize=64)
def _matrices(given: tuple[bool, ...], kernel: tuple[float, ...], fade: float) -> tuple[Tensor, Tensor]:
    """What an estimate [T] and known frames [T] are multiplied by, [T, T] each; their sum is the joined motion."""
    count, steady = len(given), max(kernel) < 1
    fade = STEADY_FADE if steady else fade
    known = torch.tensor(given)
    of_clean, of_known = torch.diag((~known).float()), torch.diag(known.float())
    first = 0
    while first < count:
        last = first
        while last < count and not given[last]:
            last += 1
        if last > first:
            way = torch.arange(1, last - first + 1) / (last - first + 1)
            after = smoothstep(way) if first > 0 and last < count else torch.full_like(way, float(first == 0))
            if first > 0:
                _go_on(of_clean, of_known, given, range(first, last), steady, fade, 1 - after)
            if last < count:
                _go_on(of_clean, of_known, given, range(last - 1, first - 1, -1), steady, fade, after.flip(0))
        first = last + 1
    if steady:
        blur, reach = torch.zeros(count, count), len(kernel) // 2
        place = torch.arange(count)
        for offset, weight in zip(range(-reach, reach + 1), kernel, strict=True):
            blur[place, (place + offset).clamp(0, count - 1)] += weight
        blur[known] = torch.eye(count)[known]
        of_clean, of_known = blur @ of_clean, blur @ of_known
    return of_clean, of_known


def _go_on(
    of_clean: Tensor, of_known: Tensor, given: tuple[bool, ...], free: range, steady: bool, fade: float, share: Tensor
) -> None:
    """Move the frames `free`, nearest first, to go on from the given frame beside the first of them; in place.

    Args:
        of_clean, of_known: [T, T] what estimate and known frames are multiplied by.
        given: which frames are given.
        free: frames that are not.
        steady: whether speed counts too.
        fade: frames, sigma.
        share: [len(free)] 0..1 how far each is moved.
    """
    to, back = list(free), -free.step
    at = to[0] + back
    far = torch.arange(1.0, len(to) + 1)
    share = share * torch.exp(-0.5 * (far / fade) ** 2)
    of_known[to, at] += share
    if not steady:
        of_clean[to, at] -= share
        return
    seen, gone = to[:SEEN], [at]
    while len(gone) < GONE and 0 <= gone[-1] + back < len(given) and given[gone[-1] + back]:
        gone.append(gone[-1] + back)
    value, speed = _line(torch.arange(1.0, len(seen) + 1))
    _, speed_known = _line(-torch.arange(float(len(gone))))
    turns = float(len(seen) > 1 and len(gone) > 1)  # one frame alone has no speed
    rows = torch.tensor(to)[:, None]
    of_clean[rows, torch.tensor(seen)] -= share[:, None] * (value + turns * far[:, None] * speed)
    of_known[rows, torch.tensor(gone)] += share[:, None] * turns * far[:, None] * speed_known


def _line(places: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of values at places [N] that give the value at 0 and the slope of the straight line through them."""
    if len(places) == 1:
        return torch.ones(1), torch.zeros(1)
    middle = places.mean()
    slope = (places - middle) / (places - middle).square().sum()
    return 1 / len(places) - middle * slope, slope

"""The colours of a picture: whatever is made up in it has no more chroma than its skin and lips, and none that they lack."""

import torch
from torch import Tensor

from .fill import smooth_fill

_LUMA = (0.2126, 0.7152, 0.0722)
# Brightness steps of the tone curve of a picture in one colour.
_TONES = 16
# Colours of a face in one tone (grey, sepia) scatter less than the first about its tone curve, those of others more than the
# second: root of the mean square over the face's brightness.
_ONE_TONE = (0.0125, 0.019)
# Chroma over brightness of faces in daylight, from which on made up colours keep all of theirs.
_DAYLIGHT = 0.30
# Made up colours may have this many times the chroma of the face's most colourful places.
_MOST = 1.2


def luminance(colours: Tensor) -> Tensor:
    """[...] of colours [...,3]."""
    return (colours * colours.new_tensor(_LUMA)).sum(-1)


def chroma(colours: Tensor) -> Tensor:
    """[...] the widest distance of two channels of colours [...,3]."""
    return colours.amax(-1) - colours.amin(-1)


class Palette:
    """What colours a picture has room for.

    Args:
        face: [N,3] colours of skin and lips, 0..1.

    Attributes:
        colour: 0 for a picture in one tone, 1 for one in colour.
        most: the most chroma that made up colours may have.
        skin: [3] the median.
        highlight: luminance of its brightest places.
    """

    def __init__(self, face: Tensor) -> None:
        bright = luminance(face)
        place = (bright.clamp(0, 1) * (_TONES - 1)).round().long()
        total = face.new_zeros(_TONES).index_add_(0, place, bright)
        tint = face.new_zeros(_TONES, 3).index_add_(0, place, face - bright[:, None]) / total.clamp(min=1e-3)[:, None]
        self.curve = smooth_fill(tint[None], (total > 0).to(face)[None], relax=4)[0]
        scatter = float((face - bright[:, None] - self._tint(bright)).square().mean().sqrt() / bright.median().clamp(min=0.02))
        low, high = _ONE_TONE
        self.colour = min(max((scatter - low) / (high - low), 0.0), 1.0)
        saturation = float((chroma(face) / face.amax(-1).clamp(min=0.05)).median())
        self.share = self.colour * min(1.0, saturation / _DAYLIGHT)
        self.skin, self.highlight = face.median(0).values, float(bright.quantile(0.95))
        self.most = _MOST * float(chroma(face).quantile(0.95))

    def _tint(self, bright: Tensor) -> Tensor:
        """[...,3] what a picture in one tone adds to grey of a brightness [...]."""
        place = bright.clamp(0, 1) * (_TONES - 1)
        low = place.floor().clamp(max=_TONES - 2)
        share = torch.lerp(self.curve[low.long()], self.curve[low.long() + 1], (place - low)[..., None])
        return share * bright[..., None]

    def fit(self, colours: Tensor) -> Tensor:
        """Made up colours [...,3] of a daylight scene as the picture would have them."""
        bright = luminance(colours)[..., None]
        return self._limit(bright, self.share * (colours - bright))

    def limit(self, colours: Tensor) -> Tensor:
        """Colours [...,3] of the picture's own kind, without what it has no room for."""
        bright = luminance(colours)[..., None]
        return self._limit(bright, self.colour * (colours - bright))

    def _limit(self, bright: Tensor, tint: Tensor) -> Tensor:
        tint = tint * (self.most / chroma(tint).clamp(min=1e-6)).clamp(max=1)[..., None]
        if self.colour < 1:
            tint = tint + (1 - self.colour) * self._tint(bright[..., 0])
        return bright + tint

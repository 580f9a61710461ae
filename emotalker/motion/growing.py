"""A take that is drawn while it is rendered: a long speech need not be heard and drawn to its end before the first frame.

Whatever make_take does to a drawn motion reaches less than AHEAD seconds to each side, or goes on from frame to frame: where
eyes rest, and which blinks are left out. So frames are finished part by part, as soon as what lies ahead of them is drawn.
"""

import torch
from torch import Tensor

from ..arkit import FACE_UNITS
from ..curves import sample
from ..emotion.track import EmotionTrack
from ..speech.features import SpeechFeatures, frame_count
from .articulation import articulate
from .denoiser import CHANNELS, RATE
from .gains import REACH, apply_gains, check_gains, drop_chances, find_blinks, gain_notes
from .motion import Motion
from .sampling import Drawing
from .settle import settle_part
from .steering import lay_units, steered_units

AHEAD = round(RATE)
"""Frames at RATE to each side that a finished frame depends on, at most: 1 s."""
UNITS = len(FACE_UNITS)


class GrowingMotion(Motion):
    """A motion whose frames are made when they are asked for; `units` and `head` ask for all.

    What ends the making of frames, as Cancel does, leaves those that are there, and the next who asks goes on.

    Args:
        drawing: of the whole speech.
        features: that speech, at RATE.
        emotion: what is felt, and what is steered.
        seed: of the take.
        gains: mouth, expression, head, blink, the last 0..1, see apply_gains.
        fps: frames per second.
    """

    def __init__(
        self,
        drawing: Drawing,
        features: SpeechFeatures,
        emotion: EmotionTrack,
        seed: int,
        gains: tuple[float, float, float, float],
        fps: float,
    ) -> None:
        check_gains(*gains)
        self.fps, self.metadata = fps, drawing.metadata | gain_notes(*gains)
        self._drawing, self._features, self._gains = drawing, features, gains
        self._seed, self._dropping, self._target = seed, drop_chances(seed), None
        times = (torch.arange(drawing.count, dtype=torch.float64) + 0.5) / RATE
        self._steered = steered_units(emotion, features.frames / features.fps, times)
        self._drawn = torch.zeros(drawing.count, CHANNELS)  # as drawn
        self._done = torch.zeros(drawing.count, CHANNELS)  # finished, at RATE
        self._both = torch.zeros(frame_count(features.duration, fps), CHANNELS)  # finished, at fps
        self._seen = self._finished = self._ready = 0  # how many frames of each

    def __len__(self) -> int:
        return len(self._both)

    @property
    def ready(self) -> int:
        """Frames that are made so far."""
        return self._ready

    @property
    def units(self) -> Tensor:
        """[T, 52], all of them."""
        self._make(len(self))
        return self._both[:, :UNITS]

    @property
    def head(self) -> Tensor:
        """[T, 6], all of them."""
        self._make(len(self))
        return self._both[:, UNITS:]

    def part(self, first: int, last: int) -> Motion:
        """Frames first..last (not included), as far as there are any; makes no more than they need."""
        self._make(last)
        rows = self._both[first:last]
        return Motion(rows[:, :UNITS], rows[:, UNITS:], self.fps, self.metadata)

    @torch.inference_mode()
    def _make(self, count: int) -> None:
        """Draws and finishes until the first `count` frames are there."""
        while self._ready < min(count, len(self)):
            if not self._drawing.finished:
                self._drawing.draw_window()
            known = self._drawing.known
            self._drawn[self._seen : known] = self._drawing.shown(self._seen, known)
            self._seen = known
            first, last = self._finished, self._edge()
            if last > first:
                self._finish(first, last)
                self._convert()

    def _edge(self) -> int:
        """The frame up to which a part can be finished now: with all it depends on drawn, and outside any blink."""
        if self._drawing.finished:
            return self._drawing.count
        first, reach = self._finished, round(REACH * RATE)
        edge = self._seen - AHEAD
        # Shutting a blink may make it begin and end a little earlier and later.
        for begin, end in reversed(find_blinks(self._drawn[first : self._seen, :UNITS], RATE)):
            if first + begin - reach < edge < first + end + reach:
                edge = first + begin - reach
        return edge

    def _finish(self, first: int, last: int) -> None:
        """What make_take does to drawn motion, for the frames first..last at RATE."""
        before, after = max(0, first - AHEAD), min(self._seen, last + AHEAD)
        drawn = self._drawn[first:after].clone()
        drawn[:, :UNITS] = articulate(self._drawn[before:after, :UNITS], RATE)[first - before :]
        part, target = settle_part(Motion(drawn[:, :UNITS], drawn[:, UNITS:], RATE), self._target, last - first)
        chances = drop_chances(self._seed)
        chances.set_state(self._dropping.get_state())
        part = apply_gains(part, self._features, self._seed, *self._gains, dropping=chances)
        if self._steered is not None:
            # Sounds have their say from beside the part too; what stands there of the motion does not matter.
            wide = torch.zeros(after - before, CHANNELS)
            wide[first - before : last - before] = torch.cat([part.units, part.head], 1)
            visemes = self._features.part(before, after).visemes
            steered = min(1.0, self._gains[1]) * self._steered[before:after]
            part = lay_units(Motion(wide[:, :UNITS], wide[:, UNITS:], RATE), steered, visemes)
            part = part.part(first - before, last - before)
        self._done[first:last] = torch.cat([part.units, part.head], 1)
        self._target, self._dropping, self._finished = target, chances, last

    def _convert(self) -> None:
        """Brings what is finished to the frame rate, as Motion.resample does."""
        done, last = self._done[: self._finished], self._finished
        if self.fps == RATE:
            stop = last
        elif last == len(self._done):
            stop = len(self)
        else:  # frames that lie between two finished ones
            stop = min(len(self), max(self._ready, int((last - 0.5) * self.fps / RATE - 0.5)))
        times = (torch.arange(self._ready, stop, dtype=torch.float64) + 0.5) / self.fps - 0.5 / RATE
        self._both[self._ready : stop] = done[self._ready : stop] if self.fps == RATE else sample(done, RATE, times)
        self._ready = stop

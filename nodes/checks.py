"""What reaches a node, checked before it runs; sound, pictures and masks of other packs brought into one form.

Core checks what stands in a widget, and neither what is written on a socket through the API nor what comes over a wire of any
type.
"""

import functools
import inspect
import logging
import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real

import numpy as np
import torch
from comfy_api.latest import io

from ..emotalker.emotion.track import EmotionTrack
from ..emotalker.errors import UserError, quoted
from ..emotalker.face.portrait import Portrait
from ..emotalker.motion.motion import Motion
from .types import EMOTION, FEATURES, MOTION, PAINTER, PORTRAIT, PaintModel, Speech

MOST_CHANNELS = 64
"""Of a sound; what has more of them than samples is stored the other way round."""
LEAST_RATE, MOST_RATE = 1000, 768_000
"""Samples a second that a sound may have."""
MOST_FPS = 1000
"""Frames per second that a video of another pack may have."""
LEVELS = {torch.int16: (0, 1 << 15), torch.int32: (0, 1 << 31), torch.uint8: (128, 128)}
"""Whole numbers as sound: (silence, full level)."""


def _is_array(value: object) -> bool:
    """Whether it is numbers in rows and columns: no sparse tensor, none without values (meta), no array of objects."""
    if isinstance(value, torch.Tensor):
        return value.layout == torch.strided and not value.is_meta
    return isinstance(value, np.ndarray) and value.dtype.kind in "biufc"


def _tensor(values: object, what: str) -> torch.Tensor:
    """Numbers of any pack as a tensor.

    Raises:
        UserError: they are none.
    """
    try:
        values = values if isinstance(values, torch.Tensor) else torch.as_tensor(values)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        values = None
    if not _is_array(values):
        raise UserError(f"The {what} hold no numbers that can be read: connect a plain tensor.")
    return values.detach()


SOCKETS: dict[str, tuple[Callable[[object], bool], str]] = {
    PORTRAIT.io_type: (lambda value: isinstance(value, Portrait), "a portrait, from Load Portrait"),
    FEATURES.io_type: (lambda value: isinstance(value, Speech), "features, from Audio Features"),
    EMOTION.io_type: (lambda value: isinstance(value, EmotionTrack), "an emotion, from any emotion node"),
    MOTION.io_type: (lambda value: isinstance(value, Motion), "a motion, from the sampler or Load Motion"),
    PAINTER.io_type: (lambda value: isinstance(value, PaintModel), "a model, from EmoTalker Load Model"),
    io.Image.io_type: (_is_array, "pictures (IMAGE)"),
    io.Mask.io_type: (_is_array, "a mask (MASK)"),
    io.Audio.io_type: (lambda value: isinstance(value, Mapping), "a sound (AUDIO)"),
    io.Video.io_type: (lambda value: hasattr(value, "get_components"), "a video (VIDEO)"),
}
"""What a socket takes: a test, and its name in a message."""


def checked(execute: Callable) -> Callable:
    """Decorates a node's execute: inputs that do not fit the schema are an error that names node and input.

    Numbers outside of their range, NaN, options that are not offered, text for numbers and the other way round, and anything
    on a socket that is not what it takes.
    """

    @functools.wraps(execute)
    def run(cls, *args, **inputs):
        for entry in cls.SCHEMA.inputs:
            if entry.id in inputs:
                if entry.optional and inputs[entry.id] is None:
                    del inputs[entry.id]  # as if it were not there: execute knows what stands in for it
                    continue
                try:
                    inputs[entry.id] = _fitting(cls, entry, inputs[entry.id])
                except UserError as error:
                    raise UserError(f"{cls.SCHEMA.display_name}, input '{entry.id}': {error}") from None
        return execute(cls, *args, **inputs)

    return run


def _fitting(cls, entry, value: object) -> object:
    if value is None:
        raise UserError("There is nothing here: connect it, or give it a value.")
    if isinstance(entry, io.Int.Input | io.Float.Input):
        return _number(entry, value)
    if isinstance(entry, io.Boolean.Input):
        if isinstance(value, bool | np.bool_) or (isinstance(value, Integral) and value in (0, 1)):
            return bool(value)
        raise UserError(f"{quoted(value)} is neither true nor false: use one of them.")
    if isinstance(entry, io.String.Input):
        if isinstance(value, str):
            return value
        raise UserError(f"{quoted(value)} is no text: write some, or connect a node that does.")
    if isinstance(entry, io.Combo.Input):
        return _option(cls, entry, value)
    sockets = [SOCKETS[kind] for kind in entry.get_io_type().split(",") if kind in SOCKETS]
    if sockets and not any(fits(value) for fits, _ in sockets):
        wanted = ", or ".join(name for _, name in sockets)
        raise UserError(f"{quoted(value)} is not what belongs here: connect {wanted}.")
    return value


def _number(entry, value: object) -> float | int:
    whole = isinstance(entry, io.Int.Input)
    limits = f"use a {'whole ' * whole}number from {entry.min} to {entry.max}."
    if not isinstance(value, Real) or isinstance(value, bool | np.bool_):
        raise UserError(f"{quoted(value)} is no number: {limits}")
    if not entry.min <= value <= entry.max or (whole and value != int(value)):
        raise UserError(f"{quoted(value)} cannot be used: {limits}")
    return int(value) if whole else float(value)


def _option(cls, entry, value: object) -> str:
    if not isinstance(value, str):
        raise UserError(f"{quoted(value)} is no name: choose one of the list.")
    if value in entry.options or entry.id in inspect.signature(cls.validate_inputs).parameters:
        return value  # a node that validates a list itself takes more than it offers: files that were just uploaded
    # A list of files may have grown since the schema was made.
    now = next(other for other in cls.define_schema().inputs if other.id == entry.id).options
    if value not in now:
        offered = ", ".join(now[:12]) + (", ..." if len(now) > 12 else "")
        raise UserError(f"{quoted(value)} is not offered: choose one of {offered}.")
    return value


def as_audio(audio: Mapping) -> dict:
    """Any AUDIO as waveform [1, C, N] float32 on the CPU, N >= 0, and sample_rate as a whole number.

    Of a batch the first sound is taken. Waveforms of [N] and [C, N], the samples before the channels, and whole numbers of 8,
    16 and 32 bits are understood. Samples that are no number become silence, with a warning.

    Raises:
        UserError: there is no sound in it.
    """
    try:
        waveform, rate = _tensor(audio["waveform"], "sound's samples"), int(audio["sample_rate"])
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError):
        raise UserError("This is no sound that can be read: connect an AUDIO with waveform and sample_rate.") from None
    if not LEAST_RATE <= rate <= MOST_RATE:
        raise UserError(f"The sound has {quoted(rate)} samples a second: use one with {LEAST_RATE} to {MOST_RATE}.")
    shape = tuple(waveform.shape)
    if not 1 <= len(shape) <= 3 or 0 in shape[:-2]:
        raise UserError(f"The sound has the shape {quoted(shape)}: give one of [batch, channels, samples].")
    while waveform.dim() < 3:
        waveform = waveform[None]
    waveform = waveform[:1]
    if waveform.shape[2] <= MOST_CHANNELS < waveform.shape[1]:
        waveform = waveform.transpose(1, 2)
    if waveform.shape[1] > MOST_CHANNELS:
        raise UserError(f"The sound has {waveform.shape[1]} channels: use one with at most {MOST_CHANNELS}.")
    if waveform.dtype in LEVELS:
        middle, level = LEVELS[waveform.dtype]
        waveform = (waveform.double() - middle) / level
    elif not waveform.is_floating_point():
        raise UserError(f"The sound's samples are of the type {waveform.dtype}: use floats from -1 to 1.")
    if 0 in waveform.shape:
        return {"waveform": torch.zeros(1, 1, 0), "sample_rate": rate}
    waveform = waveform.float().cpu()
    bad = ~torch.isfinite(waveform)
    if bad.all():
        raise UserError("The sound holds no numbers (NaN or infinity alone): check the node that made it.")
    if bad.any():
        logging.warning("EmoTalker: %d samples of the sound are no numbers and became silence.", int(bad.sum()))
        waveform = waveform.masked_fill(bad, 0.0)
    return {"waveform": waveform, "sample_rate": rate}


def as_images(images) -> torch.Tensor:
    """Any IMAGE as [N, H, W, 3] float, N, H, W >= 1; the very same tensor when it is that already.

    [H, W, C], [N, H, W], [H, W], the channels before height and width, and bytes are understood. One channel is grey, two are
    grey and alpha, four have alpha, which is laid over white. What is no number becomes black, with a warning.

    Raises:
        UserError: there is no picture in it.
    """
    images = _tensor(images, "pictures")
    shape = tuple(images.shape)
    if images.dim() == 3 and shape[-1] <= 4:
        images = images[None]
    elif images.dim() in (2, 3):
        images = images.reshape(-1, *shape[-2:], 1)
    if images.dim() == 4 and images.shape[3] > 4 and 1 <= images.shape[1] <= 4:
        images = images.permute(0, 2, 3, 1)
    if images.dim() == 4 and len(images) == 0:
        raise UserError("There is no picture in the batch: connect at least one.")
    if images.dim() != 4 or 0 in images.shape or images.shape[3] > 4:
        raise UserError(f"The pictures have the shape {quoted(shape)}: give [number, height, width, 1 to 4 channels].")
    images = _floats(images, "pictures")
    channels = images.shape[3]
    if channels in (2, 4):
        alpha = images[..., -1:].clamp(0, 1)
        images = images[..., :-1] * alpha + (1 - alpha)
    return images if images.shape[3] == 3 else images.expand(-1, -1, -1, 3)


def as_masks(masks) -> torch.Tensor:
    """Any MASK as [N, H, W] float, N, H, W >= 1; [H, W], a channel of its own, bytes and booleans are understood.

    Raises:
        UserError: there is no mask in it.
    """
    masks = _tensor(masks, "mask's values")
    shape = tuple(masks.shape)
    if masks.dim() == 2:
        masks = masks[None]
    elif masks.dim() == 4 and 1 in (shape[1], shape[3]):
        masks = masks.squeeze(1 if shape[1] == 1 else 3)
    if masks.dim() != 3 or 0 in masks.shape:
        raise UserError(f"The mask has the shape {quoted(shape)}: give [number, height, width].")
    return _floats(masks.float() if masks.dtype == torch.bool else masks, "mask")


def _floats(values: torch.Tensor, what: str) -> torch.Tensor:
    """Floats 0..1, finite, of floats or bytes."""
    if values.dtype == torch.uint8:
        return values.float() / 255
    if not values.is_floating_point():
        raise UserError(f"The {what} are of the type {values.dtype}: use floats from 0 to 1.")
    # The sum needs no memory, and what is no number is in it too.
    if math.isfinite(float(values.sum(dtype=torch.float64))):
        return values
    logging.warning("EmoTalker: values of the %s that are no numbers became 0.", what)
    return torch.nan_to_num(values, 0.0, 0.0, 0.0)


def parts_of(video):
    """What core's VIDEO holds: (images [N, H, W, 3] float, AUDIO or None, frames per second as the video tells it).

    Raises:
        UserError: there is no picture in it, or its rate is none.
    """
    parts = video.get_components()
    rate = parts.frame_rate
    if not isinstance(rate, Real) or isinstance(rate, bool) or not 0 < rate <= MOST_FPS:
        raise UserError(f"The video has {quoted(rate)} frames a second: connect one with at most {MOST_FPS}.")
    return as_images(parts.images), None if parts.audio is None else as_audio(parts.audio), rate

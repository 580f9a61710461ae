"""Forced alignment of a transcript to its sound, with pocketsphinx (an optional extra, English only)."""

import re

import numpy as np
from torch import Tensor

from ..errors import UserError
from .phones import ARPABET_VISEMES, Segment

RATE = 16000
FRAME = 0.01
"""Seconds per pocketsphinx frame."""
LATE = 0.008
"""Seconds added to its times, which count from the start of its 25.6 ms windows: measured on synthetic speech with known
boundaries (best shift 8, 11, 8 and 5 ms for flite's voices slt, rms, awb and kal16)."""
WORDS_SHOWN = 5


def align_transcript(mono: Tensor, transcript: str) -> list[Segment]:
    """Start and end of every phone of a spoken text; see align_speech."""
    return align_speech(mono, transcript)[0]


def align_speech(mono: Tensor, transcript: str) -> tuple[list[Segment], list[Segment]]:
    """Start and end of every phone and every word of a spoken text.

    Args:
        mono: [N] waveform at 16 kHz, -1..1.
        transcript: the words that are spoken, in English; punctuation and case do not matter.

    Returns:
        (start s, end s, ARPAbet phone without stress), pauses as "SIL", in order of time and without gaps; and
        (start s, end s, word) of the words, in order.

    Raises:
        UserError: pocketsphinx is not installed, a word is not in its dictionary, or the text does not fit the sound.
    """
    words = re.findall(r"[a-z]+(?:'[a-z]+)*", transcript.lower().replace("’", "'"))
    if not words:
        raise UserError("The transcript holds no English words: write what is said, or leave it empty.")
    decoder = _decoder()
    unknown = [word for word in dict.fromkeys(words) if decoder.lookup_word(word) is None]
    if unknown:
        shown = ", ".join(unknown[:WORDS_SHOWN]) + (", …" if len(unknown) > WORDS_SHOWN else "")
        raise UserError(
            f"The transcript has words that the English dictionary lacks ({shown}): respell them or leave the transcript empty."
        )
    samples = (mono.clamp(-1, 1) * 32767).round().short().cpu().numpy().astype(np.int16).tobytes()
    misfit = UserError("The transcript does not fit the sound: write exactly what is said, or leave the transcript empty.")
    try:
        decoder.set_align_text(" ".join(words))
        _decode(decoder, samples)
        if decoder.hyp() is None:
            raise misfit
        decoder.set_alignment()
        _decode(decoder, samples)
        alignment = decoder.get_alignment()
    except RuntimeError as error:
        raise misfit from error
    segments: list[Segment] = []
    spoken: list[Segment] = []
    for word in alignment or ():
        first = len(segments)
        for phone in word:
            name = phone.name if phone.name in ARPABET_VISEMES else "SIL"
            start = phone.start * FRAME + LATE
            segments.append((start, start + phone.duration * FRAME, name))
        if any(name != "SIL" for _, _, name in segments[first:]):
            spoken.append((segments[first][0], segments[-1][1], word.name.partition("(")[0]))
    if not segments:
        raise misfit
    return segments, spoken


def _decoder():
    """A pocketsphinx decoder with its English model and no language model."""
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise UserError(
            "A transcript needs the package pocketsphinx: run pip install pocketsphinx, or leave the transcript empty."
        ) from error
    return Decoder(samprate=RATE, bestpath=False, lm=None, loglevel="FATAL")


def _decode(decoder, samples: bytes) -> None:
    """One pass of the decoder over a whole utterance."""
    decoder.start_utt()
    decoder.process_raw(samples, full_utt=True)
    decoder.end_utt()

"""Phones and the visemes they show."""

import numpy as np

from .features import VISEME_INDEX

ARPABET_VISEMES: dict[str, tuple[str, ...]] = {
    "SIL": ("sil",), "AA": ("aa",), "AE": ("aa",), "AH": ("aa",), "AO": ("oh",), "AW": ("aa", "ou"), "AY": ("aa", "ih"),
    "B": ("PP",), "CH": ("CH",), "D": ("DD",), "DH": ("TH",), "EH": ("E",), "ER": ("RR",), "EY": ("E", "ih"), "F": ("FF",),
    "G": ("kk",), "HH": ("kk",), "IH": ("ih",), "IY": ("ih",), "JH": ("CH",), "K": ("kk",), "L": ("nn",), "M": ("PP",),
    "N": ("nn",), "NG": ("nn",), "OW": ("oh",), "OY": ("oh", "ih"), "P": ("PP",), "R": ("RR",), "S": ("SS",), "SH": ("CH",),
    "T": ("DD",), "TH": ("TH",), "UH": ("ou",), "UW": ("ou",), "V": ("FF",), "W": ("ou",), "Y": ("ih",), "Z": ("SS",),
    "ZH": ("CH",),
}  # fmt: skip
"""CMU phones without stress to visemes; two visemes are a diphthong, one half each.

Source: Meta, Oculus Lipsync, "Viseme Reference", with the usual choices for the phones which that page does not have.
"""

ARPABET: tuple[str, ...] = tuple(ARPABET_VISEMES)
UNVOICED_PHONES = frozenset({"SIL", "P", "T", "K", "F", "TH", "S", "SH", "CH", "HH"})

Segment = tuple[float, float, str]


def viseme_segments(phones: list[Segment]) -> list[Segment]:
    """Phone segments as viseme segments, diphthongs split in the middle.

    Args:
        phones: (start s, end s, ARPAbet phone without stress) in order of time.

    Returns:
        (start s, end s, viseme).
    """
    segments: list[Segment] = []
    for start, end, phone in phones:
        names = ARPABET_VISEMES[phone]
        step = (end - start) / len(names)
        segments += [(start + i * step, start + (i + 1) * step, name) for i, name in enumerate(names)]
    return segments


def sample_segments(segments: list[Segment], times: np.ndarray) -> np.ndarray:
    """Viseme index at each time, "sil" where no segment lies.

    Args:
        segments: (start s, end s, viseme) in order of time.
        times: [T] seconds.

    Returns:
        [T] int64 indices into VISEMES.
    """
    result = np.full(len(times), VISEME_INDEX["sil"], dtype=np.int64)
    if not segments:
        return result
    starts = np.array([start for start, _, _ in segments])
    ends = np.array([end for _, end, _ in segments])
    names = np.array([VISEME_INDEX[name] for _, _, name in segments])
    at = np.searchsorted(starts, times, side="right") - 1
    inside = (at >= 0) & (times < ends[at.clip(0)])
    result[inside] = names[at[inside]]
    return result

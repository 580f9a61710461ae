"""Free speech synthesisers that tell when each phone is spoken: flite, festival and espeak-ng.

Each `speak_*` function returns the sound (float32, -1..1, 16 kHz) and its phones [(end s, ARPAbet)], which follow one
another from 0. They need the Debian packages flite, festival, festvox-kallpc16k, festvox-kdlpc16k, festvox-us-slt-hts
and libespeak-ng1.
"""

import ctypes
import math
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy.io import wavfile
from scipy.signal import resample_poly

from ...speech.phones import ARPABET_VISEMES
from .ipa import ipa_to_arpabet

RATE = 16000
FLITE_VOICES = ("slt", "rms", "awb", "kal16")
FESTIVAL_VOICES = ("kal_diphone", "ked_diphone", "cmu_us_slt_arctic_hts")
ESPEAK_ENGLISH = ("gmw/en-US", "gmw/en", "gmw/en-GB-x-rp", "gmw/en-GB-scotland", "gmw/en-029", "gmw/en-US-nyc")
ESPEAK_OTHER = ("de", "fr", "es", "it", "nl", "sv", "pl", "tr", "fi", "hu", "cs", "ro", "hr", "id", "pt-br", "nb")
ESPEAK_VARIANTS = (
    *(f"m{i}" for i in range(1, 8)), *(f"f{i}" for i in range(1, 6)), "klatt", "klatt2", "klatt3", "klatt4",
    "Adam", "Alex", "Annie", "Andrea", "Belinda", "Caleb", "Edward", "Gene", "John", "Lee", "Linda", "Michael", "Paul", "Steph",
)  # fmt: skip
SHORTEST_PAUSE = 0.04
"""Seconds; shorter pauses of espeak-ng are marks inside a word, no silence."""
FESTIVAL_LATE, ESPEAK_LATE = 0.006, -0.006
"""Seconds added to the phone times of festival and espeak-ng so that all agree with flite's on what a boundary is:
measured as the shift that fits a forced alignment best (8 ms for flite, 2 ms for festival, 14 ms for espeak-ng)."""

_NEAREST = {
    "PAU": "SIL",
    "BRTH": "SIL",
    "H#": "SIL",
    "AX": "AH",
    "AXR": "ER",
    "IX": "IH",
    "DX": "D",
    "EN": "N",
    "EL": "L",
    "EM": "M",
    "NX": "N",
    "HV": "HH",
}
"""Phones of flite and festival that CMU's dictionary lacks."""

Utterance = tuple[np.ndarray, list[tuple[float, str]]]


def speak_flite(text: str, voice: str, stretch: float, pitch: float, folder: Path) -> Utterance:
    """Speech of flite; `stretch` is the duration's factor, `pitch` the fundamental frequency's."""
    path = folder / "flite.wav"
    command = [
        "flite",
        "-psdur",
        "-voice",
        voice,
        "--setf",
        f"duration_stretch={stretch:.3f}",
        "--setf",
        f"f0_shift={pitch:.3f}",
    ]
    result = subprocess.run([*command, "-t", text, "-o", str(path)], capture_output=True, text=True, timeout=60, check=True)
    phones = [(float(end), _arpabet(name)) for name, end in (item.rsplit(":", 1) for item in result.stdout.split())]
    return _read(path), phones


def speak_festival(texts: list[str], voice: str, stretch: float, folder: Path) -> list[Utterance]:
    """Speech of festival, one utterance for each text (starting festival is what takes long)."""
    script = [
        '(define (dump utt file) (let ((fd (fopen file "w"))) (mapcar (lambda (s) (format fd "%s %f\\n" (item.name s)'
        ' (item.feat s "end"))) (utt.relation.items utt \'Segment)) (fclose fd)))',
        f"(voice_{voice})",
        f"(Parameter.set 'Duration_Stretch {stretch:.3f})",
    ]
    for i, text in enumerate(texts):
        plain = re.sub(r'["\\]', " ", text)
        script.append(f'(set! u (utt.synth (Utterance Text "{plain}")))')
        script.append(f'(utt.save.wave u "{folder}/{i}.wav" \'riff)')
        script.append(f'(dump u "{folder}/{i}.seg")')
    for old in (*folder.glob("*.wav"), *folder.glob("*.seg")):
        old.unlink()
    (folder / "speak.scm").write_text("\n".join(script))
    subprocess.run(["festival", "-b", str(folder / "speak.scm")], capture_output=True, timeout=600, check=False)
    spoken = []
    for i in range(len(texts)):
        wave, seg = folder / f"{i}.wav", folder / f"{i}.seg"
        if wave.is_file() and seg.is_file():
            lines = [line.split() for line in seg.read_text().splitlines()]
            spoken.append((_read(wave), [(float(end) + FESTIVAL_LATE, _arpabet(name)) for name, end in lines]))
    return spoken


@dataclass(frozen=True)
class EspeakStyle:
    """How espeak-ng speaks: voice name ("gmw/en-US+f2"), words a minute, pitch and pitch range 0..100."""

    voice: str
    rate: int
    pitch: int
    spread: int


def speak_espeak(text: str, style: EspeakStyle) -> Utterance:
    """Speech of espeak-ng through its library, with the phonemes as it counts them in samples."""
    return _espeak().speak(text, style)


def _arpabet(name: str) -> str:
    name = re.sub(r"\d", "", name.upper())
    name = _NEAREST.get(name, name)
    return name if name in ARPABET_VISEMES else "SIL"


def _read(path: Path) -> np.ndarray:
    rate, samples = wavfile.read(path)
    return _to_rate(samples.astype(np.float32) / 32768, rate)


def _to_rate(samples: np.ndarray, rate: int) -> np.ndarray:
    divisor = math.gcd(rate, RATE)
    return samples if rate == RATE else resample_poly(samples, RATE // divisor, rate // divisor).astype(np.float32)


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = [
        ("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int), ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int), ("sample", ctypes.c_int), ("user_data", ctypes.c_void_p), ("id", _EventId),
    ]  # fmt: skip


class _Espeak:
    """libespeak-ng with its phoneme events (constants of speak_lib.h)."""

    PHONEME_EVENT = 7
    RATE_PARAMETER, PITCH_PARAMETER, RANGE_PARAMETER = 1, 3, 4

    def __init__(self) -> None:
        self.library = ctypes.CDLL("libespeak-ng.so.1")
        # 1: synchronous playback is off, samples come back; 1 | 2: phoneme events, written in IPA.
        self.rate = self.library.espeak_Initialize(1, 0, None, 1 | 2)
        self.samples: list[bytes] = []
        self.events: list[tuple[int, str]] = []
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
        self.callback = kind(self._collect)
        self.library.espeak_SetSynthCallback(self.callback)

    def _collect(self, wave, count, events) -> int:
        if wave and count > 0:
            self.samples.append(ctypes.string_at(wave, 2 * count))
        i = 0
        while events[i].type != 0:
            if events[i].type == self.PHONEME_EVENT:
                raw = ctypes.string_at(ctypes.addressof(events[i].id), 8)
                self.events.append((events[i].sample, raw.split(b"\0")[0].decode("utf-8", "ignore")))
            i += 1
        return 0

    def speak(self, text: str, style: EspeakStyle) -> Utterance:
        self.samples.clear()
        self.events.clear()
        self.library.espeak_SetVoiceByName(style.voice.encode())
        self.library.espeak_SetParameter(self.RATE_PARAMETER, style.rate, 0)
        self.library.espeak_SetParameter(self.PITCH_PARAMETER, style.pitch, 0)
        self.library.espeak_SetParameter(self.RANGE_PARAMETER, style.spread, 0)
        data = text.encode() + b"\0"
        self.library.espeak_Synth(data, len(data), 0, 1, 0, 1, None, None)
        self.library.espeak_Synchronize()
        sound = np.frombuffer(b"".join(self.samples), dtype=np.int16).astype(np.float32) / 32768
        phones: list[tuple[float, str]] = []
        starts = [sample / self.rate for sample, _ in self.events] + [len(sound) / self.rate]
        if self.events:
            phones.append((starts[0], "SIL"))
        for i, (_, ipa) in enumerate(self.events):
            names = ipa_to_arpabet(ipa) or ["SIL"]
            if names == ["SIL"] and phones and starts[i + 1] - starts[i] < SHORTEST_PAUSE:
                phones[-1] = (starts[i + 1], phones[-1][1])
                continue
            step = (starts[i + 1] - starts[i]) / len(names)
            phones += [(starts[i] + (k + 1) * step, name) for k, name in enumerate(names)]
        return _to_rate(sound, self.rate), [(end + ESPEAK_LATE, name) for end, name in phones]


@cache
def _espeak() -> _Espeak:
    return _Espeak()

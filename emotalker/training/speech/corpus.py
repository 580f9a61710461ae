"""The corpus of the speech encoder: comments of GoEmotions spoken by free synthesisers, with exact phone timings.

A corpus is a folder of shards (.npz): `audio` int16 at 16 kHz, all utterances in a row; `lengths` samples of each;
`ends` float32 seconds and `phones` uint8 (index into ARPABET), all in a row; `counts` phones of each utterance.
"""

import gzip
import random
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from ...errors import UserError
from ...speech.align import align_transcript
from ...speech.phones import ARPABET, Segment, sample_segments, viseme_segments
from . import voices
from .voices import RATE, Utterance

SHARD_UTTERANCES = 120
SHARES = {"flite": 0.5, "festival": 0.15, "espeak_english": 0.2, "espeak_other": 0.15}
"""Part of the shards that each synthesiser speaks: most from voices made of recorded people."""
ALIGNED = ("flite", "festival")
LEAST_AGREEMENT = 0.65
NAMES = ("John", "Mary", "Peter", "Susan", "Paul", "Barbara", "Tom", "Maggie", "Bob", "Vivian", "Frank", "Amy")


@dataclass
class Corpus:
    """All utterances of a corpus in memory.

    Attributes:
        audio: int16 sounds at 16 kHz.
        ends: seconds at which each phone ends.
        phones: index into ARPABET of each phone.
        aligned: ends and phones by a forced alignment, or None, of each utterance.
    """

    audio: list[np.ndarray]
    ends: list[np.ndarray]
    phones: list[np.ndarray]
    aligned: list[tuple[np.ndarray, np.ndarray] | None] = field(default_factory=list)

    @property
    def hours(self) -> float:
        """Length of all sounds together."""
        return sum(len(sound) for sound in self.audio) / RATE / 3600


def read_sentences(path: Path) -> list[str]:
    """Sentences of GoEmotions (a gzipped table with the text in the fourth column) that a synthesiser can speak."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        texts = [line.split("\t")[3] for line in file.read().split("\n")[1:] if line]
    sentences = []
    for i, text in enumerate(texts):
        text = text.replace("[NAME]", NAMES[i % len(NAMES)]).replace("[RELIGION]", "pope")
        text = re.sub(r"[^A-Za-z0-9',.!? ]", " ", text)
        text = re.sub(r"\s+", " ", text).strip()
        if 25 <= len(text) <= 150:
            sentences.append(text if text.upper() != text else text.lower())
    return sentences


def build_corpus(folder: Path, texts: Path, hours: float, seed: int = 0) -> None:
    """Speak sentences until the folder holds so many hours; goes on where an earlier run stopped.

    Args:
        folder: where the shards go.
        texts: goemotions_train.tsv.gz.
        hours: length of the whole corpus.
        seed: draws sentences, voices and styles; shard i is the same whenever it is made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sentences = read_sentences(texts)
    done, shard = 0.0, 0
    while done < hours:
        path = folder / f"shard_{shard:04d}.npz"
        if not path.is_file():
            draw = random.Random(seed * 100003 + shard)
            partial = path.with_suffix(".part.npz")
            np.savez(partial, **_pack(_speak(draw, sentences)))
            partial.rename(path)
        with np.load(path, allow_pickle=False) as data:
            done += float(data["lengths"].sum()) / RATE / 3600
        shard += 1


def load_corpus(folder: Path) -> Corpus:
    """The shards of a folder."""
    corpus = Corpus([], [], [])
    for path in sorted(folder.glob("shard_????.npz")):
        shard = load_shard(path)
        corpus.audio += shard.audio
        corpus.ends += shard.ends
        corpus.phones += shard.phones
        corpus.aligned += shard.aligned
    return corpus


def align_corpus(folder: Path, texts: Path, seed: int = 0) -> None:
    """Add a second opinion on the phones: a forced alignment, for the voices that are made of recorded people.

    Where a phone begins and which vowel a weak syllable has is in part convention. Recordings of people are labelled by
    forced alignment, so the encoder learns a weighted mean of both. Goes on where an earlier run stopped. Utterances with
    a word that the aligner's dictionary lacks, or whose alignment agrees with the synthesiser in less than
    LEAST_AGREEMENT of the time, have none.

    Writes shard_????.align.npz: `index` of the utterances, their `counts`, `ends` and `phones`.
    """
    sentences = read_sentences(texts)
    for path in sorted(folder.glob("shard_????.npz")):
        target = path.with_suffix(".align.npz")
        kind, spoken = _plan(random.Random(seed * 100003 + int(path.stem[-4:])), sentences)
        corpus = load_shard(path)
        if target.is_file() or kind not in ALIGNED or len(corpus.audio) != len(spoken):
            continue
        found = {i: phones for i, text in enumerate(spoken) if (phones := _aligned(corpus, i, text)) is not None}
        np.savez(
            target,
            index=np.array(list(found), dtype=np.int64),
            counts=np.array([len(phones) for phones in found.values()]),
            ends=np.array([end for phones in found.values() for _, end, _ in phones], dtype=np.float32),
            phones=np.array([ARPABET.index(name) for phones in found.values() for _, _, name in phones], dtype=np.uint8),
        )


def _aligned(corpus: Corpus, at: int, text: str) -> list[Segment] | None:
    """The alignment of one utterance, if there is a good one."""
    words = re.sub(r"[^a-z' ]", " ", text.lower())
    try:
        phones = align_transcript(torch.from_numpy(corpus.audio[at].astype(np.float32) / 32768), words)
    except UserError:
        return None
    times = np.arange(0, corpus.ends[at][-1], 0.01)
    names = (ARPABET[p] for p in corpus.phones[at])
    truth = list(zip(np.concatenate([[0], corpus.ends[at][:-1]]), corpus.ends[at], names, strict=True))
    first, second = (sample_segments(viseme_segments(segments), times) for segments in (truth, phones))
    return phones if (first == second).mean() >= LEAST_AGREEMENT else None


def load_shard(path: Path) -> Corpus:
    """The utterances of one shard, with their alignments if there are any."""
    with np.load(path, allow_pickle=False) as data:
        corpus = Corpus(
            np.split(data["audio"], np.cumsum(data["lengths"])[:-1]),
            np.split(data["ends"], np.cumsum(data["counts"])[:-1]),
            np.split(data["phones"], np.cumsum(data["counts"])[:-1]),
        )
    corpus.aligned = [None] * len(corpus.audio)
    if path.with_suffix(".align.npz").is_file():
        with np.load(path.with_suffix(".align.npz"), allow_pickle=False) as data:
            parts = (np.split(data[name], np.cumsum(data["counts"])[:-1]) for name in ("ends", "phones"))
            for i, ends, phones in zip(data["index"], *parts, strict=True):
                corpus.aligned[i] = (ends, phones)
    return corpus


def _speak(draw: random.Random, sentences: list[str]) -> Iterator[Utterance]:
    """The utterances of one shard: one synthesiser, many styles."""
    kind, texts = _plan(draw, sentences)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if kind == "festival":
            for start in range(0, SHARD_UTTERANCES, 20):
                voice = draw.choice(voices.FESTIVAL_VOICES)
                yield from voices.speak_festival(texts[start : start + 20], voice, draw.uniform(0.75, 1.2), folder)
            return
        for text in texts:
            if kind == "flite":
                voice = draw.choices(voices.FLITE_VOICES, (3, 3, 3, 1))[0]
                yield voices.speak_flite(text, voice, draw.uniform(0.7, 1.2), draw.uniform(0.75, 1.35), folder)
            else:
                language = draw.choice(voices.ESPEAK_ENGLISH if kind == "espeak_english" else voices.ESPEAK_OTHER)
                style = voices.EspeakStyle(
                    f"{language}+{draw.choice(voices.ESPEAK_VARIANTS)}",
                    draw.randint(130, 230),
                    draw.randint(20, 85),
                    draw.randint(20, 90),
                )
                yield voices.speak_espeak(text, style)


def _plan(draw: random.Random, sentences: list[str]) -> tuple[str, list[str]]:
    """Which synthesiser speaks a shard, and its texts."""
    kind = draw.choices(list(SHARES), list(SHARES.values()))[0]
    return kind, [draw.choice(sentences) for _ in range(SHARD_UTTERANCES)]


def _pack(utterances: Iterator[Utterance]) -> dict[str, np.ndarray]:
    """Arrays of a shard; leaves out what a synthesiser could not speak."""
    audio, ends, phones = [], [], []
    for sound, segments in utterances:
        if len(sound) < RATE // 2 or len(segments) < 5:
            continue
        audio.append((np.clip(sound, -1, 1) * 32767).astype(np.int16))
        ends.append(np.array([end for end, _ in segments], dtype=np.float32))
        phones.append(np.array([ARPABET.index(name) for _, name in segments], dtype=np.uint8))
    return {
        "audio": np.concatenate(audio),
        "lengths": np.array([len(sound) for sound in audio]),
        "ends": np.concatenate(ends),
        "phones": np.concatenate(phones),
        "counts": np.array([len(part) for part in phones]),
    }

"""Train the head of the speech encoder: python -m emotalker train speech --data CORPUS --texts goemotions_train.tsv.gz

Makes and aligns the corpus first (once), then trains; run again, it goes on where it was stopped. Moonshine, the encoder's
front, stays as it is: it learned from people, and what it hears keeps its meaning where the synthetic voices of the corpus are
unlike them.
"""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ...arguments import number, whole
from ...speech.encoder import FRAME_RATE, LEVEL, RATE, SpeechEncoder, SpeechHead
from ...speech.features import VISEMES
from ...speech.moonshine import Moonshine
from ...speech.phones import ARPABET, UNVOICED_PHONES, sample_segments, viseme_segments
from ..run import MOST, Run
from .augment import Augmenter
from .corpus import Corpus, align_corpus, build_corpus, load_corpus

LABEL_RATE = 200
CROP_SECONDS = 4.8
BATCH = 12
PEAK_RATE = 2e-3
MEASURED_BATCHES = 8
"""Batches from which the mean and the spread of Moonshine's hidden states are taken."""
VALIDATED_BATCHES = 12
WIDTH = 192
SPEED = (0.8, 1.25)
QUIET_CROPS = 0.07
"""Part of the crops that hold background alone, so that noise and music move no mouth."""
CLOSURE_WEIGHT = 1.5
"""Loss weight of PP and FF, whose absence is seen most."""
RUSH = 0.2
"""Part by which the speed of a crop swings around its mean: synthesisers speak too evenly."""
ALIGNED_SHARE = 1.5
"""How much more often an utterance is drawn that has labels of both opinions."""
ALIGNED_TRUST = 0.5
"""Weight of the forced alignment's labels there; the rest is the synthesiser's own."""
HELD_OUT = 50
"""Every so many utterances one is kept for validation."""
BOUNDARY = (-0.008, -0.004, 0.0, 0.004, 0.008)
"""Seconds around a frame's time at which its label is read: frames at a boundary get both visemes."""


class Crops:
    """Draws batches of crops with their labels from a corpus.

    Args:
        corpus: what to draw from.
        seed: of the draws.
        device: where batches go.
    """

    def __init__(self, corpus: Corpus, seed: int, device: torch.device) -> None:
        self.corpus, self.device = corpus, device
        self.draw = np.random.default_rng(seed)
        opinions = zip(corpus.ends, corpus.phones, corpus.aligned, strict=True)
        self.labels = [_labels(ends, phones, aligned or (ends, phones)) for ends, phones, aligned in opinions]
        favour = [ALIGNED_SHARE if aligned else 1.0 for aligned in corpus.aligned]
        self.weights = np.array([len(sound) for sound in corpus.audio], dtype=np.float64) * favour
        self.weights /= self.weights.sum()
        self.voiced = torch.tensor([name not in UNVOICED_PHONES for name in ARPABET], device=device).float()

    def batch(self, size: int = BATCH, plain: bool = False) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Crops [size, N]; viseme targets [size, S, 15]; phone targets [size, S, 40]; voicing targets [size, S]."""
        length = int(CROP_SECONDS * RATE)
        frames = int(CROP_SECONDS * FRAME_RATE)
        sounds = np.zeros((size, length), dtype=np.float32)
        visemes = np.zeros((size, 2 * len(BOUNDARY), frames), dtype=np.int64)
        phones = np.zeros_like(visemes)
        for i, at in enumerate(self.draw.choice(len(self.weights), size, p=self.weights)):
            if not plain and self.draw.random() < QUIET_CROPS:
                continue
            steps = self._steps(length, plain)
            sound = self.corpus.audio[at]
            need = int(steps[-1]) + 1
            # A start before the sound or an end after it makes a pause.
            margin = RATE // 4
            if len(sound) > need:
                start = int(self.draw.integers(-margin, len(sound) - need + margin))
            else:
                start = int(self.draw.integers(len(sound) - need - 1, 1))
            first, last = max(start, 0), min(start + need, len(sound))
            if last - first < RATE // 4:
                continue
            places = start + steps
            sounds[i] = np.interp(places, np.arange(first, last), sound[first:last], left=0, right=0) / 32768
            times = places[:: int(RATE / FRAME_RATE)] / RATE
            for k, offset in enumerate(BOUNDARY):
                index = ((times + offset) * LABEL_RATE).astype(np.int64)
                inside = (index >= 0) & (index < self.labels[at].shape[2])
                found = np.where(inside, self.labels[at][:, :, index.clip(0, self.labels[at].shape[2] - 1)], 0)
                visemes[i, 2 * k : 2 * k + 2], phones[i, 2 * k : 2 * k + 2] = found[:, 0], found[:, 1]
        viseme_target = _shares(visemes, len(VISEMES)).to(self.device)
        phone_target = _shares(phones, len(ARPABET)).to(self.device)
        return torch.from_numpy(sounds).to(self.device), viseme_target, phone_target, phone_target @ self.voiced

    def _steps(self, length: int, plain: bool) -> np.ndarray:
        """[length] where in the sound each sample is read, from 0: speed and pitch, swinging a little."""
        if plain:
            return np.arange(length, dtype=np.float64)
        speed = 1.0 if self.draw.random() < 0.3 else math.exp(self.draw.uniform(*np.log(SPEED)))
        swing = self.draw.uniform(-RUSH, RUSH, 9) * self.draw.random()
        rates = speed * np.exp(np.interp(np.arange(length), np.linspace(0, length, 9), swing))
        return np.cumsum(rates) - rates[0]


def _labels(ends: np.ndarray, phones: np.ndarray, aligned: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """[2, 2, T] at LABEL_RATE: by the synthesiser, by the alignment; viseme and phone index."""
    times = (np.arange(int(ends[-1] * LABEL_RATE)) + 0.5) / LABEL_RATE
    opinions = []
    for stops, names in ((ends, phones), aligned):
        starts = np.concatenate([[0.0], stops[:-1]])
        segments = list(zip(starts, stops, (ARPABET[p] for p in names), strict=True))
        at = np.searchsorted(stops, times, side="right").clip(max=len(names) - 1)
        opinions.append([sample_segments(viseme_segments(segments), times), names[at]])
    return np.array(opinions).astype(np.uint8)


def _shares(labels: np.ndarray, classes: int) -> Tensor:
    """[B, 2K, S] labels, those of both opinions by turns, to their shares [B, S, classes]."""
    one_hot = torch.nn.functional.one_hot(torch.from_numpy(labels), classes).float()
    spoken, aligned = one_hot[:, ::2].mean(1), one_hot[:, 1::2].mean(1)
    return spoken + ALIGNED_TRUST * (aligned - spoken)


class SpeechRun(Run):
    """A training run of the speech encoder's head.

    Args:
        options: see `parse`.
        corpus: what to train on, by default that of --data, which is made if it is not there; some utterances are kept for
            validation.
    """

    PART = NAME = "speech"
    PURPOSE = (
        "Head of the speech encoder: hidden states of Moonshine (see moonshine.json) to 15 visemes, 40 phones and voicing at "
        "50 Hz."
    )
    STEPS, EXPORT_EVERY = 1200, 200
    SMOKE: ClassVar = {"steps": 3, "hours": 0.01, "width": 32}
    SHARES: ClassVar = {"voicing": 0.3}
    EMA = 0.998
    ADAM: ClassVar = {"weight_decay": 0.02, "betas": (0.9, 0.98)}

    def __init__(self, options: argparse.Namespace, corpus: Corpus | None = None) -> None:
        super().__init__(options)
        if corpus is None:
            with self.team.main_process_first():
                build_corpus(options.data, options.texts, options.hours, options.seed)
                align_corpus(options.data, options.texts, options.seed)
            corpus = load_corpus(options.data)
        self.hours = corpus.hours
        self.crops = Crops(_part(corpus, lambda i: i % HELD_OUT != 0), options.seed, self.device)
        self.held_out = _part(corpus, lambda i: i % HELD_OUT == 0)
        self.augment = Augmenter(options.seed, self.device)
        head = SpeechHead(width=options.width).to(self.device)
        self.encoder = SpeechEncoder(Moonshine.load(self.device), head).to(self.device)
        balance = torch.ones(len(VISEMES))
        balance[[VISEMES.index("PP"), VISEMES.index("FF")]] = CLOSURE_WEIGHT
        self.balance = balance.to(self.device)
        self.start(head)

    @torch.no_grad()
    def begin(self) -> None:
        """Take the mean and the spread of what the head reads."""
        sounds = (self.augment(self.crops.batch()[0]) for _ in range(MEASURED_BATCHES))
        states = torch.cat([self.encoder.listen(sound) for sound in sounds])
        self.model.mean.copy_(states.mean((0, 1)))
        self.model.deviation.copy_(states.std((0, 1)))

    def groups(self) -> list[dict[str, Any]]:
        return [{"params": self.learned, "lr": PEAK_RATE}]

    def losses(self) -> dict[str, Tensor]:
        self.crops.draw, self.augment.generator = self.draw, self.generator
        sounds, viseme_target, phone_target, voicing_target = self.crops.batch()
        with torch.no_grad():
            states = self.encoder.listen(self.augment(sounds))
        count = viseme_target.shape[1]
        visemes, voicing, phones, _ = self.model(states)
        log_probability = visemes[:, :count].log_softmax(2)
        weighted = viseme_target * self.balance
        return {
            "viseme": -(weighted * log_probability).sum() / weighted.sum(),
            "phone": -(phone_target * phones[:, :count].log_softmax(2)).sum(2).mean(),
            "voicing": torch.nn.functional.binary_cross_entropy_with_logits(voicing[:, :count], voicing_target),
        }

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Agreement with held-out synthetic speech, over frames that are not silence."""
        model = SpeechEncoder(self.encoder.front, self.averaged).eval()
        crops = Crops(self.held_out, 1, self.device)
        hits = closures = caught = total = 0.0
        for _ in range(VALIDATED_BATCHES):
            sounds, target, *_ = crops.batch(plain=True)
            level = sounds.square().mean(1, keepdim=True).sqrt().clamp(min=1e-3)
            found = model.hear(sounds * (LEVEL / level))[0][:, : target.shape[1]].argmax(2)
            truth = target.argmax(2)
            spoken, closed = truth != 0, truth == VISEMES.index("PP")
            hits += float((found == truth)[spoken].sum())
            total += float(spoken.sum())
            caught += float((found == truth)[closed].sum())
            closures += float(closed.sum())
        agreement, closure = hits / max(total, 1), caught / max(closures, 1)
        return {"held_out_agreement": round(agreement, 4), "held_out_closure_frames": round(closure, 4)}

    def data(self) -> str:
        return (
            f"{self.hours:.1f} hours of synthetic speech with exact phone timings: comments of GoEmotions (Demszky et al. "
            "2020, CC BY 4.0) spoken by flite (slt, rms, awb, kal16), festival (kal, ked, slt-hts) and espeak-ng (22 languages "
            "and accents, 30 voice variants), augmented; the labels of flite and festival are the weighted mean of their own "
            "and pocketsphinx's forced alignment. No recording of a person."
        )

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, required=True, help="folder for the corpus; checkpoints lie there too")
        parser.add_argument("--texts", type=Path, required=True, help="goemotions_train.tsv.gz")
        parser.add_argument("--hours", type=number(0.01, 10000), default=6.2, help="hours of speech in the corpus")
        parser.add_argument("--width", type=whole(1, MOST), default=WIDTH, help="channels of the head")


def _part(corpus: Corpus, wanted: Callable[[int], bool]) -> Corpus:
    chosen = [i for i in range(len(corpus.audio)) if wanted(i)]
    return Corpus(*([part[i] for i in chosen] for part in (corpus.audio, corpus.ends, corpus.phones, corpus.aligned)))


main = SpeechRun.main

"""The speech encoder: Moonshine listens, a small convolution network reads visemes and voicing from its hidden states."""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from ..weights import load_weights
from .features import VISEMES
from .moonshine import HOP, WIDTH, Moonshine
from .phones import ARPABET, ARPABET_VISEMES

RATE = 16000
STEP = 320
FRAME_RATE = RATE / STEP
"""Output frames per second (50); frame i stands for the sound at i / 50 seconds."""
HEARD = (2, 4, 5)
"""Layers of Moonshine that the head reads."""
LEVEL = 0.1
"""Root mean square of the loudest second that Moonshine is to hear: a usual level of recordings."""


def _visemes_of_phones() -> Tensor:
    """[40, 15] shares of the visemes in each phone of ARPABET."""
    shares = torch.zeros(len(ARPABET), len(VISEMES))
    for row, phone in zip(shares, ARPABET, strict=True):
        for name in ARPABET_VISEMES[phone]:
            row[VISEMES.index(name)] += 1 / len(ARPABET_VISEMES[phone])
    return shares


class Block(nn.Module):
    """Residual dilated convolution."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.conv = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop(gelu(self.norm(self.conv(x))))


class SpeechHead(nn.Module):
    """Hidden states of Moonshine at 50 Hz to viseme, phone and voicing logits.

    Args:
        width: channels of every layer and of the embedding.
        dilations: of the residual blocks, in frames.
        dropout: of the input and the blocks, while training.
    """

    def __init__(self, width: int = 192, dilations: tuple[int, ...] = (1, 2, 1), dropout: float = 0.2) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(len(HEARD) * WIDTH))
        self.register_buffer("deviation", torch.ones(len(HEARD) * WIDTH))
        self.drop = nn.Dropout(dropout)
        self.stem = nn.Linear(len(HEARD) * WIDTH, width)
        self.blocks = nn.Sequential(*(Block(width, dilation, dropout) for dilation in dilations))
        self.visemes = nn.Linear(width, len(VISEMES))
        self.voicing = nn.Linear(width, 1)
        self.phones = nn.Linear(width, len(ARPABET))

    def forward(self, states: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits of every frame.

        Args:
            states: [B, S, len(HEARD) * 288], see SpeechEncoder.listen.

        Returns:
            viseme logits [B, S, 15], voicing logits [B, S], phone logits [B, S, 40], embedding [B, S, width].
        """
        x = self.stem(self.drop((states - self.mean) / self.deviation))
        x = self.blocks(x.transpose(1, 2)).transpose(1, 2)
        return self.visemes(x), self.voicing(x)[..., 0], self.phones(x), x


class SpeechEncoder(nn.Module):
    """Moonshine and the head.

    Args:
        front: listens; is never trained here.
        head: reads.
    """

    def __init__(self, front: Moonshine, head: SpeechHead) -> None:
        super().__init__()
        self.front, self.head = front, head
        self.register_buffer("shown", _visemes_of_phones(), persistent=False)

    @classmethod
    def load(cls, device: str | torch.device = "cpu") -> "SpeechEncoder":
        """The shipped weights, ready to hear.

        Raises:
            UserError: a weight file is missing.
        """
        tensors = {name: value.float() for name, value in load_weights("speech").items()}
        head = SpeechHead(width=tensors["stem.weight"].shape[0])
        head.load_state_dict(tensors)
        return cls(Moonshine.load(device), head).to(device).eval()

    @property
    def width(self) -> int:
        """Channels of the embedding."""
        return self.head.stem.out_features

    def listen(self, waveform: Tensor) -> Tensor:
        """What Moonshine hears at each output frame.

        Args:
            waveform: [B, N] at 16 kHz, the loudest second at LEVEL.

        Returns:
            [B, N // STEP + 1, len(HEARD) * 288], straight lines between its frames.
        """
        states = self.front(waveform)
        states = torch.cat([states[layer] for layer in HEARD], 2)
        places = torch.arange(waveform.shape[1] // STEP + 1, device=waveform.device) * (STEP / HOP)
        low = places.long()
        part = (places - low)[:, None]
        return states[:, low].lerp(states[:, (low + 1).clamp(max=states.shape[1] - 1)], part)

    def hear(self, waveform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Probabilities of every output frame.

        Args:
            waveform: [B, N] at 16 kHz, the loudest second at LEVEL.

        Returns:
            visemes [B, S, 15], the geometric mean of what the viseme and the phone output say; voicing [B, S];
            embedding [B, S, width]; S = N // STEP + 1.
        """
        visemes, voicing, phones, hidden = self.head(self.listen(waveform))
        by_phones = (phones.softmax(2) @ self.shown).clamp(min=1e-6).log()
        return ((visemes.log_softmax(2) + by_phones) / 2).softmax(2), voicing.sigmoid(), hidden

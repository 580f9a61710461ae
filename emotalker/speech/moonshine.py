"""The front of the speech encoder: the encoder of Moonshine, a speech recogniser that learned from recordings of people.

Architecture: Jeffries et al. 2024, "Moonshine: Speech Recognition for Live Transcription and Voice Commands"
(arXiv 2410.15608), the tiny English model. Only what the speech encoder listens to is kept: the convolutions and the first
layers of the transformer.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, pad, scaled_dot_product_attention

from ..weights import load_weights

WIDTH, HEADS, ROTARY = 288, 8, 32
"""Channels; attention heads; channels of each head (of 36) that turn with the position."""
HOP = 64 * 3 * 2
"""Samples at 16 kHz from one frame to the next (24 ms)."""
SPAN = 127 + 6 * 64 + 2 * 3 * 64
"""Samples that the convolutions read for one frame."""


class Layer(nn.Module):
    """A layer of the transformer, normalised before attention and before the two-layer perceptron."""

    def __init__(self) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(WIDTH, bias=False)
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))
        self.before_widening = nn.LayerNorm(WIDTH, bias=False)
        self.widen, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor, turn: Tensor) -> Tensor:
        """[B, T, WIDTH] to the same, with the positions' angles `turn` [T, ROTARY / 2] in radians."""
        normal = self.before_attention(x)
        query, key, value = (
            part(normal).unflatten(2, (HEADS, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        heard = scaled_dot_product_attention(_turned(query, turn), _turned(key, turn), value)
        x = x + self.out(heard.transpose(1, 2).flatten(2))
        return x + self.narrow(gelu(self.widen(self.before_widening(x))))


def _turned(x: Tensor, turn: Tensor) -> Tensor:
    """Rotary position embedding of neighbouring pairs of the first ROTARY channels."""
    even, odd = x[..., 0:ROTARY:2], x[..., 1:ROTARY:2]
    cos, sin = turn.cos(), turn.sin()
    pairs = torch.stack([even * cos - odd * sin, odd * cos + even * sin], -1).flatten(-2)
    return torch.cat([pairs, x[..., ROTARY:]], -1)


class Moonshine(nn.Module):
    """Waveforms to the hidden states of Moonshine's encoder.

    Args:
        layers: how many of the six layers of the transformer there are.
    """

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(1, WIDTH, 127, stride=64, bias=False)
        self.norm = nn.GroupNorm(1, WIDTH)
        self.conv2 = nn.Conv1d(WIDTH, 2 * WIDTH, 7, stride=3)
        self.conv3 = nn.Conv1d(2 * WIDTH, WIDTH, 3, stride=2)
        self.layers = nn.ModuleList(Layer() for _ in range(layers))

    @classmethod
    def load(cls, device: str | torch.device = "cpu") -> "Moonshine":
        """The shipped weights, ready to listen.

        Raises:
            UserError: the weight file is missing.
        """
        tensors = unpacked(load_weights("moonshine"))
        model = cls(1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("layers.")))
        model.load_state_dict(tensors)
        return model.to(device).eval().requires_grad_(False)

    def forward(self, waveform: Tensor) -> list[Tensor]:
        """Hidden states, one for the convolutions and one for each layer.

        Args:
            waveform: [B, N] at 16 kHz; the loudest second's root mean square about 0.1 (the network hears the level).

        Returns:
            [B, T, WIDTH] each, with T = N // HOP + 1; frame i is centred on sample i * HOP.
        """
        ends = SPAN // 2, (waveform.shape[1] // HOP) * HOP + SPAN - SPAN // 2 - waveform.shape[1]
        x = self.norm(torch.tanh(self.conv1(pad(waveform, ends)[:, None])))
        x = gelu(self.conv3(gelu(self.conv2(x)))).transpose(1, 2)
        angles = 10000.0 ** (-torch.arange(0, ROTARY, 2, device=x.device) / ROTARY)
        turn = torch.arange(x.shape[1], device=x.device)[:, None] * angles
        states = [x]
        for layer in self.layers:
            states.append(layer(states[-1], turn))
        return states


def unpacked(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights in float32. Those published as bytes ("NAME", with "NAME.scale" and "NAME.zero") are multiplied out.

    Args:
        tensors: as stored.

    Returns:
        Of each NAME its float32 values.
    """
    result = {}
    for name, value in tensors.items():
        if value.dtype == torch.uint8:
            result[name] = (value.float() - tensors[f"{name}.zero"]) * tensors[f"{name}.scale"]
        elif not name.endswith((".scale", ".zero")):
            result[name] = value.float()
    return result

"""The motion denoiser: a small transformer that sees noisy facial motion, the speech and the emotion, and takes noise away.

Two frames are one token. The step's noise level scales and shifts every layer (after PixArt-alpha's single adaptive norm);
positions are rotary; speech and emotion are added frame by frame, and every other layer also looks at tokens of both: of the
speech around, and of the emotions by the Emotion Intensity Block, eight a second.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..arkit import FACE_UNITS
from ..curves import gaussian
from ..emotion.strength_tokens import TOKEN, StrengthTokens
from ..emotion.taxonomy import EMOTIONS
from ..speech.features import VISEMES
from .liveliness import Liveliness

RATE = 25.0
"""Frames per second of the motion that the model knows."""
CHANNELS = len(FACE_UNITS) + 6
"""Face units, then yaw, pitch, roll in degrees and x, y, z in distances between the eyes, as in Motion."""
HEARD = len(VISEMES) + 2
"""Speech a frame: viseme probabilities, voicing, loudness. Nothing else of the encoder's, so that it can be retrained."""
PATCH = 2
STEADY = {
    1.5: ("head", "brow"),
    0.8: ("cheek", "nose", "eyeSquint", "eyeWide", "mouthSmile", "mouthFrown", "mouthDimple", "mouthStretch", "jawForward"),
}
"""Frames (sigma of a Gaussian) over which channels whose names begin so are blurred in every estimate of clean motion: heads
and brows have no faster movement, so that what an estimate has of it is noise. Lips, lids and gaze jump and stay as they
are."""
START_SECONDS = 2.0
"""How long a clip counts as just begun."""
TOKEN_FRAMES = 25
"""The emotions of so many frames, their mean, are one set of tokens."""
CONDITIONS = ("speech", "speech_tokens", "emotion", "emotion_tokens", "start")
"""What steers: speech and emotion frame by frame, the tokens that layers look at, and how long ago the clip began."""


@dataclass(frozen=True)
class Shape:
    """Size of a denoiser.

    Attributes:
        width: channels of a token.
        layers: transformer layers.
        heads: attention heads; width / heads must be even.
        spread: width of the feed-forward layers over `width`.
        speech_width: channels of the speech convolutions.
        without: names of CONDITIONS that the model does not know (for ablation).
    """

    width: int = 224
    layers: int = 6
    heads: int = 4
    spread: int = 3
    speech_width: int = 96
    without: Sequence[str] = ()

    def __post_init__(self):
        object.__setattr__(self, "without", tuple(self.without))  # a card's JSON has a list

    def to_dict(self) -> dict:
        """For a model card."""
        return asdict(self)


@dataclass(frozen=True)
class Conditions:
    """What steers a batch of windows.

    Attributes:
        speech: [B, T, HEARD], T even.
        emotion: [B, T, 8] strengths 0..1.5.
        start: [B, T] seconds since the clip began.
        known: [B, T, CHANNELS] normalised motion of the frames that are given, 0 elsewhere.
        given: [B, T] 1 where a frame is given, else 0.
        hear: [B] 1, or 0 where the speech is left out.
        feel: [B] 1, or 0 where the emotion is left out.
    """

    speech: Tensor
    emotion: Tensor
    start: Tensor
    known: Tensor
    given: Tensor
    hear: Tensor
    feel: Tensor

    def repeat(self, hear: list[float], feel: list[float]) -> "Conditions":
        """The same windows once for each pair of (hear, feel), one after the other along the batch."""
        count = len(self.speech)
        values = {name: value.repeat(len(hear), *[1] * (value.ndim - 1)) for name, value in vars(self).items()}
        values["hear"] = self.hear.new_tensor(hear).repeat_interleave(count)
        values["feel"] = self.feel.new_tensor(feel).repeat_interleave(count)
        return Conditions(**values)


class Steering(NamedTuple):
    """Conditions as the layers take them; the same at every denoising step, so a sampler makes it once.

    Attributes:
        added: [B, S, width] what is added to the tokens of the motion.
        turn: [2, S, width / heads] rotary positions of the motion's tokens.
        seen: keys and values, [B, heads, K, width / heads] each, of every layer that looks.
    """

    added: Tensor
    turn: Tensor
    seen: list[tuple[Tensor, Tensor]]


class MotionDenoiser(nn.Module):
    """Noisy normalised motion and its conditions to the velocity v = α ε - σ x₀ (Salimans, Ho, "Progressive
    distillation", 2022), the diffusion scheduler's "v_prediction".

    Args:
        shape: its size.

    Attributes:
        liveliness: what drawn heads are widened by, if the model card says.
    """

    def __init__(self, shape: Shape | None = None) -> None:
        super().__init__()
        shape = shape or Shape()
        self.shape = shape
        self.liveliness: Liveliness | None = None
        width = shape.width
        self.register_buffer("mean", torch.zeros(CHANNELS))
        self.register_buffer("scale", torch.ones(CHANNELS))
        self.register_buffer("blurs", _blurs(), persistent=False)
        self.motion = nn.Linear(PATCH * (2 * CHANNELS + 1), width)
        self.ear = nn.Sequential(
            nn.Conv1d(HEARD, shape.speech_width, 5, padding=2),
            nn.GELU(),
            nn.Conv1d(shape.speech_width, shape.speech_width, 5, padding=2),
            nn.GELU(),
        )
        self.speech = nn.Linear(PATCH * shape.speech_width, width)
        self.emotion = nn.Linear(PATCH * len(EMOTIONS), width)
        self.start = nn.Linear(PATCH, width)
        self.strength_tokens = StrengthTokens().requires_grad_(False)
        self.tokens = nn.Sequential(nn.Linear(TOKEN, width), nn.GELU(), nn.Linear(width, width))
        self.speech_tokens = nn.Linear(PATCH * shape.speech_width, width)
        self.deaf, self.unfelt = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(width))
        self.no_token = nn.Parameter(torch.zeros(1, 1, width))
        self.no_speech = nn.Parameter(torch.zeros(1, 1, width))
        self.level = nn.Sequential(
            nn.Linear(64, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 6 * width)
        )
        self.layers = nn.ModuleList(Layer(shape, looks=index % 2 == 1) for index in range(shape.layers))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.last = nn.Parameter(torch.zeros(2, width))
        self.out = nn.Linear(width, PATCH * CHANNELS)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        nn.init.zeros_(self.level[-1].weight)
        nn.init.zeros_(self.level[-1].bias)

    def forward(self, noisy: Tensor, steps: Tensor, conditions: Conditions, steering: Steering | None = None) -> Tensor:
        """Predict the velocity.

        Args:
            noisy: [B, T, CHANNELS] normalised motion with noise; T even.
            steps: [B] or [] scheduler time steps, 0..999.
            conditions: of the same batch and T.
            steering: of `steer(conditions)`, if it is made already.

        Returns:
            [B, T, CHANNELS].
        """
        added, turn, seen = steering or self.steer(conditions)
        x = added + self.motion(_patch(torch.cat([noisy, conditions.known, conditions.given[..., None]], 2)))
        level = self.level(_waves(steps.expand(len(x)), 64)).view(len(x), 1, 6, -1)
        seen = iter(seen)
        for layer in self.layers:
            x = layer(x, level, turn, next(seen) if layer.looks else None)
        x = self.norm(x) * (1 + self.last[0]) + self.last[1]
        return self.out(x).view(len(noisy), -1, CHANNELS)

    def steer(self, conditions: Conditions) -> Steering:
        """What the conditions are to the layers."""
        c, without = conditions, self.shape.without
        hear, feel = c.hear[:, None, None], c.feel[:, None, None]
        added, tokens, places = hear.new_zeros(1), [self.no_token.expand(len(hear), -1, -1)], [hear.new_zeros(1)]
        heard = _patch(self.ear(c.speech.transpose(1, 2)).transpose(1, 2))
        if "speech" not in without:
            added = added + hear * self.speech(heard) + (1 - hear) * self.deaf
        if "speech_tokens" not in without:
            tokens.append(hear * self.speech_tokens(heard) + (1 - hear) * self.no_speech)
            places.append(torch.arange(heard.shape[1], device=hear.device))
        if "emotion" not in without:
            added = added + feel * self.emotion(_patch(c.emotion)) + (1 - feel) * self.unfelt
        if "emotion_tokens" not in without:
            means = nn.functional.avg_pool1d(c.emotion.transpose(1, 2), TOKEN_FRAMES, ceil_mode=True).transpose(1, 2)
            felt = self.tokens(self.strength_tokens(means).flatten(1, 2))
            tokens.append(feel * felt + (1 - feel) * self.no_token)
            middles = (torch.arange(means.shape[1], device=hear.device) + 0.5) * TOKEN_FRAMES / PATCH - 0.5
            places.append(middles.repeat_interleave(len(EMOTIONS)))
        if "start" not in without:
            added = added + self.start(_patch((1 - c.start / START_SECONDS).clamp(min=0)[..., None]))
        tokens, turn = torch.cat(tokens, 1), self._turn(torch.cat(places))
        own = self._turn(torch.arange(heard.shape[1], device=hear.device))
        return Steering(added, own, [layer.see(tokens, turn) for layer in self.layers if layer.looks])

    def _turn(self, places: Tensor) -> Tensor:
        return _rotation(places.to(self.mean), self.shape.width // self.shape.heads)

    def normalise(self, motion: Tensor) -> Tensor:
        """Motion [..., CHANNELS] in units and degrees to mean 0 and spread 1."""
        return (motion - self.mean) / self.scale

    def restore(self, values: Tensor) -> Tensor:
        """The inverse of `normalise`."""
        return values * self.scale + self.mean

    def steady(self, motion: Tensor) -> Tensor:
        """Normalised motion [B, T, CHANNELS] without movement faster than each channel has (STEADY)."""
        reach = self.blurs.shape[2] // 2
        padded = nn.functional.pad(motion.transpose(1, 2), (reach, reach), mode="replicate")
        return nn.functional.conv1d(padded, self.blurs, groups=CHANNELS).transpose(1, 2)


class Layer(nn.Module):
    """Self-attention, in every other layer a look at the tokens of speech and emotion, and a feed-forward network.

    Args:
        shape: size of the model.
        looks: whether it looks at the tokens.
    """

    def __init__(self, shape: Shape, looks: bool) -> None:
        super().__init__()
        width = shape.width
        self.heads = shape.heads
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(2))
        self.level = nn.Parameter(torch.zeros(6, width))
        self.level.data[2] = self.level.data[5] = 1.0
        self.qkv = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.looks = looks
        if looks:
            self.look_norm = nn.LayerNorm(width)
            self.ask = nn.Linear(width, width)
            self.answer = nn.Linear(width, 2 * width)
            self.take = nn.Linear(width, width)
            nn.init.zeros_(self.take.weight)
            nn.init.zeros_(self.take.bias)
        self.feed = nn.Sequential(nn.Linear(width, shape.spread * width), Gelu(), nn.Linear(shape.spread * width, width))
        for last in (self.mix, self.feed[-1]):
            nn.init.normal_(last.weight, std=0.02 / math.sqrt(2 * shape.layers))
            nn.init.zeros_(last.bias)

    def see(self, tokens: Tensor, turn: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of tokens [B, K, width] at the places of turn [2, K, width / heads]."""
        k, v = self._split(self.answer(tokens), 2)
        return _rotate(k, turn), v

    def forward(self, x: Tensor, level: Tensor, turn: Tensor, seen: tuple[Tensor, Tensor] | None) -> Tensor:
        """[B, S, width] to the same; level [B, 1, 6, width], turn [2, S, width / heads], seen: of `see`, if it looks."""
        shift, grow, gate, shift_feed, grow_feed, gate_feed = (level + self.level).unbind(2)
        y = torch.addcmul(shift, self.norms[0](x), 1 + grow)
        qkv = self._split(self.qkv(y), 3)
        q, k = _rotate(qkv[:2], turn)
        x = torch.addcmul(x, gate, self.mix(_join(nn.functional.scaled_dot_product_attention(q, k, qkv[2]))))
        if self.looks:
            q = _rotate(self._split(self.ask(self.look_norm(x)), 1)[0], turn)
            x = x + self.take(_join(nn.functional.scaled_dot_product_attention(q, *seen)))
        return torch.addcmul(x, gate_feed, self.feed(torch.addcmul(shift_feed, self.norms[1](x), 1 + grow_feed)))

    def _split(self, x: Tensor, parts: int) -> Tensor:
        return x.view(len(x), x.shape[1], parts, self.heads, -1).permute(2, 0, 3, 1, 4)


class Gelu(nn.Module):
    """GELU by its tanh formula (Hendrycks, Gimpel 2016); outside training in half of torch's own time on a processor."""

    def forward(self, x: Tensor) -> Tensor:
        """[...] to the same."""
        if torch.is_grad_enabled() or x.device.type != "cpu":
            return nn.functional.gelu(x, approximate="tanh")
        slope = math.sqrt(8 / math.pi)
        # (1 + tanh u) / 2 is a sigmoid of 2 u, which is fast
        return (x * x).mul_(0.044715 * slope).add_(slope).mul_(x).sigmoid_().mul_(x)


def _blurs() -> Tensor:
    """[CHANNELS, 1, K] Gaussian kernels of STEADY; channels that are in none keep what they have."""
    reach = math.ceil(3 * max(STEADY))
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernels = (offsets == 0).float().repeat(CHANNELS, 1)
    for index, name in enumerate((*FACE_UNITS, *["head"] * (CHANNELS - len(FACE_UNITS)))):
        for sigma, starts in STEADY.items():
            if name.startswith(starts):
                kernels[index] = gaussian(sigma, reach)
    return kernels[:, None]


def _join(x: Tensor) -> Tensor:
    """[B, heads, S, D] to [B, S, heads * D]."""
    return x.transpose(1, 2).flatten(2)


def _patch(x: Tensor) -> Tensor:
    """[B, T, C] to [B, T / PATCH, PATCH * C]."""
    return x.reshape(len(x), x.shape[1] // PATCH, -1)


def _waves(steps: Tensor, width: int) -> Tensor:
    """[B] time steps to [B, width] sines and cosines (Vaswani et al. 2017)."""
    rates = torch.exp(-math.log(10000) * torch.arange(width // 2, device=steps.device) / (width // 2))
    angles = steps.float()[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], 1)


def _rotation(places: Tensor, width: int) -> Tensor:
    """[2, K, width] cosines and sines of rotary positions (Su et al. 2021) at places [K], in tokens of the motion."""
    rates = 100.0 ** (-torch.arange(0, width, 2, device=places.device, dtype=places.dtype) / width)
    angles = places[:, None] * rates
    angles = torch.cat([angles, angles], 1)
    return torch.stack([angles.cos(), angles.sin()])


def _rotate(x: Tensor, turn: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return x * turn[0] + torch.cat([-second, first], -1) * turn[1]

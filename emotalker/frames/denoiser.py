"""The frame denoiser: a U-Net that knows the guide, the portrait, the sound and the emotion, and paints what the rig cannot.

What is diffused is not the picture but its *residual*: the true picture less the guide, over RESIDUAL. What the network has to
learn then is the difference between rig and truth, not how to copy a face. Pixels are rearranged, not encoded: blocks of 4 x 4
become 48 channels, exactly and back, so that nothing of the person is lost.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from ..diffusion import from_diffusers
from ..emotion.strength_tokens import TOKEN, StrengthTokens
from ..emotion.taxonomy import EMOTIONS
from ..face.arkit import FACE_UNITS
from ..motion.denoiser import HEARD
from .guide import MAPS

BLOCK = 4
STATE = 3 * BLOCK**2
RESIDUAL = 0.085
"""Root mean square of truth less guide (pictures 0..1) in mouths and eyes of the training pairs: residuals are measured in it,
so that the noise schedule, made for data of spread 1, fits."""
EAR = 9
"""Frames of speech at 25 a second around a frame, itself in the middle: 0.36 s."""
MOTION = len(FACE_UNITS) + 6


@dataclass(frozen=True)
class FrameShape:
    """Size of a frame denoiser.

    Attributes:
        size: pixels of the face crop's side: 128, 256 or 384; a multiple of 32.
        channels: of the U-Net's levels; the last two look at the tokens.
        layers: residual blocks in each level.
        tokens: width of the tokens.
        without: conditions that the model does not know (for ablation), of TOKENS.
    """

    size: int = 256
    channels: Sequence[int] = (64, 96, 128, 192)
    layers: int = 1
    tokens: int = 128
    without: Sequence[str] = ()

    def __post_init__(self):
        for name in ("channels", "without"):  # a card's JSON has lists
            object.__setattr__(self, name, tuple(getattr(self, name)))

    def to_dict(self) -> dict:
        """For a model card."""
        return asdict(self)


TOKENS = ("speech", "emotion", "motion")
"""What the U-Net looks at: the sound around the frame, the emotions by EIB's map, and what the face and the head do."""


@dataclass(frozen=True, eq=False)
class PaintConditions:
    """What steers the painting of n frames.

    Attributes:
        guide: [n,3,s,s] 0..1 the rig's picture; portrait [n,3,s,s] the person at rest.
        maps: [n,8,s/4,s/4] of guide.MAPS.
        speech: [n,EAR,HEARD] around each frame; heard [n] 1, or 0 where there is no sound.
        strengths: [n,8] of the emotions.
        motion: [n,58] absolute face units, and the change of the head from the portrait.
        steer: [n] 1, or 0 where sound, emotion and motion are left out.
    """

    guide: Tensor
    portrait: Tensor
    maps: Tensor
    speech: Tensor
    heard: Tensor
    strengths: Tensor
    motion: Tensor
    steer: Tensor

    def unsteered(self) -> "PaintConditions":
        """The same frames, then once more with `steer` 0."""
        values = {name: torch.cat([value, value]) for name, value in vars(self).items()}
        values["steer"] = torch.cat([self.steer, torch.zeros_like(self.steer)])
        return PaintConditions(**values)

    def to(self, device: str | torch.device, dtype: torch.dtype) -> "PaintConditions":
        """The same on a device, in a dtype."""
        return PaintConditions(**{name: value.to(device, dtype) for name, value in vars(self).items()})


class FrameDenoiser(nn.Module):
    """Noisy residual and conditions to the clean residual x₀, the diffusion scheduler's "sample" prediction.

    The clean residual instead of the noise: a network that says nothing then paints nothing, and does not have to carry 48
    channels of noise through all its layers. Noise prediction is the same but for the weight of each noise level.

    Args:
        shape: its size.

    Raises:
        UserError: the package diffusers, whose U-Net it is, cannot be used.
    """

    def __init__(self, shape: FrameShape | None = None) -> None:
        super().__init__()
        shape = shape or FrameShape()
        self.shape = shape
        self.unet = from_diffusers("UNet2DConditionModel")(
            sample_size=shape.size // BLOCK,
            in_channels=3 * STATE + len(MAPS),
            out_channels=STATE,
            layers_per_block=shape.layers,
            block_out_channels=shape.channels,
            down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
            cross_attention_dim=shape.tokens,
            attention_head_dim=32,
            norm_num_groups=16,
        )
        nn.init.zeros_(self.unet.conv_out.weight)
        nn.init.zeros_(self.unet.conv_out.bias)
        self.strength_tokens = StrengthTokens().requires_grad_(False)
        self.speech = nn.Linear(HEARD, shape.tokens)
        self.emotion = nn.Linear(TOKEN, shape.tokens)
        self.motion = nn.Sequential(nn.Linear(MOTION, shape.tokens), nn.GELU(), nn.Linear(shape.tokens, shape.tokens))
        self.register_buffer("motion_scale", _motion_scale())
        self.places = nn.Parameter(0.02 * torch.randn(EAR + len(EMOTIONS) + 1, shape.tokens))
        self.nothing = nn.Parameter(0.02 * torch.randn(EAR + len(EMOTIONS) + 1, shape.tokens))

    def forward(self, noisy: Tensor, steps: Tensor, conditions: PaintConditions, tokens: Tensor | None = None) -> Tensor:
        """Predict the clean residual.

        Args:
            noisy: [n,48,s/4,s/4] noisy residual.
            steps: [n] or [] scheduler time steps.
            conditions: of n frames.
            tokens: of `look`, if they are made already.

        Returns:
            [n,48,s/4,s/4].
        """
        seen = [noisy, *(pixel_unshuffle(2 * picture - 1, BLOCK) for picture in (conditions.guide, conditions.portrait))]
        seen = torch.cat([*seen, conditions.maps], 1).contiguous(memory_format=torch.channels_last)
        tokens = self.look(conditions) if tokens is None else tokens
        return self.unet(seen, steps, tokens, return_dict=False)[0]

    def look(self, c: PaintConditions) -> Tensor:
        """[n,18,tokens] what the U-Net looks at."""
        n, without = len(c.guide), self.shape.without
        counts = (EAR, len(EMOTIONS), 1)
        parts = [
            self.speech(c.speech),
            self.emotion(self.strength_tokens(c.strengths)),
            self.motion(c.motion / self.motion_scale)[:, None],
        ]
        here = torch.stack([c.heard * c.steer, c.steer, c.steer], 1)
        if without:
            here = here * here.new_tensor([name not in without for name in TOKENS])
        share = torch.cat([here[:, i : i + 1].expand(n, count) for i, count in enumerate(counts)], 1)[..., None]
        return share * (torch.cat(parts, 1) + self.places) + (1 - share) * self.nothing


def _motion_scale() -> Tensor:
    """[58] what face units, degrees and distances are divided by to be about as large as each other."""
    return torch.tensor([0.3] * len(FACE_UNITS) + [6.0, 4.0, 4.0] + [0.1] * 3)


def silence() -> Tensor:
    """[EAR,HEARD] of a time in which nothing is heard."""
    speech = torch.zeros(EAR, HEARD)
    speech[:, 0] = 1
    return speech


def to_state(truth: Tensor, guide: Tensor) -> Tensor:
    """Residual [n,48,s/4,s/4] of pictures [n,3,s,s] from their guides."""
    return pixel_unshuffle((truth - guide) / RESIDUAL, BLOCK)


def to_change(state: Tensor) -> Tensor:
    """[n,3,s,s] what a residual [n,48,s/4,s/4] adds to the guide (0..1)."""
    return pixel_shuffle(state, BLOCK) * RESIDUAL

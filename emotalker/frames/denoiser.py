"""The frame denoiser: a U-Net that knows the guide, the portrait, the sound and the emotion, and paints what the rig cannot.

What is diffused is not the picture but its *residual*: the true picture less the guide, over RESIDUAL. What the network has to
learn then is the difference between rig and truth, not how to copy a face. Pixels are rearranged, not encoded: blocks of 4 x 4
become 48 channels, exactly and back, so that nothing of the person is lost.

Some of what is missing is only a pixel or two beside its place: the fit took the expression of the portrait for another, or for
the person's own shape. So before it is painted the guide is moved by a *drift*, which is linear in what the face does and in
what the portrait shows. Moving keeps skin and teeth sharp, at the resolution of the picture and not only at the network's.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, interpolate, pixel_shuffle, pixel_unshuffle

from ..arkit import FACE_UNITS
from ..diffusion import from_diffusers
from ..emotion.strength_tokens import TOKEN, StrengthTokens
from ..emotion.taxonomy import EMOTIONS
from ..errors import short
from ..motion.denoiser import HEARD
from .guide import MAPS
from .sampling import moved

BLOCK = 4
STATE = 3 * BLOCK**2
RESIDUAL = 0.085
"""Root mean square of truth less guide (pictures 0..1) in mouths and eyes of the training pairs: residuals are measured in it,
so that the noise schedule, made for data of spread 1, fits."""
GRID = 16
"""Points along a crop's side at which the drift is told."""
EAR = 9
"""Frames of speech at 25 a second around a frame, itself in the middle: 0.36 s."""
MOTION = len(FACE_UNITS) + 6
TOLD = MOTION + 2 * len(FACE_UNITS)
"""Numbers that are known of a whole frame: its motion, what the portrait shows, what was taken away from it."""
UNIT_SIZE = 0.3
"""A face unit that is clearly there."""


MOST, MOST_LEVELS = 4096, 8
"""Of a shape, so that a file's nonsense is told before a network of it is built."""


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
        for number in (self.size, *self.channels, self.layers, self.tokens):
            if type(number) is not int or not 0 < number <= MOST:
                raise ValueError(f"its shape holds {short(number)}, and a whole number from 1 to {MOST} belongs there")
        if not 1 <= len(self.channels) <= MOST_LEVELS or self.layers > MOST_LEVELS:
            raise ValueError(f"its shape has no level, or more than {MOST_LEVELS} levels or layers")

    def to_dict(self) -> dict:
        """For a model card."""
        return asdict(self)


TOKENS = ("speech", "emotion", "motion")
"""What the U-Net looks at: the sound around the frame, the emotions by EIB's map, and what the face and the head do."""


@dataclass(frozen=True, eq=False)
class PaintConditions:
    """What steers the painting of n frames.

    Attributes:
        guide: [n,3,s,s] 0..1 the rig's picture, moved by the drift; portrait [n,3,s,s] the person at rest.
        maps: [n,8,s/4,s/4] of guide.MAPS.
        speech: [n,EAR,HEARD] around each frame; heard [n] 1, or 0 where there is no sound.
        strengths: [n,8] of the emotions.
        motion: [n,58] absolute face units, and the change of the head from the portrait.
        own: [n,52] face units that the expression recogniser sees in the portrait; taken [n,52] those that the fit took away
            from it.
        steer: [n] 1, or 0 where sound, emotion and motion are left out.
        corner: [n,2] pixels from the crop's corner to that of what is here, if that is only a window of it.
    """

    guide: Tensor
    portrait: Tensor
    maps: Tensor
    speech: Tensor
    heard: Tensor
    strengths: Tensor
    motion: Tensor
    own: Tensor
    taken: Tensor
    steer: Tensor
    corner: Tensor

    def unsteered(self) -> "PaintConditions":
        """The same frames, then once more with `steer` 0."""
        values = {name: torch.cat([value, value]) for name, value in vars(self).items()}
        values["steer"] = torch.cat([self.steer, torch.zeros_like(self.steer)])
        return PaintConditions(**values)

    def drifted(self, flow: Tensor) -> "PaintConditions":
        """The same with the guide moved by a flow [n,2,s,s] of pixels."""
        return replace(self, guide=moved(self.guide.float(), flow.float()).to(self.guide))

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
            class_embed_type="identity",
        )
        nn.init.zeros_(self.unet.conv_out.weight)
        nn.init.zeros_(self.unet.conv_out.bias)
        self.strength_tokens = StrengthTokens().requires_grad_(False)
        self.speech = nn.Linear(HEARD, shape.tokens)
        self.emotion = nn.Linear(TOKEN, shape.tokens)
        self.motion = nn.Sequential(nn.Linear(MOTION, shape.tokens), nn.GELU(), nn.Linear(shape.tokens, shape.tokens))
        # What is known of the whole frame reaches every layer, with the noise level.
        self.known = nn.Sequential(nn.Linear(TOLD, shape.tokens), nn.GELU(), nn.Linear(shape.tokens, 4 * shape.channels[0]))
        nn.init.zeros_(self.known[-1].weight)
        nn.init.zeros_(self.known[-1].bias)
        self.drift = nn.Linear(TOLD, 2 * GRID * GRID).requires_grad_(False)
        nn.init.zeros_(self.drift.weight)
        nn.init.zeros_(self.drift.bias)
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
        known = self.known(self.tell(conditions.motion, conditions.own, conditions.taken, conditions.steer))
        return self.unet(seen, steps, tokens, class_labels=known, return_dict=False)[0]

    def tell(self, motion: Tensor, own: Tensor, taken: Tensor, steer: Tensor) -> Tensor:
        """[n,TOLD] what is known of each whole frame, see PaintConditions: motion and portrait."""
        told = steer[:, None] * float("motion" not in self.shape.without)
        return torch.cat([told * motion / self.motion_scale, own / UNIT_SIZE, taken / UNIT_SIZE], 1)

    def drift_of(self, c: PaintConditions) -> Tensor:
        """[n,2,s/4,s/4] from how many pixels beside its place, right and down, the guide is read; 0 without steering."""
        rows, columns = c.maps.shape[2:]
        y, x = (BLOCK * (torch.arange(count, device=c.maps.device) + 0.5) for count in (rows, columns))
        at = torch.stack([x.expand(rows, -1), y[:, None].expand(-1, columns)], 2) + c.corner.float()[:, None, None]
        return self.drift_at(c.motion, c.own, c.taken, c.steer, at)

    def drift_at(self, motion: Tensor, own: Tensor, taken: Tensor, steer: Tensor, at: Tensor) -> Tensor:
        """[n,2,h,w] the drift at places [n,h,w,2] in pixels of the whole crop; the others see PaintConditions."""
        field = self.drift(self.tell(motion, own, taken, steer)).float().view(-1, 2, GRID, GRID)
        field = grid_sample(field, 2 * at / self.shape.size - 1, padding_mode="border", align_corners=False)
        return field * steer.float()[:, None, None, None]

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
    return torch.tensor([UNIT_SIZE] * len(FACE_UNITS) + [6.0, 4.0, 4.0] + [0.1] * 3)


def silence() -> Tensor:
    """[EAR,HEARD] of a time in which nothing is heard."""
    speech = torch.zeros(EAR, HEARD)
    speech[:, 0] = 1
    return speech


def fine(values: Tensor) -> Tensor:
    """[n,C,s,s] for each pixel of a flow or a share [n,C,s/4,s/4]."""
    return interpolate(values, scale_factor=BLOCK, mode="bilinear", align_corners=False)


def to_state(truth: Tensor, guide: Tensor) -> Tensor:
    """Residual [n,48,s/4,s/4] of pictures [n,3,s,s] from their guides."""
    return pixel_unshuffle((truth - guide) / RESIDUAL, BLOCK)


def to_change(state: Tensor) -> Tensor:
    """[n,3,s,s] what a residual [n,48,s/4,s/4] adds to the guide (0..1)."""
    return pixel_shuffle(state, BLOCK) * RESIDUAL

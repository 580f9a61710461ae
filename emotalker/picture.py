"""A portrait file becomes pixels, whatever kind of picture it is."""

import io
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from torch import Tensor

from .errors import UserError

_SIXTEEN_BIT = {"I;16", "I;16L", "I;16B", "I;16N"}


def load_image(path: str | Path) -> Tensor:
    """The first picture of an image file, upright, in sRGB.

    The camera's orientation is applied, an embedded colour profile is converted to sRGB, CMYK, grey, palette and 16-bit
    pictures become RGB, and of an animation the first frame is taken.

    Args:
        path: any image file that Pillow opens.

    Returns:
        [H, W, C] float32 0..1 on the CPU; C is 3, or 4 where a part of the picture is transparent.

    Raises:
        UserError: no such file, not a picture, damaged or far too large.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no picture {path.name}: choose a file that exists.")
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # Pillow's error at twice that size remains
            image.load()
            return _pixels(ImageOps.exif_transpose(image))
    except UnidentifiedImageError as error:
        raise UserError(f"{path.name} is no picture that can be read: use a PNG, JPEG or WebP file.") from error
    except Image.DecompressionBombError as error:
        raise UserError(f"{path.name} has too many pixels: scale it down, 4096 on the longer side are plenty.") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise UserError(f"{path.name} is damaged: open it in a picture editor and save it again.") from error


def _pixels(image: Image.Image) -> Tensor:
    if image.mode in _SIXTEEN_BIT or image.mode in ("I", "F"):
        return _deep(image)
    alpha = None
    if "A" in image.getbands() or "transparency" in image.info:
        alpha = image.convert("RGBA").getchannel("A")
        if alpha.getextrema()[0] == 255:
            alpha = None
    colours = torch.from_numpy(np.array(_to_srgb(image))).float() / 255
    if alpha is None:
        return colours
    return torch.cat([colours, torch.from_numpy(np.array(alpha)).float()[..., None] / 255], -1)


def _deep(image: Image.Image) -> Tensor:
    """Grey of 16 or 32 bits: whole numbers count to 65535, fractions to 1 (or to 255 where they exceed 1)."""
    grey = torch.from_numpy(np.array(image).astype(np.float32)).nan_to_num()
    scale = 65535.0 if image.mode != "F" else (1.0 if grey.max() <= 1 else 255.0)
    return (grey / scale).clamp(0, 1)[..., None].expand(-1, -1, 3).contiguous()


def _to_srgb(image: Image.Image) -> Image.Image:
    """RGB in the sRGB colour space; a profile that cannot be used is left aside, as picture viewers do."""
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "RGBA", "CMYK", "L", "LAB"):
        base = image.convert("RGB") if image.mode == "RGBA" else image
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(base, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    return image.convert("RGB")

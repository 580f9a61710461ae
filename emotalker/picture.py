"""A portrait file becomes pixels, whatever kind of picture it is."""

import io
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError, features
from torch import Tensor

from .errors import UserError, quoted

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", *(("AVIF",) if features.check("avif") else ()))
"""Of picture files, as Pillow names them: those that portraits come in. Others stay closed, above all PostScript, which Pillow
hands to another program."""
MEGAPIXELS = 64.0
"""The largest picture that is unfolded, unless the environment variable EMOTALKER_MEGAPIXELS says another number."""
_SIXTEEN_BIT = {"I;16", "I;16L", "I;16B", "I;16N"}


def load_image(path: str | Path) -> Tensor:
    """The first picture of an image file, upright, in sRGB.

    The camera's orientation is applied, an embedded colour profile is converted to sRGB, CMYK, grey, palette and 16-bit
    pictures become RGB, and of an animation the first frame is taken.

    Args:
        path: a file in one of FORMATS, of MEGAPIXELS at most.

    Returns:
        [H, W, C] float32 0..1 on the CPU; C is 3, or 4 where a part of the picture is transparent.

    Raises:
        UserError: no such file, not a picture, damaged or too large; told before anything is unfolded.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no picture {quoted(path.name)}: choose a file that exists.")
    most = _most_megapixels()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow tells of what it mends by itself; what it cannot mend it raises
            with Image.open(path, formats=FORMATS) as image:
                megapixels = image.width * image.height / 1e6
                if megapixels > most:
                    raise UserError(_too_large(path.name, f"{megapixels:.0f} megapixels", most))
                image.load()
                return _pixels(ImageOps.exif_transpose(image))
    except UserError:
        raise
    except UnidentifiedImageError as error:
        raise UserError(f"{path.name} is no picture that can be read: use a PNG, JPEG or WebP file.") from error
    except Image.DecompressionBombError as error:  # Pillow's own limit, which the variable cannot lift
        raise UserError(_too_large(path.name, "more megapixels than can be read", most)) from error
    except Exception as error:  # decoders raise whatever a spoilt byte leads them to: struct.error, KeyError, MemoryError, ...
        raise UserError(f"{path.name} is damaged: open it in a picture editor and save it again.") from error


def _most_megapixels() -> float:
    told = os.environ.get("EMOTALKER_MEGAPIXELS", "")
    try:
        most = float(told or MEGAPIXELS)
    except ValueError:
        most = 0.0
    if not most > 0:
        raise UserError(f"the environment variable EMOTALKER_MEGAPIXELS is {quoted(told)}: set a number above 0, or unset it.")
    return most


def _too_large(name: str, size: str, most: float) -> str:
    return (
        f"{name} has {size}, and the limit is {most:g}: scale it down (4096 pixels on the longer side are plenty), or set the "
        "environment variable EMOTALKER_MEGAPIXELS to a higher number."
    )


def _pixels(image: Image.Image) -> Tensor:
    if image.mode in _SIXTEEN_BIT or image.mode in ("I", "F"):
        return _deep(image)
    alpha = None
    if "A" in image.getbands() or "transparency" in image.info:
        alpha = image.convert("RGBA").getchannel("A")
        if alpha.getextrema()[0] == 255:
            alpha = None
    colours = torch.from_numpy(np.array(_to_srgb(image)))
    if alpha is not None:
        colours = torch.cat([colours, torch.from_numpy(np.array(alpha))[..., None]], -1)
    return colours.float().div_(255)


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
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # or Pillow warns that half-transparent palettes lose something
    return image.convert("RGB")

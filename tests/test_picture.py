"""Any kind of picture file becomes upright sRGB pixels; what is none is named."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from emotalker.errors import UserError
from emotalker.picture import load_image


def half_red(size=(40, 20)):
    """Left half red, right half blue."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, : size[0] // 2, 0] = 255
    pixels[:, size[0] // 2 :, 2] = 255
    return Image.fromarray(pixels)


@pytest.mark.parametrize("mode", ["RGB", "P", "CMYK", "RGBA"])
def test_modes_become_rgb(tmp_path, mode):
    half_red().convert(mode).save(tmp_path / "picture.tiff")
    image = load_image(tmp_path / "picture.tiff")
    assert image.shape == (20, 40, 3) and image.dtype == torch.float32
    assert (image[0, 0] - torch.tensor([1.0, 0, 0])).abs().max() < 0.02


def test_the_cameras_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the picture is to be turned clockwise
    half_red().save(tmp_path / "picture.jpg", exif=exif, quality=95)
    image = load_image(tmp_path / "picture.jpg")
    assert image.shape == (40, 20, 3)
    assert image[5, 10, 0] > 0.9 and image[35, 10, 2] > 0.9, "left became top"


def test_a_colour_profile_is_converted(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    grey = Image.new("RGB", (4, 4), (128, 128, 128))
    lab = ImageCms.profileToProfile(grey, ImageCms.createProfile("sRGB"), profile, outputMode="LAB")
    lab.save(tmp_path / "picture.tiff", icc_profile=profile.tobytes())
    assert (load_image(tmp_path / "picture.tiff") - 128 / 255).abs().max() < 0.02


def test_a_broken_colour_profile_is_left_aside(tmp_path):
    half_red().save(tmp_path / "picture.png", icc_profile=b"nonsense")
    assert load_image(tmp_path / "picture.png")[0, 0, 0] == 1


def test_only_real_transparency_is_handed_on(tmp_path):
    picture = half_red().convert("RGBA")
    picture.putpixel((0, 0), (255, 0, 0, 100))
    picture.save(tmp_path / "picture.png")
    image = load_image(tmp_path / "picture.png")
    assert image.shape == (20, 40, 4)
    assert image[0, 0, 3] == pytest.approx(100 / 255) and image[1, 1, 3] == 1


@pytest.mark.parametrize(("dtype", "top"), [(np.uint16, 65535), (np.uint8, 255), (np.float32, 1)])
def test_grey_of_any_depth(tmp_path, dtype, top):
    ramp = (np.linspace(0, 1, 30)[None].repeat(4, 0) * top).astype(dtype)
    Image.fromarray(ramp).save(tmp_path / "picture.tiff")
    image = load_image(tmp_path / "picture.tiff")
    assert image.shape == (4, 30, 3)
    assert (image[0, :, 1] - torch.linspace(0, 1, 30)).abs().max() < 0.01


def test_an_animation_gives_its_first_frame(tmp_path):
    half_red().save(tmp_path / "picture.gif", save_all=True, append_images=[Image.new("RGB", (40, 20), (0, 255, 0))])
    assert load_image(tmp_path / "picture.gif")[0, 0, 0] == 1


def test_what_is_no_picture_is_named(tmp_path):
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(UserError, match=r"text\.png is no picture"):
        load_image(tmp_path / "text.png")
    with pytest.raises(UserError, match="choose a file that exists"):
        load_image(tmp_path / "none.png")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_damaged_picture_is_named(tmp_path, format):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)).save(buffer, format)
    (tmp_path / "half.png").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    with pytest.raises(UserError, match=r"half\.png is (damaged|no picture)"):
        load_image(tmp_path / "half.png")


def test_postscript_is_never_opened(tmp_path):
    for name in ("postscript.png", "postscript.eps"):
        (tmp_path / name).write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\n(x) print quit\n")
        with pytest.raises(UserError, match=rf"{name} is no picture"):
            load_image(tmp_path / name)


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that says its size and breaks off where pixels begin."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) + chunk(b"IDAT", b"")


def test_a_huge_picture_is_refused_before_it_unfolds(tmp_path, monkeypatch):
    path = tmp_path / "huge.png"
    path.write_bytes(png_of_size(13300, 13300))
    with pytest.raises(UserError, match=r"177 megapixels, and the limit is 64.*EMOTALKER_MEGAPIXELS"):
        load_image(path)
    monkeypatch.setenv("EMOTALKER_MEGAPIXELS", "177")
    with pytest.raises(UserError, match="damaged"):  # now it is unfolded, and there are no pixels
        load_image(path)
    path.write_bytes(png_of_size(100000, 100000))
    with pytest.raises(UserError, match="limit is 177"):
        load_image(path)


@pytest.mark.parametrize("told", ["none", "-1", "nan"])
def test_a_limit_that_is_no_number_is_told(tmp_path, monkeypatch, told):
    half_red().save(tmp_path / "picture.png")
    monkeypatch.setenv("EMOTALKER_MEGAPIXELS", told)
    with pytest.raises(UserError, match=f'EMOTALKER_MEGAPIXELS is "{told}"'):
        load_image(tmp_path / "picture.png")


def test_a_palette_with_half_transparent_colours_is_read_without_a_warning(tmp_path):
    picture = half_red().convert("P")
    picture.info["transparency"] = bytes([100, 255] * 128)
    picture.save(tmp_path / "picture.png")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        image = load_image(tmp_path / "picture.png")
    assert not said and image.shape == (20, 40, 4)
    assert (image[0, 0, :3] - torch.tensor([1.0, 0, 0])).abs().max() < 0.02

"""GIF, animated WebP and PNG sequences: formats of pictures, without a sound track."""

import json
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.filter import Graph
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from .audio import Sound, write_wav
from .container import add_encoder

GIF_FPS_LIMIT = 50  # a GIF counts in 1/100 s, and browsers slow down frames shorter than 2/100 s
EXIF_TAGS = {"prompt": 0x0110, "workflow": 0x010F}  # Model and Make: where ComfyUI keeps and looks for them in WebP files
EXIF_DESCRIPTION = 0x010E  # all else, as one JSON text: other numbers stand for values that are no text


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class GifWriter:
    """Two passes: the frames wait losslessly in a file while one palette for all of them is gathered."""

    def __init__(self, target: Path, rate: Fraction, width: int, height: int, quality: int, metadata: dict):
        self.width, self.height = width, height
        self._target, self._rate, self._metadata = target, rate, metadata
        self._colours = round(32 + (256 - 32) * min(quality, 85) / 85)
        self._every = int(-(-rate // GIF_FPS_LIMIT))  # keep one frame of so many
        self._seen = 0
        self._waiting = target.with_suffix(".mkv")
        self._spool = av.open(str(self._waiting), mode="w")
        self._lossless = add_encoder(self._spool, "ffv1", rate=rate, options={"level": "3"})
        self._lossless.width, self._lossless.height, self._lossless.pix_fmt = width, height, "bgr0"
        self._palette = Graph()
        source = self._palette.add_buffer(
            width=width, height=height, format=av.VideoFormat("bgra"), time_base=1 / rate
        )  # fmt: skip
        maker = self._palette.add("palettegen", f"max_colors={self._colours}")
        sink = self._palette.add("buffersink")
        source.link_to(maker)
        maker.link_to(sink)
        self._palette.configure()

    def write(self, picture: np.ndarray) -> None:
        """Adds one frame [H, W, 3] uint8."""
        if self._seen % self._every == 0:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgra")
            frame.pts, frame.time_base = self._seen, 1 / self._rate
            self._palette.push(frame)
            self._spool.mux(self._lossless.encode(frame.reformat(format="bgr0")))
        self._seen += 1

    def close(self, tick: Callable[[], None]) -> None:
        """Second pass: writes the GIF; tick is called for every frame."""
        self._spool.mux(self._lossless.encode(None))
        self._spool.close()
        self._palette.push(None)
        palette = self._palette.pull()
        with av.open(str(self._waiting)) as source, av.open(str(self._target), mode="w", format="gif") as gif:
            track = gif.add_stream("gif", rate=self._rate / self._every)
            track.width, track.height, track.pix_fmt = self.width, self.height, "pal8"
            track.time_base = track.codec_context.time_base = Fraction(1, 100)
            painter = _Painter(palette, self.width, self.height, self._rate)
            for frame in source.decode(video=0):
                tick()
                painted = painter.paint(frame)
                painted.pts, painted.time_base = round(frame.time * 100), Fraction(1, 100)
                gif.mux(track.encode(painted))
            gif.mux(track.encode(None))
        self._waiting.unlink()
        self._add_comment()

    def _add_comment(self) -> None:
        """Puts the metadata into a comment block before the GIF's last byte."""
        if not self._metadata:
            return
        text = json.dumps(self._metadata).encode()
        blocks = b"".join(bytes([len(text[i : i + 255])]) + text[i : i + 255] for i in range(0, len(text), 255))
        with open(self._target, "r+b") as file:
            file.seek(-1, 2)
            file.write(b"\x21\xfe" + blocks + b"\x00\x3b")

    def abandon(self) -> None:
        """Lets go of what waits; it lies beside the draft and goes with it."""
        self._spool.close()


class _Painter:
    """Maps frames to a palette."""

    def __init__(self, palette: av.VideoFrame, width: int, height: int, rate: Fraction):
        self._graph = Graph()  # kept: the filters below live only as long as their graph
        self._frames = self._graph.add_buffer(
            width=width, height=height, format=av.VideoFormat("bgra"), time_base=1 / rate
        )  # fmt: skip
        colours = self._graph.add_buffer(
            width=palette.width, height=palette.height, format=palette.format, time_base=1 / rate
        )  # fmt: skip
        # An ordered pattern keeps still where the picture does; error diffusion flickers and drifts near pure colours.
        use = self._graph.add("paletteuse", "dither=bayer:bayer_scale=3:diff_mode=rectangle")
        self._sink = self._graph.add("buffersink")
        self._frames.link_to(use, 0, 0)
        colours.link_to(use, 0, 1)
        use.link_to(self._sink)
        self._graph.configure()
        palette.pts, palette.time_base = 0, 1 / rate
        colours.push(palette)
        colours.push(None)

    def paint(self, frame: av.VideoFrame) -> av.VideoFrame:
        """A frame in the palette's colours."""
        picture = frame.reformat(format="bgra")
        picture.pts, picture.time_base = frame.pts, frame.time_base
        self._frames.push(picture)
        return self._sink.pull()


class WebpWriter:
    """Animated WebP; the encoder keeps compressed frames only."""

    def __init__(self, target: Path, rate: Fraction, width: int, height: int, quality: int, metadata: dict):
        self.width, self.height = width, height
        self._target, self._rate, self._metadata = target, rate, metadata
        self._count = 0
        self._container = av.open(str(target), mode="w", format="webp", options={"loop": "0"})
        options = {"quality": str(quality), "compression_level": "3"}
        self._track = add_encoder(self._container, "libwebp_anim", rate=rate, options=options)
        self._track.width, self._track.height, self._track.pix_fmt = width, height, "bgra"
        self._track.time_base = self._track.codec_context.time_base = 1 / rate

    def write(self, picture: np.ndarray) -> None:
        """Adds one frame [H, W, 3] uint8."""
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgra")
        frame.pts, frame.time_base = self._count, 1 / self._rate
        self._count += 1
        self._container.mux(self._track.encode(frame))

    def close(self, tick: Callable[[], None]) -> None:
        """Ends the file and adds the metadata."""
        tick()
        self._container.mux(self._track.encode(None))
        self._container.close()
        if self._metadata:
            self._add_exif()

    def _add_exif(self) -> None:
        exif = Image.Exif()
        others = {key: value for key, value in self._metadata.items() if key not in EXIF_TAGS}
        for key, tag in EXIF_TAGS.items():
            if key in self._metadata:
                exif[tag] = f"{key}:{_as_text(self._metadata[key])}"
        if others:
            exif[EXIF_DESCRIPTION] = f"emotalker:{json.dumps(others)}"
        data = exif.tobytes()
        with open(self._target, "r+b") as file:
            head = file.read(21)
            if head[12:16] != b"VP8X":  # equal pictures become one still, whose short form has no room for metadata
                file.seek(12)
                still = file.read()
                size = (self.width - 1).to_bytes(3, "little") + (self.height - 1).to_bytes(3, "little")
                head = head[:12] + b"VP8X" + struct.pack("<I", 10) + bytes(4) + size
                file.seek(0)
                file.write(head + still)
            file.seek(0, 2)
            file.write(b"EXIF" + struct.pack("<I", len(data)) + data + b"\x00" * (len(data) % 2))
            size = file.tell() - 8
            file.seek(4)
            file.write(struct.pack("<I", size))
            file.seek(20)
            file.write(bytes([head[20] | 0x08]))  # the VP8X flag that says there is EXIF

    def abandon(self) -> None:
        """Lets go of the file."""
        self._container.close()


class PngWriter:
    """A folder of frame_00000.png, frame_00001.png, ... and, with a sound, sound.wav."""

    def __init__(self, target: Path, rate: Fraction, width: int, height: int, sound: Sound | None, metadata: dict):
        self.width, self.height = width, height
        self._target, self._rate, self._sound = target, rate, sound
        self._count = 0
        self._info = PngInfo()
        for key, value in metadata.items():
            self._info.add_text(key, _as_text(value))
        target.mkdir(parents=True)

    def write(self, picture: np.ndarray) -> None:
        """Adds one frame [H, W, 3] uint8."""
        name = self._target / f"frame_{self._count:05d}.png"
        Image.fromarray(picture).save(name, pnginfo=self._info, compress_level=4)
        self._count += 1

    def close(self, tick: Callable[[], None]) -> None:
        """Writes the sound."""
        tick()
        if self._sound is not None:
            write_wav(self._target / "sound.wav", self._sound)

    def abandon(self) -> None:
        """Nothing is open."""

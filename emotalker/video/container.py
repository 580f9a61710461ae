"""MP4 and WebM: one video track, one sound track, fed side by side."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from ..errors import UserError
from .audio import Sound

ITU709 = 1  # the same number in FFmpeg's lists of matrices, primaries and transfer curves
LIMITED = 1  # AVCOL_RANGE_MPEG: luma 16..235


@dataclass(frozen=True)
class Codec:
    """How a container is encoded.

    Attributes:
        video, audio: encoder names.
        crf: (at quality 1, at quality 100) constant rate factor.
        options: further options of the video encoder.
        muxer: options of the container.
        rates: sample rates the sound may keep, Hz; others become 48 kHz.
        bits_per_channel: bit rate of the sound.
    """

    video: str
    audio: str
    crf: tuple[int, int]
    options: dict[str, str]
    muxer: dict[str, str] = field(default_factory=dict)
    rates: tuple[int, ...] = ()
    bits_per_channel: int = 96_000


CONTAINERS: dict[str, Codec] = {
    "mp4": Codec(
        video="libx264",
        audio="aac",
        crf=(40, 14),
        options={"preset": "veryfast"},
        # use_metadata_tags: what core's SaveVideo sets, so that ComfyUI finds prompt and workflow in the file
        muxer={"movflags": "use_metadata_tags+faststart"},
        rates=(16000, 22050, 24000, 32000, 44100, 48000),
    ),
    "webm": Codec(
        video="libvpx-vp9",
        audio="libopus",
        crf=(55, 22),
        options={"b": "0", "deadline": "realtime", "cpu-used": "5", "row-mt": "1"},
        rates=(16000, 24000, 48000),
        bits_per_channel=64_000,
    ),
}

LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1"}


def add_encoder(container: av.container.OutputContainer, name: str, **settings) -> av.stream.Stream:
    """A new stream of a file.

    Raises:
        UserError: PyAV was built without this encoder.
    """
    try:
        return container.add_stream(name, **settings)
    except (ValueError, av.error.FFmpegError) as error:
        raise UserError(
            f"This installation of PyAV has no encoder {name}: install it again (pip install --force-reinstall av)."
        ) from error


class ContainerWriter:
    """Writes one MP4 or WebM file, frame by frame. Colours are BT.709, limited range, and tagged so."""

    def __init__(
        self,
        target: Path | BytesIO,
        format: str,
        rate: Fraction,
        width: int,
        height: int,
        sound: Sound | None,
        quality: int,
        metadata: dict,
    ):
        codec = CONTAINERS[format]
        self.width, self.height = width + width % 2, height + height % 2  # 4:2:0 colour needs even sizes
        self._grow = ((0, height % 2), (0, width % 2), (0, 0))
        self._rate = rate
        self._count = 0
        self._colours = VideoReformatter()
        muxer = dict(codec.muxer)
        if isinstance(target, BytesIO) and "movflags" in muxer:
            muxer["movflags"] = muxer["movflags"].replace("+faststart", "")  # it reads the file again by its name
        place = target if isinstance(target, BytesIO) else str(target)
        self._container = av.open(place, mode="w", format=format, options=muxer)
        for key, value in metadata.items():
            self._container.metadata[key] = value if isinstance(value, str) else json.dumps(value)
        self._video = self._video_track(codec, quality)
        self._sound = SoundTrack(self._container, codec, sound) if sound is not None else None

    def _video_track(self, codec: Codec, quality: int) -> av.VideoStream:
        low, high = codec.crf
        crf = round(low + (high - low) * (quality - 1) / 99)
        options = {"crf": str(crf), **codec.options}
        track = add_encoder(self._container, codec.video, rate=self._rate, options=options)
        track.width, track.height, track.pix_fmt = self.width, self.height, "yuv420p"
        track.time_base = 1 / self._rate
        context = track.codec_context
        context.time_base = 1 / self._rate
        context.colorspace = context.color_primaries = context.color_trc = ITU709
        context.color_range = LIMITED
        return track

    def write(self, picture: np.ndarray) -> None:
        """Adds one frame [H, W, 3] uint8 and the sound that is heard while it shows."""
        if self._grow[0][1] or self._grow[1][1]:
            picture = np.pad(picture, self._grow, mode="edge")
        frame = self._colours.reformat(
            av.VideoFrame.from_ndarray(picture, format="rgb24"),
            format="yuv420p",
            src_colorspace="ITU709",
            dst_colorspace="ITU709",
            src_color_range="JPEG",
            dst_color_range="MPEG",
        )
        frame.pts, frame.time_base = self._count, 1 / self._rate
        self._count += 1
        self._container.mux(self._video.encode(frame))
        if self._sound is not None:
            self._sound.feed(self._count / self._rate)

    def close(self, tick: Callable[[], None]) -> None:
        """Writes what the encoders still hold and ends the file; tick is called between steps that take time."""
        tick()
        self._container.mux(self._video.encode(None))
        if self._sound is not None:
            self._sound.finish(self._count / self._rate)
        self._container.close()

    def abandon(self) -> None:
        """Lets go of the file without caring for its content."""
        self._container.close()


class SoundTrack:
    """The sound track of a container that is being written."""

    def __init__(self, container: av.container.OutputContainer, codec: Codec, sound: Sound):
        waveform = sound.waveform
        if waveform.shape[0] not in LAYOUTS:  # PyAV lays out no more than seven planes
            waveform = waveform.float().mean(0, keepdim=True)
        self._waveform = waveform
        self._rate = sound.sample_rate
        self._layout = LAYOUTS[waveform.shape[0]]
        self._container = container
        self._done = 0
        layout = "mono" if waveform.shape[0] == 1 else "stereo"
        rate = self._rate if self._rate in codec.rates else 48000
        self._track = add_encoder(container, codec.audio, rate=rate, layout=layout)
        self._track.bit_rate = codec.bits_per_channel * (1 if layout == "mono" else 2)

    def feed(self, until: Fraction) -> None:
        """Encodes the sound up to a moment (seconds)."""
        end = min(int(until * self._rate), self._waveform.shape[-1])
        if end > self._done:
            piece = self._waveform[:, self._done : end].float().nan_to_num().clamp(-1, 1).cpu().numpy()
            self._encode(piece)

    def finish(self, until: Fraction) -> None:
        """Encodes the rest, then silence up to the end of the pictures, and empties the encoder."""
        self.feed(Fraction(self._waveform.shape[-1] + 1, self._rate))
        missing = int(until * self._rate) - self._done
        while missing > 0:
            length = min(missing, self._rate)
            self._encode(np.zeros((self._waveform.shape[0], length), np.float32))
            missing -= length
        self._container.mux(self._track.encode(None))

    def _encode(self, piece: np.ndarray) -> None:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), format="fltp", layout=self._layout)
        frame.sample_rate = self._rate
        frame.pts, frame.time_base = self._done, Fraction(1, self._rate)
        self._done += piece.shape[1]
        self._container.mux(self._track.encode(frame))

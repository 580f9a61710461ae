"""The sampler's VIDEO: nothing is rendered until a node saves it or asks for its frames."""

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from io import BytesIO

import comfy.model_management as memory
import torch
from comfy_api.latest import Input, Types

from ..emotalker.errors import UserError
from ..emotalker.face.portrait import Portrait
from ..emotalker.frames.guide import GuideRenderer
from ..emotalker.frames.painting import Painting
from ..emotalker.motion.motion import Motion
from ..emotalker.video.audio import Sound
from ..emotalker.video.encode import exact_rate, write_video
from .kept import Kept
from .model import PaintModel, paint_model
from .progress import Progress
from .support import device, make_room, without_running_out

CHUNK, CHUNK_PIXELS = 4, 1 << 20  # frames, and pixels, rendered at once at most: Cancel takes effect between two chunks
BYTES_PER_PIXEL = 600  # rough need of the renderer for one pixel of a chunk, for ComfyUI's memory management
BYTES_PER_FACE = 160 << 20  # of the frame diffusion for one frame, rough
FORMATS = {"auto": "mp4", "mp4": "mp4", "webm": "webm"}
CODECS = {"auto", "h264"}


class TalkingVideo(Input.Video):
    """A portrait under motion, with its sound, as core's VIDEO type."""

    def __init__(
        self,
        portrait: Portrait,
        motion: Motion,
        audio: dict,
        start: int = 0,
        stop: int | None = None,
        painting: Painting | None = None,
        model: PaintModel | None = None,
        kept: Kept | None = None,
    ):
        """
        Args:
            portrait: whom.
            motion: the whole performance.
            audio: ComfyUI's AUDIO of the whole performance.
            start, stop: the frames of it that this video is; None is the end.
            painting: how faces are painted; None leaves them as the rig moves them.
            model: what paints; None is the built-in frame diffusion.
            kept: the frames of this performance that were drawn before; None for a performance of its own.
        """
        self._portrait, self._motion, self._audio, self._painting, self._model = portrait, motion, audio, painting, model
        self._start, self._stop = start, len(motion) if stop is None else stop
        self._kept = kept or Kept()

    def frames(self, on_step: Callable[[int, torch.Tensor], None] | None = None) -> Iterator[torch.Tensor]:
        """Yields [n, H, W, 3] uint8, rendered once for all nodes that ask. Memory stays the same for any length.

        Args:
            on_step: called with the number of frames done and the face [3, s, s] being painted after each painting step.
        """
        found = self._kept.find(self._start, self._stop)
        yield from self._kept.keep(self._draw(on_step), self._start, self._stop) if found is None else found

    def _draw(self, on_step: Callable[[int, torch.Tensor], None] | None) -> Iterator[torch.Tensor]:
        height, width = self._portrait.image.shape[:2]
        chunk = max(1, min(CHUNK, CHUNK_PIXELS // (height * width)))
        make_room(chunk * height * width * BYTES_PER_PIXEL)
        renderer, options = GuideRenderer(self._portrait, device()), {}
        if self._painting is not None:
            paints = self._model or paint_model()
            memory.load_models_gpu([paints.patcher], memory_required=chunk * BYTES_PER_FACE)
            options["paint"] = self._painting.painter(paints.model, renderer, self._motion, on_step)
        # Chunks always begin at the same frames, so that a part is rendered to the very pixels of the whole.
        begin, end = self._start - self._start % chunk, min(len(self._motion), self._stop + -self._stop % chunk)
        position = begin
        for frames in without_running_out(
            lambda start, stop, size: renderer.stream(self._motion, size, start, stop, torch.uint8, **options),
            begin,
            end,
            chunk,
        ):
            wanted = frames[max(0, self._start - position) : max(0, self._stop - position)]
            position += len(frames)
            if len(wanted):
                yield wanted

    def rendered(self) -> Iterator[torch.Tensor]:
        """As `frames`, with progress and preview in the node that asks; raises when the user cancels."""
        progress = Progress(self.get_frame_count())
        done = 0

        def painted(number: int, face: torch.Tensor) -> None:
            picture = (face.permute(1, 2, 0) * 255).byte()
            progress.show(min(max(done, number - self._start), self.get_frame_count() - 1), picture)

        for frames in self.frames(painted):
            done += len(frames)
            progress.show(done, frames[-1])
            yield frames

    def range(self, start: int, stop: int) -> "TalkingVideo":
        """Frames start..stop of this video as a video."""
        start, stop = self._start + start, min(self._stop, self._start + stop)
        return TalkingVideo(self._portrait, self._motion, self._audio, start, stop, self._painting, self._model, self._kept)

    def sound(self) -> dict:
        """ComfyUI's AUDIO of exactly this video's time."""
        waveform, rate = self._audio["waveform"], self._audio["sample_rate"]
        first = round(self._start / self._motion.fps * rate)
        last = None if self._stop >= len(self._motion) else round(self._stop / self._motion.fps * rate)
        return {"waveform": waveform[..., first:last], "sample_rate": rate}

    def get_components(self):
        height, width = self._portrait.image.shape[:2]
        images = torch.empty(self.get_frame_count(), height, width, 3, device=memory.intermediate_device())
        done = 0
        for frames in self.rendered():
            images[done : done + len(frames)] = frames.to(images.device).float() / 255
            done += len(frames)
        return Types.VideoComponents(images=images, audio=self.sound(), frame_rate=self.get_frame_rate())

    def save_to(self, path, format="auto", codec="auto", metadata=None, crf=None, bit_depth=None, color_space=None, **_):
        """Renders into a file or buffer. Newer cores hand on more wishes than 0.3.75 does; the impossible ones are errors."""
        format, codec = getattr(format, "value", format), getattr(codec, "value", codec)
        if format not in FORMATS or codec not in CODECS:
            raise UserError(f"The video cannot be saved as {format} with {codec}: choose mp4 and h264, or use Video Combine.")
        if color_space not in (None, "auto", "sRGB") or bit_depth not in (None, 8):
            raise UserError("A talking portrait has 8 bits and the colours of its picture: choose sRGB and 8 bits.")
        quality = 85 if crf is None else round(min(max((40 - crf) / 26 * 99 + 1, 1), 100))
        target = path if isinstance(path, BytesIO) else str(path)
        audio = self.sound()
        sound = Sound(audio["waveform"][0], audio["sample_rate"])
        write_video(self.rendered(), target, self.get_frame_rate(), sound, FORMATS[format], quality, metadata)

    def as_trimmed(self, start_time=None, duration=None, strict_duration=False):
        """A part in seconds, as newer cores ask for it; None when nothing would be left."""
        fps, count = self.get_frame_rate(), self.get_frame_count()
        seconds = start_time or 0.0
        start = round(seconds * fps) if seconds >= 0 else max(0, count + round(seconds * fps))
        stop = start + math.ceil(duration * fps - 1e-6) if duration else count
        if start >= count or stop <= start or (strict_duration and stop > count):
            return None
        return self.range(start, min(stop, count))

    def get_dimensions(self) -> tuple[int, int]:
        height, width = self._portrait.image.shape[:2]
        return width, height

    def get_duration(self) -> float:
        return float(self.get_frame_count() / self.get_frame_rate())

    def get_frame_count(self) -> int:
        return self._stop - self._start

    def get_frame_rate(self) -> Fraction:
        return exact_rate(self._motion.fps)

    def get_container_format(self) -> str:
        return "mp4"

"""The whole job as a Python API: portrait and voice in, video file out.

from emotalker.pipeline import generate
generate("portrait.png", "voice.wav", "out.mp4", emotion="happy=0.8,surprise=0.3", seed=1)
generate("portrait.png", "voice.wav", "out.mp4", prompt="starts calm, then grows furious", save_motion="take.safetensors")
generate("portrait.png", "voice.wav", "again.mp4", seed=2, motion="take.safetensors", redo=(2.0, 3.5))
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn.functional import interpolate

from .draft import check_target
from .emotion.eib import EmotionIntensityBlock
from .emotion.prompt import read_prompt
from .emotion.track import EmotionTrack
from .errors import UserError, quoted
from .face.portrait import Portrait
from .frames.guide import GuideRenderer
from .frames.painting import Painting, PaintSettings, fitted_mask, load_painter, painting_steps
from .motion.denoiser import RATE
from .motion.files import load_motion, motion_path
from .motion.files import save_motion as write_motion
from .motion.motion import Motion
from .motion.redo import fit_take, misfit
from .motion.sampling import GUIDANCE, Settings, load_denoiser
from .motion.take import make_take
from .picture import load_image
from .speech.analyse import analyse_speech
from .video.audio import Sound, read_recording
from .video.encode import FORMATS, Written, check_quality, exact_rate, fitted_size, write_video

LEAST_FPS, MOST_FPS = 8, 120
"""Frames per second of a video."""
MAX_SIZE = 2160
"""Pixels of a video's shorter side unless more is asked for: browsers refuse what needs H.264 above level 5.2."""

__all__ = ["Generated", "best_device", "format_of", "generate", "load_image"]


@dataclass(frozen=True)
class Generated:
    """What `generate` made.

    Attributes:
        video: file, frames, size.
        motion: the performance, for use again with another portrait.
        speech_seconds: length of the voice.
        warnings: what could not be read in the prompt, and whether a given motion had another length; a sentence each.
    """

    video: Written
    motion: Motion
    speech_seconds: float
    warnings: tuple[str, ...] = ()


def best_device() -> str:
    """ "cuda" where there is one, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def usable_device(device: str | torch.device | None = None) -> torch.device:
    """A device that this machine has; None is best_device.

    Raises:
        UserError: there is no such device, or none here.
    """
    name = str(device or best_device())
    try:
        found = torch.device(name)
        torch.empty(1, device=found).cpu()
        return found
    except (RuntimeError, AssertionError, NotImplementedError, ValueError):
        here = "cpu" + "".join(f", cuda:{i}" for i in range(torch.cuda.device_count()))
        raise UserError(f"The device {quoted(name)} is not there: choose one of {here}.") from None


def check_fps(fps: float) -> None:
    """Raises UserError for a frame rate outside 8..120."""
    if not LEAST_FPS <= fps <= MOST_FPS:
        raise UserError(f"fps is {fps:g}: choose {LEAST_FPS} to {MOST_FPS} frames per second.")


def shrunk(image: torch.Tensor, max_size: int) -> torch.Tensor:
    """A picture [H,W,C] made smaller, or the same one, so that its shorter side has at most `max_size` pixels (0: any)."""
    height, width = image.shape[:2]
    size = fitted_size(width, height, max_size)
    if size == (width, height):
        return image
    pixels = image.permute(2, 0, 1)[None]
    return interpolate(pixels, size[::-1], mode="bilinear", antialias=True)[0].permute(1, 2, 0).contiguous()


def format_of(path: str | Path) -> str:
    """Video format of a file name; a name without an ending is a folder for a PNG sequence.

    Raises:
        UserError: an ending that stands for no format.
    """
    suffix = Path(path).suffix.lower()
    for name, ending in FORMATS.items():
        if suffix == ending:
            return name
    endings = ", ".join(ending for ending in FORMATS.values() if ending)
    raise UserError(f"{Path(path).name} names no known video format: let it end in {endings}, or in nothing for a PNG folder.")


def generate(
    portrait: str | Path | Portrait,
    audio: str | Path | Sound,
    out: str | Path,
    emotion: EmotionTrack | str = "",
    seed: int = 0,
    fps: float = 25.0,
    face_index: int = 0,
    neutralise: bool = True,
    mouth: float = 1.0,
    expression: float = 1.0,
    head: float = 1.0,
    blink: float = 1.0,
    transcript: str | None = None,
    quality: int = 85,
    device: str | torch.device | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    prompt: str | None = None,
    steps: int = 10,
    speech_guidance: float = GUIDANCE,
    emotion_guidance: float = GUIDANCE,
    window: float = 4.0,
    motion: str | Path | Motion | None = None,
    redo: tuple[float, float | None] | None = None,
    save_motion: str | Path | None = None,
    frames: str = "rig only",
    preservation: float = PaintSettings.preservation,
    frame_steps: int = 0,
    denoise: float = PaintSettings.denoise,
    frame_guidance: float = PaintSettings.guidance,
    mask: str | Path | torch.Tensor | None = None,
    model: str | Path | None = None,
    max_size: int = MAX_SIZE,
) -> Generated:
    """Makes a portrait speak.

    Args:
        portrait: image file, or a portrait made before (then face_index and neutralise are not used).
        audio: audio or video file, or a sound.
        out: video file; its ending chooses the format (see format_of).
        emotion: a timeline, or its short form like "happy=0.8,surprise=0.3"; empty for a calm face.
        seed: another seed is another take.
        fps: frames per second, 8 to 120; 23.976, 29.97, 59.94 and their kin are exact fractions in the file.
        face_index: which face, 0 the largest.
        neutralise: take the picture's own expression away first.
        mouth, expression, head, blink: 0..2, 1 is natural.
        transcript: the English words, for exact lips where pocketsphinx is installed.
        quality: 1..100.
        device: where to compute; None for CUDA where there is one.
        on_progress: called with (frames done, frames in all) as they are written.
        prompt: what is felt and when, in plain English ("starts calm, then grows furious"), in place of `emotion`.
        steps, speech_guidance, emotion_guidance, window: how motion is drawn, see motion.sampling.Settings.
        motion: a take to use again as it is (.safetensors, or .csv as Live Link Face writes it): nothing is drawn, so that
            emotion, seed and gains do nothing.
        redo: start and end in seconds (None: of the speech) of a range of `motion` that is drawn again.
        save_motion: file to keep the take in, .safetensors or .csv.
        frames: how faces are finished: "rig only", "fast" or "best", see frames.painting.PRESETS.
        preservation, denoise, frame_guidance: see frames.painting.PaintSettings.
        frame_steps: painting steps instead of those that `frames` stands for; 0 takes its own.
        mask: image file, or [H,W] 0..1: white where painting is allowed; None for the whole face.
        model: weights of another frame diffusion, .safetensors; None for the built-in ones.
        max_size: pixels of the shorter side from which the portrait's picture is made smaller, with a warning; 0 never. A PNG
            sequence keeps the picture's size.

    Raises:
        UserError: an input cannot be used; the message says which and what to do.
    """
    kind = format_of(out)
    check_quality(quality)
    check_fps(fps)
    read = [path for path in (portrait, audio, motion, mask, model) if isinstance(path, str | Path)]
    check_target(out, kind == "png", read)
    if save_motion is not None:
        check_target(motion_path(save_motion), inputs=[*read, out])
    if redo is not None and motion is None:
        raise UserError("There is a range to redo and no motion: name the take that it is a part of.")
    settings = Settings(steps, speech_guidance, emotion_guidance, window=window)
    paint = PaintSettings(preservation, painting_steps(frames, frame_steps), denoise, frame_guidance, seed=seed)
    device = usable_device(device)
    fps = float(exact_rate(fps))
    warnings = []
    if isinstance(audio, Sound):
        sound = audio
    else:
        recording = read_recording(audio)
        sound = recording.sound
        warnings += recording.warnings
    if prompt is not None and emotion != "":
        raise UserError("There is an emotion and a prompt: give one of the two.")
    track = EmotionTrack.from_text(emotion) if isinstance(emotion, str) else emotion
    kept = load_motion(motion) if isinstance(motion, str | Path) else motion
    if not isinstance(portrait, Portrait):
        image = load_image(portrait)
        if kind != "png" and (smaller := shrunk(image, max_size)) is not image:
            warnings.append(
                f"The picture of {image.shape[1]} x {image.shape[0]} pixels is rendered at {smaller.shape[1]} x "
                f"{smaller.shape[0]}: max_size is {max_size}, 0 keeps its own size."
            )
            image = smaller
        portrait = Portrait.from_image(image, face_index, neutralise, device=device)
    features = analyse_speech(sound.waveform, sound.sample_rate, RATE, transcript, device, lazily=True)
    if prompt is not None:
        reading = read_prompt(prompt, EmotionIntensityBlock.load(device), features=features, transcript=transcript or "")
        track = reading.track
        warnings += reading.warnings
    if kept is not None and (said := misfit(kept, features)):
        warnings.append(said)
    if kept is not None and redo is None:
        take = fit_take(kept, features, fps)
    else:
        gains = (mouth, expression, head, blink)
        denoiser = load_denoiser(device=str(device))
        take = make_take(denoiser, features, track, seed, settings, *gains, fps, keep=kept, redo=redo or (0.0, None))
    if save_motion is not None:
        write_motion(take, save_motion)
    renderer, painter = GuideRenderer(portrait, device), None
    if paint.paints:
        if isinstance(mask, str | Path):
            mask = load_image(mask)[..., :3].mean(-1)
        area = None if mask is None else fitted_mask(mask, portrait.image)
        painter = Painting(paint, features, track, area).painter(load_painter(model, str(device)), renderer, take)
    drawn = renderer.stream(take, dtype=torch.uint8, paint=painter)
    report = None if on_progress is None else lambda count, _: on_progress(count, len(take))
    video = write_video(drawn, out, fps, sound, kind, quality, take.metadata, report, max_size=max_size)
    return Generated(video, take, sound.seconds, tuple(warnings))

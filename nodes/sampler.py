"""EmoTalker Sampler."""

import functools
import logging

import comfy.model_management as memory
from comfy_api.latest import io

from ..emotalker.emotion.track import EmotionTrack
from ..emotalker.errors import UserError
from ..emotalker.frames.painting import PRESETS, Painting, PaintSettings, fitted_mask
from ..emotalker.motion.redo import fit_take, misfit, range_of
from ..emotalker.motion.sampling import GUIDANCE, Settings, load_denoiser
from ..emotalker.motion.take import make_take
from ..emotalker.pipeline import LEAST_FPS, MOST_FPS, check_fps
from ..emotalker.video.encode import exact_rate
from .checks import as_masks, checked
from .progress import report, say
from .support import blame, patcher_of
from .types import EMOTION, FEATURES, MOTION, PAINTER, PORTRAIT, schema
from .video import TalkingVideo

FRAMES = "rig only"
PAINT = PaintSettings()
ROOM = 64 << 20  # bytes; a window of four seconds with all guidance took less


@functools.cache
def drawer():
    """The motion denoiser and ComfyUI's hold on it; loaded once, for the first take that is drawn."""
    model = load_denoiser(device="cpu")
    return model, patcher_of([model])


def _gain(name: str, tooltip: str) -> io.Float.Input:
    return io.Float.Input(name, default=1.0, min=0.0, max=2.0, step=0.05, display_mode=io.NumberDisplay.slider, tooltip=tooltip)


def _guidance(name: str, tooltip: str) -> io.Float.Input:
    return io.Float.Input(name, default=GUIDANCE, min=0.0, max=5.0, step=0.1, optional=True, tooltip=tooltip)


def _seconds(name: str, tooltip: str) -> io.Float.Input:
    return io.Float.Input(name, default=0.0, min=0.0, max=36000.0, step=0.05, optional=True, tooltip=tooltip)


class EmoTalkerSampler(io.ComfyNode):
    """Draws a performance: speech and emotions become facial motion."""

    @classmethod
    def define_schema(cls):
        return schema(
            node_id="EmoTalkerSampler",
            display_name="EmoTalker Sampler",
            description="Draws a performance by diffusion: what is heard and what is felt become mouth, expression, blinks, "
            "gaze and head movement. The video is rendered while it is saved, so a long speech needs no more memory than a "
            "short one.",
            search_aliases=["emotalker", "talking head", "talking face", "lip sync", "audio driven", "animate portrait"],
            inputs=[
                PORTRAIT.Input("portrait", tooltip="Who speaks."),
                FEATURES.Input("features", tooltip="What is said, from Audio Features."),
                EMOTION.Input("emotion", optional=True, tooltip="What is felt. Without it the face stays calm."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Another seed is another take: blinks, gaze, head and small variations change, the words do not.",
                ),
                io.Float.Input(
                    "fps",
                    default=25.0,
                    min=LEAST_FPS,
                    max=MOST_FPS,
                    step=1.0,
                    round=0.001,
                    tooltip="Frames per second of the video, 8 to 120. 23.976, 29.97 and 59.94 are exact.",
                ),
                _gain("mouth", "How far the mouth moves with the words. 1 is natural."),
                _gain("expression", "How far emotions and the brows show. 1 is natural, 0 leaves only the words."),
                _gain("head", "How far the head moves. 0 holds it still."),
                _gain("blink", "How often the eyes blink. 0 keeps them open and the gaze straight."),
                # Optional, so that prompts saved for the API before these inputs were there still run.
                io.Int.Input(
                    "steps",
                    default=10,
                    min=1,
                    max=100,
                    optional=True,
                    tooltip="Denoising steps. 8 to 20 are usual; more take longer and change little.",
                ),
                _guidance(
                    "speech_guidance",
                    "How far the motion follows the voice. 1 is as learned; more is closer and larger; 0 does not listen.",
                ),
                _guidance(
                    "emotion_guidance",
                    "How far the motion follows the emotion. 1 is as learned; more is stronger, varies less; 0 does not feel.",
                ),
                io.Float.Input(
                    "window",
                    default=4.0,
                    min=2.0,
                    max=4.0,
                    step=0.5,
                    optional=True,
                    tooltip="Seconds of motion that are drawn at once; each window goes on from the last second before it.",
                ),
                MOTION.Input(
                    "motion",
                    optional=True,
                    tooltip="A take to use again: of another sampler, or from Load Motion. It is rendered as it is, and only "
                    "the range to redo is drawn. Its length is fitted to the speech.",
                ),
                _seconds("redo_start", "With a motion: where the range begins that is drawn again, in seconds."),
                _seconds(
                    "redo_end",
                    "With a motion: where that range ends. 0 and 0 redo nothing; with a start, 0 is the end of the speech.",
                ),
                io.Combo.Input(
                    "frames",
                    options=list(PRESETS),
                    default=FRAMES,
                    optional=True,
                    tooltip="How the face is finished. rig only: the moved picture itself, fastest. fast and best (an "
                    "experiment): a second diffusion paints mouth, eyes and folds in 4 or 10 steps a frame.",
                ),
                io.Float.Input(
                    "preservation_ratio",
                    default=PAINT.preservation,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    optional=True,
                    display_mode=io.NumberDisplay.slider,
                    tooltip="How much of the portrait is mixed back in at every painting step. More keeps the person, lip "
                    "lines and the picture's grain, from 0.5 on also the teeth that it shows; less lets the face change more "
                    "freely. Mouth and eyes are painted even at 1: rig only paints nothing.",
                ),
                io.Int.Input(
                    "frame_steps",
                    default=0,
                    min=0,
                    max=50,
                    optional=True,
                    tooltip="Painting steps instead of those that frames stands for. 0 takes its own.",
                ),
                io.Float.Input(
                    "denoise",
                    default=PAINT.denoise,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    optional=True,
                    tooltip="How much noise the moved picture gets first. 1 paints freely, less stays nearer to it.",
                ),
                io.Float.Input(
                    "frame_guidance",
                    default=PAINT.guidance,
                    min=0.0,
                    max=5.0,
                    step=0.1,
                    optional=True,
                    tooltip="How far painting follows sound, emotion and motion. 1 is as learned; other values take twice as "
                    "long.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where painting is allowed (white), in the portrait's picture. Without it: the whole face.",
                ),
                PAINTER.Input(
                    "model",
                    optional=True,
                    tooltip="Another frame diffusion, from EmoTalker Load Model.",
                ),
            ],
            outputs=[
                io.Video.Output(
                    "video",
                    display_name="video",
                    tooltip="The talking portrait with its sound, rendered while it is saved.",
                ),
                io.Audio.Output("audio", display_name="audio", tooltip="The voice."),
                io.Float.Output("fps_out", display_name="fps", tooltip="Frames per second of the video."),
                MOTION.Output(
                    "motion_out",
                    display_name="motion",
                    tooltip="The performance: 52 face units and the head's pose, frame by frame.",
                ),
            ],
        )

    @classmethod
    @checked
    def execute(
        cls,
        portrait,
        features,
        seed,
        fps,
        mouth,
        expression,
        head,
        blink,
        emotion=None,
        steps=10,
        speech_guidance=GUIDANCE,
        emotion_guidance=GUIDANCE,
        window=4.0,
        motion=None,
        redo_start=0.0,
        redo_end=0.0,
        frames=FRAMES,
        preservation_ratio=PAINT.preservation,
        frame_steps=0,
        denoise=PAINT.denoise,
        frame_guidance=PAINT.guidance,
        mask=None,
        model=None,
    ) -> io.NodeOutput:
        node, heard = cls.SCHEMA.display_name, features.features
        with blame(node, "fps"):
            check_fps(fps)
            fps = float(exact_rate(fps))
        redo = (redo_start, redo_end or None) if redo_start or redo_end else None
        with blame(node, "motion", "redo_start", "redo_end"):
            if motion is None and redo is not None:
                raise UserError(
                    "There is a range to redo and no motion: connect the take it is part of, or set both ends to 0."
                )
            if motion is not None and (said := misfit(motion, heard)):
                logging.warning("EmoTalker, %s: %s", node, said)
                say(said)
            take = None if motion is None else fit_take(motion, heard, fps)
            redo = redo and range_of(redo, heard)
        if take is None or redo is not None:
            denoiser, patcher = drawer()

            def ready() -> None:
                memory.load_models_gpu([patcher], memory_required=ROOM)

            ready()
            with blame(node, "steps", "speech_guidance", "emotion_guidance", "window"):
                settings = Settings(steps, speech_guidance, emotion_guidance, window=window)
            gains = (mouth, expression, head, blink)
            with blame(node, "emotion"):
                felt, again = emotion or EmotionTrack(), redo or (0.0, None)
                take = make_take(denoiser, heard, felt, seed, settings, *gains, fps, report(), motion, again, ready)
        with blame(node, "frames", "preservation_ratio", "denoise", "frame_guidance"):
            paint = PaintSettings(
                preservation_ratio,
                (frame_steps or PRESETS[frames]) if PRESETS[frames] else 0,
                denoise,
                frame_guidance,
                seed=seed,
            )
        painting = None
        if paint.paints:
            with blame(node, "mask"):
                area = None if mask is None else fitted_mask(as_masks(mask)[0], portrait.image)
            painting = Painting(paint, heard, emotion or EmotionTrack(), area)
        video = TalkingVideo(portrait, take, features.audio, painting=painting, model=model)
        return io.NodeOutput(video, features.audio, float(fps), take)

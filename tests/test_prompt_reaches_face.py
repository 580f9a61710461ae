"""A prompt with three emotions over time reaches the face.

How it is measured. The pipeline's own steps turn a prompt and five seconds of the sample voice into a video of the sample
portrait's head (288 pixels). The face finder sees nothing but the frames; `fit_units` fits face units to the landmarks it
tracks. What is kept are the units that speech does not use: brows, lids, cheeks, nose and the corners of the mouth. The same
is done with one still picture of each emotion alone at strength 1 and one of the calm face, all of the same portrait: seven
directions, measured from the calm face. Each frame's units are then explained as a non-negative mixture of the seven
directions (least squares): its weights are the measured strengths. Asked and measured strengths are both averaged over half a
second (lips and blinks pass faster, emotions do not), and compared by Spearman's rank correlation over all frames, for each
of the three emotions asked for. The mean over four takes counts: one take's correlation differs from another's by up to 0.17.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import nnls
from scipy.stats import spearmanr

from emotalker.arkit import FACE_UNITS
from emotalker.emotion.eib import EmotionIntensityBlock
from emotalker.emotion.prompt import read_prompt
from emotalker.emotion.taxonomy import EMOTION_INDEX, EMOTIONS
from emotalker.face.finder import FaceFinder
from emotalker.face.fitting import fit_units
from emotalker.face.portrait import Portrait
from emotalker.frames.guide import GuideRenderer
from emotalker.frames.sheet import still
from emotalker.motion.sampling import load_denoiser
from emotalker.motion.take import make_take
from emotalker.picture import load_image
from emotalker.speech.analyse import analyse_speech
from emotalker.video.audio import read_audio

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
PROMPT = "starts out overjoyed, then she is absolutely furious, and finally deeply sad"
ASKED = ("happy", "angry", "sad")
CROP = (slice(0, 288), slice(80, 368))  # rows and columns of the sample portrait: its head
SECONDS, FPS = 5, 25.0
SEEDS = range(4)
HALF_SECOND = 13  # frames
OF_EMOTION = ("brow", "eyeWide", "eyeSquint", "cheekSquint", "nose", "mouthSmile", "mouthFrown", "mouthDimple")
KEPT = [index for index, name in enumerate(FACE_UNITS) if name.startswith(OF_EMOTION)]


@pytest.fixture(scope="module")
def strengths():
    """Asked [T, 8] and, for each take, measured strengths [S, T, 8] over time, averaged over half a second."""
    waveform, rate = read_audio(SAMPLES / "emotalker_voice.wav")
    speech = analyse_speech(waveform[:, : SECONDS * rate], rate, FPS)
    track = read_prompt(PROMPT, EmotionIntensityBlock.load(), features=speech).track
    finder = FaceFinder.load()
    portrait = Portrait.from_image(load_image(SAMPLES / "emotalker_portrait.png")[CROP].contiguous(), finder=finder)
    renderer = GuideRenderer(portrait)

    def seen(motion) -> torch.Tensor:
        """[T, len(KEPT)] face units fitted to the rendered frames."""
        frames = torch.cat(list(renderer.stream(motion)))
        return fit_units(portrait.fitted, finder.track(frames, portrait.face)[0])[:, KEPT]

    alone = seen(still(torch.eye(len(EMOTIONS)) * (torch.arange(len(EMOTIONS)) > 0)))
    directions = (alone[1:] - alone[:1]).T.double().numpy()
    measured = []
    for seed in SEEDS:
        shown = seen(make_take(load_denoiser(), speech, track, seed))
        mixtures = [nnls(directions, row)[0] for row in (shown - alone[:1]).double().numpy()]
        measured.append(_averaged(F.pad(torch.from_numpy(np.stack(mixtures)), (1, 0))))  # neutral is what is left
    times = (torch.arange(len(shown), dtype=torch.float64) + 0.5) / FPS
    return _averaged(track.at(times)), torch.stack(measured)


def _averaged(curves: torch.Tensor) -> torch.Tensor:
    """Running mean over half a second of [T, 8], held at both ends."""
    padded = F.pad(curves.double().T[None], (HALF_SECOND // 2, HALF_SECOND // 2), mode="replicate")
    return F.avg_pool1d(padded, HALF_SECOND, 1)[0].T


@pytest.mark.parametrize("emotion", ASKED)
def test_the_face_follows_what_the_prompt_asks_for(strengths, emotion):
    asked, takes = (curves[..., EMOTION_INDEX[emotion]] for curves in strengths)
    assert asked.max() >= 0.5 and asked.min() <= 0.1, "the prompt asks for it, and not all the time"
    correlations = [spearmanr(asked, measured).statistic for measured in takes]
    assert np.mean(correlations) >= 0.8, f"{emotion}: {correlations}"


def test_at_each_emotions_height_it_is_the_one_that_shows_most(strengths):
    asked, measured = strengths
    for emotion in ASKED:
        height = asked[:, EMOTION_INDEX[emotion]].argmax()
        shown = EMOTIONS[int(measured.mean(0)[height].argmax())]
        assert shown == emotion, f"where {emotion} is asked for most, {shown} shows most"

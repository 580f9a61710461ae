"""Measure how far drawn heads fall short of people's and of the corpus's, for the model card.

`train motion` does so at its end; for weights that are there already:

    python -m emotalker.training.motion.liveliness --data CORPUS [--weights FOLDER] [--name motion]
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from ...arkit import FACE_UNITS
from ...emotion.track import EmotionTrack
from ...motion.denoiser import CHANNELS, RATE, MotionDenoiser, Shape
from ...motion.head import AXES
from ...motion.liveliness import Liveliness
from ...motion.sampling import WINDOW, Settings, draw_motion, draw_window
from ...speech.features import VISEMES, SpeechFeatures
from ...weights import FOLDER
from .corpus import MotionCorpus, load_motion_corpus
from .head import SPEECH_RANGE, SPEECH_SD, SPEECH_SPEED
from .windows import Batch, Windows

WINDOWS = 192
"""Windows that are drawn: movement within one differs so much that the spread of so many is uncertain by about 5 %."""
POSTURES = 2048
"""Windows of the corpus, the drawn ones among them, that tell where emotions hold the head."""
TAKES, TAKE = 8, 60
"""Takes without emotion, and their seconds, whose turns of the head are held against those of people who speak."""
BATCH = 32
BEGUN = 1.0
"""Seconds after which a clip's head has left the portrait's own pose."""
LEAST, MOST = 0.8, 1.6
"""Gains are kept between these: a model that needs more has not learned how heads move, and would only be shaken."""
MOST_OVER = 1.3
"""How far spread, range or speed may lie above what is published when one factor cannot suit all three."""
HEAD = slice(len(FACE_UNITS), CHANNELS)


@torch.no_grad()
def measure_liveliness(model: MotionDenoiser, corpus: MotionCorpus, count: int = WINDOWS, seed: int = 0) -> Liveliness:
    """Draw windows of the corpus, with their own speech and emotions, and compare how the head moves in them.

    Args:
        model: whose motion is judged, drawn with the default settings.
        corpus: clips; best such that were not trained on.
        count: windows.
        seed: of windows and noise.

    Returns:
        The gain on angles brings spread, range and speed of calm takes as near as one factor can to those published of people
        (SPEECH_SD, SPEECH_RANGE, SPEECH_SPEED; mean of log ratios), none of them above MOST_OVER times it. On shifts, of which
        nothing is published, it is the ratio of standard deviations within windows, about the corpus's posture; 1 for an axis
        that the corpus does not move.
    """
    device = model.mean.device
    # Heads do not find their place in clips of three seconds, such as tracked takes are.
    long = [i for i, features in enumerate(corpus.features) if len(features) >= WINDOW]
    corpus = corpus.part(long) if long else corpus
    windows = Windows(corpus, seed, device)
    batches: list[Batch] = []
    while sum(len(batch.motion) for batch in batches) < max(count, POSTURES):
        batch = windows.batch(BATCH)
        if batch.motion.shape[1] == WINDOW:
            batches.append(batch)
    posture = _posture(batches)
    generator = torch.Generator().manual_seed(seed)
    theirs, ours = [], []
    for batch in batches[: -(-count // BATCH)]:
        free = Batch(**(vars(batch) | {"given": torch.zeros_like(batch.given)}))
        ones = torch.ones(len(batch.motion), device=device)
        conditions = free.conditions(torch.zeros_like(batch.motion), ones, ones)
        noise = torch.randn(batch.motion.shape, generator=generator).to(device)
        drawn = model.restore(draw_window(model, conditions, noise, Settings()))
        theirs.append(_spread(batch.motion, batch, posture))
        ours.append(_spread(drawn, batch, posture))
    ratio = (torch.cat(theirs).mean(0) / torch.cat(ours).mean(0).clamp(min=1e-8)).sqrt()
    moved = torch.cat(theirs).mean(0) > 1e-8
    gain = torch.where(moved, ratio, 1.0)
    gain[:3] = _published(model, corpus, seed)
    gain = gain.clamp(LEAST, MOST)
    return Liveliness(tuple(gain.tolist()), tuple(tuple(row) for row in posture.tolist()))


def _published(model: MotionDenoiser, corpus: MotionCorpus, seed: int) -> Tensor:
    """[3] factor on yaw, pitch and roll between calm takes of the corpus's sounds and what is published of people."""
    heard = torch.cat([torch.from_numpy(part).float() for part in corpus.features])
    count = len(VISEMES)
    found = []
    for take, part in enumerate(heard.split(round(TAKE * RATE))[:TAKES]):
        sound = (part[:, :count], part[:, count], part[:, count + 1], torch.zeros(len(part), 1))
        angles = draw_motion(model, SpeechFeatures(RATE, *sound, len(part) / RATE), EmotionTrack(), seed + take).head[:, :3]
        spans = angles.amax(0) - angles.amin(0)
        found.append(torch.stack([angles.std(0), spans, angles.diff(dim=0).abs().mean(0) * RATE]))
    wanted = torch.tensor([[table[axis] for axis in AXES] for table in (SPEECH_SD, SPEECH_RANGE, SPEECH_SPEED)])
    factors = wanted / torch.stack(found).mean(0).clamp(min=1e-3)
    return torch.minimum(factors.log().mean(0).exp(), MOST_OVER * factors.amin(0))


def _posture(batches: list[Batch]) -> Tensor:
    """[9, 6] least squares of head pose on the eight strengths and 1."""
    rows, poses = [], []
    for batch in batches:
        used = (batch.valid > 0) & (batch.start > BEGUN)
        rows.append(torch.cat([batch.emotion[used], torch.ones_like(batch.emotion[used][:, :1])], 1).double())
        poses.append(batch.motion[..., HEAD][used].double())
    # The pseudoinverse: an emotion that the corpus has not adds nothing.
    return (torch.linalg.pinv(torch.cat(rows), rtol=1e-6) @ torch.cat(poses)).float()


def _spread(motion: Tensor, batch: Batch, posture: Tensor) -> Tensor:
    """[B, 6] variance of the head over time about its posture, frames at a clip's start and after its end left out."""
    used = ((batch.valid > 0) & (batch.start > BEGUN)).float()[..., None]
    moved = motion[..., HEAD] - batch.emotion @ posture[:-1] - posture[-1]
    count = used.sum(1, keepdim=True).clamp(min=1)
    mean = (moved * used).sum(1, keepdim=True) / count
    return ((moved - mean).square() * used).sum(1) / count[:, 0]


def main(arguments: list[str] | None = None) -> None:
    """Measure and write the card."""
    parser = argparse.ArgumentParser(prog="measure_liveliness", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of motion shards")
    parser.add_argument("--weights", type=Path, default=FOLDER, help="folder of the weights and their card")
    parser.add_argument("--name", default="motion", help="of the weights")
    parser.add_argument("--windows", type=int, default=WINDOWS)
    parser.add_argument("--threads", type=int, default=1, help="processor threads")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    path = options.weights / f"{options.name}.json"
    card = json.loads(path.read_text())
    model = MotionDenoiser(Shape(**card["shape"])).eval()
    tensors = load_file(options.weights / f"{options.name}.safetensors")
    model.load_state_dict({name: value.float() for name, value in tensors.items()})
    from .train import held_out

    card["head"] = measure_liveliness(model, held_out(load_motion_corpus(options.data)), options.windows).to_dict()
    path.write_text(json.dumps(card, indent=2) + "\n")
    print(f"head: gain {card['head']['gain']}")


if __name__ == "__main__":
    main()

"""Do the eight emotions show, and do stronger ones show more?

Renders each emotion on each portrait, makes a contact sheet, then measures: the finished frames at the strengths 0,
0.3, 0.6 and 1 go through the face finder, and the face units fitted to what it sees must grow with the strength.

    python benchmarks/emotions.py --portraits ../shared/portraits --sheet docs/emotions.jpg
"""

import argparse
import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).parent.parent))

from emotalker.emotion.taxonomy import EMOTION_INDEX, EMOTIONS
from emotalker.face.finder import FaceFinder
from emotalker.face.fitting import fit_units
from emotalker.face.portrait import Portrait
from emotalker.frames.guide import GuideRenderer
from emotalker.frames.sheet import still

# Public domain: a NASA photograph, Leonardo, Raphael, Sargent.
PORTRAITS = ("01_smile_teeth_photo.png", "03_oil_painting.jpg", "08_head_turn.jpg", "09_full_body_small_face.jpg")
STRENGTHS = (0.0, 0.3, 0.6, 1.0)
TILE = 260


def rows_of(emotions, strengths) -> torch.Tensor:
    """[len(emotions) * len(strengths), 8]."""
    rows = torch.zeros(len(emotions) * len(strengths), len(EMOTIONS))
    for index, (emotion, strength) in enumerate((e, s) for e in emotions for s in strengths):
        rows[index, EMOTION_INDEX[emotion]] = strength
    return rows


def load(path: Path) -> torch.Tensor:
    """[H, W, 3] float 0..1."""
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).float() / 255


def tile(frame: torch.Tensor, box) -> Image.Image:
    """Square around the face box, TILE pixels wide."""
    x0, y0, x1, y1 = (float(v) for v in box)
    half = 0.72 * max(x1 - x0, y1 - y0)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2 - 0.06 * (y1 - y0)
    picture = Image.fromarray((frame.clamp(0, 1) * 255).round().byte().cpu().numpy())
    return picture.crop((round(x - half), round(y - half), round(x + half), round(y + half))).resize(
        (TILE, TILE), Image.LANCZOS
    )


def sheet(rows: list[list[Image.Image]]) -> Image.Image:
    """Emotions in columns, portraits in rows."""
    head = 34
    picture = Image.new("RGB", (TILE * len(EMOTIONS), head + TILE * len(rows)), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(20)
    for column, emotion in enumerate(EMOTIONS):
        draw.text((column * TILE + TILE / 2, head / 2), emotion, "black", font, "mm")
        for row, tiles in enumerate(rows):
            picture.paste(tiles[column], (column * TILE, head + row * TILE))
    return picture


def measure(portrait: Portrait, renderer: GuideRenderer, finder: FaceFinder) -> dict[str, list[float]]:
    """Emotion to how far it shows at each of STRENGTHS.

    The units fitted to the tracked frames, along what the emotion asks for; each unit counts as much as it moves the landmarks
    (the eye sees a jaw before a nostril). 1 would be as asked; a finder that expects ordinary faces sees less.
    """
    effects = portrait.fitted.landmarks(portrait.fitted.units)[..., :2].flatten(1)
    motion = still(rows_of(EMOTIONS[1:], STRENGTHS), with_head=False)
    landmarks = torch.cat([finder.track(frames, portrait.face)[0] for frames in renderer.stream(motion)])
    shape = (len(EMOTIONS) - 1, len(STRENGTHS), -1)
    fitted, units = fit_units(portrait.fitted, landmarks).view(shape), motion.units.view(shape)
    asked = units[:, -1] - units[:, 0]
    along = asked @ effects @ effects.T
    change = ((fitted - fitted[:, :1]) * along[:, None]).sum(-1) / (asked * along).sum(-1, keepdim=True)
    return {emotion: [round(v, 3) for v in row] for emotion, row in zip(EMOTIONS[1:], change.tolist(), strict=True)}


def main() -> None:
    """Print the table and, as the last line, JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--portraits", type=Path, default=Path(__file__).parents[2] / "shared" / "portraits")
    parser.add_argument("--only", nargs="*", default=PORTRAITS, help="file names inside that folder")
    parser.add_argument("--sheet", type=Path, help="write the contact sheet here (jpg)")
    parser.add_argument("--strength", type=float, default=1.0, help="strength on the contact sheet")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-measure", action="store_true")
    args = parser.parse_args()

    finder = FaceFinder.load(args.device)
    pictures, result = [], {}
    for name in args.only:
        portrait = Portrait.from_image(load(args.portraits / name), neutralise=True, finder=finder, device=args.device)
        renderer = GuideRenderer(portrait, args.device)
        frames = renderer.stream(still(rows_of(EMOTIONS, [args.strength])))
        pictures.append([tile(frame, portrait.face.box) for chunk in frames for frame in chunk])
        if not args.no_measure:
            result[name] = measure(portrait, renderer, finder)
    if args.sheet:
        sheet(pictures).save(args.sheet, quality=88)
    monotonic = total = 0
    for name, shown in result.items():
        print(f"\n{name}\n{'emotion':>10}" + "".join(f"{s:>8.1f}" for s in STRENGTHS))
        for emotion, levels in shown.items():
            grows = all(b > a for a, b in pairwise(levels))
            monotonic, total = monotonic + grows, total + 1
            print(f"{emotion:>10}" + "".join(f"{v:8.2f}" for v in levels) + ("" if grows else "   not growing"))
    if total:
        print(json.dumps({"monotonic": monotonic, "of": total, "shown": result}))


if __name__ == "__main__":
    main()

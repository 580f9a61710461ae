"""What moved portraits show close up, at full size, in numbers and as sheets to look at.

    python benchmarks/closeup.py [PICTURE ...] [--faces 40] [--sheet FILE] [--only mouth_chroma,brow_kept]

Pictures are by default the data kit's portraits and its test faces from number 560 on, which no training uses. Prints a line
for each picture and, last, one line of JSON with the worst or the median of each measure, as its name in MEASURES tells.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from emotalker.arkit import FACE_UNITS, UNIT_INDEX  # noqa: E402
from emotalker.errors import UserError  # noqa: E402
from emotalker.face.finder import FaceFinder  # noqa: E402
from emotalker.face.portrait import Portrait  # noqa: E402
from emotalker.frames.guide import GuideRenderer  # noqa: E402
from emotalker.motion.motion import Motion  # noqa: E402
from emotalker.picture import load_image  # noqa: E402

EXPRESSIONS: dict[str, dict[str, float]] = {
    "rest": {},
    "ah": {"jawOpen": 0.55, "mouthLowerDown": 0.2},
    "oo": {"jawOpen": 0.15, "mouthFunnel": 0.6, "mouthPucker": 0.6},
    "ee": {"jawOpen": 0.12, "mouthStretch": 0.4, "mouthSmile": 0.3, "mouthLowerDown": 0.4, "mouthUpperUp": 0.3},
    "smile": {"mouthSmile": 0.8, "cheekSquint": 0.6, "mouthUpperUp": 0.3, "jawOpen": 0.06},
    "blink": {"eyeBlink": 1.0},
    "anger": {"browDown": 1.0, "eyeSquint": 0.4, "eyeWide": 0.2, "noseSneer": 0.3, "mouthPress": 0.5, "mouthFrown": 0.2},
    "disgust": {"browDown": 0.6, "noseSneer": 1.0, "mouthUpperUp": 0.6, "eyeSquint": 0.5, "cheekSquint": 0.4},
    "fear": {"browInnerUp": 0.9, "browOuterUp": 0.4, "eyeWide": 0.8, "mouthStretch": 0.7, "jawOpen": 0.3},
    "surprise": {"browInnerUp": 0.8, "browOuterUp": 1.0, "eyeWide": 0.8, "jawOpen": 0.6},
}
"""Face units of what a sheet shows; a name without Left or Right stands for both."""


def units_of(expression: dict[str, float]) -> Tensor:
    """[52] of an entry of EXPRESSIONS."""
    units = torch.zeros(len(FACE_UNITS))
    for name, value in expression.items():
        for suffix in ("", "Left", "Right"):
            if name + suffix in UNIT_INDEX:
                units[UNIT_INDEX[name + suffix]] = value
    return units


def show(renderer: GuideRenderer, *names: str) -> Tensor:
    """Frames [n,H,W,3] of the named expressions."""
    units = torch.stack([units_of(EXPRESSIONS[name]) for name in names])
    return torch.cat(list(renderer.stream(Motion(units, torch.zeros(len(names), 6), 25.0))))


def chroma(pictures: Tensor) -> Tensor:
    """[...] the widest distance of two channels of pictures [...,3], 0..1."""
    return pictures.amax(-1) - pictures.amin(-1)


def mouth_chroma(portrait: Portrait, finder: FaceFinder) -> float:
    """Most chroma that any pixel of the greyed portrait's frames has, 0..255; 0 is right."""
    grey = portrait.image.mean(-1, keepdim=True).expand(-1, -1, 3)
    renderer = GuideRenderer(Portrait.from_image(grey, finder=finder))
    return 255 * float(chroma(show(renderer, "ah", "ee", "smile", "fear")).amax())


_BROWS = ((70, 63, 105, 66, 107, 55, 65, 52, 53, 46), (300, 293, 334, 296, 336, 285, 295, 282, 283, 276))


def brow_pixels(renderer: GuideRenderer, names: list[str]) -> Tensor:
    """[n,2,bins] of each brow its dark pixels in frames [n], in slices from the temple to the nose, as the portrait's skin
    above the brow and the brow itself tell what is dark."""
    units = torch.stack([units_of(EXPRESSIONS[name]) for name in names])
    drawn = renderer.draw(units - units[:1], torch.zeros(len(names), 6))
    grey = drawn.frames.mean(1)
    result = torch.zeros(len(names), 2, 12)
    ys, xs = torch.meshgrid(*(torch.arange(n) + 0.5 for n in grey.shape[1:]), indexing="ij")
    for side, marks in enumerate(_BROWS):
        limit = None
        for i, points in enumerate(drawn.landmarks[:, list(marks)]):
            temple, nose = (points[0] + points[9]) / 2, (points[4] + points[5]) / 2
            length = (nose - temple).norm()
            along = (nose - temple) / length
            up = torch.stack([along[1], -along[0]]) * (1 if along[0] > 0 else -1)
            s = ((xs - temple[0]) * along[0] + (ys - temple[1]) * along[1]) / length
            t = (xs - temple[0]) * up[0] + (ys - temple[1]) * up[1]
            edges = [torch.tensor([float((points[k] - temple) @ up) for k in marks_]) for marks_ in (range(5), range(9, 4, -1))]
            index = (s * 4).clamp(0, 3.999)
            low = index.long()
            top, bottom = (torch.lerp(e[low], e[low + 1], index - low) for e in edges)
            if i == 0:
                tall = float((edges[0] - edges[1]).median())
                skin = grey[i][(s > 0.1) & (s < 0.9) & (t > top + 0.8 * tall) & (t < top + 1.6 * tall)].median()
                hair = grey[i][(s > 0.1) & (s < 0.9) & (t < top) & (t > bottom)].quantile(0.1)
                limit = (skin + hair) / 2
            near = (t < top + 0.45 * tall) & (t > bottom - 0.45 * tall) & (s > 0) & (s < 1)
            dark = near & (grey[i] < limit)
            result[i, side].index_add_(0, (s[dark] * 12).long(), torch.ones(int(dark.sum())))
    return result


def brow_kept(portrait: Portrait, finder: FaceFinder) -> float:
    """Least share of a brow's dark pixels left in anger and disgust."""
    count = brow_pixels(GuideRenderer(portrait), ["rest", "anger", "disgust"]).sum(2)
    return float((count[1:] / count[:1].clamp(min=1)).amin())


def brow_height(portrait: Portrait, finder: FaceFinder) -> float:
    """Least height of a brow in anger and disgust over its height at rest: median over its length."""
    count = brow_pixels(GuideRenderer(portrait), ["rest", "anger", "disgust"])
    # Slices without hair at rest have no height to lose.
    heights = [(count[1:, side] / count[0, side])[:, count[0, side] >= 3] for side in (0, 1)]
    return min((float(height.median(1).values.amin()) for height in heights if height.shape[1]), default=1.0)


def lid_left(portrait: Portrait, finder: FaceFinder) -> float:
    """Largest share of an eye's white and iris that a blink leaves: of pixels in and around the fitted opening (a fit may miss
    the edge of large eyes), which are nearer to the colours of the open eye than to those of lid and lashes."""
    renderer = GuideRenderer(portrait)
    blink = units_of(EXPRESSIONS["blink"])[None] - portrait.fitted.expression
    frames = renderer.render(torch.cat([torch.zeros_like(blink), blink]), torch.zeros(2, 6))
    shares = []
    for eye in renderer.eyes.values():
        box = eye.box
        s, t = eye.rest.local(*box.pixel_centres(frames.device))
        upper, lower = eye.rest.edges(s)
        away = torch.maximum(upper - t, t - lower)[0] / eye.width
        s, pixels = s[0], frames[:, :, box.slices[0], box.slices[1]].movedim(1, 3)
        across, inside = (s > 0.1) & (s < 0.9), away < -0.02
        lid = pixels[0][across & (away > 0.25) & (away < 0.35)]
        shown = pixels[0][across & inside]
        if len(shown) < 12 or len(lid) < 12:
            continue
        # Skin from its deepest shade, that of lashes, to its brightest; of the eye, colours farther than that from all of them.
        tones = lid.median(0).values * torch.linspace(0.15, 1.1, 20)[:, None]
        tones = torch.cat([tones, lid])
        own = shown[torch.cdist(shown, tones).amin(1) > 0.08]
        if len(own) < 12:
            continue
        near = pixels[:, (s > 0.02) & (s < 0.98) & (away < 0.2)]
        from_eye, from_lid = (torch.cdist(near, colours.expand(2, -1, -1)).amin(2) for colours in (own, tones))
        count = ((from_eye < 0.05) & (from_lid > 0.08)).sum(1)
        shares.append(float(count[1] / count[0].clamp(min=1)))
    return max(shares, default=0.0)


def lowest_tenth(values: list[float]) -> float:
    """What nine of ten reach."""
    return sorted(values)[len(values) // 10]


MEASURES: dict[str, tuple[Callable[[Portrait, FaceFinder], float], Callable]] = {
    "mouth_chroma": (mouth_chroma, max),
    "brow_kept": (brow_kept, lowest_tenth),
    "brow_height": (brow_height, lowest_tenth),
    "lid_left": (lid_left, max),
}
"""Each measure, of a portrait, and how those of many are summed up."""


def sheet(portraits: list[Portrait]) -> Tensor:
    """[H,W,3] a row for each portrait: its face at full size in each expression."""
    rows = []
    for portrait in portraits:
        x0, y0, x1, y1 = portrait.face.box
        middle, half = (float(x0 + x1) / 2, float(y0 + y1) / 2), 0.62 * float(max(x1 - x0, y1 - y0))
        size = portrait.image.shape[:2]
        left, right = max(0, int(middle[0] - half)), min(size[1], int(middle[0] + half))
        top, bottom = max(0, int(middle[1] - half)), min(size[0], int(middle[1] + half))
        rows.append(torch.cat(list(show(GuideRenderer(portrait), *EXPRESSIONS)[:, top:bottom, left:right]), 1))
    wide = max(row.shape[1] for row in rows)
    return torch.cat([torch.nn.functional.pad(row, (0, 0, 0, wide - row.shape[1])) for row in rows])


def test_pictures(faces: int) -> list[Path]:
    """The data kit's portraits and so many of its test faces."""
    shared = ROOT.parent / "shared"
    portraits = sorted((shared / "portraits").glob("[01]*.*g"))
    return portraits + sorted((shared / "faces").glob("face_*.jpg"))[-81:][:faces]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", type=Path)
    parser.add_argument("--faces", type=int, default=40)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--only", default=",".join(MEASURES))
    options = parser.parse_args()
    finder = FaceFinder.load()
    found: dict[str, list[float]] = {name: [] for name in options.only.split(",") if name}
    shown = []
    for path in options.pictures or test_pictures(options.faces):
        try:
            portrait = Portrait.from_image(load_image(path), finder=finder)
        except UserError as error:
            print(f"{path.name}: {error}")
            continue
        shown.append(portrait)
        values = {name: MEASURES[name][0](portrait, finder) for name in found}
        for name, value in values.items():
            found[name].append(value)
        print(f"{path.name:32}" + "  ".join(f"{name} {value:.3f}" for name, value in values.items()), flush=True)
    if options.sheet:
        Image.fromarray((sheet(shown) * 255).round().byte().numpy()).save(options.sheet)
    print(json.dumps({name: round(MEASURES[name][1](values), 4) for name, values in found.items() if values}))


if __name__ == "__main__":
    main()

"""Random shapes of heads: how far each of MakeHuman's shape targets is turned on."""

from functools import cache

import numpy as np

HEAVY, STRONG, BUILD_MOST = 0.3, 0.3, 0.7
"""Standard deviations and largest value of the sliders of weight and muscle, whose range is -1..1."""
DETAIL, DETAIL_MOST = 0.26, 0.7
ASYMMETRY, ASYMMETRIC, ASYMMETRY_MOST = 0.14, 0.25, 0.4
"""Deviation and largest value of a detail slider (range -1..1); deviation, share of those used and largest value of the
one-sided targets."""
CALM_PARTS, CALM_DETAIL = ("ear-", "eyebrows-angle", "mouth-angles", "mouth-scale", "lip-volume", "lip-height"), 0.45
"""Details of which little is enough: large ones look odd, or like an expression."""
CALM_ASYMMETRY = 0.35
SIDES_DIFFER = 0.15
"""How unlike the two sides of a face are in each detail."""
OPPOSITES = ("decr", "incr", "down", "up", "in", "out", "backward", "forward", "concave", "convex", "compress", "uncompress")


@cache
def detail_pairs(names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The detail targets by what they change: opposites and the two sides belong together."""
    pairs: dict[str, list[str]] = {}
    for name in names:
        stem = name.removeprefix("detail/")
        if name.startswith("detail/") and not stem.startswith("asym"):
            key = stem.removeprefix("l-").removeprefix("r-")
            if key.rsplit("-", 1)[-1] in OPPOSITES:
                key = key.rsplit("-", 1)[0]
            pairs.setdefault(key, []).append(name)
    return tuple(tuple(group) for group in pairs.values())


def shape_sliders(names: tuple[str, ...], random: np.random.Generator, sex: float, ancestry: dict, age: float) -> np.ndarray:
    """Weights [K] of the shape targets `names`, about the average young adult.

    Args:
        names: of the kit's targets.
        random: source of build and details.
        sex: 0 female .. 1 male.
        ancestry: "african", "asian", "caucasian" to their shares, sum 1.
        age: years.
    """
    old = float(np.clip((age - 28) / 62, 0, 1))
    child = float(np.clip((20 - age) / 14, 0, 1))
    ages = {"child": child, "young": (1 - child) * (1 - old), "old": old}
    heavy = np.clip(random.normal(0, HEAVY), -BUILD_MOST, BUILD_MOST)
    strong = np.clip(random.normal(0, STRONG), -BUILD_MOST, BUILD_MOST)
    weights = dict.fromkeys(names, 0.0)
    for name in names:
        stem = name.partition("/")[2]
        if name.startswith("macro/"):
            weights[name] = macro_weight(stem, sex, ancestry, ages, heavy, strong)
        elif stem.startswith("asym"):
            size = min(abs(random.normal(0, ASYMMETRY)), ASYMMETRY_MOST) * (random.random() < ASYMMETRIC)
            weights[name] = size * (CALM_ASYMMETRY if "brow" in stem else 1.0)
    for group in detail_pairs(names):
        endings = sorted({name.rsplit("-", 1)[1] for name in group})
        spread = DETAIL * (CALM_DETAIL if any(part in group[0] for part in CALM_PARTS) else 1.0)
        value = float(np.clip(random.normal(0, spread), -DETAIL_MOST, DETAIL_MOST))
        for name in group:
            if len(group) == 1:
                # A shape of the whole head has no opposite.
                weights[name] = max(value, 0) * 0.7
            elif name.endswith(endings[0]) == (value < 0):
                weights[name] = abs(value) * (1 + SIDES_DIFFER * random.normal())
    return np.array([weights[name] for name in names])


def macro_weight(stem: str, sex: float, ancestry: dict, ages: dict, heavy: float, strong: float) -> float:
    """Weight of a macro target, named by ancestry or "universal", sex, age and, if universal, muscle and weight."""
    words = stem.split("-")
    share = ages[words[2]] * (sex if words[1] == "male" else 1 - sex)
    average = 0.5 * (words[2] == "young")
    if words[0] != "universal":
        return share * ancestry[words[0]] - average / 3
    muscle, weight = words[3].removesuffix("muscle"), words[4].removesuffix("weight")
    if muscle == weight == "average":
        # A child has no other builds here.
        return share * (1.0 if words[2] == "child" else 1 - abs(heavy) / 2 - abs(strong) / 2) - average
    slider, end = (heavy, weight) if muscle == "average" else (strong, muscle)
    return share * max(slider if end == "max" else -slider, 0) / 2

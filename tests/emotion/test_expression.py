import pytest
import torch

from emotalker.arkit import UNIT_INDEX
from emotalker.emotion.expression import AU_UNITS, EXPRESSIONS, face_units, saturate
from emotalker.emotion.taxonomy import COMPOUNDS, EMOTION_INDEX, EMOTIONS

# The units by which each emotion is recognised (EMFACS short list through AU_UNITS).
CHARACTERISTIC = {
    "happy": ("mouthSmileLeft", "mouthSmileRight", "cheekSquintLeft"),
    "sad": ("browInnerUp", "mouthFrownLeft", "mouthFrownRight"),
    "angry": ("browDownLeft", "browDownRight", "eyeSquintLeft", "mouthPressLeft"),
    "fear": ("browInnerUp", "eyeWideLeft", "eyeWideRight", "mouthStretchLeft"),
    "disgust": ("noseSneerLeft", "noseSneerRight", "mouthUpperUpLeft"),
    "surprise": ("browInnerUp", "browOuterUpLeft", "eyeWideLeft", "jawOpen"),
    "contempt": ("mouthDimpleRight", "mouthSmileRight"),
}


def units_of(**strengths):
    row = torch.zeros(1, 8)
    for name, value in strengths.items():
        row[0, EMOTION_INDEX[name]] = value
    return face_units(row)[0]


@pytest.mark.parametrize("emotion", CHARACTERISTIC)
def test_characteristic_units_grow_with_strength(emotion):
    levels = torch.stack([units_of(**{emotion: s}) for s in (0.0, 0.3, 0.6, 1.0, 1.5)])
    for name in CHARACTERISTIC[emotion]:
        curve = levels[:, UNIT_INDEX[name]]
        assert (curve.diff() > 0.02).all(), name
    assert (levels.diff(dim=0) >= -1e-6).all()


def test_weights_stay_in_range_for_any_blend():
    generator = torch.Generator().manual_seed(0)
    strengths = 1.5 * torch.rand(500, 8, generator=generator)
    units = face_units(strengths)
    assert units.min() >= 0 and units.max() <= 1 and torch.isfinite(units).all()


def test_neutral_and_nothing_move_nothing():
    assert units_of().abs().max() == 0
    assert units_of(neutral=1.5).abs().max() == 0


def test_contempt_is_one_sided():
    units = units_of(contempt=1.0)
    assert units[UNIT_INDEX["mouthSmileLeft"]] == 0 and units[UNIT_INDEX["mouthDimpleRight"]] > 0.3


def test_smile_and_frown_damp_each_other():
    both, happy, sad = units_of(happy=1, sad=1), units_of(happy=1), units_of(sad=1)
    smile, frown = UNIT_INDEX["mouthSmileLeft"], UNIT_INDEX["mouthFrownLeft"]
    assert 0 < both[smile] < happy[smile]
    assert 0 < both[frown] < sad[frown]


def test_shared_units_do_not_double():
    brow = UNIT_INDEX["browInnerUp"]
    single, double = units_of(surprise=0.5)[brow], units_of(surprise=0.5, fear=0.5)[brow]
    assert single < double < 1.6 * single


@pytest.mark.parametrize("name", [c for c in COMPOUNDS if COMPOUNDS[c].blend])
def test_compounds_show_their_core_action_units(name):
    compound = COMPOUNDS[name]
    units = units_of(**compound.blend)
    for au in compound.core:
        assert max(units[UNIT_INDEX[unit]] for unit in AU_UNITS[au]) > 0.05, f"AU {au}"


def test_table_holds_known_emotions_and_actions():
    assert tuple(EXPRESSIONS) == EMOTIONS
    assert all(au in AU_UNITS and 0 < action <= 1 for row in EXPRESSIONS.values() for au, action, _ in row)


def test_action_units_pair_as_published(shared):
    lines = (shared / "priors" / "au_to_arkit.csv").read_text().splitlines()[1:]
    for line in lines:
        au, _, shapes = line.split(",")[:3]
        if int(au) in AU_UNITS:
            assert set(AU_UNITS[int(au)]) == set(shapes.split(";")), au


def test_saturation_is_monotonic_and_below_one():
    weights = saturate(torch.linspace(0, 2.5, 400))
    assert (weights.diff() > 0).all() and weights.max() < 1.0001

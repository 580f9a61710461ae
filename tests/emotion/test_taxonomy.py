import json

import pytest

from emotalker.emotion.taxonomy import COMPOUNDS, EMOTIONS, resolve
from emotalker.errors import UserError


def test_compounds_match_the_published_table(shared):
    rows = json.loads((shared / "priors" / "compound_emotions.json").read_text())
    assert [row["category"] for row in rows] == list(COMPOUNDS)
    for row in rows:
        compound = COMPOUNDS[row["category"]]
        assert compound.core == tuple(row["core"])
        assert dict(compound.optional) == {int(au): share for au, share in row["optional"].items()}


def test_compounds_blend_known_emotions():
    for compound in COMPOUNDS.values():
        assert set(compound.blend) <= set(EMOTIONS)
        assert all(0 < share <= 1 for share in compound.blend.values())


@pytest.mark.parametrize(
    ("name", "blend"),
    [
        ("happy", {"happy": 1.0}),
        ("Joy", {"happy": 1.0}),
        ("Happily_Surprised", {"happy": 0.7, "surprise": 0.7}),
        ("angrily-disgusted", {"angry": 0.7, "disgust": 0.7}),
    ],
)
def test_names_resolve(name, blend):
    assert dict(resolve(name)) == blend


def test_unknown_name_says_what_to_use():
    with pytest.raises(UserError, match=r'"hapy".*happy'):
        resolve("hapy")

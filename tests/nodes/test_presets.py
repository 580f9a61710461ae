"""Presets: saved, listed, loaded; never outside their folder, never overwritten silently."""

import pytest

from emotalker.emotion.track import EmotionTrack as PlainTrack


@pytest.fixture
def presets(pack, tmp_path, monkeypatch):
    """The module, with an empty user folder."""
    import folder_paths
    from emotalker_pack.nodes import presets

    monkeypatch.setattr(folder_paths, "user_directory", str(tmp_path / "user"))
    return presets


@pytest.fixture
def tracks(presets):
    """Two timelines."""
    return [presets.EmotionTrack.from_json(PlainTrack.constant({name: 0.5}).to_json()) for name in ("happy", "sad")]


def test_what_is_saved_is_listed_and_loaded(presets, tracks):
    assert presets.names() == []
    assert "was saved" in presets.save(" Angry boss ", tracks[0], False)
    presets.save("über-glücklich", tracks[1], False)
    assert presets.names() == ["Angry boss", "über-glücklich"]
    assert presets.load("Angry boss") == tracks[0] and presets.load("über-glücklich") == tracks[1]


def test_nothing_is_overwritten_unless_asked_and_what_happened_is_said(presets, tracks):
    presets.save("a", tracks[0], False)
    assert "holds exactly this already" in presets.save("a", tracks[0], False)
    assert presets.save("a", tracks[1], False).startswith("NOT SAVED")
    assert presets.load("a") == tracks[0]
    before = presets.fingerprint("a")
    assert "was replaced" in presets.save("a", tracks[1], True)
    assert presets.load("a") == tracks[1] and presets.fingerprint("a") != before


def test_what_is_typed_is_repeated_in_80_characters_at_most(presets):
    with pytest.raises(ValueError, match="cannot be the name") as said:
        presets.load("x" * 5000)
    assert "x" * 77 + "..." in str(said.value) and "x" * 81 not in str(said.value)


BAD = [
    "",
    " ",
    "../x",
    "a/b",
    "a\\b",
    "C:x",
    ".hidden",
    "..",
    "x.",
    "nul",
    "COM1.x",
    "a\0b",
    "a\nb",
    "a\ud800",
    "x" * 81,
    "/etc/passwd",
    "a|b",
]


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_could_lead_elsewhere_is_refused_in_one_sentence(presets, tracks, tmp_path, name):
    for use in (presets.load, lambda name: presets.save(name, tracks[0], True)):
        with pytest.raises(ValueError, match="cannot be the name of a preset") as caught:
            use(name)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
    assert list(tmp_path.rglob("*.json")) == []
    assert presets.fingerprint(name) == ""


def test_a_missing_and_a_broken_preset_are_named(presets, tmp_path):
    with pytest.raises(ValueError, match='there is no preset "x"'):
        presets.load("x")
    folder = tmp_path / "user" / "default" / "emotalker" / "emotions"
    folder.mkdir(parents=True)
    (folder / "broken.json").write_text("{")
    (folder / "binary.json").write_bytes(b"\xff\xfe\x00")
    (folder / "huge.json").write_text(" " * (presets.LARGEST_FILE + 1))
    for name, words in (("broken", "not valid JSON"), ("binary", "cannot be read"), ("huge", "too large")):
        with pytest.raises(ValueError, match=words):
            presets.load(name)


def test_a_folder_that_cannot_be_written_is_an_error_for_people(presets, tracks, tmp_path):
    (tmp_path / "user").write_text("a file where the folder should be")
    with pytest.raises(ValueError, match=r"a\.json cannot be written"):
        presets.save("a", tracks[0], False)


@pytest.mark.parametrize("name", [None, {}, [], 3, "\ud800", "", "nothing"])
def test_what_is_no_preset_has_no_fingerprint(presets, name):
    assert presets.fingerprint(name) == ""

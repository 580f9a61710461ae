"""The emotion nodes in a real ComfyUI: prompts, segments, JSON, presets, preview, with good and with bad input."""

import json

import pytest
from PIL import Image

from devtools.client import PromptError

BROKEN = '{"segments": [{"start": 0, "strengths": {"happy": 0.8}]'


def run(client, nodes: dict) -> dict:
    """Runs nodes {name: (class, inputs)}; name to what each showed. A wire is [name, output]."""
    return client.run({name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()}).outputs


def complaint(client, nodes: dict) -> str:
    """What the run says as it fails or is refused; checked to be made for people."""
    with pytest.raises(PromptError) as caught:
        run(client, nodes)
    message = caught.value.message
    assert "\n" not in message and (not caught.value.kind or caught.value.kind.endswith("UserError")), message
    return message


def prompted(prompt: str, **more) -> dict:
    """A prompt node, its JSON and its plot shown."""
    return {
        "eib": ("EmoTalkerEmotionPromptEIB", {"prompt": prompt, "strength": 1.0, "seconds": 6.0, **more}),
        "json": ("PreviewAny", {"source": ["eib", 1]}),
        "plot": ("PreviewImage", {"images": ["eib", 2]}),
    }


def read(client, prompt: str, **more) -> tuple[list[dict], str]:
    """(segments, what the node says) of a prompt."""
    outputs = run(client, prompted(prompt, **more))
    assert len(outputs["plot"]["images"]) == 1
    return json.loads(outputs["json"]["text"][0])["segments"], outputs["eib"]["text"][0]


def test_a_prompt_becomes_a_timeline_a_plot_and_words(client, server):
    nodes = prompted("[0-2s] calm [2-4s] absolutely furious [4s-] heartbroken")
    outputs = run(client, nodes)
    segments = json.loads(outputs["json"]["text"][0])["segments"]
    assert [(s["start"], s["end"]) for s in segments] == [(0.0, 2.0), (2.0, 4.0), (4.0, None)]
    assert [max(s["strengths"], key=s["strengths"].get) for s in segments] == ["neutral", "angry", "sad"]
    assert "angry" in outputs["eib"]["text"][0]
    (item,) = outputs["plot"]["images"]
    with Image.open(server.folder / "temp" / item["filename"]) as plot:
        assert plot.width > plot.height > 100


def test_the_speech_decides_on_the_timing(client):
    speech = {
        "voice": ("LoadAudio", {"audio": "long.wav"}),
        "heard": ("EmoTalkerAudioFeatures", {"audio": ["voice", 0], "transcript": ""}),
    }
    nodes = prompted("starts happy, then turns sad", features=["heard", 0])
    segments = json.loads(run(client, speech | nodes)["json"]["text"][0])["segments"]
    assert 20 < segments[-1]["start"] < 40, "of 60 s; the 6 s of the widget do not count"


def test_strength_scales_all(client):
    full, _ = read(client, "very angry")
    half, _ = read(client, "very angry", strength=0.5)
    assert half[0]["strengths"]["angry"] == pytest.approx(full[0]["strengths"]["angry"] / 2, abs=0.02)


@pytest.mark.parametrize("prompt", ["", "  \n "])
def test_an_empty_prompt_changes_nothing_and_says_so(client, prompt):
    segments, said = read(client, prompt)
    assert not any(sum(s["strengths"].values()) for s in segments) and "empty" in said


def test_a_prompt_that_nobody_understands_is_neutral_and_says_so(client):
    segments, said = read(client, "asdf qwer zxcv")
    assert all(set(s["strengths"]) <= {"neutral"} for s in segments) and "No emotion was recognised" in said


def test_emoji_are_read(client):
    segments, _ = read(client, "😡")
    assert max(segments[0]["strengths"], key=segments[0]["strengths"].get) == "angry"


def test_five_thousand_words_are_cut_with_a_warning(client):
    segments, said = read(client, "angry " * 5000)
    assert segments and len(said) < 2000 and "words" in said


@pytest.mark.parametrize("easing", ["step", "linear", "smooth"])
def test_segments_make_a_chain(client, easing):
    plain = {"start": 0.0, "end": 2.0, "easing": easing, "fade": 0.4, "strength": 0.7}
    mixer = dict.fromkeys(("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise", "contempt"), 0.0) | {"fear": 0.5}
    nodes = {
        "one": ("EmoTalkerEmotionSegment", {**plain, "emotion": "happily surprised"}),
        "mixer": ("EmoTalkerEmotionMixer", mixer),
        "two": (
            "EmoTalkerEmotionSegment",
            {**plain, "emotion": "sad", "start": 2.0, "end": 0.0, "previous": ["one", 0], "mixture": ["mixer", 0]},
        ),
        "json": ("EmoTalkerEmotionToJSON", {"emotion": ["two", 0], "preset_name": "", "overwrite": False}),
    }
    one, two = json.loads(run(client, nodes)["json"]["text"][0])["segments"]
    assert (one["start"], one["end"], one["easing"], one["fade"]) == (0.0, 2.0, easing, 0.4)
    assert one["strengths"] == pytest.approx({"happy": 0.49, "surprise": 0.49})
    assert (two["start"], two["end"]) == (2.0, None) and two["strengths"] == {"fear": 0.5}


def test_a_segment_that_ends_before_it_begins_is_named(client):
    inputs = {"emotion": "sad", "strength": 0.5, "start": 3.0, "end": 1.0, "easing": "smooth", "fade": 0.5}
    nodes = {
        "one": ("EmoTalkerEmotionSegment", inputs),
        "json": ("EmoTalkerEmotionToJSON", {"emotion": ["one", 0], "preset_name": "", "overwrite": False}),
    }
    assert complaint(client, nodes).startswith("Emotion Segment, input 'end':")


def test_a_preset_is_saved_offered_and_loaded(client, server):
    def save(prompt, overwrite=False):
        nodes = {
            "from": ("EmoTalkerEmotionFromJSON", {"preset": "(the text below)", "json": prompt}),
            "to": ("EmoTalkerEmotionToJSON", {"emotion": ["from", 0], "preset_name": "round trip", "overwrite": overwrite}),
        }
        return run(client, nodes)["to"]["text"][0]

    def load():
        nodes = {
            "from": ("EmoTalkerEmotionFromJSON", {"preset": "round trip", "json": ""}),
            "json": ("PreviewAny", {"source": ["from", 1]}),
        }
        return json.loads(run(client, nodes)["json"]["text"][0])["segments"][0]["strengths"]

    happy, sad = (json.dumps({"segments": [{"strengths": {name: 0.5}}]}) for name in ("happy", "sad"))
    assert "was saved" in save(happy)
    assert (server.folder / "user" / "default" / "emotalker" / "emotions" / "round trip.json").is_file()
    offered = client.get("/object_info/EmoTalkerEmotionFromJSON")["EmoTalkerEmotionFromJSON"]["input"]["required"]["preset"]
    assert "round trip" in (offered[1].get("options") or offered[0])
    assert load() == {"happy": 0.5}
    assert save(sad).startswith("NOT SAVED") and load() == {"happy": 0.5}
    assert "was replaced" in save(sad, overwrite=True) and load() == {"sad": 0.5}


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "a/b", "..", "evil\\..\\x", "nul"])
def test_no_preset_leads_out_of_its_folder(client, server, name):
    source = ("EmoTalkerEmotionFromJSON", {"preset": "(the text below)", "json": '[{"strengths": {"happy": 1}}]'})
    target = ("EmoTalkerEmotionToJSON", {"emotion": ["from", 0], "preset_name": name, "overwrite": True})
    message = complaint(client, {"from": source, "to": target})
    assert message.startswith("Emotion to JSON, input 'preset_name':") and "cannot be the name" in message
    load = ("EmoTalkerEmotionFromJSON", {"preset": name, "json": ""})
    assert "cannot be the name" in complaint(client, {"from": load, "json": ("PreviewAny", {"source": ["from", 1]})})
    assert not list(server.folder.rglob("*evil*"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BROKEN, "not valid JSON"),
        ("", "not valid JSON"),
        ("[1]", "segment 1"),
        ('[{"strengths": {"glad": 1}}]', "glad"),
        ('[{"strengths": {"happy": 9}}]', "from 0 to 1.5"),
        ('[{"strengths": {"happy": 1}, "end": "soon"}]', "seconds"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_broken_json_is_one_sentence(client, text, words):
    nodes = {
        "from": ("EmoTalkerEmotionFromJSON", {"preset": "(the text below)", "json": text}),
        "json": ("PreviewAny", {"source": ["from", 1]}),
    }
    message = complaint(client, nodes)
    assert message.startswith("Emotion from JSON, input 'json':") and words in message


def test_the_preview_shows_one_face_for_each_segment_and_fits_the_portrait_once(client, server):
    segments = [{"start": i, "end": i + 1, "strengths": {"happy": 0.1 + 0.15 * i}} for i in range(6)]
    nodes = {
        "portrait": ("EmoTalkerLoadPortrait", {"image": "emotalker_portrait.png", "face_index": 0, "neutralise": True}),
        "from": ("EmoTalkerEmotionFromJSON", {"preset": "(the text below)", "json": json.dumps(segments)}),
        "sheet": ("EmoTalkerEmotionPreview", {"portrait": ["portrait", 0], "emotion": ["from", 0], "seconds": 6.0}),
        "shown": ("PreviewImage", {"images": ["sheet", 0]}),
    }
    run(client, nodes)
    nodes["from"][1]["json"] = json.dumps(segments[::-1])
    outcome = client.run({name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()})
    assert set(outcome.executed) == {"from", "sheet", "shown"}
    (item,) = outcome.outputs["shown"]["images"]
    with Image.open(server.folder / "temp" / item["filename"]) as sheet:
        assert sheet.width > 900 and sheet.height > 600

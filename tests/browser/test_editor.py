"""A person opens the example in the browser, presses Run and sees the video."""

import json
import os
import time

import pytest

from devtools.browser import Browser, find_browser
from devtools.client import ComfyClient
from devtools.server import ROOT, ComfyServer
from devtools.workflow import to_prompt
from emotalker.video.audio import Sound, read_audio, write_wav

READY = "!!(window.app?.graph && window.app.extensionManager)"
VIDEO = "[...document.querySelectorAll('video')].find(v => v.readyState >= 2 && v.videoWidth > 0)"
SHOW_ALL = """(() => {
  let [x0, y0, x1, y1] = [1e9, 1e9, -1e9, -1e9];
  for (const node of app.graph._nodes) {
    x0 = Math.min(x0, node.pos[0]); y0 = Math.min(y0, node.pos[1] - 40);
    x1 = Math.max(x1, node.pos[0] + node.size[0]); y1 = Math.max(y1, node.pos[1] + node.size[1]);
  }
  const view = app.canvas.ds;
  view.scale = Math.min((innerWidth - 120) / (x1 - x0), (innerHeight - 160) / (y1 - y0));
  view.offset = [90 / view.scale - x0, 140 / view.scale - y0];
  app.canvas.setDirty(true, true);
})()"""


@pytest.fixture(scope="module")
def server():
    """A server of its own, whose sample voice is cut to one second."""
    if "COMFYUI_PATH" not in os.environ:
        pytest.skip("needs ComfyUI: run the tests by `python3 dev.py test`, or set COMFYUI_PATH to a checkout")
    if find_browser() is None:
        pytest.skip("needs Chromium: install it, or name it in the variable CHROMIUM")
    with ComfyServer() as running:
        path = running.folder / "input" / "emotalker_voice.wav"
        waveform, rate = read_audio(path)
        write_wav(path, Sound(waveform[:, :rate], rate))
        ComfyClient(running.url).post("/api/settings", {"Comfy.TutorialCompleted": True, "Comfy.Minimap.Visible": False})
        yield running


@pytest.fixture(scope="module")
def page(server):
    """The editor with the example opened from the template gallery's address."""
    with Browser() as browser:
        browser.open(f"{server.url}/?template=talking_portrait&source=emotalker")
        browser.wait_for(READY, 120)
        browser.wait_for("app.graph._nodes.some(node => node.type === 'EmoTalkerSampler')", 60)
        yield browser


def differ(page, server, name: str) -> bool:
    """Whether the editor makes another prompt of the graph that it shows than `to_prompt` makes of an example."""
    theirs = json.loads(page.evaluate("app.graphToPrompt().then(result => JSON.stringify(result.output))"))
    workflow = json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))
    ours = to_prompt(workflow, ComfyClient(server.url).get("/object_info"))
    for node in [*theirs.values(), *ours.values()]:
        node.pop("_meta")
        node["inputs"].pop("audioUI", None)  # the player inside Load Audio, which the server does not need
    return theirs != ours


def test_the_editor_reads_the_example_as_the_tests_do(page, server):
    assert not differ(page, server, "talking_portrait")


def test_run_shows_the_video_in_the_node(page, server):
    page.evaluate(SHOW_ALL)
    button = page.evaluate(
        "(() => { const b = [...document.querySelectorAll('button')].find(b => b.innerText.trim() === 'Run');"
        " const r = b.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
    )
    for kind in ("mousePressed", "mouseReleased"):
        page.call("Input.dispatchMouseEvent", type=kind, x=button[0], y=button[1], button="left", clickCount=1)
    try:
        page.wait_for(f"!!{VIDEO}", 120)
        page.evaluate(SHOW_ALL)
        time.sleep(1)
        width, seconds = page.evaluate(f"(() => {{ const v = {VIDEO}; return [v.videoWidth, v.duration]; }})()")
    finally:
        page.screenshot(ROOT / "out" / "editor.png")
    assert width == 512
    assert seconds == pytest.approx(1.0, abs=1 / 25)


@pytest.mark.parametrize("name", ["emotion_prompt", "frames_to_upscale", "redo_part", "scored_take"])
def test_the_editor_reads_the_other_examples_so_too(page, server, name):
    workflow = json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))
    page.evaluate(f"app.loadGraphData({json.dumps(workflow)}).then(() => true)")
    assert not differ(page, server, name)


def test_load_motion_uploads_a_file_and_chooses_it(page, server):
    page.evaluate("""(() => {
      window.loader = LiteGraph.createNode('EmoTalkerLoadMotion');
      app.graph.add(window.loader);
      HTMLInputElement.prototype.click = function () { // stands in for the person who picks a file
        const picked = new DataTransfer();
        picked.items.add(new File(['Timecode,JawOpen'], 'captured.csv'));
        this.files = picked.files;
        this.onchange();
      };
      window.loader.widgets.find(widget => widget.type === 'button').callback();
    })()""")
    page.wait_for("window.loader.widgets[0].value === 'captured.csv'", 20)
    assert (server.folder / "input" / "captured.csv").read_text() == "Timecode,JawOpen"
    saved = page.evaluate("JSON.stringify(window.loader.serialize().widgets_values)")
    assert json.loads(saved) == ["captured.csv"], "the button is no value of the workflow"


def test_what_a_node_says_is_there_after_the_page_is_opened_again(page, server):
    said = (
        "app.graph._nodes.find(node => node.type === 'EmoTalkerEmotionPromptEIB')"
        "?.widgets.find(widget => widget.name === '$$node-text-preview')?.value"
    )
    page.evaluate("""(() => {
      app.graph.clear();
      const prompt = LiteGraph.createNode('EmoTalkerEmotionPromptEIB'), shown = LiteGraph.createNode('PreviewAny');
      app.graph.add(prompt); app.graph.add(shown);
      prompt.connect(1, shown, 0);
      prompt.widgets.find(widget => widget.name === 'prompt').value = 'furious';
      app.queuePrompt(0);
    })()""")
    page.wait_for(f"{said}?.includes('angry')", 120)
    before, saved = page.evaluate(said), page.evaluate("JSON.stringify(app.graph.serialize())")
    page.open(server.url)
    page.wait_for(READY, 120)
    page.evaluate(f"app.loadGraphData({saved}).then(() => true)")
    page.wait_for(f"!!({said})", 20)
    assert page.evaluate(said) == before


SCRIPT = '<img src="x" onerror="window.ran = true"><b id="planted">bold</b>'
"""What runs, or makes an element, wherever it is taken for HTML."""


def nothing_ran(page) -> bool:
    time.sleep(1)  # an image that cannot be loaded says so a little later
    return page.evaluate("window.ran !== true && document.getElementById('planted') === null")


def test_a_shared_graph_runs_no_script(page, server):
    workflow = json.loads((ROOT / "workflows" / "emotion_prompt.json").read_text(encoding="utf-8"))
    for node in workflow["nodes"]:
        node.setdefault("properties", {})["emotalker_said"] = SCRIPT
    page.evaluate(f"app.loadGraphData({json.dumps(workflow)}).then(() => true)")
    shown = "app.graph._nodes.flatMap(n => n.widgets ?? []).filter(w => w.name === '$$node-text-preview').map(w => w.value)"
    page.wait_for(f"{shown}.some(value => String(value).includes('planted'))", 20)
    assert nothing_ran(page)


def test_what_a_second_client_queues_is_shown_as_text(page, server):
    other = ComfyClient(server.url)
    prompt = {
        "1": {
            "class_type": "EmoTalkerEmotionPromptEIB",
            "inputs": {"prompt": f"{SCRIPT} furious {SCRIPT}", "strength": 1.0, "duration": 4.0, "guess_emotion": False},
        },
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 1]}},
    }
    known = other.get("/object_info/EmoTalkerEmotionPromptEIB")["EmoTalkerEmotionPromptEIB"]["input"]
    wanted = {**known["required"], **known.get("optional", {})}
    prompt["1"]["inputs"] = {
        name: f"{SCRIPT} furious" if name == "prompt" else options[1]["default"]
        for name, options in wanted.items()
        if len(options) > 1 and "default" in options[1]
    }
    page.evaluate("""(() => {
      app.graph.clear();
      const node = LiteGraph.createNode('EmoTalkerEmotionPromptEIB');
      app.graph.add(node);
      node.id = 1; app.graph._nodes_by_id[1] = node;
    })()""")
    other.run(prompt)
    assert nothing_ran(page)

"""One real ComfyUI server for all tests here, with this checkout linked into its custom_nodes."""

import json
import os

import pytest
import torch

from devtools.client import ComfyClient
from devtools.graph import Graph
from devtools.server import ROOT, ComfyServer
from devtools.workflow import to_prompt
from emotalker.video.audio import Sound, read_audio, write_wav


@pytest.fixture(scope="session")
def server():
    """The running server; its input folder holds voices of 1 s (short.wav) and 60 s (long.wav)."""
    if "COMFYUI_PATH" not in os.environ:
        pytest.skip("needs ComfyUI: run the tests by `python3 dev.py test`, or set COMFYUI_PATH to a checkout")
    with ComfyServer() as running:
        waveform, rate = read_audio(ROOT / "samples" / "emotalker_voice.wav")
        folder = running.folder / "input"
        write_wav(folder / "short.wav", Sound(waveform[:, rate // 2 : rate // 2 + rate], rate))
        write_wav(folder / "long.wav", Sound(torch.cat([waveform] * 9, 1)[:, : 60 * rate], rate))
        yield running


@pytest.fixture(scope="session")
def client(server):
    """A client of the server."""
    return ComfyClient(server.url)


@pytest.fixture(scope="session")
def info(client):
    """The server's /object_info."""
    return client.get("/object_info")


@pytest.fixture
def graph(info):
    """The shipped example as a prompt that speaks for one second, not painted, to be changed by the test."""
    found = Graph(to_prompt(json.loads((ROOT / "workflows" / "talking_portrait.json").read_text(encoding="utf-8")), info))
    found.inputs("EmoTalkerSampler")["frames"] = "rig only"
    return found

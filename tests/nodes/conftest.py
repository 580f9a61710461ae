"""The pack imported the way ComfyUI imports it, without a server."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def pack():
    """The pack's module; its nodes are in `pack.nodes`."""
    if "COMFYUI_PATH" not in os.environ:
        pytest.skip("needs ComfyUI: run the tests by `python3 dev.py test`, or set COMFYUI_PATH to a checkout")
    sys.path.insert(0, os.environ["COMFYUI_PATH"])
    try:
        from comfy.cli_args import args

        args.cpu = True
        spec = importlib.util.spec_from_file_location(
            "emotalker_pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
        )
        module = importlib.util.module_from_spec(spec)
        sys.modules["emotalker_pack"] = module
        spec.loader.exec_module(module)
        import emotalker_pack.nodes.sampler  # noqa: F401

        yield module
    finally:
        sys.path.remove(os.environ["COMFYUI_PATH"])


@pytest.fixture
def folders(pack, tmp_path, monkeypatch):
    """ComfyUI's input, output and temp folders, empty."""
    import folder_paths

    for name in ("input", "output", "temp"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(folder_paths, f"{name}_directory", str(tmp_path / name))
    return tmp_path

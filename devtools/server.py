"""A real ComfyUI server with this pack linked into it, in a folder of its own."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("custom_nodes", "input", "output", "models", "temp", "user")
START_LIMIT = 300  # seconds; a cold disk and a slow processor have taken one minute


class ServerError(RuntimeError):
    """The server did not come up, or ended."""


class ComfyServer:
    """Starts ComfyUI on a free loopback port; a context manager that always ends it.

    Args:
        arguments: more arguments for ComfyUI's main.py.
        folder: base directory; None makes a temporary one that is deleted at the end.
        port: None for a free one.
        quiet: keep the server's output in `log` instead of showing it.
    """

    def __init__(
        self, arguments: list[str] | None = None, folder: Path | None = None, port: int | None = None, quiet: bool = True
    ):
        self._arguments = list(arguments or [])
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="emotalker-")
        self.folder = Path(folder or self._temporary.name)
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = self.folder / "server.log"
        self._quiet = quiet
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> "ComfyServer":
        try:
            self._prepare()
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def _prepare(self) -> None:
        for name in FOLDERS:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        link_pack(self.folder / "custom_nodes" / "emotalker")

    def _start(self) -> None:
        comfyui = Path(os.environ["COMFYUI_PATH"])
        command = [
            sys.executable,
            "-u",
            str(comfyui / "main.py"),
            "--port",
            str(self.port),
            "--base-directory",
            str(self.folder),
        ]
        command += ["--disable-api-nodes", "--disable-auto-launch", "--database-url", "sqlite:///:memory:"]
        import torch

        if not torch.cuda.is_available():
            command.append("--cpu")
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        output = open(self.log, "wb") if self._quiet else None  # noqa: SIM115 (the process holds it)
        self.process = subprocess.Popen(
            [*command, *self._arguments],
            cwd=comfyui,
            env=variables,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
        )
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise ServerError(f"ComfyUI ended while it started:\n{self.tail()}")
            try:
                with urllib.request.urlopen(f"{self.url}/system_stats", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise ServerError(f"ComfyUI did not answer within {START_LIMIT} s:\n{self.tail()}")

    def tail(self, size: int = 4000) -> str:
        """The end of the server's output."""
        return self.log.read_text(errors="replace")[-size:] if self.log.exists() else ""

    def stop(self) -> None:
        """Ends the server, by force if it must be, and removes the temporary folder."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self._temporary is not None:
            pack = self.folder / "custom_nodes" / "emotalker"
            if pack.is_symlink():
                pack.unlink()  # never let the removal below reach through the link
            self._temporary.cleanup()


def free_port() -> int:
    """A loopback port that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def link_pack(place: Path) -> None:
    """Makes this checkout appear at `place`: a link, or a copy on systems that allow no links."""
    if place.is_symlink() or place.exists():
        return
    try:
        place.symlink_to(ROOT, target_is_directory=True)
    except OSError:  # Windows without developer mode
        junction = (
            subprocess.run(["cmd", "/c", "mklink", "/J", str(place), str(ROOT)], capture_output=True)
            if os.name == "nt"
            else None
        )
        if junction is None or junction.returncode != 0:
            shutil.copytree(ROOT, place, ignore=shutil.ignore_patterns(".git", "out", "__pycache__", "tests"))

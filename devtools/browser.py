"""A headless Chromium, driven through its DevTools protocol."""

import asyncio
import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
START_LIMIT = 60  # seconds
ANSWER_LIMIT = 120


class BrowserError(RuntimeError):
    """The browser did not start, or a script in the page failed."""


def find_browser() -> str | None:
    """Path of an installed Chromium: the variable CHROMIUM, else by its usual names; None when there is none."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page of a headless Chromium; a context manager.

    Args:
        width, height: the window, CSS pixels.
    """

    def __init__(self, width: int = 1600, height: int = 1000):
        self._size = (width, height)
        self._profile = tempfile.TemporaryDirectory(prefix="emotalker-browser-", ignore_cleanup_errors=True)
        self._loop = asyncio.new_event_loop()
        self._process: subprocess.Popen | None = None
        self._number = 0

    def __enter__(self) -> "Browser":
        path = find_browser()
        if path is None:
            raise BrowserError("There is no Chromium on this system: install it, or name it in the variable CHROMIUM.")
        try:
            self._start(path)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _start(self, path: str) -> None:
        width, height = self._size
        options = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--mute-audio",
            "--no-first-run",
        ]
        options += [f"--window-size={width},{height}", "--remote-debugging-port=0", f"--user-data-dir={self._profile.name}"]
        self._process = subprocess.Popen([path, *options, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port_file = Path(self._profile.name) / "DevToolsActivePort"
        deadline = time.monotonic() + START_LIMIT
        while not port_file.exists() or "\n" not in port_file.read_text():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise BrowserError("Chromium did not start.")
            time.sleep(0.1)
        port = port_file.read_text().split()[0]
        self._loop.run_until_complete(self._connect(port))
        self.call("Page.enable")
        self.call("Runtime.enable")

    async def _connect(self, port: str) -> None:
        self._session = aiohttp.ClientSession()
        async with self._session.get(f"http://127.0.0.1:{port}/json") as answer:
            pages = json.loads(await answer.text())
        page = next(target for target in pages if target["type"] == "page")
        self._socket = await self._session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0)

    def call(self, method: str, **parameters) -> dict:
        """One command of the DevTools protocol and its result.

        Raises:
            BrowserError: the command failed, or Chromium gave no answer within ANSWER_LIMIT seconds.
        """
        try:
            return self._loop.run_until_complete(asyncio.wait_for(self._call(method, parameters), ANSWER_LIMIT))
        except asyncio.TimeoutError as error:
            raise BrowserError(f"{method}: no answer within {ANSWER_LIMIT} s.") from error

    async def _call(self, method: str, parameters: dict) -> dict:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        async for message in self._socket:
            data = json.loads(message.data)
            if data.get("method") == "Page.javascriptDialogOpening":
                # "Leave the page? Changes may not be saved": nobody is there to answer, and leaving waits for it.
                await self._socket.send_json({"id": 0, "method": "Page.handleJavaScriptDialog", "params": {"accept": True}})
            elif data.get("id") == self._number:
                if "error" in data:
                    raise BrowserError(f"{method}: {data['error']['message']}")
                return data["result"]
        raise BrowserError("Chromium closed the connection.")

    def open(self, url: str) -> None:
        """Goes to a page."""
        self.call("Page.navigate", url=url)

    def evaluate(self, script: str) -> object:
        """Value of a JavaScript expression; a promise is awaited."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description", details.get("text")))
        return answer["result"].get("value")

    def wait_for(self, script: str, limit: float = 60) -> object:
        """Evaluates an expression until it is true; its value.

        Raises:
            TimeoutError: it was not within `limit` seconds.
        """
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            if value := self.evaluate(script):
                return value
            time.sleep(0.2)
        raise TimeoutError(f"after {limit:g} s this was still not true in the page: {script}")

    def screenshot(self, path: Path) -> None:
        """Saves what the page shows as a PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        """Ends the browser and removes its profile."""
        if hasattr(self, "_session"):
            self._loop.run_until_complete(self._session.close())
            del self._session
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        self._loop.close()
        self._profile.cleanup()

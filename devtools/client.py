"""Talks to a ComfyUI server: queues a prompt, follows it over the websocket, fetches files."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp


class PromptError(RuntimeError):
    """The server refused a prompt or a node failed.

    Attributes:
        message: the failing node's own words.
        node_type: class of that node, "" when the prompt was refused.
        kind: type of the exception.
    """

    def __init__(self, message: str, node_type: str = "", kind: str = ""):
        super().__init__(f"{node_type}: {message}" if node_type else message)
        self.message, self.node_type, self.kind = message, node_type, kind


@dataclass
class Outcome:
    """How a prompt went.

    Attributes:
        prompt_id: the server's name for it.
        outputs: node id to what the node showed (as in /history).
        cached: ids of nodes whose former result was used again.
        executed: ids of nodes that ran, in their order.
        previews: number of preview pictures that came.
        progress: node id to the highest progress value seen.
        interrupted: it was cancelled.
        seconds: from queueing to the end.
    """

    prompt_id: str
    outputs: dict = field(default_factory=dict)
    cached: set[str] = field(default_factory=set)
    executed: list[str] = field(default_factory=list)
    previews: int = 0
    progress: dict[str, float] = field(default_factory=dict)
    interrupted: bool = False
    seconds: float = 0.0

    def files(self) -> list[dict]:
        """All files that nodes saved: {"filename", "subfolder", "type"}."""
        return [item for output in self.outputs.values() for item in output.get("images", []) + output.get("gifs", [])]


class ComfyClient:
    """A client of one server.

    Args:
        url: like http://127.0.0.1:8188.
    """

    def __init__(self, url: str):
        self.url = url

    def get(self, path: str) -> object:
        """JSON of a GET request."""
        return asyncio.run(self._request("GET", path))

    def post(self, path: str, data: dict | None = None) -> object:
        """JSON of a POST request (None when the answer is empty)."""
        return asyncio.run(self._request("POST", path, data or {}))

    def fetch(self, item: dict) -> bytes:
        """Content of a saved file, one entry of Outcome.files()."""

        async def load() -> bytes:
            async with aiohttp.ClientSession() as session, session.get(f"{self.url}/view", params=item) as answer:
                answer.raise_for_status()
                return await answer.read()

        return asyncio.run(load())

    def run(
        self,
        prompt: dict,
        workflow: dict | None = None,
        limit: float = 600,
        on_progress: Callable[[str, float, float], None] | None = None,
    ) -> Outcome:
        """Queues a prompt and waits for its end.

        Args:
            prompt: API form.
            workflow: editor form, stored in the saved files.
            limit: seconds to wait.
            on_progress: called with (node id, value, maximum); what it raises ends the waiting.

        Raises:
            PromptError: refused, or a node failed.
            TimeoutError: not done within the limit.
        """
        try:
            return asyncio.run(asyncio.wait_for(self._run(prompt, workflow, on_progress), limit))
        except asyncio.TimeoutError as error:  # before Python 3.11 it was another class than TimeoutError
            raise TimeoutError(f"the prompt did not end within {limit:g} s") from error
        except aiohttp.ClientError as error:
            raise PromptError(f"the connection to the server broke: {error}") from error

    async def _request(self, method: str, path: str, data: dict | None = None) -> object:
        async with aiohttp.ClientSession() as session, session.request(method, self.url + path, json=data) as answer:
            text = await answer.text()
            if answer.status >= 400:
                raise PromptError(_refusal(text))
            return json.loads(text) if text else None

    async def _run(self, prompt: dict, workflow: dict | None, on_progress) -> Outcome:
        name = uuid.uuid4().hex
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{self.url}/ws?clientId={name}", max_msg_size=0) as socket,
        ):
            started = time.monotonic()
            extra = {"extra_data": {"extra_pnginfo": {"workflow": workflow}}} if workflow else {}
            answer = await self._request("POST", "/prompt", {"prompt": prompt, "client_id": name, **extra})
            outcome = Outcome(answer["prompt_id"])
            async for message in socket:
                if message.type == aiohttp.WSMsgType.BINARY:
                    outcome.previews += 1
                elif message.type == aiohttp.WSMsgType.TEXT and _note(json.loads(message.data), outcome, on_progress):
                    break
            else:
                raise PromptError("the server closed the connection")
            outcome.seconds = time.monotonic() - started
        history = await self._request("GET", f"/history/{outcome.prompt_id}")
        outcome.outputs = history.get(outcome.prompt_id, {}).get("outputs", {})
        return outcome


def _note(message: dict, outcome: Outcome, on_progress) -> bool:
    """Takes one message of the websocket into account; True when the prompt has ended."""
    kind, data = message["type"], message.get("data", {})
    if data.get("prompt_id") not in (None, outcome.prompt_id):
        return False
    if kind == "execution_cached":
        outcome.cached.update(data["nodes"])
    elif kind == "executing" and data.get("node"):
        outcome.executed.append(data["node"])
    elif kind == "progress":
        outcome.progress[data["node"]] = max(outcome.progress.get(data["node"], 0), data["value"])
        if on_progress is not None:
            on_progress(data["node"], data["value"], data["max"])
    elif kind == "execution_error":
        raise PromptError(data["exception_message"].strip(), data["node_type"], data["exception_type"])
    elif kind == "execution_interrupted":
        outcome.interrupted = True
    return kind == "executing" and data.get("node") is None  # the last message: by then the history is written


def _refusal(text: str) -> str:
    """What a refused prompt's answer says."""
    try:
        answer = json.loads(text)
    except ValueError:
        return text
    parts = [str(answer.get("error", {}).get("message", answer.get("error", "")))]
    for node in (answer.get("node_errors") or {}).values():
        parts += [f"{node['class_type']}: {error['message']}: {error['details']}" for error in node["errors"]]
    return "; ".join(parts)

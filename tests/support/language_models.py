"""Several language models behind one OpenAI wire, each under its own name."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from tests.support.asgi import serve_app
from tests.support.scripted_model import ScriptedModel, Step, application


@dataclass
class Model:
    """One of them: its script, what it was sent, and whether it answers yet."""

    script: ScriptedModel = field(default_factory=ScriptedModel)
    bodies: list[str] = field(default_factory=list[str])
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answering: asyncio.Event = field(default_factory=asyncio.Event)

    def play(self, *steps: Step) -> None:
        """Begin a new script, and answer at once."""
        self.script.play(*steps)
        self.bodies.clear()
        self.asked.clear()
        self.answering.set()

    def hang(self) -> None:
        """Accept every request and answer none, until the next script."""
        self.play()
        self.answering.clear()


class Models:
    """All of them; a name that nobody has used yet is a model without a script."""

    def __init__(self) -> None:
        self._models: defaultdict[str, Model] = defaultdict(Model)

    def __getitem__(self, name: str) -> Model:
        """Return the model of this name."""
        return self._models[name]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request to one of them."""
        body = await Request(scope, receive).body()
        model = self[json.loads(body)["model"]]
        model.bodies.append(body.decode())
        model.asked.set()
        await model.answering.wait()
        await application(model.script)(scope, _replay_body(body, receive), send)

    def release(self) -> None:
        """Let every model answer that hangs."""
        for model in self._models.values():
            model.answering.set()


@asynccontextmanager
async def serve_models() -> AsyncGenerator[tuple[Models, str]]:
    """Serve models on a free port; yields them and the base URL, which ends in /v1."""
    models = Models()
    async with serve_app(models) as url:
        try:
            yield models, f"{url}/v1"
        finally:
            models.release()


def _replay_body(body: bytes, receive: Receive) -> Receive:
    """Return what receives a body that was read already."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return waiting.pop() if waiting else await receive()

    return replayed

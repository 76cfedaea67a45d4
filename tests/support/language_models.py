"""Several language models behind one OpenAI wire, each under its own name."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from tests.support.asgi import serve_app
from tests.support.scripted_model import ScriptedModel, Step, application, event

Json = dict[str, Any]

TOO_LONG = {
    "error": {
        "message": "This model's maximum context length is 128000 tokens.",
        "type": "invalid_request_error",
        "code": "context_length_exceeded",
    }
}


@dataclass(frozen=True)
class Stream:
    """An answer as it goes over the wire: deltas, or events as text, and what comes after them.

    `finish` is the reason that the last event names. `then` is how the body ends: with the usage
    and the closing event (`done`), without them (`closed`), in the middle (`broken`) or never
    (`stalled`). `usage` is told before that.
    """

    deltas: Sequence[Json | str] = ()
    finish: str | None = None
    then: Literal["done", "closed", "broken", "stalled"] = "done"
    usage: Json | None = None

    def events(self) -> Iterator[str]:
        """Yield the events of the body."""
        for delta in self.deltas:
            yield delta if isinstance(delta, str) else event([_choice(delta)])
        if self.finish:
            yield event([_choice({}, self.finish)])
        if self.usage:
            yield event([], usage=self.usage)
        if self.then == "done":
            yield "data: [DONE]\n\n"


@dataclass
class Model:
    """One of them: its script, what it was sent, and whether it answers yet.

    `streaming` is set when the events of a `Stream` are sent, and `left` when a client goes away
    before it has its answer. A body of more than `max_body` bytes is refused as too long.
    """

    script: ScriptedModel = field(default_factory=ScriptedModel)
    stream: Stream | None = None
    max_body: int | None = None
    bodies: list[str] = field(default_factory=list[str])
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answering: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    streaming: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)  # ends what is stalled

    def play(self, *steps: Step) -> None:
        """Begin a new script, and answer at once."""
        self.script.play(*steps)
        self.stream = None
        self.max_body = None
        self.bodies.clear()
        self.asked.clear()
        self.left.clear()
        self.streaming.clear()
        self.over.set()
        self.answering.set()

    def hang(self) -> None:
        """Accept every request and answer none, until the next script."""
        self.play()
        self.answering.clear()

    def send(self, stream: Stream) -> None:
        """Answer every request with this, until the next script."""
        self.play()
        self.stream = stream
        self.over = asyncio.Event()


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
        if not await _happens_first(model.answering, receive):
            model.left.set()
        elif model.max_body is not None and len(body) > model.max_body:
            await JSONResponse(TOO_LONG, 400)(scope, receive, send)
        elif model.stream is None:
            await application(model.script)(scope, _replay_body(body, receive), send)
        else:
            await _send_stream(model, model.stream, receive, send)

    def release(self) -> None:
        """Let every model answer that hangs, and end what is stalled."""
        for model in self._models.values():
            model.answering.set()
            model.over.set()


@asynccontextmanager
async def serve_models() -> AsyncGenerator[tuple[Models, str]]:
    """Serve models on a free port; yields them and the base URL, which ends in /v1."""
    models = Models()
    async with serve_app(models) as url:
        try:
            yield models, f"{url}/v1"
        finally:
            models.release()


async def forget_failures(cache: Redis) -> None:
    """Have no model rest any more."""
    keys = await cache.keys("llm:*")
    if keys:
        await cache.delete(*keys)


async def _send_stream(model: Model, stream: Stream, receive: Receive, send: Send) -> None:
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for text in stream.events():
        await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
    model.streaming.set()
    if stream.then == "stalled":
        if not await _happens_first(model.over, receive):
            model.left.set()
    elif stream.then != "broken":
        await send({"type": "http.response.body", "body": b""})


async def _happens_first(event: asyncio.Event, receive: Receive) -> bool:
    """Wait for an event; return False if the client goes away before it happens."""
    happened, gone = asyncio.ensure_future(event.wait()), asyncio.ensure_future(receive())
    await asyncio.wait((happened, gone), return_when=asyncio.FIRST_COMPLETED)
    happened.cancel()
    gone.cancel()
    return event.is_set()


def _choice(delta: Json, finish: str | None = None) -> Json:
    return {"index": 0, "delta": delta, "finish_reason": finish}


def _replay_body(body: bytes, receive: Receive) -> Receive:
    """Return what receives a body that was read already."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return waiting.pop() if waiting else await receive()

    return replayed

"""Servers that benchmarks need: a fake model with OpenAI's API, and one that never answers.

The fake model answers at once, so that the rest of the time is our own. Its speech is a tone.
"""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

Json = dict[str, Any]
Answer = Callable[[Json], Json]

_RATE = 24_000
_HEAD: Json = {"id": "chatcmpl-benchmark", "created": 0, "model": "benchmark"}


def sentence(_: Json) -> Json:
    """Answer every request with the same sentence."""
    return {"content": "Of course, one moment."}


@asynccontextmanager
async def model_server(answer: Answer = sentence) -> AsyncGenerator[str]:
    """Serve chat and speech on a free port; yields the base URL, which ends in /v1."""

    async def chat(request: Request) -> Response:
        body: Json = await request.json()
        delta = {"content": "."} if body.get("max_tokens") == 1 else answer(body)
        if not body.get("stream"):
            return JSONResponse(_completion("message", delta))
        events = (_completion("delta", delta), _completion("delta", {}, _finish(delta)))
        lines = [f"data: {json.dumps(event)}\n\n" for event in events]
        return StreamingResponse(iter([*lines, "data: [DONE]\n\n"]), media_type="text/event-stream")

    routes = [
        Route("/v1/chat/completions", chat, methods=["POST"]),
        Route("/v1/audio/speech", _speech, methods=["POST"]),
    ]
    async with serve(Starlette(routes=routes)) as url:
        yield f"{url}/v1"


@asynccontextmanager
async def serve(app: ASGIApp) -> AsyncGenerator[str]:
    """Serve an app on a free port; yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


@asynccontextmanager
async def hanging_server() -> AsyncGenerator[str]:
    """Listen on a free port, accept every connection, and never answer; yields its host's URL."""
    closing = asyncio.Event()

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await closing.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        closing.set()
        server.close()


async def _speech(_: Request) -> Response:
    time = np.arange(_RATE) / _RATE
    tone = (8000 * np.sin(2 * np.pi * 300 * time)).astype(np.int16)
    return Response(tone.tobytes(), media_type="audio/pcm")


def _completion(part: str, content: Json, finish: str | None = None) -> Json:
    message = {"role": "assistant", **content} if content else {}
    return _HEAD | {
        "object": "chat.completion.chunk" if part == "delta" else "chat.completion",
        "choices": [{"index": 0, part: message, "finish_reason": finish}],
    }


def _finish(delta: Json) -> str:
    return "tool_calls" if "tool_calls" in delta else "stop"

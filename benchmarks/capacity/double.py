"""A double of a model provider with OpenAI's API: hears, speaks and answers after a fixed time.

On every second turn of a caller it calls a tool first.

Run: `python -m benchmarks.capacity.double PORT`
"""

import asyncio
import json
import sys
from typing import Any

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

Json = dict[str, Any]

_RATE = 24_000
_SECONDS = 1.5  # of speech, for every text
_HEARING = _SPEAKING = 0.1  # seconds
_THINKING = 0.05  # seconds
_HEAD: Json = {"id": "chatcmpl-capacity", "created": 0, "model": "scripted"}
_TOOL = "get_available_slots"
_ARGUMENTS = {"service": "guided tour", "when": "next Thursday after two"}


def _tone() -> bytes:
    time = np.arange(int(_RATE * _SECONDS)) / _RATE
    samples: Any = (8000 * np.sin(2 * np.pi * 300 * time)).astype(np.int16)
    return bytes(samples.tobytes())


async def _chat(request: Request) -> Response:
    body: Json = await request.json()
    await asyncio.sleep(_THINKING)
    delta = _answer(body)
    finish = "tool_calls" if "tool_calls" in delta else "stop"
    if not body.get("stream"):
        return JSONResponse(_completion("message", delta, finish))
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    events: list[Json] = [
        _completion("delta", delta, None),
        _completion("delta", {}, finish),
        _HEAD | {"object": "chat.completion.chunk", "choices": [], "usage": usage},
    ]
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    return StreamingResponse(iter([*lines, "data: [DONE]\n\n"]), media_type="text/event-stream")


def _answer(body: Json) -> Json:
    """Return a tool call on every second turn of the caller, else a sentence."""
    messages: list[Json] = body["messages"]
    roles = [each["role"] for each in messages]
    turns = roles.count("user")
    has_called = "tool" in roles[len(roles) - roles[::-1].index("user") :] if turns else True
    names = [each["function"]["name"] for each in body.get("tools", ()) if "function" in each]
    name = next((each for each in names if each.endswith(_TOOL)), None)
    if name is None or has_called or turns % 2:
        return {"content": "Of course, one moment please."}
    call = {"name": name, "arguments": json.dumps(_ARGUMENTS)}
    return {
        "tool_calls": [{"index": 0, "id": f"call_{turns}", "type": "function", "function": call}]
    }


def _completion(part: str, content: Json, finish: str | None) -> Json:
    message = {"role": "assistant", **content} if content else {}
    return _HEAD | {
        "object": "chat.completion.chunk" if part == "delta" else "chat.completion",
        "choices": [{"index": 0, part: message, "finish_reason": finish}],
    }


async def _hear(request: Request) -> Response:
    await request.body()
    await asyncio.sleep(_HEARING)
    return JSONResponse({"text": "Could you tell me when there is a guided tour please?"})


def _speech(tone: bytes) -> Route:
    async def speak(_: Request) -> Response:
        await asyncio.sleep(_SPEAKING)
        return Response(tone, media_type="audio/pcm")

    return Route("/v1/audio/speech", speak, methods=["POST"])


async def _ready(_: Request) -> Response:
    return Response()


def _app() -> Starlette:
    return Starlette(
        routes=[
            Route("/v1/chat/completions", _chat, methods=["POST"]),
            Route("/v1/audio/transcriptions", _hear, methods=["POST"]),
            _speech(_tone()),
            Route("/health", _ready),
        ]
    )


if __name__ == "__main__":
    uvicorn.run(_app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")

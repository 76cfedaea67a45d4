"""A language model that plays a script over the OpenAI wire.

Each step says what the model must have been told, and what it answers. A request that the next
step does not expect is answered 500 and remembered, so that `assert_done` fails and says why.
"""

import json
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.support.asgi import serve_app

Json = dict[str, Any]
Place = tuple[tuple[str, str], ...]
_HEAD = {"id": "chatcmpl-scripted", "created": 0, "model": "scripted"}
_USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


@dataclass(frozen=True)
class Call:
    """A tool call, by the name that the model sees."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Step:
    """One request and its answer: a sentence, or tool calls.

    Patterns are searched for, whatever the case: `caller` in the caller's last words, `results` in
    what tools have answered since then, `facts` in the system's messages.
    """

    caller: str
    answer: str | Sequence[Call]
    results: str | None = None
    facts: str | None = None

    def objections(self, request: "ChatRequest") -> Iterator[str]:
        """Yield what the request lacks."""
        told = (
            ("caller", self.caller, request.caller),
            ("results", self.results, request.results),
            ("facts", self.facts, request.facts),
        )
        for name, pattern, text in told:
            if pattern is not None and not re.search(pattern, text, re.IGNORECASE):
                yield f"{name} should match {pattern!r}, but there is {text!r}"
        if self.results is None and request.results:
            yield f"no tool should have answered yet, but there is {request.results!r}"
        if not isinstance(self.answer, str):
            for tool in {call.tool for call in self.answer} - request.offered:
                yield f"{tool!r} should be offered, but there are {sorted(request.offered)}"


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Part(_Model):
    """A part of a message."""

    text: str = ""


class Message(_Model):
    """One message of a request."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        """Return the text, whichever way it was sent."""
        if isinstance(self.content, list):
            return " ".join(part.text for part in self.content)
        return self.content or ""


class ChatRequest(_Model):
    """What the model was asked."""

    messages: list[Message]
    tools: list[Json] = []
    stream: bool = False
    stream_options: Json = {}
    max_tokens: int | None = None

    @property
    def caller(self) -> str:
        """Return the caller's last words."""
        return self.messages[self._turn].text if self._turn >= 0 else ""

    @property
    def results(self) -> str:
        """Return what tools have answered since the caller spoke."""
        later = self.messages[self._turn + 1 :]
        return "\n".join(message.text for message in later if message.role == "tool")

    @property
    def facts(self) -> str:
        """Return everything that the system says."""
        system = (m.text for m in self.messages if m.role in ("system", "developer"))
        return "\n".join(system)

    @property
    def offered(self) -> set[str]:
        """Return the names of the tools that may be called."""
        return {str(tool["function"]["name"]) for tool in self.tools}

    @property
    def place(self) -> "Place":
        """Return where in the conversation this is, whatever the caller's last words are."""
        return tuple(
            (message.role, message.text)
            for index, message in enumerate(self.messages)
            if index != self._turn and message.role not in ("system", "developer")
        )

    @property
    def _turn(self) -> int:
        users = (i for i, message in enumerate(self.messages) if message.role == "user")
        return max(users, default=-1)


class ScriptedModel:
    """Plays steps in order.

    A turn that is asked again at the same place, because the caller went on speaking before the
    answer was heard, gets the same step again. Warming requests (one token) are not counted.
    """

    def __init__(self, steps: Sequence[Step] = ()) -> None:
        self.steps: list[Step] = []
        self.requests: list[ChatRequest] = []
        self.unexpected: list[str] = []
        self._next = 0
        self._played: Place | None = None
        self._repeated: tuple[Call, str] | None = None
        self.play(*steps)

    def play(self, *steps: Step) -> None:
        """Begin a new script, and forget the one before."""
        self.steps = list(steps)
        self.requests.clear()
        self.unexpected.clear()
        self._next = 0
        self._played = None
        self._repeated = None

    def repeat(self, call: Call, last: str) -> None:
        """Call a tool for as long as it is offered, then say the last words."""
        self.play()
        self._repeated = call, last

    def assert_done(self) -> None:
        """Fail unless every step was played, and nothing else was asked.

        Raises:
            AssertionError: something unexpected was asked, or steps are left.
        """
        problems = list(self.unexpected)
        problems += [f"nobody asked: {step}" for step in self.steps[self._next :]]
        if problems:
            raise AssertionError("The scripted model: " + "\n".join(problems))

    def answer(self, request: ChatRequest) -> str | Sequence[Call] | None:
        """Return what the script answers, or None where it does not expect this request."""
        self.requests.append(request)
        if self._repeated is not None:
            call, last = self._repeated
            return [call] if call.tool in request.offered else last
        index = self._next - 1 if request.place == self._played else self._next
        if index == len(self.steps):
            self.unexpected.append(f"the script is over, but was asked {request.caller!r}")
            return None
        objections = list(self.steps[index].objections(request))
        if objections:
            self.unexpected.append(f"step {index + 1}: {'; '.join(objections)}")
            return None
        self._next, self._played = index + 1, request.place
        return self.steps[index].answer


def application(model: ScriptedModel) -> Starlette:
    """Return the model as an application that speaks the OpenAI wire."""

    async def completions(request: Request) -> Response:
        asked = ChatRequest.model_validate_json(await request.body())
        answer = "." if asked.max_tokens == 1 else model.answer(asked)
        if answer is None:
            return JSONResponse({"error": {"message": model.unexpected[-1]}}, 500)
        return _stream(asked, answer) if asked.stream else _whole(answer)

    return Starlette(routes=[Route("/v1/chat/completions", completions, methods=["POST"])])


@asynccontextmanager
async def serve_model(model: ScriptedModel) -> AsyncGenerator[str]:
    """Serve the model on a free port; yields the base URL, which ends in /v1."""
    async with serve_app(application(model)) as url:
        yield f"{url}/v1"


def _whole(answer: str | Sequence[Call]) -> Response:
    message: Json = {"role": "assistant", "content": None}
    message |= {"content": answer} if isinstance(answer, str) else {"tool_calls": _calls(answer)}
    choice = {"index": 0, "message": message, "finish_reason": _finish(answer)}
    body = _HEAD | {"object": "chat.completion", "choices": [choice], "usage": _USAGE}
    return JSONResponse(body)


def _stream(request: ChatRequest, answer: str | Sequence[Call]) -> Response:
    async def events() -> AsyncGenerator[str]:
        for delta in _deltas(answer):
            yield event([{"index": 0, "delta": delta, "finish_reason": None}])
        yield event([{"index": 0, "delta": {}, "finish_reason": _finish(answer)}])
        if request.stream_options.get("include_usage"):
            yield event([], usage=_USAGE)
        yield "data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


def _deltas(answer: str | Sequence[Call]) -> Iterator[Json]:
    """Yield an answer in pieces, as a provider streams it."""
    yield {"role": "assistant", "content": ""}
    if isinstance(answer, str):
        for piece in re.findall(r"\s*\S+", answer):
            yield {"content": piece}
        return
    for index, call in enumerate(_calls(answer)):
        function = call["function"]
        arguments, function["arguments"] = function["arguments"], ""
        yield {"tool_calls": [{"index": index, **call}]}
        for piece in (arguments[:7], arguments[7:]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _calls(calls: Sequence[Call]) -> list[Json]:
    return [
        {
            "id": f"call_{uuid4().hex}",
            "type": "function",
            "function": {"name": call.tool, "arguments": json.dumps(dict(call.arguments))},
        }
        for call in calls
    ]


def _finish(answer: str | Sequence[Call]) -> str:
    return "stop" if isinstance(answer, str) else "tool_calls"


def event(choices: list[Json], **more: Any) -> str:
    """Return one event of a streamed answer."""
    body = _HEAD | {"object": "chat.completion.chunk", "choices": choices, **more}
    return f"data: {json.dumps(body)}\n\n"

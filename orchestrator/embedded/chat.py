"""Runs one chat completion: prompt, grammar, generation, and the OpenAI response."""

import json
import logging
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from orchestrator.embedded.chat_request import ChatRequest
from orchestrator.embedded.grammar import build_grammar
from orchestrator.embedded.llm import Chunk, LanguageModel, Prompt
from orchestrator.embedded.prompt import build_plain_prompt, build_prompt
from orchestrator.embedded.stream_parser import Delta, LineParser, TextParser, join_deltas

_log = logging.getLogger(__name__)
# A spoken line is short; a small model that goes on repeats itself.
_LINE_TOKENS = 160
_TEXT_TOKENS = 512
_MEASURED_TOKENS = 8  # from which on a rate means something


class Completion:
    """One chat completion; call either `message` or `events`, once."""

    def __init__(self, model: LanguageModel, request: ChatRequest) -> None:
        self._model = model
        self._request = request
        self._last = Chunk()
        self.wait: float | None = None  # seconds until it began
        self.tokens_per_second: float | None = None  # known at the end, of an answer long enough
        self._parser: LineParser | TextParser = TextParser()
        self._head = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": request.model,
        }

    async def message(self) -> dict[str, Any]:
        """Generate and return the whole completion."""
        message = join_deltas([delta async for delta in self._deltas()])
        choice = {"index": 0, "message": message, "finish_reason": self._finish}
        return self._head | {
            "object": "chat.completion",
            "choices": [choice],
            "usage": self._last.usage,
        }

    async def events(self) -> AsyncGenerator[str, None]:
        """Generate the completion as server-sent events."""
        yield self._event({"role": "assistant", "content": ""})
        async with aclosing(self._deltas()) as deltas:
            async for delta in deltas:
                yield self._event(delta)
        yield self._event({}, self._finish)
        options = self._request.stream_options
        if options and options.include_usage:
            yield _sse(self._chunk([]) | {"usage": self._last.usage})
        yield "data: [DONE]\n\n"

    async def _deltas(self) -> AsyncGenerator[Delta, None]:
        request, started = self._request, time.perf_counter()
        names, may_speak = request.permitted
        functions = [tool.function for tool in request.tools]
        options = _options(request)
        if functions:
            signatures = [function.signature for function in functions]
            allowed = [each for each in signatures if each.name in names]
            options["grammar"] = build_grammar(allowed, may_speak=may_speak)
            self._parser = LineParser(allowed)
        began: float | None = None  # to write
        async with aclosing(self._model.stream(prompt_of(request), options)) as chunks:
            async for chunk in chunks:
                if began is None and chunk.text:
                    began = time.perf_counter()
                    self.wait = began - started
                self._update_totals(chunk)
                for delta in self._parser.feed(chunk.text):
                    yield delta
        self._measure(began)
        for delta in self._parser.end(cut_off=self._last.finish == "length"):
            yield delta
        _log.debug(
            "completion",
            extra={"seconds": time.perf_counter() - started, "timings": self._last.timings},
        )

    def _measure(self, began: float | None) -> None:
        """Note how many tokens a second the model has written."""
        tokens = self._last.usage.get("completion_tokens", 0)
        if began is not None and tokens >= _MEASURED_TOKENS:
            self.tokens_per_second = (tokens - 1) / (time.perf_counter() - began)

    def _update_totals(self, chunk: Chunk) -> None:
        """Collect finish reason, usage and timings, which arrive in different chunks."""
        self._last = Chunk(
            finish=chunk.finish or self._last.finish,
            usage=chunk.usage or self._last.usage,
            timings=chunk.timings or self._last.timings,
        )

    @property
    def _finish(self) -> str:
        finish = self._last.finish or "stop"
        return "tool_calls" if self._parser.tool and finish == "stop" else finish

    def _event(self, delta: Delta, finish: str | None = None) -> str:
        return _sse(self._chunk([{"index": 0, "delta": delta, "finish_reason": finish}]))

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return self._head | {"object": "chat.completion.chunk", "choices": choices}


def prompt_of(request: ChatRequest) -> Prompt:
    """Return the prompt of a request."""
    functions = [tool.function for tool in request.tools]
    if functions:
        return build_prompt(request.messages, functions, request.prompt_cache_key)
    return build_plain_prompt(request.messages, request.prompt_cache_key)


async def wait_for_first_event(events: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    """Wait for the first generated event, so that a refusal can still be an HTTP status."""
    first = [await anext(events), await anext(events)]

    async def all_events() -> AsyncGenerator[str, None]:
        async with aclosing(events):
            for event in first:
                yield event
            async for event in events:
                yield event

    return all_events()


def _options(request: ChatRequest) -> dict[str, Any]:
    limit = request.max_completion_tokens or request.max_tokens
    default = _LINE_TOKENS if request.tools else _TEXT_TOKENS
    options = request.model_dump(include={"top_p", "seed", "stop"}, exclude_none=True)
    options["temperature"] = request.temperature or 0.0
    options["max_tokens"] = min(limit or default, default) if request.tools else limit or default
    if request.response_format:
        options["response_format"] = request.response_format.model_dump()
    return options


def _sse(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"

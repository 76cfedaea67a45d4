"""The cascade over language models: who answers, who is left out, and what is passed on."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectionError,
    APIConnectOptions,
    NotGivenOr,
)
from livekit.agents.llm import (
    LLM,
    ChatChunk,
    ChatContext,
    ChoiceDelta,
    CompletionUsage,
    LLMStream,
    Tool,
    ToolChoice,
)
from redis.asyncio import Redis

from config.cache import connect
from orchestrator.agent.llm_cascade import LLMCascade
from orchestrator.agent.model_health import ModelHealth

BEGINS = ChatChunk(id="1", delta=ChoiceDelta(role="assistant"))
USAGE = ChatChunk(
    id="1", usage=CompletionUsage(completion_tokens=1, prompt_tokens=1, total_tokens=2)
)


class FakeLLM(LLM[Any]):
    """A model that streams chunks after a while, and may fail after them."""

    def __init__(
        self, *chunks: ChatChunk, delay: float = 0.0, error: Exception | None = None
    ) -> None:
        super().__init__()
        self._label = f"fake/{uuid4().hex}"
        self.chunks = chunks
        self.delay = delay
        self.error = error
        self.requests = 0

    def chat(
        self,
        *,
        chat_ctx: ChatContext,
        tools: list[Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        parallel_tool_calls: NotGivenOr[bool] = NOT_GIVEN,
        tool_choice: NotGivenOr[ToolChoice] = NOT_GIVEN,
        extra_kwargs: NotGivenOr[dict[str, Any]] = NOT_GIVEN,
    ) -> LLMStream:
        """Stream the chunks."""
        self.requests += 1
        return _FakeStream(self, chat_ctx, conn_options)


class _FakeStream(LLMStream):
    def __init__(self, model: FakeLLM, chat_ctx: ChatContext, options: APIConnectOptions) -> None:
        super().__init__(model, chat_ctx=chat_ctx, tools=[], conn_options=options)
        self._model = model

    async def _run(self) -> None:
        await asyncio.sleep(self._model.delay)
        for chunk in self._model.chunks:
            self._event_ch.send_nowait(chunk)
        if self._model.error is not None:
            raise self._model.error


def text(content: str) -> ChatChunk:
    """Return a chunk of an answer."""
    return ChatChunk(id="1", delta=ChoiceDelta(role="assistant", content=content))


def failing() -> FakeLLM:
    """Return a model that refuses at once."""
    return FakeLLM(error=APIConnectionError("RateLimitError", retryable=False))


def cascade(cache: Redis, *models: FakeLLM) -> LLMCascade:
    """Return the cascade of one call."""
    return LLMCascade(models, first_chunk_timeout=0.2, health=ModelHealth(cache))


async def answer(llm: LLMCascade) -> list[ChatChunk]:
    """Ask once, and return what is passed on."""
    async with llm.chat(chat_ctx=ChatContext.empty()) as stream:
        return [chunk async for chunk in stream]


@pytest.mark.parametrize("first", [failing(), FakeLLM(), FakeLLM(text("Late."), delay=60)])
async def test_the_next_model_answers_and_no_call_asks_the_first_again(
    cache: Redis, first: FakeLLM
) -> None:
    second = FakeLLM(text("Yes."))
    before = first.requests
    for _ in range(2):  # two calls
        llm = cascade(cache, first, second)
        assert await answer(llm) == [text("Yes.")]
        assert llm.answering is second
    assert (first.requests - before, second.requests) == (1, 2)


async def test_the_last_model_is_asked_even_if_it_has_failed(cache: Redis) -> None:
    models = [failing(), failing()]
    for _ in range(2):
        with pytest.raises(APIConnectionError, match="No language model answered"):
            await answer(cascade(cache, *models))
    assert [model.requests for model in models] == [1, 2]


async def test_the_last_model_may_take_its_time(cache: Redis) -> None:
    slow = FakeLLM(text("Yes."), delay=0.4)
    assert await answer(cascade(cache, failing(), slow)) == [text("Yes.")]


@pytest.mark.parametrize("begun", [[text("So")], [BEGINS]])
async def test_a_model_that_has_begun_is_not_replaced(
    cache: Redis, begun: Sequence[ChatChunk]
) -> None:
    error = APIConnectionError("InternalServerError", retryable=False)
    first, second = FakeLLM(*begun, error=error), FakeLLM(text("Yes."))
    llm = cascade(cache, first, second)
    with pytest.raises(APIConnectionError, match="InternalServerError"):
        await answer(llm)
    assert second.requests == 0
    assert llm.answering is first


async def test_only_what_says_something_is_passed_on(cache: Redis) -> None:
    model = FakeLLM(BEGINS, text("Yes."), BEGINS, USAGE)
    assert await answer(cascade(cache, model)) == [text("Yes."), USAGE]


async def test_without_the_cache_every_model_is_tried() -> None:
    nowhere = connect("redis://127.0.0.1:1")
    first, second = failing(), FakeLLM(text("Yes."))
    for _ in range(2):
        assert await answer(cascade(nowhere, first, second)) == [text("Yes.")]
    assert first.requests == 2
    await nowhere.aclose()

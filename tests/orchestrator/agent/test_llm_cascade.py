"""The cascade over language models: who answers, who is left out, and what is passed on."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectionError,
    APIConnectOptions,
    APIError,
    APIStatusError,
    NotGivenOr,
)
from livekit.agents.llm import (
    ChatChunk,
    ChatContext,
    ChoiceDelta,
    CompletionUsage,
    FunctionCall,
    FunctionCallOutput,
    FunctionToolCall,
    LLMError,
    LLMStream,
    Tool,
    ToolChoice,
    function_tool,
)
from livekit.agents.metrics import LLMMetrics
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from redis.asyncio import Redis

from config.cache import connect
from orchestrator.agent.llm_cascade import BrokenAnswerError, DeployedLLM, LLMCascade, Signal
from orchestrator.agent.model_health import ModelHealth

BEGINS = ChatChunk(id="1", delta=ChoiceDelta(role="assistant"))
USAGE = ChatChunk(
    id="1", usage=CompletionUsage(completion_tokens=1, prompt_tokens=1, total_tokens=2)
)


WRITES = Signal(id="1", kind="tool_call")
CUT_OFF = Signal(id="1", kind="cut_off")
BUSINESS = uuid4()


class FakeLLM(DeployedLLM):
    """A model that streams chunks, with pauses in seconds, and then may stall or fail."""

    def __init__(
        self, *chunks: ChatChunk | float, stalls: bool = False, error: Exception | None = None
    ) -> None:
        super().__init__()
        self._label = f"fake/{uuid4().hex}"
        self.chunks = chunks
        self.stalls = stalls
        self.error = error
        self.requests = 0

    @property
    def model(self) -> str:
        """Return a name of its own."""
        return self._label

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
        for chunk in self._model.chunks:
            if isinstance(chunk, ChatChunk):
                self._event_ch.send_nowait(chunk)
            else:
                await asyncio.sleep(chunk)
        if self._model.stalls:
            await asyncio.Event().wait()
        if self._model.error is not None:
            raise self._model.error


def text(content: str) -> ChatChunk:
    """Return a chunk of an answer."""
    return ChatChunk(id="1", delta=ChoiceDelta(role="assistant", content=content))


def tool_call(name: str = "book", arguments: str = '{"slot": "tue-9"}') -> ChatChunk:
    """Return a chunk with a tool call."""
    call = FunctionToolCall(name=name, arguments=arguments, call_id="call_1")
    return ChatChunk(id="1", delta=ChoiceDelta(role="assistant", tool_calls=[call]))


def endless(chunk: ChatChunk) -> list[ChatChunk | float]:
    """Return a chunk again and again, for longer than a cascade waits."""
    return [chunk, 0.05] * 100


def failing() -> FakeLLM:
    """Return a model that refuses at once."""
    return FakeLLM(error=APIConnectionError("RateLimitError", retryable=False))


def cascade(cache: Redis, *models: FakeLLM, business: UUID = BUSINESS) -> LLMCascade:
    """Return the cascade of one call."""
    health = ModelHealth(cache, business)
    return LLMCascade(models, first_chunk_timeout=0.2, progress_timeout=0.3, health=health)


def refused(status: int) -> APIError:
    """Return what a provider's refusal is to the cascade."""
    return APIStatusError("Refused", status_code=status, retryable=False)


async def book(raw_arguments: dict[str, object]) -> None:
    """Do nothing: no tool is run here."""


BOOK = function_tool(book, raw_schema={"name": "book", "parameters": {"type": "object"}})


async def answer(
    llm: LLMCascade, *tools: Tool, tool_choice: NotGivenOr[ToolChoice] = NOT_GIVEN
) -> list[ChatChunk]:
    """Ask once, and return what is passed on."""
    request = llm.chat(chat_ctx=ChatContext.empty(), tools=[*tools], tool_choice=tool_choice)
    async with request as stream:
        return [chunk async for chunk in stream]


async def broken_answer(llm: LLMCascade) -> tuple[list[ChatChunk], BrokenAnswerError]:
    """Ask once, and return what is passed on before the answer breaks off, and how it does."""
    chunks: list[ChatChunk] = []
    with pytest.raises(BrokenAnswerError) as broken:
        async with llm.chat(chat_ctx=ChatContext.empty(), tools=[BOOK]) as stream:
            async for chunk in stream:
                chunks.append(chunk)
    return chunks, broken.value


NO_ANSWERS = {
    "refuses": failing(),
    "nothing": FakeLLM(),
    "late": FakeLLM(60.0, text("Late.")),
    "only its role": FakeLLM(BEGINS),
    "only its usage": FakeLLM(BEGINS, USAGE),
    "role, then stalls": FakeLLM(BEGINS, stalls=True),
    "roles without end": FakeLLM(*endless(BEGINS)),
    "role, then fails": FakeLLM(BEGINS, error=APIConnectionError("x", retryable=False)),
    "blanks": FakeLLM(text(" "), text("\n\n"), USAGE),
    "blanks, then stalls": FakeLLM(text(" "), stalls=True),
    "no word": FakeLLM(text("**"), text("...")),
    "a tool call without a name": FakeLLM(tool_call(name=" ")),
    "half a tool call": FakeLLM(text("\n"), tool_call(arguments='{"slot": "tue')),
    "a tool call with a list": FakeLLM(tool_call(arguments="[1]")),
    "a tool call too deep": FakeLLM(tool_call(arguments="[" * 100_000)),
    "a tool call that never comes": FakeLLM(WRITES, stalls=True),
}


@pytest.mark.parametrize("first", NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
async def test_the_next_model_answers_and_no_call_asks_the_first_again(
    cache: Redis, first: FakeLLM
) -> None:
    second = FakeLLM(text("Yes."))
    before = first.requests
    for _ in range(2):  # two calls
        llm = cascade(cache, first, second)
        assert await answer(llm, BOOK) == [text("Yes.")]
        assert llm.answering is second
    assert (first.requests - before, second.requests) == (1, 2)


REQUESTS_OWN_FAULTS = {
    "too long": FakeLLM(error=refused(400)),
    "a wrong key": FakeLLM(error=refused(401)),
    "not for this key": FakeLLM(error=refused(403)),
    "no such model": FakeLLM(error=refused(404)),
    "too large": FakeLLM(error=refused(413)),
    "cut off at once": FakeLLM(CUT_OFF),
    "cut off in a tool call": FakeLLM(WRITES, CUT_OFF),
}


@pytest.mark.parametrize("first", REQUESTS_OWN_FAULTS.values(), ids=REQUESTS_OWN_FAULTS.keys())
async def test_the_fault_of_a_request_takes_the_model_from_nobody(
    cache: Redis, first: FakeLLM
) -> None:
    for requests, business in enumerate([BUSINESS, BUSINESS, uuid4()], 1):
        llm = cascade(cache, first, FakeLLM(text("Yes.")), business=business)
        assert await answer(llm, BOOK) == [text("Yes.")]
        assert first.requests == requests


PROVIDERS_FAULTS = {
    "not reached": FakeLLM(error=APIConnectionError("x", retryable=False)),
    "limits us": FakeLLM(error=refused(429)),
    "fails": FakeLLM(error=refused(500)),
    "overloaded": FakeLLM(error=refused(529)),
}


@pytest.mark.parametrize("first", PROVIDERS_FAULTS.values(), ids=PROVIDERS_FAULTS.keys())
async def test_the_fault_of_a_provider_counts_for_all_businesses(
    cache: Redis, first: FakeLLM
) -> None:
    for business in (uuid4(), uuid4()):
        llm = cascade(cache, first, FakeLLM(text("Yes.")), business=business)
        assert await answer(llm, BOOK) == [text("Yes.")]
    assert first.requests == 1


async def test_what_one_business_may_have_brought_on_itself_counts_for_it_alone(
    cache: Redis,
) -> None:
    """Its prompt may be too long for the time that its bot allows."""
    first, one, other = FakeLLM(stalls=True), uuid4(), uuid4()
    for business, requests in ((one, 1), (one, 1), (other, 2), (other, 2), (uuid4(), 2)):
        llm = cascade(cache, first, FakeLLM(text("Yes.")), business=business)
        assert await answer(llm, BOOK) == [text("Yes.")]
        assert first.requests == requests  # that two have the same trouble, is the provider's


@pytest.mark.parametrize(
    "raw",
    ["The PIN is 4711.", '{"pin": "4711"}', "[" * 100_000],
    ids=["a sentence", "an object", "too deep"],
)
async def test_a_trace_has_nothing_of_what_was_said(
    cache: Redis, spans: InMemorySpanExporter, raw: str
) -> None:
    history = ChatContext.empty()
    history.add_message(role="user", content="My PIN is 4711.")
    history.insert(FunctionCall(call_id="1", name="book", arguments=raw))
    history.insert(FunctionCallOutput(call_id="1", name="book", output=raw, is_error=False))
    llm = cascade(cache, FakeLLM(text("Yes, 4711.")))
    async with llm.chat(chat_ctx=history, tools=[BOOK]) as stream:
        assert [chunk async for chunk in stream] == [text("Yes, 4711.")]
    recorded = "".join(span.to_json() for span in spans.get_finished_spans())
    assert "llm_request" in recorded
    assert "4711" not in recorded


async def test_the_last_model_is_asked_even_if_it_has_failed(cache: Redis) -> None:
    models = [failing(), failing()]
    for _ in range(2):
        with pytest.raises(APIConnectionError, match="No language model answered"):
            await answer(cascade(cache, *models))
    assert [model.requests for model in models] == [1, 2]


async def test_the_last_model_may_take_its_time(cache: Redis) -> None:
    slow = FakeLLM(0.4, text("Yes."))
    assert await answer(cascade(cache, failing(), slow)) == [text("Yes.")]


@pytest.mark.parametrize(
    ("chunks", "whole_sentences"),
    [
        ([text("The tour costs")], False),
        ([text("Dates are:")], False),
        ([text("Let me see…")], False),
        ([text("It costs twelve euros."), text(" Shall")], False),
        ([text("It costs "), text("twelve euros.")], True),
        ([text("She said: \u201cCome in!\u201d ")], True),
        ([text("**Yes.**\n")], True),
        ([text("\u0939\u093e\u0901\u0964")], True),
        ([text("\u306f\u3044\u3002")], True),
        ([text("I book it."), WRITES], False),
    ],
)
async def test_a_model_that_has_begun_is_not_replaced(
    cache: Redis, chunks: Sequence[ChatChunk], whole_sentences: bool
) -> None:
    error = APIConnectionError("InternalServerError", retryable=False)
    first, second = FakeLLM(BEGINS, *chunks, error=error), FakeLLM(text("Yes."))
    llm = cascade(cache, first, second)
    passed_on, broken = await broken_answer(llm)
    assert passed_on == [chunk for chunk in chunks if chunk is not WRITES]
    assert "InternalServerError" in str(broken)
    assert broken.whole_sentences == whole_sentences
    assert second.requests == 0
    assert llm.answering is first
    # But it rests: the caller's next turn goes to the other one.
    assert await answer(cascade(cache, first, second)) == [text("Yes.")]


@pytest.mark.parametrize(
    "first",
    [
        FakeLLM(text("So"), stalls=True),
        FakeLLM(text("So"), *endless(BEGINS)),
        FakeLLM(text("So"), *endless(text(" "))),
        FakeLLM(text("So"), CUT_OFF),
        FakeLLM(text("So"), tool_call(arguments='{"slot": "tue')),
    ],
    ids=["stalls", "roles", "blanks", "cut off", "half a tool call"],
)
async def test_an_answer_that_does_not_go_on_is_ended(cache: Redis, first: FakeLLM) -> None:
    passed_on, broken = await broken_answer(cascade(cache, first))
    assert passed_on[0] == text("So")
    assert not any(chunk.delta.tool_calls for chunk in passed_on if chunk.delta)
    assert not broken.whole_sentences


async def test_a_tool_call_is_an_answer_and_may_take_its_time(cache: Redis) -> None:
    first = FakeLLM(WRITES, 0.4, tool_call(), USAGE)
    llm = cascade(cache, first, FakeLLM(text("Yes.")))
    llm.progress_timeout = 60
    assert await answer(llm, BOOK) == [tool_call(), USAGE]
    assert llm.answering is first


@pytest.mark.parametrize("arguments", ["", "{}", "null"])
async def test_a_tool_call_may_have_no_arguments(cache: Redis, arguments: str) -> None:
    call = tool_call(arguments=arguments)
    assert await answer(cascade(cache, FakeLLM(call), failing()), BOOK) == [call]


async def test_an_error_after_a_tool_call_ends_nothing(cache: Redis) -> None:
    error = APIConnectionError("InternalServerError", retryable=False)
    first = FakeLLM(tool_call(), error=error)
    assert await answer(cascade(cache, first, failing()), BOOK) == [tool_call()]


async def test_a_tool_call_is_no_answer_where_none_may_be_made(cache: Redis) -> None:
    llm = cascade(cache, FakeLLM(tool_call()), FakeLLM(text("Yes.")))
    assert await answer(llm, BOOK, tool_choice="none") == [text("Yes.")]
    llm = cascade(cache, FakeLLM(tool_call()), FakeLLM(text("Yes.")))
    assert await answer(llm) == [text("Yes.")]


async def test_what_comes_before_the_first_word_is_passed_on_with_it(cache: Redis) -> None:
    chunks = [text("**"), text("Yes**.")]
    assert await answer(cascade(cache, FakeLLM(BEGINS, *chunks), failing())) == chunks


async def test_the_usage_of_a_model_that_has_failed_is_counted(cache: Redis) -> None:
    first, second = FakeLLM(BEGINS, USAGE), FakeLLM(text("Yes."), USAGE)
    llm = cascade(cache, first, second)
    measured: list[tuple[str | None, int]] = []

    def measure(metrics: LLMMetrics) -> None:
        assert metrics.metadata is not None
        measured.append((metrics.metadata.model_name, metrics.total_tokens))

    llm.on("metrics_collected", measure)
    await answer(llm)
    assert measured == [(first.model, 2), (second.model, 2)]


async def test_a_call_survives_any_number_of_failures(cache: Redis) -> None:
    llm = cascade(cache, failing())
    errors: list[LLMError] = []
    llm.on("error", errors.append)
    with pytest.raises(APIConnectionError):
        await answer(llm)
    (error,) = errors
    assert error.recoverable  # else LiveKit counts it, and ends the session after four


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

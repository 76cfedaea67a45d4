"""A model over litellm, as the first of a cascade: what providers send that is no answer."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from uuid import uuid4

import pytest
import pytest_asyncio
from livekit.agents import APIError
from livekit.agents.llm import ChatChunk, ChatContext, FunctionToolCall, function_tool
from livekit.agents.metrics import LLMMetrics
from redis.asyncio import Redis

from orchestrator.agent.embedded_llm import EmbeddedLLM
from orchestrator.agent.lite_llm import LiteLLM, warm_up_litellm
from orchestrator.agent.llm_cascade import BrokenAnswerError, LLMCascade
from orchestrator.agent.model_choice import EMBEDDED, LLMSpec, provider_variables
from orchestrator.agent.model_health import ModelHealth
from orchestrator.agent.toolset import ToolChoices
from tests.support.language_models import Json, Models, Stream, forget_failures, serve_models
from tests.support.processes import in_one_task
from tests.support.scripted_model import Step

ROLE: Json = {"role": "assistant", "content": ""}
BUSINESS = uuid4()
USAGE: Json = {"prompt_tokens": 40, "completion_tokens": 2, "total_tokens": 42}
DEADLINE = 10.0  # seconds that a test waits for what must come


def tool_call(arguments: str | None, **names: str) -> Json:
    """Return a delta with a tool call."""
    function = {"name": "book", "arguments": arguments, **names}
    return {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}


NO_ANSWERS = {
    "stop": Stream([ROLE], "stop"),
    "length": Stream([ROLE], "length"),
    "content filter": Stream([ROLE], "content_filter"),
    "usage alone": Stream(usage=USAGE),
    "nothing": Stream(then="closed"),
    "role, then closed": Stream([ROLE], then="closed"),
    "role, then broken": Stream([ROLE], then="broken"),
    "role, then stalled": Stream([ROLE], then="stalled"),
    "nothing, then stalled": Stream(then="stalled"),
    "empty deltas": Stream([ROLE, {}, {"content": None}, {"content": ""}], "stop"),
    "blanks": Stream([ROLE, {"content": " "}, {"content": "\n\n"}], "stop"),
    "thoughts": Stream([ROLE, {"reasoning_content": "The caller asks."}], "stop"),
    "thoughts, then stalled": Stream([ROLE, {"reasoning_content": "Hm."}], then="stalled"),
    "an error": Stream([ROLE, 'data: {"error": {"message": "overloaded", "code": 529}}\n\n']),
    "no JSON": Stream([ROLE, "data: <html>\n\n"]),
    "another shape": Stream([ROLE, f"data: {json.dumps({'id': 5, 'choices': [1]})}\n\n"], "stop"),
    "a tool call without a name": Stream([tool_call("{}", name="")], "tool_calls"),
    "half a tool call": Stream([tool_call('{"slot": "tue')], "tool_calls"),
    "a tool call with a text": Stream([tool_call('"tue-9"')], "tool_calls"),
    "a tool call cut off": Stream([tool_call('{"slot": "tue')], "length"),
    "a tool call cut off at once": Stream([tool_call(None)], "length"),
    "a tool call, then stalled": Stream([tool_call('{"slot"')], then="stalled"),
}
BROKEN = {
    "closed": Stream([ROLE, {"content": "It costs"}], then="closed"),
    "broken": Stream([ROLE, {"content": "It costs"}], then="broken"),
    "stalled": Stream([ROLE, {"content": "It costs"}], then="stalled"),
    "cut off": Stream([ROLE, {"content": "It costs"}], "length"),
    "filtered": Stream([ROLE, {"content": "It costs"}], "content_filter"),
    "stalled in a tool call": Stream(
        [ROLE, {"content": "It costs"}, tool_call('{"slot"')], then="stalled"
    ),
    "half a tool call": Stream(
        [ROLE, {"content": "It costs"}, tool_call('{"slot": "tue')], "tool_calls"
    ),
}


@pytest_asyncio.fixture(scope="module")
async def served() -> AsyncGenerator[tuple[Models, str]]:
    """The models, and the base URL of all of them."""
    warm_up_litellm()
    async with in_one_task(serve_models()) as served:
        yield served


@pytest.fixture
def models(served: tuple[Models, str]) -> Models:
    """The models behind one URL."""
    return served[0]


def _lite(name: str, url: str) -> LiteLLM:
    return LiteLLM(LLMSpec(f"openai/{name}", f"openai/{name}", {"api_base": url, "api_key": "x"}))


def _embedded(name: str, url: str) -> LiteLLM:
    spec = LLMSpec(EMBEDDED, f"openai/{name}", {"api_base": url, "api_key": EMBEDDED})
    return EmbeddedLLM(spec, lambda _: ToolChoices(frozenset(), {}), None)


@pytest_asyncio.fixture
async def llm(served: tuple[Models, str], cache: Redis) -> LLMCascade:
    """The cascade of one call; no model rests."""
    await forget_failures(cache)
    models, url = served
    models["second"].play(Step("cost", "Twelve euros."))
    return LLMCascade(
        [_lite("first", url), _lite("second", url)],
        first_chunk_timeout=DEADLINE,
        progress_timeout=1.0,
        health=ModelHealth(cache, BUSINESS),
    )


async def book(raw_arguments: dict[str, object]) -> None:
    """Do nothing: no tool is run here."""


BOOK = function_tool(book, raw_schema={"name": "book", "parameters": {"type": "object"}})


def question() -> ChatContext:
    """Return what the models are asked."""
    context = ChatContext.empty()
    context.add_message(role="user", content="What does a tour cost?")
    return context


async def ask(llm: LLMCascade) -> list[ChatChunk]:
    """Ask once, and return what is passed on."""
    async with llm.chat(chat_ctx=question(), tools=[BOOK]) as stream:
        return [chunk async for chunk in stream]


def text(chunks: list[ChatChunk]) -> str:
    """Return the words of an answer."""
    return "".join(chunk.delta.content or "" for chunk in chunks if chunk.delta)


def tool_calls(chunks: list[ChatChunk]) -> list[FunctionToolCall]:
    """Return the tool calls of an answer."""
    return [call for chunk in chunks if chunk.delta for call in chunk.delta.tool_calls]


@pytest.mark.parametrize("stream", NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
async def test_what_is_no_answer_is_answered_by_the_next_model(
    models: Models, llm: LLMCascade, served: tuple[Models, str], stream: Stream
) -> None:
    models["first"].send(stream)
    if stream.then == "stalled":
        llm.first_chunk_timeout = 0.3
    chunks = await ask(llm)
    assert text(chunks) == "Twelve euros."
    assert tool_calls(chunks) == []
    assert llm.answering.label == "openai/second"
    own_fault = stream.finish in ("length", "content_filter")
    assert await llm.health.is_healthy(_lite("first", served[1]).deployment) == own_fault
    models["second"].script.assert_done()


@pytest.mark.parametrize("stream", BROKEN.values(), ids=BROKEN.keys())
async def test_an_answer_that_breaks_off_is_ended(
    models: Models, llm: LLMCascade, served: tuple[Models, str], stream: Stream
) -> None:
    models["first"].send(stream)
    chunks: list[ChatChunk] = []
    with pytest.raises(BrokenAnswerError) as broken:
        async with llm.chat(chat_ctx=question(), tools=[BOOK]) as answer:
            async for chunk in answer:
                chunks.append(chunk)
    assert text(chunks) == "It costs"
    assert tool_calls(chunks) == []
    assert not broken.value.whole_sentences
    assert models["second"].bodies == []
    own_fault = stream.finish in ("length", "content_filter")
    assert await llm.health.is_healthy(_lite("first", served[1]).deployment) == own_fault


async def test_a_message_that_is_too_long_takes_the_model_from_nobody(
    models: Models, llm: LLMCascade
) -> None:
    models["first"].play(Step("cost", "It costs twelve euros."))
    models["first"].max_body = 100_000
    long = question()
    long.add_message(role="user", content="What does it cost? " * 32_000)
    async with llm.chat(chat_ctx=long, tools=[BOOK]) as stream:
        assert text([chunk async for chunk in stream]) == "Twelve euros."
    assert text(await ask(llm)) == "It costs twelve euros."


@pytest.mark.parametrize(
    ("variable", "value"),
    [("OPENAI_API_KEY", "another"), ("OPENAI_BASE_URL", "https://gateway.example.com")],
)
def test_a_deployment_is_a_model_at_an_address_with_a_key(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    def deployment(name: str = "openai/first") -> str:
        provider_variables.cache_clear()
        return LiteLLM(LLMSpec(name, name)).deployment

    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    before = deployment()
    assert deployment() == before != deployment("openai/second")
    assert "secret" not in before
    monkeypatch.setenv(variable, value)
    assert deployment() != before
    provider_variables.cache_clear()


async def test_all_models_may_fail(models: Models, llm: LLMCascade) -> None:
    models["first"].send(Stream([ROLE], "stop"))
    models["second"].send(Stream([ROLE], "content_filter"))
    with pytest.raises(APIError, match="No language model answered"):
        await ask(llm)


async def test_a_tool_call_comes_whole_and_has_an_id(models: Models, llm: LLMCascade) -> None:
    first = {"index": 0, "function": {"name": "book", "arguments": '{"slot": '}}
    rest = {"index": 0, "function": {"arguments": '"tue-9"}'}}
    deltas = [{"tool_calls": [first]}, {"tool_calls": [rest]}]
    models["first"].send(Stream([ROLE, *deltas], "tool_calls", usage=USAGE))
    (call,) = tool_calls(await ask(llm))
    assert (call.name, json.loads(call.arguments)) == ("book", {"slot": "tue-9"})
    assert call.call_id


async def test_what_a_model_without_an_answer_bills_is_counted(
    models: Models, llm: LLMCascade
) -> None:
    measured: list[tuple[str | None, int, int]] = []

    def measure(metrics: LLMMetrics) -> None:
        assert metrics.metadata is not None
        tokens = metrics.prompt_tokens, metrics.completion_tokens
        measured.append((metrics.metadata.model_name, *tokens))

    llm.on("metrics_collected", measure)
    models["first"].send(Stream([ROLE], "content_filter", usage=USAGE))
    await ask(llm)
    assert measured == [("openai/first", 40, 2), ("openai/second", 1, 1)]


@pytest.mark.parametrize("model", [_lite, _embedded], ids=["lite", "embedded"])
@pytest.mark.parametrize(
    "stream",
    [None, Stream(then="stalled"), BROKEN["stalled"], NO_ANSWERS["a tool call, then stalled"]],
    ids=["not answered", "nothing", "text", "tool call"],
)
async def test_a_request_ends_with_its_turn(
    served: tuple[Models, str],
    cache: Redis,
    model: Callable[[str, str], LiteLLM],
    stream: Stream | None,
) -> None:
    models, url = served
    first = models["first"]
    first.hang() if stream is None else first.send(stream)
    llm = LLMCascade(
        [model("first", url)], first_chunk_timeout=60, health=ModelHealth(cache, BUSINESS)
    )

    async def turn() -> None:
        async with llm.chat(chat_ctx=question(), tools=[BOOK]) as answer:
            async for _ in answer:
                pass

    task = asyncio.create_task(turn())
    await (first.asked if stream is None else first.streaming).wait()
    task.cancel()
    async with asyncio.timeout(DEADLINE):
        await first.left.wait()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_model_that_stalls_is_hung_up_on(models: Models, llm: LLMCascade) -> None:
    models["first"].send(NO_ANSWERS["role, then stalled"])
    llm.first_chunk_timeout = 0.3
    await ask(llm)
    async with asyncio.timeout(DEADLINE):
        await models["first"].left.wait()

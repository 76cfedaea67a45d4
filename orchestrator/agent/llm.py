"""The language model of a call: any that litellm knows, tried in turn until one begins to answer.

A model that has just failed is left out for a while, for all calls: its state is in the cache.
"""

import asyncio
import copy
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, cast

# Before the import: otherwise litellm fetches a list of prices from the network.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import litellm
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
    FunctionToolCall,
    LLMStream,
    Tool,
    ToolChoice,
    ToolContext,
)
from openai import APIError as ModelError  # the base of whatever litellm raises
from redis.asyncio import Redis
from redis.exceptions import RedisError

from orchestrator.agent.model_choice import Target
from orchestrator.agent.system_tools import without_examples
from orchestrator.agent.toolset import Valid

logger = logging.getLogger("antiphon.model")

litellm.suppress_debug_info = True

_REST = 30  # seconds that a model which failed is left out
_LAST = 30.0  # seconds that the last model of a cascade has for its first chunk
_CHUNK_GAP = 30.0  # seconds between chunks, once it has begun

_NO_ANSWER = (TimeoutError, StopAsyncIteration, ModelError)

Json = dict[str, Any]


def warm_up() -> None:
    """Make litellm do once what its first call would otherwise do while a caller waits."""
    answer = litellm.completion(
        model="openai/warm",
        messages=[{"role": "user", "content": "hi"}],
        mock_response="hi",
        stream=True,
    )
    for _ in cast("Iterable[Any]", answer):
        pass


def token_count(text: str) -> int:
    """Return how many tokens `text` is to a model of the OpenAI family."""
    return int(litellm.token_counter(model="gpt-4o", text=text))


class CascadeLLM(LLM[Any]):
    """Streams from the first model that begins to answer in time."""

    def __init__(
        self,
        cascade: Sequence[Target],
        *,
        first_chunk_timeout: float,
        valid: Callable[[ChatContext], Valid],
        cache: Redis,
    ) -> None:
        super().__init__()
        self.cascade = cascade
        self.first_chunk_timeout = first_chunk_timeout
        self.valid = valid
        self.used = cascade[0]
        self._cache = cache

    @property
    def model(self) -> str:
        """Return the model that answered last."""
        return self.used.model

    @property
    def provider(self) -> str:
        """Return the provider of the model that answered last."""
        return self.used.model.partition("/")[0]

    @property
    def speaks_results(self) -> bool:
        """Say whether results are spoken as they are, without a second completion."""
        return self.cascade[0].embedded

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
        """Answer a conversation."""
        # One attempt here: the cascade is the retry.
        options = APIConnectOptions(max_retry=0, timeout=conn_options.timeout)
        without_tools = tool_choice == "none"
        return _Stream(self, chat_ctx, [] if without_tools else tools or [], options)

    async def warm(self, chat_ctx: ChatContext, tools: list[Tool]) -> None:
        """Have a small model read the conversation so far, while there is time."""
        target = self.cascade[0]
        if not target.embedded:
            return
        try:
            await self.open(target, chat_ctx, tools, stream=False, max_tokens=1)
        except ModelError as error:
            logger.info("warming failed", extra={"error": type(error).__name__})

    async def open(
        self, target: Target, chat_ctx: ChatContext, tools: list[Tool], **options: Any
    ) -> Any:
        """Send one request to one model; `options` go to litellm as they are."""
        schemas = ToolContext(tools).parse_function_tools("openai", strict=False)
        if schemas:
            options |= self._choice(target, schemas, chat_ctx)
        return await litellm.acompletion(
            model=target.model,
            messages=cast("list[Json]", chat_ctx.to_provider_format("openai")[0]),
            num_retries=0,
            max_retries=0,
            **target.options,
            **options,
        )

    def _choice(self, target: Target, schemas: list[Json], chat_ctx: ChatContext) -> Json:
        if not target.embedded:
            return {"tools": [_plain(schema) for schema in schemas]}
        valid = self.valid(chat_ctx)
        allowed = [
            {"type": "function", "function": {"name": schema["function"]["name"]}}
            for schema in schemas
            if schema["function"]["name"] in valid.tools
        ]
        # litellm's own check refuses this choice, so it goes in the body. All tools stay listed,
        # so that the prompt's beginning stays cached.
        choice: Any = {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": allowed},
        }
        return {
            "temperature": 0,
            "tools": [_with_values(schema, valid) for schema in schemas],
            "extra_body": {"tool_choice": choice if allowed else "none"},
        }

    async def rested(self, target: Target) -> bool:
        """Say whether a model has not failed just now."""
        try:
            return not await self._cache.exists(_rest_key(target))
        except RedisError:
            return True

    async def rest(self, target: Target) -> None:
        """Leave a model out for a while."""
        try:
            await self._cache.set(_rest_key(target), "1", ex=_REST)
        except RedisError:
            logger.warning("a failed model could not be remembered")


class _Stream(LLMStream):
    def __init__(
        self, llm: CascadeLLM, chat_ctx: ChatContext, tools: list[Tool], options: APIConnectOptions
    ) -> None:
        super().__init__(llm, chat_ctx=chat_ctx, tools=tools, conn_options=options)
        self._cascade = llm

    async def _run(self) -> None:
        last = self._cascade.cascade[-1]
        for target in self._cascade.cascade:
            if target is not last and not await self._cascade.rested(target):
                continue
            patience = self._cascade.first_chunk_timeout
            # Nobody comes after the last one, so it may take its time.
            chunks = await self._begin(target, max(patience, _LAST) if target is last else patience)
            if chunks is not None:
                self._cascade.used = target
                await self._forward(chunks)
                return
        raise APIConnectionError("No language model answered.", retryable=False)

    async def _begin(self, target: Target, patience: float) -> AsyncIterator[Any] | None:
        """Return the model's chunks once the first has come, or None if it comes too late."""
        try:
            async with asyncio.timeout(patience):
                answer = await self._cascade.open(
                    target,
                    self._chat_ctx,
                    self._tools,
                    stream=True,
                    stream_options={"include_usage": True},
                )
                stream: AsyncIterator[Any] = aiter(answer)
                first = await anext(stream)
        except _NO_ANSWER as e:
            fields = {"model": target.name, "error": type(e).__name__}
            logger.warning("a model did not answer; trying the next", extra=fields)
            await self._cascade.rest(target)
            return None
        return _joined(first, stream)

    async def _forward(self, chunks: AsyncIterator[Any]) -> None:
        calls: dict[int, dict[str, str]] = {}
        request_id = ""
        try:
            while True:
                async with asyncio.timeout(_CHUNK_GAP):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    break
                request_id = chunk.id or request_id
                self._pass_on(request_id, chunk, calls)
        except _NO_ANSWER as error:
            # What was said cannot be taken back, so the next model is not asked.
            raise APIConnectionError(type(error).__name__, retryable=False) from None
        if calls:
            wanted = [
                FunctionToolCall(name=c["name"], arguments=c["arguments"] or "{}", call_id=c["id"])
                for _, c in sorted(calls.items())
            ]
            delta = ChoiceDelta(role="assistant", tool_calls=wanted)
            self._event_ch.send_nowait(ChatChunk(id=request_id, delta=delta))

    def _pass_on(self, request_id: str, chunk: Any, calls: dict[int, dict[str, str]]) -> None:
        for choice in chunk.choices:
            for part in choice.delta.tool_calls or ():
                call = calls.setdefault(part.index, {"id": "", "name": "", "arguments": ""})
                call["id"] = part.id or call["id"]
                call["name"] = part.function.name or call["name"]
                call["arguments"] += part.function.arguments or ""
            if choice.delta.content:
                delta = ChoiceDelta(role="assistant", content=choice.delta.content)
                self._event_ch.send_nowait(ChatChunk(id=request_id, delta=delta))
        usage = getattr(chunk, "usage", None)
        if usage:
            details = getattr(usage, "prompt_tokens_details", None)
            counted = CompletionUsage(
                completion_tokens=usage.completion_tokens or 0,
                prompt_tokens=usage.prompt_tokens or 0,
                prompt_cached_tokens=getattr(details, "cached_tokens", 0) or 0,
                total_tokens=usage.total_tokens or 0,
            )
            self._event_ch.send_nowait(ChatChunk(id=request_id, usage=counted))


async def _joined(first: Any, rest: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield first
    async for chunk in rest:
        yield chunk


def _rest_key(target: Target) -> str:
    return f"llm:rests:{target.name}"


def _plain(schema: Json) -> Json:
    return {**schema, "function": without_examples(schema["function"])}


def _with_values(schema: Json, valid: Valid) -> Json:
    """Return a tool's schema with the handles that are valid now."""
    result = copy.deepcopy(schema)
    properties = result["function"]["parameters"].get("properties", {})
    for argument, values in valid.values.get(result["function"]["name"], {}).items():
        if argument in properties and values:
            properties[argument] = properties[argument] | {"enum": list(values)}
    return result

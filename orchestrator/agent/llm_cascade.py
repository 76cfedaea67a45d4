"""Several language models as one: each is tried in turn, until one begins to answer in time.

A model that has just failed is not asked for a while by any call (`ModelHealth`). Why this is not
LiveKit's own `FallbackAdapter`: docs/decisions/0015-our-own-llm-cascade.md.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, ClassVar

from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectionError,
    APIConnectOptions,
    APIError,
    NotGivenOr,
)
from livekit.agents.llm import LLM, ChatChunk, ChatContext, LLMStream, Tool, ToolChoice

from orchestrator.agent.model_health import ModelHealth

logger = logging.getLogger("antiphon.model")

_LAST_MODEL_TIMEOUT = 30.0  # seconds that the last model has for its first chunk, at least


class LLMCascade(LLM[Any]):
    """Streams from the first of `models` that begins to answer in time.

    `first_chunk_timeout` is in seconds. Models are told apart by their labels.
    """

    def __init__(
        self, models: Sequence[LLM[Any]], *, first_chunk_timeout: float, health: ModelHealth
    ) -> None:
        super().__init__()
        self.models = models
        self.first_chunk_timeout = first_chunk_timeout
        self.health = health
        self.answering = models[0]  # the model that has answered last

    @property
    def model(self) -> str:
        """Return the name of the model that has answered last."""
        return self.answering.model

    @property
    def provider(self) -> str:
        """Return the provider of the model that has answered last."""
        return self.answering.provider

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
        """Stream the answer to a conversation."""
        options: dict[str, Any] = {
            "parallel_tool_calls": parallel_tool_calls,
            "tool_choice": tool_choice,
            "extra_kwargs": extra_kwargs,
        }
        # One attempt for each model: the next model is the retry.
        once = APIConnectOptions(max_retry=0, timeout=conn_options.timeout)
        return _CascadeStream(self, chat_ctx, tools or [], once, options)


class _CascadeStream(LLMStream):
    # As in LiveKit's own adapter: the spans of the model's own stream describe the request.
    _llm_request_span_name: ClassVar[str] = "llm_cascade"
    _llm_attempt_span_name: ClassVar[str | None] = None
    _genai_operation_name: ClassVar[str | None] = None

    def __init__(
        self,
        cascade: LLMCascade,
        chat_ctx: ChatContext,
        tools: list[Tool],
        conn_options: APIConnectOptions,
        options: dict[str, Any],
    ) -> None:
        super().__init__(cascade, chat_ctx=chat_ctx, tools=tools, conn_options=conn_options)
        self._cascade = cascade
        self._options = options

    async def _run(self) -> None:
        cascade = self._cascade
        last = cascade.models[-1]
        for model in cascade.models:
            seconds = cascade.first_chunk_timeout
            if model is last:
                # No model comes after it, so it is asked in any case and may take its time.
                seconds = max(seconds, _LAST_MODEL_TIMEOUT)
            elif not await cascade.health.is_healthy(model.label):
                continue
            async with self._request(model) as stream:
                chunk = await self._first_chunk(model, stream, seconds)
                if chunk is None:
                    continue
                cascade.answering = model
                self._forward(chunk)
                # An error from here on ends the answer: what was spoken cannot be taken back.
                async for chunk in stream:
                    self._forward(chunk)
                return
        raise APIConnectionError("No language model answered.", retryable=False)

    def _request(self, model: LLM[Any]) -> LLMStream:
        return model.chat(
            chat_ctx=self._chat_ctx,
            tools=self._tools,
            conn_options=self._conn_options,
            **self._options,
        )

    async def _first_chunk(
        self, model: LLM[Any], stream: LLMStream, seconds: float
    ) -> ChatChunk | None:
        """Return the model's first chunk, or None if it does not come in time."""
        try:
            async with asyncio.timeout(seconds):
                return await anext(stream)
        except (TimeoutError, StopAsyncIteration, APIError) as error:
            fields = {"model": model.label, "error": str(error) or type(error).__name__}
            logger.warning("a model did not answer; trying the next", extra=fields)
            await self._cascade.health.record_failure(model.label)
            return None

    def _forward(self, chunk: ChatChunk) -> None:
        """Pass on a chunk, unless it only says that the model has begun."""
        if chunk.has_response() or chunk.usage or (chunk.delta and chunk.delta.extra):
            self._event_ch.send_nowait(chunk)

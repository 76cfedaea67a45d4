"""A language model of any provider that litellm knows, as one of LiveKit's LLMs."""

from collections.abc import Iterable
from contextlib import aclosing
from functools import cache
from typing import Any, cast
from uuid import uuid4

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
    FunctionToolCall,
    LLMStream,
    Tool,
    ToolChoice,
    ToolContext,
)
from openai import APIError as ModelError  # the base class of whatever litellm raises

from config.settings import prepare_litellm
from orchestrator.agent.llm_cascade import DeployedLLM, Signal, UnusableAnswerError
from orchestrator.agent.model_choice import LLMSpec
from orchestrator.agent.system_tools import without_examples

# Reasons to end with which a model says that its answer is not whole.
_CUT_OFF = frozenset({"length", "content_filter"})
# What litellm raises, and what our own reading of an answer raises that has another shape.
_FAILURES = (ModelError, AttributeError, LookupError, TypeError, ValueError)

Json = dict[str, Any]


@cache
def load_litellm() -> Any:
    """Import litellm, which takes seconds: not every process has to wait for it at its start."""
    prepare_litellm()  # before the import, which reads the environment
    import litellm

    litellm.suppress_debug_info = True
    return litellm


def warm_up_litellm() -> None:
    """Make litellm do once what its first request would otherwise do while a caller waits."""
    answer = load_litellm().completion(
        model="openai/warm",
        messages=[{"role": "user", "content": "hi"}],
        mock_response="hi",
        stream=True,
    )
    for _ in cast("Iterable[Any]", answer):
        pass


def token_count(text: str) -> int:
    """Return how many tokens `text` is to a model of the OpenAI family."""
    return int(load_litellm().token_counter(model="gpt-4o", text=text))


class LiteLLM(DeployedLLM):
    """One language model. A request is tried once: trying again is the cascade's part."""

    def __init__(self, spec: LLMSpec) -> None:
        super().__init__()
        self._spec = spec
        self._deployment = spec.deployment()

    @property
    def deployment(self) -> str:
        """Return a digest of the model, its address and its key."""
        return self._deployment

    @property
    def label(self) -> str:
        """Return the model's name in the bot's declaration."""
        return self._spec.name

    @property
    def model(self) -> str:
        """Return the model's name at litellm, like `openai/gpt-4.1-mini`."""
        return self._spec.model

    @property
    def provider(self) -> str:
        """Return the provider's name at litellm."""
        return self._spec.model.partition("/")[0]

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
        """Stream the answer to a conversation.

        Tool calls come whole, at the end; a `Signal` says that one is on its way. Only the cascade
        limits the time.
        """
        offered = [] if tool_choice == "none" else tools or []
        return _LiteLLMStream(self, chat_ctx, offered, conn_options)

    async def request(self, chat_ctx: ChatContext, tools: list[Tool], **options: Any) -> Any:
        """Send one request; `options` go to litellm as they are.

        Raises:
            openai.APIError: the model did not answer, or refused.
        """
        schemas = ToolContext(tools).parse_function_tools("openai", strict=False)
        if schemas:
            options |= self.tool_options(schemas, chat_ctx)
        return await load_litellm().acompletion(
            model=self._spec.model,
            messages=cast("list[Json]", chat_ctx.to_provider_format("openai")[0]),
            num_retries=0,
            max_retries=0,
            **self._spec.options,
            **options,
        )

    def tool_options(self, schemas: list[Json], chat_ctx: ChatContext) -> Json:
        """Return the options of a request that tell the model of its tools."""
        del chat_ctx  # what the embedded model may choose depends on it
        return {
            "tools": [
                {**schema, "function": without_examples(schema["function"])} for schema in schemas
            ]
        }


class _LiteLLMStream(LLMStream):
    def __init__(
        self, llm: LiteLLM, chat_ctx: ChatContext, tools: list[Tool], options: APIConnectOptions
    ) -> None:
        super().__init__(llm, chat_ctx=chat_ctx, tools=tools, conn_options=options)
        self._model = llm
        self._request_id = ""
        self._finish_reason = ""
        self._tool_calls: dict[int, dict[str, str]] = {}  # as far as they have come, by index

    async def _run(self) -> None:
        try:
            answer = await self._model.request(
                self._chat_ctx, self._tools, stream=True, stream_options={"include_usage": True}
            )
            async with aclosing(answer):
                async for chunk in answer:
                    self._add(chunk)
            self._send_end()
        except _FAILURES as error:
            raise _to_api_error(error) from None

    def _add(self, chunk: Any) -> None:
        """Pass on the text and the usage of one of litellm's chunks; collect its tool calls."""
        self._request_id = chunk.id or self._request_id
        for choice in chunk.choices:
            for part in choice.delta.tool_calls or ():
                self._add_tool_call(part)
            if choice.delta.content:
                self._send(delta=ChoiceDelta(role="assistant", content=choice.delta.content))
            self._finish_reason = choice.finish_reason or self._finish_reason
        usage = getattr(chunk, "usage", None)
        if usage:
            self._send(usage=_completion_usage(usage))

    def _add_tool_call(self, part: Any) -> None:
        """Add a part of a tool call, and signal that the call is being written."""
        call = self._tool_calls.setdefault(part.index, {"id": "", "name": "", "arguments": ""})
        call["id"] = part.id or call["id"]
        call["name"] = part.function.name or call["name"]
        call["arguments"] += part.function.arguments or ""
        if call["name"]:
            self._event_ch.send_nowait(Signal(id=self._request_id, kind="tool_call"))

    def _send_end(self) -> None:
        """Send the tool calls, or else that the answer was cut off, and perhaps in one of them."""
        if self._finish_reason in _CUT_OFF:
            self._event_ch.send_nowait(Signal(id=self._request_id, kind="cut_off"))
        elif self._tool_calls:
            calls = [
                FunctionToolCall(
                    name=call["name"],
                    arguments=call["arguments"] or "{}",
                    call_id=call["id"] or f"call_{uuid4().hex}",  # some servers name none
                )
                for _, call in sorted(self._tool_calls.items())
            ]
            self._send(delta=ChoiceDelta(role="assistant", tool_calls=calls))

    def _send(
        self, *, delta: ChoiceDelta | None = None, usage: CompletionUsage | None = None
    ) -> None:
        self._event_ch.send_nowait(ChatChunk(id=self._request_id, delta=delta, usage=usage))


def _to_api_error(error: Exception) -> APIError:
    """Return LiveKit's error for a failure, whose message is only the name of its class.

    The error's own message can hold the request, and with it what the caller said.
    """
    name = type(error).__name__
    if not isinstance(error, ModelError):
        return UnusableAnswerError(name)
    status: object = getattr(error, "status_code", None)
    if isinstance(status, int):
        return APIStatusError(name, status_code=status, retryable=False)
    return APIConnectionError(name, retryable=False)


def _completion_usage(usage: Any) -> CompletionUsage:
    details = getattr(usage, "prompt_tokens_details", None)
    return CompletionUsage(
        completion_tokens=usage.completion_tokens or 0,
        prompt_tokens=usage.prompt_tokens or 0,
        prompt_cached_tokens=getattr(details, "cached_tokens", 0) or 0,
        total_tokens=usage.total_tokens or 0,
    )

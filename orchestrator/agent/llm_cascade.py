"""Several language models as one: each is tried in turn, until one begins to answer in time.

An answer begins with words or with a tool call; what has neither is a failure. A model that has
just failed is not asked for a while, by the calls that this concerns (`ModelHealth`): a failure is
the provider's, the request's own, or unclear. Why this is not LiveKit's own `FallbackAdapter`:
docs/decisions/0015-our-own-llm-cascade.md.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterable, Sequence
from itertools import takewhile
from typing import Any, ClassVar, Literal

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
    LLM,
    ChatChunk,
    ChatContext,
    FunctionToolCall,
    LLMStream,
    Tool,
    ToolChoice,
)
from livekit.agents.metrics import LLMMetrics
from livekit.agents.telemetry.gen_ai import set_capture_content

from orchestrator.agent.model_health import Fault, ModelHealth

logger = logging.getLogger("antiphon.model")

# Traces are for operators: what callers and tools said stays out of them. Besides, LiveKit parses
# it for a span, and what is nested too deeply would end the answer.
set_capture_content(enabled=False)

_LAST_MODEL_TIMEOUT = 30.0  # seconds that the last model has to begin, at least
_PROGRESS_TIMEOUT = 8.0  # seconds that a model which has begun may say nothing more
# Full stops, marks and dandas of the scripts that bots speak; a colon or an ellipsis ends nothing.
_SENTENCE_ENDS = frozenset(".!?\u3002\uff01\uff1f\u061f\u06d4\u0964\u0965")


class Signal(ChatChunk):
    """What a model says to the cascade alone.

    `tool_call`: it is writing a tool call, which comes when it is whole. `cut_off`: what has come
    is not the whole answer.
    """

    kind: Literal["tool_call", "cut_off"]


class BrokenAnswerError(APIConnectionError):
    """An answer that ended too early, after words of it were passed on.

    `whole_sentences` is whether the words can stand by themselves: they do not stop in the middle
    of a sentence, and no tool call was lost.
    """

    def __init__(self, cause: str, *, whole_sentences: bool) -> None:
        super().__init__(cause, retryable=False)
        self.whole_sentences = whole_sentences


class UnusableAnswerError(APIConnectionError):
    """An answer that is empty, or has a tool call that cannot be done, or is none at all."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause, retryable=False)


class CutOffAnswerError(APIConnectionError):
    """An answer that was too long for the model, or that a filter has ended."""

    def __init__(self) -> None:
        super().__init__("The answer was cut off.", retryable=False)


class DeployedLLM(LLM[Any]):
    """A model of a cascade."""

    @property
    def deployment(self) -> str:
        """Return what its failures are kept under: where it is served, and with which key."""
        return self.label


class LLMCascade(LLM[Any]):
    """Streams from the first of `models` that begins to answer in time.

    `first_chunk_timeout` is in seconds, and ends with the first words or tool call.
    `progress_timeout` is the longest silence after that.
    """

    def __init__(
        self,
        models: Sequence[DeployedLLM],
        *,
        first_chunk_timeout: float,
        health: ModelHealth,
        progress_timeout: float = _PROGRESS_TIMEOUT,
    ) -> None:
        super().__init__()
        self.models = models
        self.first_chunk_timeout = first_chunk_timeout
        self.progress_timeout = progress_timeout
        self.health = health
        self.answering = models[0]  # the model that has answered last
        for model in models:
            model.on("metrics_collected", self._measured)

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

    def _measured(self, metrics: LLMMetrics) -> None:
        """Pass on what a request to a model was; a model that has failed bills it as well."""
        self.emit("metrics_collected", metrics)


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
            elif not await cascade.health.is_healthy(model.deployment):
                continue
            if await self._pass_on(model, seconds):
                return
        raise APIConnectionError("No language model answered.", retryable=False)

    async def _pass_on(self, model: DeployedLLM, seconds: float) -> bool:
        """Pass on a model's answer; return False if it has failed before the answer began.

        Raises:
            BrokenAnswerError: it has failed later. What was spoken cannot be taken back.
        """
        may_call_tools = bool(self._tools) and self._options["tool_choice"] != "none"
        answer = _Answer(may_call_tools=may_call_tools)
        try:
            await self._stream(model, answer, seconds)
        except (TimeoutError, APIError) as error:
            cause = str(error) or type(error).__name__
            fault = _fault(error)
            fields = {"model": model.label, "error": cause, "fault": fault}
            logger.warning("a model failed", extra=fields)
            await self._cascade.health.record_failure(model.deployment, fault)
            if answer.begun and not answer.calls_tools:
                raise BrokenAnswerError(cause, whole_sentences=answer.whole_sentences) from None
        return answer.begun

    async def _stream(self, model: DeployedLLM, answer: "_Answer", seconds: float) -> None:
        """Pass on what a model answers, from its first words or tool call on.

        Raises:
            TimeoutError: it has said nothing for too long.
            APIError: it has failed, or its answer is empty, cut off or cannot be done.
        """
        now = asyncio.get_running_loop().time
        latest = now() + max(seconds, _LAST_MODEL_TIMEOUT)  # for a beginning that takes several
        async with self._request(model) as stream, asyncio.timeout(seconds) as deadline:
            async for chunk in stream:
                ready = answer.add(chunk)
                soon = now() + self._cascade.progress_timeout
                if answer.begun:
                    self._cascade.answering = model
                    if _is_progress(chunk):
                        deadline.reschedule(soon)
                elif isinstance(chunk, Signal):
                    deadline.reschedule(min(soon, latest))
                for each in ready:
                    self._event_ch.send_nowait(each)
        if not answer.begun:
            raise UnusableAnswerError("The answer is empty.")

    def _request(self, model: LLM[Any]) -> LLMStream:
        return model.chat(
            chat_ctx=self._chat_ctx,
            tools=self._tools,
            conn_options=self._conn_options,
            **self._options,
        )

    async def _metrics_monitor_task(self, event_aiter: AsyncIterable[ChatChunk]) -> None:
        """Measure nothing: the models' own streams do, those of models that fail included."""

    def _emit_error(self, api_error: Exception, recoverable: bool) -> None:
        # The call goes on. LiveKit would end it after four errors without a word in between, and
        # one turn has as many when its answer is begun early and again.
        del recoverable
        super()._emit_error(api_error, recoverable=True)


class _Answer:
    """What one model has answered so far; its chunks are held back until the answer begins."""

    def __init__(self, *, may_call_tools: bool) -> None:
        self._may_call_tools = may_call_tools
        self._text = ""
        self._held: list[ChatChunk] = []
        self._lacks_tool_call = False
        self.calls_tools = False

    @property
    def begun(self) -> bool:
        """Return whether there is something to be spoken or done."""
        return self.calls_tools or any(map(str.isalnum, self._text))

    @property
    def whole_sentences(self) -> bool:
        """Return whether the text can stand by itself, and announces no tool call that is lost."""
        return not self._lacks_tool_call and _ends_sentence(self._text)

    def add(self, chunk: ChatChunk) -> list[ChatChunk]:
        """Take a chunk, and return the chunks that may be passed on now.

        Raises:
            APIError: the answer was cut off, or has a tool call that cannot be done.
        """
        if isinstance(chunk, Signal):
            if chunk.kind == "cut_off":
                raise CutOffAnswerError
            self._lacks_tool_call = True
            return []
        if chunk.delta:
            self._text += chunk.delta.content or ""
            if chunk.delta.tool_calls:
                self._add_tool_calls(chunk.delta.tool_calls)
        if chunk.has_response() or chunk.usage or (chunk.delta and chunk.delta.extra):
            self._held.append(chunk)
        if not self.begun:
            return []
        ready, self._held = self._held, []
        return ready

    def _add_tool_calls(self, calls: Sequence[FunctionToolCall]) -> None:
        self._lacks_tool_call = True
        if not self._may_call_tools or not all(map(_can_be_done, calls)):
            raise UnusableAnswerError("A tool call cannot be done.")
        self._lacks_tool_call = False
        self.calls_tools = True


def _fault(error: TimeoutError | APIError) -> Fault:
    """Return whose fault a failure is.

    A refusal (too long, filtered, no such model, a wrong key) is answered at once, and would be to
    any other request as well as to this one; to ask again costs little. What takes too long may be
    a long prompt, or a bot with little time, as well as a slow provider.
    """
    match error:
        case APIStatusError(status_code=408) | TimeoutError() | UnusableAnswerError():
            return "unclear"
        case APIStatusError(status_code=status) if 400 <= status < 500 and status != 429:
            return "request"
        case CutOffAnswerError():
            return "request"
        case _:
            return "provider"


def _can_be_done(call: FunctionToolCall) -> bool:
    """Return whether a call has a name, and an object or nothing as its arguments.

    LiveKit repairs what is no JSON: half a call would be done with half its arguments.
    """
    try:
        arguments: object = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        return False
    return bool(call.name.strip()) and (arguments is None or isinstance(arguments, dict))


def _ends_sentence(text: str) -> bool:
    """Return whether a sentence ends after the last word of a text."""
    after = takewhile(lambda char: not char.isalnum(), reversed(text))
    return any(char in _SENTENCE_ENDS for char in after)


def _is_progress(chunk: ChatChunk) -> bool:
    """Return whether a chunk brings what will be spoken or done, or says that it is coming."""
    if isinstance(chunk, Signal):
        return True
    delta = chunk.delta
    return delta is not None and bool(delta.tool_calls or (delta.content or "").strip())

"""The agent of one conversation: greeting, passages, the model's answers, and spoken results."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import datetime

from livekit import rtc
from livekit.agents import (
    Agent,
    APIError,
    FlushSentinel,
    ModelSettings,
    StopResponse,
)
from livekit.agents.llm import ChatChunk, ChatContext, ChatMessage, Tool
from livekit.agents.utils.aio import cancel_and_wait
from livekit.agents.voice.io import PlaybackStartedEvent

from orchestrator.agent.agent_parts import AgentParts
from orchestrator.agent.llm_cascade import BrokenAnswerError
from orchestrator.agent.prompt import (
    build_circumstances,
    build_instructions,
    format_passages,
)
from orchestrator.agent.timing import Filler
from orchestrator.agent.toolset import RawTool
from orchestrator.agent.turn_limits import TIME_IS_UP
from orchestrator.sentences import say

Chunk = ChatChunk | str | FlushSentinel


class VoiceAgent(Agent):
    """Talks with one caller, or answers in writing; `history` is what was said before."""

    def __init__(
        self,
        parts: AgentParts,
        tools: list[RawTool],
        now: datetime,
        *,
        greeting: str | None = None,
        history: ChatContext | None = None,
        written: bool = False,
    ) -> None:
        context = history.copy() if history else ChatContext.empty()
        context.items.insert(0, _first_message(build_circumstances(parts.bot, now)))
        super().__init__(
            instructions=build_instructions(parts.bot, written=written),
            tools=[*tools],
            chat_ctx=context,
        )
        self._parts = parts
        self._greeting = greeting
        self._written = written

    async def on_enter(self) -> None:
        """Greet the caller, and let an embedded model read its prompt meanwhile."""
        if self.session.output.audio is not None:
            self.session.output.audio.on("playback_started", self._playback_started)
        if self._greeting is None:
            return
        speech = self.session.say(self._greeting, allow_interruptions=True)
        self._parts.background.start(self.warm())
        await speech

    async def warm(self) -> None:
        """Have an embedded model read the conversation so far."""
        model = self._parts.embedded_llm
        if model is None:
            return
        context = self._without_fillers(self.chat_ctx)
        if not any(item.type == "message" and item.role == "assistant" for item in context.items):
            context.add_message(role="assistant", content=self._greeting or "")
        await model.warm(context, [tool for tool in self.tools if isinstance(tool, Tool)])

    async def on_user_turn_completed(self, turn_ctx: ChatContext, new_message: ChatMessage) -> None:
        """Take the caller's words; a sound without words is not answered."""
        await self._parts.toolset.listed.wait()
        silent_since = self._parts.fillers.silent_since
        if not self._take_turn(new_message.text_content or "", silent_since):
            raise StopResponse

    async def add_typed_turns(self, texts: Sequence[str]) -> None:
        """Add what the caller has typed to the conversation, for the next reply."""
        await self._parts.toolset.listed.wait()
        context = self.chat_ctx.copy()
        for text in texts:
            if self._take_turn(text):
                context.add_message(role="user", content=text)
        await self.update_chat_ctx(context)

    def _take_turn(self, text: str, asked_at: float | None = None) -> bool:
        """Let a turn of the caller's agree, refuse and be quoted; return whether it has words."""
        words = text.strip()
        if words:
            self._parts.fillers.start_turn(asked_at)
            self._parts.toolset.runner.add_caller_turn(words)
            self._parts.background.start(self._parts.toolset.runner.forget_noted_writes())
        return bool(words)

    async def llm_node(
        self, chat_ctx: ChatContext, tools: list[Tool], model_settings: ModelSettings
    ) -> AsyncGenerator[Chunk]:
        """Answer with the sentence of the last result where it is spoken, else with the model."""
        sentence = self._parts.toolset.runner.spoken.find(chat_ctx)
        if sentence is not None:
            yield sentence
            return
        context = await self._with_passages(self._without_fillers(chat_ctx))
        if self._parts.toolset.runner.limits.is_over:
            tools = []
            context = context.copy()
            context.add_message(role="system", content=TIME_IS_UP)
        # Closed at once: what is only abandoned keeps the model's request until it is collected.
        async with aclosing(self._with_filler(context, tools, model_settings)) as answer:
            async for chunk in answer:
                yield chunk

    def tts_node(
        self, text: AsyncIterable[str], model_settings: ModelSettings
    ) -> AsyncGenerator[rtc.AudioFrame]:
        """Speak a segment."""
        frames = Agent.default.tts_node(self, text, model_settings)
        return self._parts.clock.count_speech(frames)

    async def transcription_node(
        self, text: AsyncIterable[str], model_settings: ModelSettings
    ) -> AsyncIterator[str]:
        """Return the text of the segment that is spoken next; each is played before another."""
        return await self._parts.clock.next_segment(text)

    def _playback_started(self, event: PlaybackStartedEvent) -> None:
        self._parts.clock.add_sound(event.created_at)

    def _without_fillers(self, chat_ctx: ChatContext) -> ChatContext:
        """Return a copy without the sentences that only bridged a wait: models repeat them."""
        context = chat_ctx.copy()
        for index, item in reversed(list(enumerate(context.items))):
            if item.type != "message" or item.role != "assistant":
                continue
            text = item.text_content or ""
            said = self._parts.fillers.remove_from(text)
            if not said:
                del context.items[index]
            elif said != text.strip():
                context.items[index] = item.model_copy(update={"content": [said]})
        return context

    async def _with_passages(self, chat_ctx: ChatContext) -> ChatContext:
        """Return a copy that has what the documents say before the caller's last words."""
        last = _last_user_message(chat_ctx)
        text = (last.text_content or "") if last else ""
        if last is None or not self._parts.toolset.wants_passages(text):
            return chat_ctx
        with self._parts.clock.measure("retrieval"):
            passages = await self._parts.retrieval.find_passages(text)
        if not passages:
            return chat_ctx
        context = chat_ctx.copy()
        position = next(i for i, item in enumerate(context.items) if item.id == last.id)
        message = ChatMessage(role="system", content=[format_passages(passages)])
        context.items.insert(position, message)
        return context

    async def _with_filler(
        self, chat_ctx: ChatContext, tools: list[Tool], model_settings: ModelSettings
    ) -> AsyncGenerator[Chunk]:
        """Stream the model's answer; speak fillers while it does not begin."""
        model = self._with_apology(chat_ctx, tools, model_settings)
        async with aclosing(self._parts.clock.count_model(model)) as answer:
            first = asyncio.ensure_future(anext(answer, None))
            try:
                fillers = self._parts.fillers
                while (delay := fillers.delay) is not None:
                    await asyncio.wait({first}, timeout=delay)
                    if first.done():
                        break
                    yield Filler(f"{fillers.take()} ")
                    yield FlushSentinel()
                chunk = await first
            finally:
                await cancel_and_wait(first)
            while chunk is not None:
                yield chunk
                chunk = await anext(answer, None)

    async def _with_apology(
        self, chat_ctx: ChatContext, tools: list[Tool], model_settings: ModelSettings
    ) -> AsyncGenerator[Chunk]:
        """Stream the model's answer; apologize where there is none, or where it breaks off.

        Raises:
            APIError: no model answered, or not to the end, in writing.
        """
        spoken = False
        whole = True
        try:
            model = Agent.default.llm_node(self, chat_ctx, tools, model_settings)
            async with aclosing(model) as answer:
                async for chunk in answer:
                    spoken = spoken or (isinstance(chunk, ChatChunk) and chunk.has_response())
                    yield chunk
        except APIError as error:
            if self._written:
                raise
            whole = isinstance(error, BrokenAnswerError) and error.whole_sentences
        if whole:
            return
        if spoken:
            yield " "
            yield FlushSentinel()
        yield say("apology")


def _first_message(text: str) -> ChatMessage:
    """Return a system message that is older than any other one: LiveKit sorts them by time."""
    return ChatMessage(role="system", content=[text], created_at=0)


def _last_user_message(chat_ctx: ChatContext) -> ChatMessage | None:
    for item in reversed(chat_ctx.items):
        if item.type == "message" and item.role == "user":
            return item
    return None

"""The agent of one call: greeting, passages, the model's answers, and results spoken at once."""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from livekit.agents import NOT_GIVEN, Agent, FlushSentinel, ModelSettings, StopResponse
from livekit.agents.llm import ChatChunk, ChatContext, ChatMessage, Tool

from config.bots import Bot
from orchestrator.agent.background_tasks import Background
from orchestrator.agent.llm import CascadeLLM
from orchestrator.agent.prompt import instructions, passages
from orchestrator.agent.retrieval import Retrieval
from orchestrator.agent.timing import TurnClock
from orchestrator.agent.toolset import FILLER, CallTools, Raw

Chunk = ChatChunk | str | FlushSentinel


@dataclass(frozen=True)
class Parts:
    """What an agent is made of."""

    bot: Bot
    model: CascadeLLM
    tools: CallTools
    retrieval: Retrieval
    background: Background
    clock: TurnClock
    greeting: str


class VoiceAgent(Agent):
    """Talks with one caller."""

    def __init__(
        self,
        parts: Parts,
        tools: list[Raw],
        now: datetime,
        *,
        written: ChatContext | None = None,
    ) -> None:
        """Be ready for a call; or for a conversation in writing, of which this was `written`."""
        told = instructions(parts.bot, now, written=written is not None)
        super().__init__(instructions=told, tools=[*tools], chat_ctx=written or NOT_GIVEN)
        self._parts = parts
        self._greets = written is None

    async def on_enter(self) -> None:
        """Greet the caller, and let a small model read its prompt meanwhile."""
        if not self._greets:
            return
        greeted = self.session.say(self._parts.greeting, allow_interruptions=True)
        self._parts.background.start(self.warm())
        await greeted

    async def warm(self) -> None:
        """Have the model read the conversation so far."""
        context = self.chat_ctx.copy()
        if not any(item.type == "message" and item.role == "assistant" for item in context.items):
            context.add_message(role="assistant", content=self._parts.greeting)
        await self._parts.model.warm(context, self.tools_in_use)

    @property
    def tools_in_use(self) -> list[Tool]:
        """Return the tools that the model sees."""
        return [tool for tool in self.tools if isinstance(tool, Tool)]

    async def on_user_turn_completed(self, turn_ctx: ChatContext, new_message: ChatMessage) -> None:
        """Take note of the caller's words; nothing but noise is not answered."""
        text = (new_message.text_content or "").strip()
        if not text:
            raise StopResponse
        self._parts.tools.caller_said(text)

    async def llm_node(
        self, chat_ctx: ChatContext, tools: list[Tool], model_settings: ModelSettings
    ) -> AsyncIterator[Chunk]:
        """Answer: with a result's own sentence where that is the rule, else with the model."""
        say = self._parts.tools.spoken(chat_ctx)
        if say is not None:
            yield say
            return
        informed = await self._informed(chat_ctx)
        async for chunk in self._patient(informed, tools, model_settings):
            yield chunk

    async def _informed(self, chat_ctx: ChatContext) -> ChatContext:
        """Return a copy that has what the documents say before the caller's last words."""
        last = _last_words(chat_ctx)
        text = (last.text_content or "") if last else ""
        if last is None or not self._parts.tools.asks_for_facts(text):
            return chat_ctx
        with self._parts.clock.measuring("retrieval"):
            found = await self._parts.retrieval.passages(text)
        if not found:
            return chat_ctx
        context = chat_ctx.copy()
        position = next(i for i, item in enumerate(context.items) if item.id == last.id)
        context.items.insert(position, ChatMessage(role="system", content=[passages(found)]))
        return context

    async def _patient(
        self, chat_ctx: ChatContext, tools: list[Tool], model_settings: ModelSettings
    ) -> AsyncIterator[Chunk]:
        """Stream the model's answer; while it thinks for long, say so once."""
        started = time.perf_counter()
        answer = aiter(_answer(self, chat_ctx, tools, model_settings))
        first = asyncio.ensure_future(anext(answer, None))
        patience = self._parts.bot.soft_timeout_seconds
        if patience >= 0:
            await asyncio.wait({first}, timeout=patience)
            if not first.done():
                self._parts.clock.add("model", time.perf_counter() - started)
                self._parts.clock.answered()
                yield f"{FILLER} "
                yield FlushSentinel()
        chunk = await first
        self._parts.clock.add("model", time.perf_counter() - started)
        while chunk is not None:
            yield chunk
            chunk = await anext(answer, None)


def _answer(
    agent: Agent, chat_ctx: ChatContext, tools: list[Tool], model_settings: ModelSettings
) -> AsyncIterable[Any]:
    return Agent.default.llm_node(agent, chat_ctx, tools, model_settings)


def _last_words(chat_ctx: ChatContext) -> ChatMessage | None:
    for item in reversed(chat_ctx.items):
        if item.type == "message" and item.role == "user":
            return item
    return None

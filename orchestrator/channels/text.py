"""One answer in writing: the agent of a call, its model and its tools, without audio."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from livekit.agents import AgentSession
from livekit.agents.llm import ChatContext, ChatMessage

from config.bots import Bot
from orchestrator.agent.agent import Parts, VoiceAgent
from orchestrator.agent.agreement import Waiting
from orchestrator.agent.background_tasks import Background
from orchestrator.agent.job import Process
from orchestrator.agent.llm import CascadeLLM
from orchestrator.agent.model_choice import thinks
from orchestrator.agent.retrieval import Retrieval
from orchestrator.agent.timing import TurnClock
from orchestrator.agent.toolset import CallTools
from orchestrator.mcp_client.router import Identity
from orchestrator.mcp_client.tool import ToolInfo
from orchestrator.mcp_client.tool_cache import offered

_LISTING = 10.0  # seconds that servers have to say what they can do
_STEPS = 5


@dataclass(frozen=True)
class Said:
    """Something that was written before: by us, or by the customer."""

    text: str
    ours: bool


@dataclass(frozen=True)
class Reply:
    """What the agent answers, with which model, and what it now waits for a yes to."""

    text: str
    model: str
    waiting: Waiting | None


class NoReplyError(Exception):
    """No model answered."""


async def reply(
    process: Process,
    identity: Identity,
    before: Sequence[Said],
    text: str,
    waiting: Waiting | None = None,
) -> Reply:
    """Answer `text`, which comes after what was written `before`.

    `waiting` is what an earlier reply asked to be confirmed: a yes to it counts.

    Raises:
        NoReplyError: there is no answer; a later try may have one.
    """
    bot = _in_writing(identity)
    background, clock = Background(), TurnClock()
    cascade = thinks(bot.llm, process.settings)
    tools = CallTools(
        bot,
        identity,
        process.constellation,
        _unheard,
        clock,
        small_model=cascade[0].embedded,
        hang_up=lambda: None,
    )
    model = CascadeLLM(
        cascade,
        first_chunk_timeout=bot.llm_cascade_timeout_seconds,
        valid=tools.valid,
        cache=process.cache,
    )
    retrieval = Retrieval(bot, identity, process.constellation, _unheard, background)
    parts = Parts(bot, model, tools, retrieval, background, clock, greeting="")
    functions = tools.function_tools(offered(bot, await _listed(process, identity)))
    if waiting is not None:
        tools.agreement.resume(waiting, tools.cards)
    tools.caller_said(text)
    session: AgentSession[None] = AgentSession(llm=model, max_tool_steps=_STEPS)
    agent = VoiceAgent(parts, functions, datetime.now(UTC), written=_history(before))
    try:
        await session.start(agent, record=False)
        await session.run(user_input=text)
        answer = _answer(session.history)
    finally:
        await session.aclose()
        await background.aclose()
    if not answer:
        raise NoReplyError("No language model answered.")
    return Reply(answer, model.used.name, tools.agreement.waits_for)


def _in_writing(identity: Identity) -> Bot:
    """Return the bot without what only a caller on the line needs."""
    if identity.bot is None:
        raise ValueError("Only a bot can answer.")
    return identity.bot.model_copy(update={"soft_timeout_seconds": -1, "system_tools": ()})


async def _listed(process: Process, identity: Identity) -> dict[str, tuple[ToolInfo, ...]]:
    """Return the tools of the bot's servers; one that does not answer costs its own."""
    listed, asked = await process.catalogue.tools(identity, _unasked)
    missing = [name for name in identity.servers if name not in listed]
    if asked and missing:
        await asyncio.wait(asked, timeout=_LISTING)
        listed = await process.catalogue.known(identity)
    for task in asked:
        task.cancel()
    return listed


def _history(before: Sequence[Said]) -> ChatContext:
    history = ChatContext.empty()
    for said in before:
        history.add_message(role="assistant" if said.ours else "user", content=said.text)
    return history


def _answer(history: ChatContext) -> str:
    """Return what the agent said last, in as many messages as it took."""
    texts: list[str] = []
    for item in reversed(history.items):
        if not isinstance(item, ChatMessage):
            continue
        if item.role == "user":
            break
        if item.role == "assistant" and item.text_content:
            texts.append(item.text_content.strip())
    return "\n\n".join(reversed(texts))


def _unasked(server: str, cards: tuple[ToolInfo, ...]) -> None:
    """Let a list that has changed be read again below."""
    del server, cards


def _unheard(kind: str, data: Mapping[str, Any]) -> None:
    """Tell nobody: there is no page that listens."""
    del kind, data

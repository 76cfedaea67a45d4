"""One answer in writing: by the agent of a call, with its model and its tools, without audio."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from livekit.agents import AgentSession, APIError
from livekit.agents.llm import ChatContext, ChatMessage

from config.bots import Bot
from orchestrator.agent.agent import VoiceAgent
from orchestrator.agent.agent_parts import AgentParts, build_agent_parts
from orchestrator.agent.client_events import discard_event
from orchestrator.agent.confirmation import SavedConfirmation
from orchestrator.agent.job import Process
from orchestrator.agent.lite_llm import load_litellm
from orchestrator.agent.turn_limits import MAX_TOOL_STEPS
from orchestrator.mcp_client.router import Identity
from orchestrator.mcp_client.tool import ToolInfo
from orchestrator.mcp_client.tool_cache import visible_tools
from orchestrator.runtime.background_tasks import BackgroundTasks

_LIST_TIMEOUT = 10.0  # seconds that servers have to list their tools


@dataclass(frozen=True)
class WrittenMessage:
    """A message of the conversation so far: by us, or by the customer."""

    text: str
    from_us: bool


@dataclass(frozen=True)
class Reply:
    """The agent's answer, the model that wrote it, and the tool call that now waits for a yes."""

    text: str
    model: str
    confirmation: SavedConfirmation | None


class NoReplyError(Exception):
    """No model answered, or not to the end."""


async def write_reply(
    process: Process,
    identity: Identity,
    history: Sequence[WrittenMessage],
    text: str,
    confirmation: SavedConfirmation | None = None,
) -> Reply:
    """Answer `text`, which comes after `history`.

    `confirmation` is what an earlier reply asked to be confirmed: a yes to it counts.

    Raises:
        NoReplyError: there is no answer; a later try may have one.
    """
    background = BackgroundTasks()
    parts = await _agent_parts(process, identity, background)
    bot, toolset = parts.bot, parts.toolset
    tools = toolset.function_tools(visible_tools(bot, await _list_tools(process, identity)))
    if confirmation is not None:
        toolset.runner.confirmation.restore(confirmation, toolset.tools)
    toolset.runner.add_caller_turn(text)
    session: AgentSession[None] = AgentSession(llm=parts.llm, max_tool_steps=MAX_TOOL_STEPS)
    agent = VoiceAgent(
        parts, tools, datetime.now(UTC), history=_chat_context(history), written=True
    )
    try:
        await session.start(agent, record=False)
        await session.run(user_input=text)
        answer = _last_answer(session.history)
    except APIError as error:
        raise NoReplyError("No language model answered to the end.") from error
    finally:
        await session.aclose()
        await background.aclose()
    if not answer:
        raise NoReplyError("No language model answered.")
    return Reply(answer, parts.llm.answering.label, toolset.runner.confirmation.save())


async def _agent_parts(
    process: Process, identity: Identity, background: BackgroundTasks
) -> AgentParts:
    await asyncio.to_thread(load_litellm)  # seconds, in which other jobs go on
    bot = _without_speech(identity)
    return build_agent_parts(
        process, bot, identity, background, publish=discard_event, hang_up=lambda: None
    )


def _without_speech(identity: Identity) -> Bot:
    """Return the bot without filler speech and hanging up."""
    return identity.required_bot.model_copy(update={"soft_timeout_seconds": -1, "system_tools": ()})


async def _list_tools(process: Process, identity: Identity) -> dict[str, tuple[ToolInfo, ...]]:
    """Return the tools of the bot's servers; a server that does not answer costs its own."""
    listed, requests = await process.tool_cache.get_and_refresh(identity, _discard_list)
    missing = [name for name in identity.servers if name not in listed]
    if requests and missing:
        await asyncio.wait(requests, timeout=_LIST_TIMEOUT)
        listed = await process.tool_cache.get_cached(identity)
    for task in requests:
        task.cancel()
    return listed


def _chat_context(history: Sequence[WrittenMessage]) -> ChatContext:
    context = ChatContext.empty()
    for message in history:
        context.add_message(role="assistant" if message.from_us else "user", content=message.text)
    return context


def _last_answer(history: ChatContext) -> str:
    """Return what the agent wrote last, in as many messages as it took."""
    texts: list[str] = []
    for item in reversed(history.items):
        if not isinstance(item, ChatMessage):
            continue
        if item.role == "user":
            break
        if item.role == "assistant" and item.text_content:
            texts.append(item.text_content.strip())
    return "\n\n".join(reversed(texts))


def _discard_list(server: str, tools: tuple[ToolInfo, ...]) -> None:
    """Ignore a list that has changed: all lists are read again from the cache."""
    del server, tools

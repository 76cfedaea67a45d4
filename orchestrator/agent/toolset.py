"""The tools that the model of one call can use: the servers', and the agent's own."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from livekit.agents import RunContext
from livekit.agents.llm import ChatContext, RawFunctionTool, ToolError, function_tool
from livekit.agents.voice import SpeechHandle

from config.bots import Bot
from orchestrator.agent.system_tools import Schema, model_schema, system_tool_schemas
from orchestrator.agent.tool_runner import ToolRunner
from orchestrator.mcp_client.reserved_names import CONFIRM, END_CONVERSATION
from orchestrator.mcp_client.router import Identity
from orchestrator.mcp_client.tool import ToolInfo
from orchestrator.sentences import say

RawTool = RawFunctionTool[..., Any]


@dataclass(frozen=True)
class ToolChoices:
    """What a model may choose right now: names of tools, and values of arguments, by tool."""

    tools: frozenset[str]
    values: Mapping[str, Mapping[str, Sequence[str]]]


class Toolset:
    """Every tool that the model of one call can use, as LiveKit's function tools."""

    def __init__(self, bot: Bot, runner: ToolRunner, hang_up: Callable[[], None]) -> None:
        self._bot = bot
        self._hang_up = hang_up
        self._tools: dict[str, ToolInfo] = {}
        self.speech: SpeechHandle | None = None  # in which the last tool call was made
        self.listed = asyncio.Event()  # the first turn need not wait for tools any longer
        self.runner = runner

    @property
    def tools(self) -> Sequence[ToolInfo]:
        """Return the servers' tools, in the order in which the model sees them."""
        return list(self._tools.values())

    def update_bot(self, bot: Bot, identity: Identity) -> None:
        """Use another version of the bot, and what it grants, from now on."""
        self._bot = bot
        self.runner.update_bot(bot, identity)

    def function_tools(self, tools: Sequence[ToolInfo]) -> list[RawTool]:
        """Take `tools` as the servers' tools from now on, and return all tools of the call."""
        self._tools = {tool.name: tool for tool in tools}
        handlers = {CONFIRM: self._confirm, END_CONVERSATION: self._end_conversation}
        return [
            *(_raw_tool(self._handler(tool), model_schema(tool)) for tool in tools),
            *(
                _raw_tool(handlers[schema["name"]], schema)
                for schema in system_tool_schemas(self._bot, tools)
            ),
        ]

    def wants_passages(self, text: str) -> bool:
        """Return whether documents may help to answer the caller's words.

        Not while the caller chooses from what was offered, or agrees, unless they ask something.
        """
        runner = self.runner
        return "?" in text or not (runner.handles or runner.confirmation.is_pending)

    def choices(self, chat_ctx: ChatContext) -> ToolChoices:
        """Return what can be chosen now: no tool twice a turn, no handle that was not offered."""
        handles = self.runner.handles
        values = {
            name: handles.argument_values(tool)
            for name, tool in self._tools.items()
            if tool.handles
        }
        names = {name for name in self._tools if handles or name not in values}
        names.add(END_CONVERSATION)
        if self.runner.confirmation.confirmable:
            names.add(CONFIRM)
        return ToolChoices(frozenset(names - _used_this_turn(chat_ctx)), values)

    def _handler(self, tool: ToolInfo) -> Callable[..., Awaitable[str]]:
        async def call(raw_arguments: dict[str, object], ctx: RunContext[Any]) -> str:
            self.speech = ctx.speech_handle
            return await self.runner.run(tool, raw_arguments, ctx)

        return call

    async def _confirm(self, raw_arguments: dict[str, object], ctx: RunContext[Any]) -> str:
        pending = self.runner.confirmation.confirmable
        if pending is None:
            raise ToolError(
                "Nothing waits for a yes. Read back what you would do, and ask the caller."
            )
        self.speech = ctx.speech_handle
        return await self.runner.run(pending.tool, pending.arguments, ctx)

    async def _end_conversation(
        self, raw_arguments: dict[str, object], ctx: RunContext[Any]
    ) -> str:
        self.runner.spoken.add(ctx.function_call.call_id, say("goodbye"))
        self._hang_up()
        return "The call ends after this."


def _raw_tool(handler: Callable[..., Awaitable[str]], schema: Schema) -> RawTool:
    return function_tool(handler, raw_schema=schema)


def _used_this_turn(chat_ctx: ChatContext) -> set[str]:
    """Return the names of the tools that were called since the caller spoke."""
    names: set[str] = set()
    for item in reversed(chat_ctx.items):
        if item.type == "message" and item.role == "user":
            break
        if item.type == "function_call":
            names.add(item.name)
    return names

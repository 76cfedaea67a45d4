"""The bot's tools in one call: filler while they run, confirmation, and what is spoken of them."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, cast
from uuid import uuid4

from livekit.agents import RunContext
from livekit.agents.llm import ChatContext, RawFunctionTool, ToolError, function_tool

from config.bots import Bot
from orchestrator.agent.agreement import CODE, LAPSED, Agreement
from orchestrator.agent.client_events import Publish
from orchestrator.agent.grounding import grounded
from orchestrator.agent.system_tools import CONFIRM, END, own_tools, seen_by_model
from orchestrator.agent.timing import TurnClock
from orchestrator.mcp_client.router import READ_BUDGET, WRITE_BUDGET, Identity, Router
from orchestrator.mcp_client.tool import Outcome, ToolInfo

FILLER = "One moment, please."
GOODBYE = "Thank you for calling. Goodbye."
ALREADY_DONE = "You have already done that in this call."

Raw = RawFunctionTool[..., Any]


@dataclass(frozen=True)
class Valid:
    """What a model may choose right now: tools, and the values of arguments that take a handle."""

    tools: frozenset[str]
    values: Mapping[str, Mapping[str, Sequence[str]]]


class CallTools:
    """Every tool that the model of one call can use."""

    def __init__(
        self,
        bot: Bot,
        identity: Identity,
        constellation: Router,
        publish: Publish,
        clock: TurnClock,
        *,
        small_model: bool,
        hang_up: Callable[[], None],
    ) -> None:
        self._bot = bot
        self._identity = identity
        self._constellation = constellation
        self._publish = publish
        self._clock = clock
        self._small_model = small_model
        self._hang_up = hang_up
        self._cards: dict[str, ToolInfo] = {}
        self._offered: list[str] = []
        self._spoken: dict[str, str] = {}
        self._heard: list[str] = []
        self._done: dict[str, Outcome] = {}
        self.agreement = Agreement()

    @property
    def cards(self) -> Sequence[ToolInfo]:
        """Return the servers' tools, in the order that the model sees."""
        return list(self._cards.values())

    def asks_for_facts(self, text: str) -> bool:
        """Say whether documents may help: not while the caller chooses or agrees, unless asking."""
        return "?" in text or not (self._offered or self.agreement.waiting)

    def caller_said(self, text: str) -> None:
        """Begin a new turn of the caller's."""
        self._heard.append(text)
        self.agreement.caller_said(text)

    def take(self, bot: Bot, identity: Identity) -> None:
        """Go by another version of the bot, and what it grants, from now on."""
        self._bot = bot
        self._identity = identity

    def function_tools(self, cards: Sequence[ToolInfo]) -> list[Raw]:
        """Take `cards` as the servers' tools from now on, and return all tools of the call."""
        self._cards = {card.name: card for card in cards}
        own = {CONFIRM: self._confirm, END: self._end}
        tools = [_raw(self._handler(card), seen_by_model(card)) for card in cards]
        return tools + [_raw(own[each["name"]], each) for each in own_tools(self._bot, cards)]

    def spoken(self, chat_ctx: ChatContext) -> str | None:
        """Return the sentence of the last result, where it is spoken without a completion."""
        sentences: list[str] = []
        for item in reversed(chat_ctx.items):
            if item.type != "function_call_output":
                break
            say = self._spoken.get(item.call_id)
            if say is None:
                return None
            sentences.append(say)
        return " ".join(reversed(sentences)) or None

    def valid(self, chat_ctx: ChatContext) -> Valid:
        """Return what can be chosen now: nothing twice a turn, no handle that was not offered."""
        used = _used_since_the_caller_spoke(chat_ctx)
        values = {
            name: {argument: self._offered for argument in card.handles}
            for name, card in self._cards.items()
            if card.handles
        }
        names = {name for name in self._cards if name not in values or self._offered}
        names.add(END)
        if self.agreement.pending:
            names.add(CONFIRM)
        return Valid(frozenset(names - used), values)

    async def run(self, card: ToolInfo, arguments: Mapping[str, Any], ctx: RunContext[Any]) -> str:
        """Run a tool for the model, with filler speech while it takes long.

        Raises:
            ToolError: the model is to read what went wrong.
        """
        policy = self._bot.policy(card.server, card.tool)
        given = {name: value for name, value in arguments.items() if name != CODE}
        if self._small_model:
            given = grounded(given, card.parameters.get("required", ()), self._heard)
        code = self.agreement.code_for(card, given)
        done = None if card.reads else self._done.get(_what(card, given))
        if done is not None and policy.duplicates == "reject":
            raise ToolError(ALREADY_DONE)
        if done is not None and card.external and policy.duplicates == "replay":
            # Its server remembers nothing for us; our own replay by themselves.
            return self._answer(card, given, done, ctx.function_call.call_id, policy.speak)
        async with AsyncExitStack() as stack:
            if self._bot.soft_timeout_seconds >= 0:
                filler = policy.filler or FILLER
                delay = self._bot.soft_timeout_seconds
                await stack.enter_async_context(ctx.with_filler(filler, delay=delay))
            key = uuid4().hex if done is not None and policy.duplicates == "allow" else None
            outcome = await self._ask(card, given | ({CODE: code} if code else {}), key)
            if code == LAPSED and CODE in outcome.data:
                outcome = await self._ask(card, given | {CODE: outcome.data[CODE]}, key)
        self._clock.add("tools", outcome.ms / 1000)
        self._report(card, given, outcome)
        return self._answer(card, given, outcome, ctx.function_call.call_id, policy.speak)

    async def _ask(self, card: ToolInfo, arguments: Mapping[str, Any], key: str | None) -> Outcome:
        policy = self._bot.policy(card.server, card.tool)
        return await self._constellation.call(
            card.server,
            card.tool,
            arguments,
            self._identity.claims(card.server),
            budget=policy.timeout or (READ_BUDGET if card.reads else WRITE_BUDGET),
            retry=card.repeatable,
            key=key,
        )

    def _answer(
        self,
        card: ToolInfo,
        arguments: Mapping[str, Any],
        outcome: Outcome,
        call_id: str,
        speak: str | None,
    ) -> str:
        if outcome.say and (speak or ("say" if self._small_model else "model")) == "say":
            self._spoken[call_id] = outcome.say
        if outcome.error:
            raise ToolError(outcome.text)
        if self.agreement.asked(card, arguments, outcome):
            return Outcome("", _without(outcome.data, CODE)).for_model
        if not card.reads:
            self._done[_what(card, arguments)] = outcome
            self.agreement.settle()
        self._offered = _handles(outcome.data) or ([] if not card.reads else self._offered)
        return outcome.for_model

    def _report(self, card: ToolInfo, arguments: Mapping[str, Any], outcome: Outcome) -> None:
        self._publish(
            "agent_tool_call",
            {
                "server": card.server,
                "tool": card.tool,
                "arguments": dict(arguments),
                "ms": round(outcome.ms, 1),
                "outcome": outcome.error or _status(outcome.data),
                "result": None if outcome.error else _without(outcome.data, CODE),
                "chosen_by": "model",
            },
        )

    def _handler(self, card: ToolInfo) -> Callable[..., Awaitable[str]]:
        async def call(raw_arguments: dict[str, object], ctx: RunContext[Any]) -> str:
            return await self.run(card, raw_arguments, ctx)

        return call

    async def _confirm(self, raw_arguments: dict[str, object], ctx: RunContext[Any]) -> str:
        pending = self.agreement.pending
        if pending is None:
            raise ToolError(
                "Nothing waits for a yes. Read back what you would do, and ask the caller."
            )
        return await self.run(pending.card, pending.arguments, ctx)

    async def _end(self, raw_arguments: dict[str, object], ctx: RunContext[Any]) -> str:
        self._spoken[ctx.function_call.call_id] = GOODBYE
        self._hang_up()
        return "The call ends after this."


def _raw(handler: Callable[..., Awaitable[str]], schema: dict[str, Any]) -> Raw:
    return function_tool(handler, raw_schema=schema)


def _what(card: ToolInfo, arguments: Mapping[str, Any]) -> str:
    return f"{card.name} {json.dumps(dict(arguments), sort_keys=True)}"


def _used_since_the_caller_spoke(chat_ctx: ChatContext) -> set[str]:
    used: set[str] = set()
    for item in reversed(chat_ctx.items):
        if item.type == "message" and item.role == "user":
            break
        if item.type == "function_call":
            used.add(item.name)
    return used


def _handles(data: Mapping[str, Any]) -> list[str]:
    offered = data.get("offered")
    if not isinstance(offered, list):
        return []
    entries = cast("list[object]", offered)
    found = [
        cast("dict[str, object]", entry).get("handle")
        for entry in entries
        if isinstance(entry, dict)
    ]
    return [handle for handle in found if isinstance(handle, str)]


def _status(data: Mapping[str, Any]) -> str:
    return "needs_confirmation" if CODE in data else "ok"


def _without(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != name}

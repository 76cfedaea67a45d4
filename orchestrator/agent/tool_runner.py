"""Runs a model's tool calls: arguments, confirmation, repeats, limits, filler speech, results."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

from livekit.agents import RunContext
from livekit.agents.llm import ToolError

from config.bot_settings import ToolPolicy
from config.bots import Bot
from config.protocol import CONFIRMATION_CODE, NEEDS_CONFIRMATION, call_budget
from config.tool_arguments import read_arguments
from orchestrator.agent.caller_details import CallerDetails
from orchestrator.agent.client_events import Publish
from orchestrator.agent.confirmation import EXPIRED_CODE, Confirmation
from orchestrator.agent.fillers import INTERVAL, Fillers, name_work
from orchestrator.agent.grounding import ground_arguments, quote
from orchestrator.agent.handles import OfferedHandles
from orchestrator.agent.noted_writes import NotedWrites
from orchestrator.agent.recorder import RecordToolCall
from orchestrator.agent.spoken_results import SpokenResults
from orchestrator.agent.timing import Filler, TurnClock
from orchestrator.agent.turn_limits import TurnLimits
from orchestrator.agent.write_limits import WriteLimits
from orchestrator.agent.write_replay import WriteReplay
from orchestrator.mcp_client.router import Identity, Router
from orchestrator.mcp_client.tool import Outcome, ToolInfo
from orchestrator.mcp_client.write_limit import WriteLimit


class ToolRunner:
    """Runs servers' tools in one call. What a tool call leaves for later ones is in its parts.

    It has many fields because all that a tool call passes meets here.
    """

    def __init__(
        self,
        bot: Bot,
        identity: Identity,
        router: Router,
        publish: Publish,
        clock: TurnClock,
        fillers: Fillers,
        *,
        small_model: bool,
        record: RecordToolCall | None = None,
        write_limit: WriteLimit | None = None,
    ) -> None:
        self._bot = bot
        self._identity = identity
        self._router = router
        self._publish = publish
        self._clock = clock
        self._fillers = fillers
        self._small_model = small_model
        self._record = record
        self._caller_turns: list[str] = []
        self._caller_details = CallerDetails()
        self._running = 0
        self._writing = asyncio.Lock()
        self.idle = asyncio.Event()  # no tool runs
        self.idle.set()
        self.limits = TurnLimits(bot)
        self._write_limits = WriteLimits(bot, write_limit)
        self.handles = OfferedHandles()
        self.confirmation = Confirmation()
        self.writes = WriteReplay()
        self._noted_writes = NotedWrites(router)
        self.spoken = SpokenResults()

    def update_bot(self, bot: Bot, identity: Identity) -> None:
        """Use another version of the bot, and what it grants, from now on."""
        self._bot = bot
        self._identity = identity
        self._fillers.soft_timeout = bot.soft_timeout_seconds
        self.limits.update_bot(bot)
        self._write_limits.update_bot(bot)

    def add_caller_turn(self, text: str) -> None:
        """Begin a new turn of the caller's."""
        self._caller_turns.append(text)
        self.limits.start_turn()
        self._write_limits.start_turn()
        self.writes.start_turn()
        self.confirmation.add_caller_turn(text)

    async def forget_noted_writes(self) -> None:
        """Forget what the model knows to be done: an agent that takes over may do it once more."""
        await self._noted_writes.forget_read(self._identity.business_id)

    async def run(self, tool: ToolInfo, arguments: Mapping[str, Any], ctx: RunContext[Any]) -> str:
        """Run a tool, with filler speech while it takes long; return what the model reads.

        Raises:
            ToolError: it failed; the model reads why.
        """
        policy = self._bot.policy(tool.server, tool.tool)
        arguments = self._clean_arguments(tool, arguments)
        code = self.confirmation.code_for(tool, arguments)
        # A code is the caller's new yes: then even what may have been done is done again.
        outcome = None if code else self.writes.replayed_outcome(tool, arguments, policy)
        if outcome is None:
            calling = self.writes.running(tool, arguments)
            if calling is None:
                calling = self._start(tool, arguments, code, policy)
            async with self._busy(), self._filler(tool, policy, ctx):
                # A caller who interrupts does not undo a write: it goes on to its end.
                outcome = await (calling if tool.reads else asyncio.shield(calling))
        self.writes.note_read(tool, arguments)
        self._noted_writes.note_read(tool, arguments)
        if outcome.error is None:
            self._caller_details.note(tool, arguments)
        return self._finish(tool, arguments, outcome, ctx.function_call.call_id, policy)

    def _start(
        self, tool: ToolInfo, arguments: dict[str, Any], code: str | None, policy: ToolPolicy
    ) -> asyncio.Task[Outcome]:
        """Start a call that is none yet; a write is remembered from now on."""
        self.limits.check()
        key = self.writes.idempotency_key(tool, arguments, policy)
        self._publish("agent_tool_request", {"server": tool.server, "tool": tool.tool})
        calling = asyncio.create_task(self._call(tool, arguments, code, policy, key))
        self.writes.add(tool, arguments, calling)
        return calling

    def _clean_arguments(self, tool: ToolInfo, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments as the schema means them, without a code or what was made up."""
        cleaned = read_arguments(_without(arguments, CONFIRMATION_CODE), tool.parameters)
        if not self._small_model:
            return cleaned
        required = tool.parameters.get("required", ())
        grounded = ground_arguments(cleaned, required, self._caller_turns)
        if tool.words and (words := quote(grounded.get(tool.words), self._caller_turns)):
            grounded[tool.words] = words
        return self._caller_details.complete(tool, grounded)

    @asynccontextmanager
    async def _busy(self) -> AsyncGenerator[None]:
        self._running += 1
        self.idle.clear()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self.idle.set()

    def _filler(
        self, tool: ToolInfo, policy: ToolPolicy, ctx: RunContext[Any]
    ) -> AbstractAsyncContextManager[object]:
        delay = self._fillers.delay
        if delay is None:
            return nullcontext()

        def take(step: int) -> Filler | None:
            del step
            return self._fillers.take(policy.filler, name_work(tool.server))

        return ctx.with_filler(take, delay=delay, interval=INTERVAL)

    async def _call(
        self,
        tool: ToolInfo,
        arguments: dict[str, Any],
        code: str | None,
        policy: ToolPolicy,
        key: str | None,
    ) -> Outcome:
        """Call a tool; the writes of a call one after the other, as they were asked for."""
        async with nullcontext() if tool.reads else self._writing:
            question: Outcome | None = None
            # What is confirmed in any case is counted once the caller has agreed.
            if not tool.reads and (code is not None or not policy.confirm):
                agreed = code is not None
                question = await self._write_limits.ask(tool, arguments, agreed=agreed)
            outcome = question or await self._call_with_code(tool, arguments, code, policy, key)
        self._clock.add("tools", outcome.ms / 1000)
        self._publish_outcome(tool, arguments, outcome)
        return outcome

    async def _call_with_code(
        self,
        tool: ToolInfo,
        arguments: dict[str, Any],
        code: str | None,
        policy: ToolPolicy,
        key: str | None,
    ) -> Outcome:
        await self._noted_writes.forget(self._identity.business_id, tool, arguments)
        with_code = arguments | ({CONFIRMATION_CODE: code} if code else {})
        outcome = await self._send(tool, with_code, key, policy)
        if code == EXPIRED_CODE and CONFIRMATION_CODE in outcome.data:
            # The caller has agreed to this already, so the server's new code is used at once.
            with_code = arguments | {CONFIRMATION_CODE: outcome.data[CONFIRMATION_CODE]}
            outcome = await self._send(tool, with_code, key, policy)
        self._noted_writes.add(tool, arguments, outcome)
        return outcome

    async def _send(
        self, tool: ToolInfo, arguments: Mapping[str, Any], key: str | None, policy: ToolPolicy
    ) -> Outcome:
        outcome = await self._router.call(
            tool.server,
            tool.tool,
            arguments,
            self._identity.claims(tool.server),
            budget=policy.timeout or call_budget(reads=tool.reads),
            retry=tool.repeatable,
            reads=tool.reads,
            key=key,
        )
        if self._record is not None:
            self._record(tool.server, tool.tool, arguments, outcome, "model")
        return outcome

    def _finish(
        self,
        tool: ToolInfo,
        arguments: Mapping[str, Any],
        outcome: Outcome,
        call_id: str,
        policy: ToolPolicy,
    ) -> str:
        """Note what later tool calls and the answer depend on, and return what the model reads."""
        speak = policy.speak or ("say" if self._small_model else "model")
        if outcome.say and speak == "say":
            self.spoken.add(call_id, outcome.say)
        if outcome.error:
            raise ToolError(outcome.for_model)
        if self.confirmation.add_request(tool, arguments, outcome):
            self.writes.remove(tool, arguments)  # nothing has been done yet
            return Outcome("", _without(outcome.data, CONFIRMATION_CODE)).for_model
        if not tool.reads:
            self.confirmation.clear()
        self.handles.update(tool, outcome)
        return outcome.for_model

    def _publish_outcome(
        self, tool: ToolInfo, arguments: Mapping[str, Any], outcome: Outcome
    ) -> None:
        status = NEEDS_CONFIRMATION if CONFIRMATION_CODE in outcome.data else "ok"
        self._publish(
            "agent_tool_call",
            {
                "server": tool.server,
                "tool": tool.tool,
                "arguments": dict(arguments),
                "ms": round(outcome.ms, 1),
                "outcome": outcome.error or status,
                "result": None if outcome.error else _without(outcome.data, CONFIRMATION_CODE),
                "chosen_by": "model",
            },
        )


def _without(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != name}

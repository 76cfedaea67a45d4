"""The writes of one call, from the moment each is sent, and what a repeat of one of them gets.

A repeat of a write that is under way waits for it. Of one that was done, the bot's policy for the
tool decides (`duplicates`):

- `replay`: a repeat is answered with the result of the first. Our servers do that themselves, by
  the idempotency key that they derive from conversation, tool and arguments; for an external
  server, which remembers nothing for us, it is done here, as long as nothing else has been asked of
  that server since: what it has stored may have changed. A turn that the caller interrupted is
  asked for again as a whole, so that its calls do not count as something else. A tool that does not
  say what it does (without annotations) is answered from memory only where its answer was not read.
- `reject`: a repeat is an error that the model reads.
- `allow`: a repeat is done again, under an idempotency key of its own.

Every write of the call counts, not only the last one: after a, b, the next a is a repeat. Of one
that may have been done without an answer, a repeat is told the same, until the caller agrees anew.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from livekit.agents.llm import ToolError

from config.bot_settings import ToolPolicy
from orchestrator.mcp_client.tool import Outcome, ToolInfo

ALREADY_DONE = "You have already done that in this call."


@dataclass(eq=False)
class _Call:
    """A call of a server's tool, in which turn of the caller's; `read` says that its answer was."""

    key: str
    turn: int
    read: bool = False


@dataclass(eq=False)
class _Write:
    """A write that was sent."""

    task: asyncio.Task[Outcome]
    call: _Call

    @property
    def outcome(self) -> Outcome | None:
        """Return how it ended, where it was done or may have been; None while it is under way."""
        if not self.task.done() or self.task.cancelled():
            return None
        outcome = self.task.result()
        return outcome if outcome.error in (None, "outcome_unknown") else None


class WriteReplay:
    """Every write that was sent, by tool and arguments."""

    def __init__(self) -> None:
        self._writes: dict[str, _Write] = {}
        self._calls: dict[str, list[_Call]] = {}  # of each server, in their order
        self._turn = 0

    def start_turn(self) -> None:
        """Begin a turn of the caller's."""
        self._turn += 1

    def add(
        self, tool: ToolInfo, arguments: Mapping[str, Any], task: asyncio.Task[Outcome]
    ) -> None:
        """Note a call that is sent now."""
        call = _Call(write_key(tool, arguments), self._turn)
        self._calls.setdefault(tool.server, []).append(call)
        if not tool.reads:
            self._writes[call.key] = _Write(task, call)

    def note_read(self, tool: ToolInfo, arguments: Mapping[str, Any]) -> None:
        """Note that the model reads the answer of a call."""
        key = write_key(tool, arguments)
        calls = reversed(self._calls.get(tool.server, ()))
        if call := next((call for call in calls if call.key == key), None):
            call.read = True

    def remove(self, tool: ToolInfo, arguments: Mapping[str, Any]) -> None:
        """Forget a write that has only asked for agreement."""
        self._writes.pop(write_key(tool, arguments), None)

    def running(self, tool: ToolInfo, arguments: Mapping[str, Any]) -> asyncio.Task[Outcome] | None:
        """Return the write that is under way with these arguments, if there is one."""
        write = self._find(tool, arguments)
        return write.task if write and not write.task.done() else None

    def replayed_outcome(
        self, tool: ToolInfo, arguments: Mapping[str, Any], policy: ToolPolicy
    ) -> Outcome | None:
        """Return the outcome that a repeat is answered with, or None if the tool is to be called.

        Raises:
            ToolError: it is a repeat, and the policy rejects those.
        """
        write = self._find(tool, arguments)
        outcome = write.outcome if write else None
        if write is None or outcome is None:
            return None
        if outcome.error:
            return outcome if tool.external else None  # our servers look for the record themselves
        if policy.duplicates == "reject":
            raise ToolError(ALREADY_DONE)
        if not tool.external or policy.duplicates == "allow":
            return None
        if self._is_overtaken(tool.server, write.call):
            return None
        return outcome if tool.annotations or not write.call.read else None

    def idempotency_key(
        self, tool: ToolInfo, arguments: Mapping[str, Any], policy: ToolPolicy
    ) -> str | None:
        """Return a new key for a repeat that is to be done again; else None, the server's own."""
        write = self._find(tool, arguments)
        repeated = write is not None and write.outcome is not None and not write.outcome.error
        return uuid4().hex if repeated and policy.duplicates == "allow" else None

    async def settle(self, seconds: float) -> None:
        """Wait until every write has been answered, at most so long."""
        running = [write.task for write in self._writes.values() if not write.task.done()]
        if running:
            await asyncio.wait(running, timeout=seconds)

    def _is_overtaken(self, server: str, call: _Call) -> bool:
        """Return whether another call of the server came after this one and before its repeat."""
        calls = self._calls[server]
        later = [each for each in calls[calls.index(call) + 1 :] if each.key != call.key]
        # A turn that was interrupted is asked for as a whole again.
        interrupted = any(each.turn == call.turn and not each.read for each in calls)
        return any(each.turn > call.turn or not interrupted for each in later)

    def _find(self, tool: ToolInfo, arguments: Mapping[str, Any]) -> _Write | None:
        return None if tool.reads else self._writes.get(write_key(tool, arguments))


def write_key(tool: ToolInfo, arguments: Mapping[str, Any]) -> str:
    """Return what is equal for the same write."""
    return f"{tool.name} {json.dumps(dict(arguments), sort_keys=True)}"

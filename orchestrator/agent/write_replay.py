"""The writes of one call, from the moment each is sent, and what a repeat of one of them gets.

A repeat of a write that is under way waits for it. Of one that was done, the bot's policy for the
tool decides (`duplicates`):

- `replay`: a repeat is answered with the result of the first. Our servers do that themselves, by
  the idempotency key that they derive from conversation, tool and arguments; for an external
  server, which remembers nothing for us, it is done here, as long as nothing else has been asked of
  that server since: what it has stored may have changed. A tool that does not say what it does
  (without annotations) is answered from memory only where nobody has heard its answer yet.
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
class _Write:
    """A write that was sent. `heard` says that its answer has reached the model."""

    task: asyncio.Task[Outcome]
    heard: bool = False

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
        self._last: dict[str, str] = {}  # by server, the last call of any of its tools

    def note(self, tool: ToolInfo, arguments: Mapping[str, Any]) -> None:
        """Note that a tool is called now."""
        self._last[tool.server] = _key(tool, arguments)

    def add(
        self, tool: ToolInfo, arguments: Mapping[str, Any], task: asyncio.Task[Outcome]
    ) -> None:
        """Remember a write that is sent now."""
        self._writes[_key(tool, arguments)] = _Write(task)

    def hear(self, tool: ToolInfo, arguments: Mapping[str, Any]) -> None:
        """Note that the model has read a write's answer."""
        if write := self._find(tool, arguments):
            write.heard = True

    def remove(self, tool: ToolInfo, arguments: Mapping[str, Any]) -> None:
        """Forget a write that has only asked for agreement."""
        self._writes.pop(_key(tool, arguments), None)

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
        is_last = self._last.get(tool.server) == _key(tool, arguments)
        return outcome if is_last and (tool.annotations or not write.heard) else None

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

    def _find(self, tool: ToolInfo, arguments: Mapping[str, Any]) -> _Write | None:
        return None if tool.reads else self._writes.get(_key(tool, arguments))


def _key(tool: ToolInfo, arguments: Mapping[str, Any]) -> str:
    return f"{tool.name} {json.dumps(dict(arguments), sort_keys=True)}"

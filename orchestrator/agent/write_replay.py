"""Writes that were done in one call, and what a repeat of one of them gets.

The bot's policy for a tool decides (`duplicates`):

- `replay`: a repeat is answered with the result of the first. Our servers do that themselves, by
  the idempotency key that they derive from conversation, tool and arguments; for an external
  server, which remembers nothing for us, it is done here.
- `reject`: a repeat is an error that the model reads.
- `allow`: a repeat is done again, under an idempotency key of its own.

Every write of the call counts, not only the last one: after a, b, the next a is a repeat.
"""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from livekit.agents.llm import ToolError

from config.bot_settings import ToolPolicy
from orchestrator.mcp_client.tool import Outcome, ToolInfo

ALREADY_DONE = "You have already done that in this call."


class WriteReplay:
    """The outcome of every write that was done, by tool and arguments."""

    def __init__(self) -> None:
        self._outcomes: dict[str, Outcome] = {}

    def add(self, tool: ToolInfo, arguments: Mapping[str, Any], outcome: Outcome) -> None:
        """Remember a write that was done."""
        self._outcomes[_key(tool, arguments)] = outcome

    def replayed_outcome(
        self, tool: ToolInfo, arguments: Mapping[str, Any], policy: ToolPolicy
    ) -> Outcome | None:
        """Return the outcome that a repeat is answered with, or None if the tool is to be called.

        Raises:
            ToolError: it is a repeat, and the policy rejects those.
        """
        outcome = self._find(tool, arguments)
        if outcome is None:
            return None
        if policy.duplicates == "reject":
            raise ToolError(ALREADY_DONE)
        return outcome if tool.external and policy.duplicates == "replay" else None

    def idempotency_key(
        self, tool: ToolInfo, arguments: Mapping[str, Any], policy: ToolPolicy
    ) -> str | None:
        """Return a new key for a repeat that is to be done again; else None, the server's own."""
        repeated = self._find(tool, arguments) is not None
        return uuid4().hex if repeated and policy.duplicates == "allow" else None

    def _find(self, tool: ToolInfo, arguments: Mapping[str, Any]) -> Outcome | None:
        return None if tool.reads else self._outcomes.get(_key(tool, arguments))


def _key(tool: ToolInfo, arguments: Mapping[str, Any]) -> str:
    return f"{tool.name} {json.dumps(dict(arguments), sort_keys=True)}"

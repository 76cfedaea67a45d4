"""How many changes an agent may make unasked: in a turn, in a call, and in a minute of its bot.

Beyond that it asks the caller whether to go on, as it does before a tool that wants confirmation:
the write waits until the caller agrees. What is sent counts, whether it succeeds or not; a call of
a tool for many records counts each of them.
"""

from collections.abc import Mapping
from typing import Any

from config.bots import Bot
from config.confirmation import needs_confirmation
from orchestrator.agent.confirmation import EXPIRED_CODE
from orchestrator.mcp_client.tool import Outcome, ToolInfo
from orchestrator.mcp_client.write_limit import WriteLimit
from orchestrator.sentences import say

_UNLIMITED = 1_000_000_000
_NEXT = "Ask the caller this. Once they agree, call it again with the same arguments."


class WriteLimits:
    """The counts of one call. `limit` counts the minutes of all calls of the bot."""

    def __init__(self, bot: Bot, limit: WriteLimit | None) -> None:
        self._bot = bot
        self._limit = limit
        self._turn = 0
        self._call = 0  # since the caller has agreed to more
        self._agreed = False  # in this turn

    def update_bot(self, bot: Bot) -> None:
        """Use another version of the bot from now on."""
        self._bot = bot

    def start_turn(self) -> None:
        """Begin a turn of the caller's."""
        self._turn = 0
        self._agreed = False

    async def ask(
        self, tool: ToolInfo, arguments: Mapping[str, Any], *, agreed: bool
    ) -> Outcome | None:
        """Count a write that is sent now, or return the question to the caller in its place.

        `agreed` says that the caller has agreed to this write: then more may follow.
        """
        changes = tool.count_changes(arguments)
        if agreed:
            self._agreed, self._call = True, 0
        elif (
            self._turn + changes > self._bot.max_turn_writes
            or self._call + changes > self._bot.max_call_writes
        ):
            return _question(self._call + changes)
        if not await self._take(changes):
            return _question(self._call + changes)
        self._turn += changes
        self._call += changes
        return None

    async def _take(self, changes: int) -> bool:
        if self._limit is None:
            return True
        most = _UNLIMITED if self._agreed else self._bot.max_minute_writes
        return await self._limit.take(changes, {f"bot:{self._bot.id}": most}) is None


def _question(changes: int) -> Outcome:
    sentence = say("go_on", count=changes)
    data = {**needs_confirmation(sentence, EXPIRED_CODE), "next": _NEXT}
    return Outcome(sentence, data, sentence)

"""The writes to external servers that an agent which takes over a call must not repeat."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from orchestrator.agent.write_replay import write_key
from orchestrator.mcp_client.router import Router
from orchestrator.mcp_client.tool import Outcome, ToolInfo


class NotedWrites:
    """Writes of one call that are noted in the database with their answers.

    A write stays noted until the caller's next turn: by then, what was said shows that it was done.
    One whose answer the model has not read, since the caller interrupted, stays noted for longer.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self._noted: dict[str, str] = {}
        self._read: set[str] = set()
        self._forgetting = asyncio.Lock()  # a repeat waits until the first one is forgotten

    def add(self, tool: ToolInfo, arguments: Mapping[str, Any], outcome: Outcome) -> None:
        """Remember that a write is noted, if it is."""
        if outcome.noted is not None:
            self._noted[write_key(tool, arguments)] = outcome.noted

    def note_read(self, tool: ToolInfo, arguments: Mapping[str, Any]) -> None:
        """Note that the model reads the answer of a call."""
        key = write_key(tool, arguments)
        if key in self._noted:
            self._read.add(key)

    async def forget(self, business_id: UUID, tool: ToolInfo, arguments: Mapping[str, Any]) -> None:
        """Forget one write, before this agent does it once more."""
        await self._forget(business_id, [write_key(tool, arguments)])

    async def forget_read(self, business_id: UUID) -> None:
        """Forget the writes whose answers the model has read: the caller's next turn begins."""
        await self._forget(business_id, list(self._read))

    async def _forget(self, business_id: UUID, keys: list[str]) -> None:
        async with self._forgetting:
            noted = [self._noted.pop(key) for key in keys if key in self._noted]
            self._read.difference_update(keys)
            if noted:
                await self._router.forget_writes(business_id, noted)

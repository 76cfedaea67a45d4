"""Writes to external servers, noted in the database beyond the process that has sent them.

An external server remembers nothing for us. So a write is noted before it is sent:

- Of a conversation, it is forgotten with its answer. What is still noted was sent and not answered,
  by a process that has died perhaps; it is not sent again before the caller agrees anew.
- With a client's own idempotency key, its answer is kept for a day, and is what a repeat gets.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from mcp_types import CallToolResult
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from config.columns import now
from config.database import UNREACHABLE, Database
from config.protocol import call_budget
from config.security.tokens import Claims
from config.tables import IdempotentCall
from orchestrator.mcp_client.tool import ServerUnreachableError

_IN_FLIGHT = timedelta(seconds=call_budget(reads=False))
_KEPT = timedelta(hours=24)
_POLL = 0.1  # seconds


@dataclass(frozen=True)
class SentWrite:
    """A write that may be sent now. `by_client` says that its key is the client's own."""

    claims: Claims
    key: str
    by_client: bool


class SentBeforeError(ServerUnreachableError):
    """The same write was sent before, and nobody knows its answer."""

    def __init__(self) -> None:
        super().__init__("The same was sent before, and not answered.", maybe_done=True)


class SentWrites:
    """Notes writes in the records of each business."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(
        self,
        server: str,
        tool: str,
        arguments: Mapping[str, Any],
        claims: Claims,
        key: str | None,
        *,
        agreed: bool,
    ) -> SentWrite | CallToolResult | None:
        """Note a write; return the answer of an earlier one, or None if none can be told from it.

        `agreed` says that the caller has just agreed to this write.

        Raises:
            SentBeforeError: it was sent before, and not answered.
            ServerUnreachableError: the database does not answer.
        """
        scope = [claims.sub, str(claims.conversation_id), server, tool]
        if key is not None:
            write = SentWrite(claims, _digest([*scope, "key", key]), by_client=True)
        elif claims.conversation_id is not None:
            write = SentWrite(claims, _digest([*scope, arguments]), by_client=False)
        else:
            return None
        try:
            return await self._claim(write, agreed=agreed)
        except UNREACHABLE:
            raise ServerUnreachableError("What was sent before cannot be looked up.") from None

    async def finish(self, write: SentWrite, result: CallToolResult | None) -> None:
        """Keep the answer for repeats, or forget the write: it is answered, or was never sent."""
        row = col(IdempotentCall.key) == write.key
        statement: Any = delete(IdempotentCall).where(row)
        if write.by_client and result is not None:
            kept = result.model_dump(by_alias=True, mode="json", exclude_none=True)
            statement = update(IdempotentCall).where(row).values(result=kept)
        try:
            async with self._database.tenant(write.claims.business_id) as session:
                await session.execute(statement)
        except UNREACHABLE:  # it stays noted as unanswered: a repeat is not sent
            return

    async def _claim(self, write: SentWrite, *, agreed: bool) -> SentWrite | CallToolResult:
        until = now() + _IN_FLIGHT
        while True:
            stored = await self._insert(write, agreed=agreed)
            if stored is None:
                return write
            if stored.result is not None:
                return CallToolResult.model_validate(stored.result)
            # Of a client that repeats itself; a conversation's repeats wait in its own process.
            if not write.by_client or stored.created_at + _IN_FLIGHT < now() or now() > until:
                raise SentBeforeError
            await asyncio.sleep(_POLL)

    async def _insert(self, write: SentWrite, *, agreed: bool) -> IdempotentCall | None:
        """Note a write; return the one that is noted already."""
        business_id = write.claims.business_id
        values = {"business_id": business_id, "key": write.key, "created_at": now()}
        async with self._database.tenant(business_id) as session:
            new = insert(IdempotentCall).values(values).on_conflict_do_nothing()
            added = await session.scalar(new.returning(col(IdempotentCall.key)))
            if added is not None:
                return None
            query = select(IdempotentCall).where(col(IdempotentCall.key) == write.key)
            stored = (await session.execute(query.with_for_update())).scalar_one_or_none()
            if stored is None:  # it was answered meanwhile, and forgotten
                raise SentBeforeError
            if agreed or stored.created_at + _KEPT < now():
                stored.created_at, stored.result = now(), None
                session.add(stored)
                return None
            return stored


def _digest(parts: Any) -> str:
    return hashlib.sha256(f"external {json.dumps(parts, sort_keys=True)}".encode()).hexdigest()

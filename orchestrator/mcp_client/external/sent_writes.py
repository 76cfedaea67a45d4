"""Writes to external servers, noted in the database beyond the process that has sent them.

An external server remembers nothing for us. So a write is noted before it is sent:

- Of a conversation, its answer is kept until the caller's next turn, for an agent that takes over
  meanwhile: what was said does not show yet that it was done. What has no answer was sent, and
  perhaps done; it is not sent again before the caller agrees anew.
- With a client's own idempotency key, its answer is kept for a day, and is what a repeat gets.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from mcp_types import CallToolResult
from sqlalchemy import delete, func, select, true, update
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
    """A write that may be sent now, or the `answer` that it got when it was sent before.

    `by_client` says that its key is the client's own.
    """

    claims: Claims
    key: str
    by_client: bool
    answer: CallToolResult | None = None


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
    ) -> SentWrite | None:
        """Note a write, or find the answer of an earlier one; None if none can be told from it.

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

    async def keep_answer(self, write: SentWrite, answer: CallToolResult) -> None:
        """Keep the answer of a write for repeats."""
        kept = answer.model_dump(by_alias=True, mode="json", exclude_none=True)
        row = col(IdempotentCall.key) == write.key
        # Where the database is away, it stays noted as unanswered: a repeat is not sent.
        with suppress(*UNREACHABLE):
            async with self._database.tenant(write.claims.business_id) as session:
                await session.execute(update(IdempotentCall).where(row).values(result=kept))

    async def forget(self, business_id: UUID, keys: Sequence[str], *, unsent: bool = False) -> None:
        """Forget writes that are answered, or one that is `unsent`.

        Where the database is away they stay noted, for a day: a repeat gets the answer once more.
        """
        noted = col(IdempotentCall.key).in_(keys)
        answered = func.jsonb_typeof(col(IdempotentCall.result)) == "object"  # JSON has a null, too
        with suppress(*UNREACHABLE):
            async with self._database.tenant(business_id) as session:
                await session.execute(
                    delete(IdempotentCall).where(noted, true() if unsent else answered)
                )

    async def _claim(self, write: SentWrite, *, agreed: bool) -> SentWrite:
        until = now() + _IN_FLIGHT
        while True:
            stored = await self._insert(write, agreed=agreed)
            if stored is None:
                return write
            if stored.result is not None:
                return replace(write, answer=CallToolResult.model_validate(stored.result))
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
            if stored is None:  # it was forgotten meanwhile
                raise SentBeforeError
            anew = agreed and stored.result is None
            if anew or stored.created_at + _KEPT < now():
                stored.created_at, stored.result = now(), None
                session.add(stored)
                return None
            return stored


def _digest(parts: Any) -> str:
    return hashlib.sha256(f"external {json.dumps(parts, sort_keys=True)}".encode()).hexdigest()

"""The audit trail: a row per tool call, written down before the call is answered."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.exc import SQLAlchemyError

from config.columns import now
from config.database import Appender, Database
from config.security.tokens import Claims
from config.text import clean

Row = Mapping[str, Any]

_LONGEST_TOOL = 128  # characters
_LONGEST_OUTCOME = 32


def audit_row(
    claims: Claims, server: str, tool: str, arguments: Mapping[str, Any], outcome: str, ms: float
) -> Row:
    """Return a row of `audit`: who, what, how it ended; of the arguments only a digest.

    A plain mapping: this is on the way of every call, and a model would take longer than all else.
    """
    said = json.dumps(dict(arguments), sort_keys=True)
    return {
        "id": str(uuid4()),
        "business_id": str(claims.business_id),
        "created_at": now().isoformat(),
        "subject": claims.sub,
        "bot_id": str(claims.bot_id) if claims.bot_id else None,
        "conversation_id": str(claims.conversation_id) if claims.conversation_id else None,
        "server": server,
        "tool": clean(tool)[:_LONGEST_TOOL],
        "argument_digest": hashlib.sha256(said.encode()).hexdigest(),
        "outcome": outcome[:_LONGEST_OUTCOME],
        "ms": ms,
    }


class AuditTrail:
    """Writes rows down. Those that come while one is being written go together in the next.

    Each call waits for its own row, so none is answered that is not written down.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._appender: Appender | None = None  # opened with the first row
        self._waiting: dict[UUID, list[tuple[Row, asyncio.Future[None]]]] = {}
        self._writer: asyncio.Task[None] | None = None

    async def append(self, business_id: UUID, row: Row) -> None:
        """Write a row down.

        Raises:
            SQLAlchemyError: the database does not answer, or does not take it.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(business_id, []).append((row, written))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await written

    async def aclose(self) -> None:
        """Write what waits, and let the connection go."""
        if self._writer is not None:
            await self._writer
        if self._appender is not None:
            await self._appender.aclose()

    async def _write(self) -> None:
        self._appender = self._appender or self._database.appender("audit")
        while self._waiting:
            business_id = next(iter(self._waiting))
            batch = self._waiting.pop(business_id)
            error: SQLAlchemyError | None = None
            try:
                await self._appender.append(business_id, [row for row, _ in batch])
            except SQLAlchemyError as refused:
                error = refused
            for _, written in batch:
                if written.done():  # whoever waited was cut off
                    continue
                if error is None:
                    written.set_result(None)
                else:
                    written.set_exception(error)

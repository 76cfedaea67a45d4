"""The audit trail: one row per tool call, written before the result is returned."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as LateError

from config.columns import now
from config.database import Appender, Database
from config.security.tokens import Claims
from config.text import clean

Row = Mapping[str, Any]

_MAX_TOOL = 128  # characters
_MAX_OUTCOME = 32
_WRITE_SECONDS = 2.0  # that a call waits for its row, with the rows before it


def audit_row(
    claims: Claims, server: str, tool: str, arguments: Mapping[str, Any], outcome: str, ms: float
) -> Row:
    """Return a row of the table `audit`, with a digest of the arguments.

    It is a plain mapping because every call needs one, and a model would take most of the time.
    """
    canonical = json.dumps(dict(arguments), sort_keys=True)
    return {
        "id": str(uuid4()),
        "business_id": str(claims.business_id),
        "created_at": now().isoformat(),
        "subject": claims.sub,
        "bot_id": str(claims.bot_id) if claims.bot_id else None,
        "conversation_id": str(claims.conversation_id) if claims.conversation_id else None,
        "server": server,
        "tool": clean(tool)[:_MAX_TOOL],
        "argument_digest": hashlib.sha256(canonical.encode()).hexdigest(),
        "outcome": outcome[:_MAX_OUTCOME],
        "ms": ms,
    }


class AuditTrail:
    """Appends rows in batches: those that arrive during a write go together into the next one.

    Each call waits for its own row, so that no result is returned without one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._appender: Appender | None = None  # opened with the first row
        self._waiting: dict[UUID, list[tuple[Row, asyncio.Future[None]]]] = {}
        self._writer: asyncio.Task[None] | None = None

    async def append(self, business_id: UUID, row: Row) -> None:
        """Append a row, and return when it has been written.

        Raises:
            SQLAlchemyError: the database refuses the row, or has not taken it after two seconds; it
                may still be written then.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(business_id, []).append((row, written))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        try:
            async with asyncio.timeout(_WRITE_SECONDS):
                await written
        except TimeoutError:
            raise LateError("the audit trail was not written in time") from None

    async def aclose(self) -> None:
        """Write the waiting rows, and close the connection."""
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
                if written.done():  # the call was cancelled meanwhile
                    continue
                if error is None:
                    written.set_result(None)
                else:
                    written.set_exception(error)

"""One row per tool call: who, what, how it ended; never what was said."""

import asyncio
import hashlib
import json
import logging
import time
from uuid import UUID

from fastmcp import Context
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp_types import CallToolRequestParams
from sqlalchemy.exc import SQLAlchemyError

from config.database import Database
from config.tables import Audit
from config.text import clean
from toolkit.errors import META
from toolkit.tenancy import claims_of_request, runtime_of

logger = logging.getLogger("antiphon.audit")


class Trail:
    """Writes rows down. Those that come while one is being written go together in the next.

    Each call waits for its own row, so none is answered that is not written down.
    """

    def __init__(self, database: Database) -> None:
        self._appender = database.appender("audit")
        self._waiting: dict[UUID, list[tuple[Audit, asyncio.Future[None]]]] = {}
        self._writer: asyncio.Task[None] | None = None

    async def append(self, row: Audit) -> None:
        """Write a row down.

        Raises:
            SQLAlchemyError: the database does not answer, or does not take it.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(row.business_id, []).append((row, written))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await written

    async def aclose(self) -> None:
        """Write what waits, and let the connection go."""
        if self._writer is not None:
            await self._writer
        await self._appender.aclose()

    async def _write(self) -> None:
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


class AuditTrail(Middleware):
    """Appends a row for every call, also for those that fail."""

    def __init__(self, trail: Trail | None) -> None:
        self._trail = trail

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Answer the call, and write down that it happened, however it ended."""
        started = time.perf_counter()
        outcome = "cut_off"  # the client went away, or a protocol error passes through
        try:
            result = await call_next(context)
            outcome = _outcome(result)
            return result
        finally:
            ms = (time.perf_counter() - started) * 1000
            if self._trail is not None and context.fastmcp_context is not None:
                await _write_down(self._trail, context.fastmcp_context, context, outcome, ms)


async def _write_down(
    trail: Trail,
    ctx: Context,
    context: MiddlewareContext[CallToolRequestParams],
    outcome: str,
    ms: float,
) -> None:
    claims = claims_of_request(runtime_of(ctx))
    arguments = json.dumps(context.message.arguments or {}, sort_keys=True)
    row = Audit(
        business_id=claims.business_id,
        subject=claims.sub,
        bot_id=claims.bot_id,
        conversation_id=claims.conversation_id,
        server=ctx.fastmcp.name,
        tool=clean(context.message.name)[:128],
        argument_digest=hashlib.sha256(arguments.encode()).hexdigest(),
        outcome=outcome,
        ms=ms,
    )
    try:
        await trail.append(row)
    except SQLAlchemyError:
        # What was done was done: that it cannot be written down must not unsay it.
        logger.exception("a tool call could not be written down", extra={"tool": row.tool})


def _outcome(result: ToolResult) -> str:
    if result.is_error:
        details = (result.meta or {}).get(META, {})
        return str(details.get("error", "fault"))
    return str((result.structured_content or {}).get("status", "ok"))[:32]

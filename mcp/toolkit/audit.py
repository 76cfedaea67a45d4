"""One row per tool call: who, what, how it ended; never what was said."""

import hashlib
import json
import logging
import time
from uuid import uuid4

from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp_types import CallToolRequestParams
from sqlalchemy import insert

from config.tables import Audit
from toolkit.errors import DATABASE_DOWN, META
from toolkit.tenancy import current_call

logger = logging.getLogger("antiphon.audit")

_APPEND = insert(Audit)


class AuditTrail(Middleware):
    """Appends a row for every call, also for those that fail."""

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
            await _write_down(context, outcome, ms)


async def _write_down(
    context: MiddlewareContext[CallToolRequestParams], outcome: str, ms: float
) -> None:
    ctx = context.fastmcp_context
    call = current_call(ctx) if ctx else None
    if ctx is None or call is None or call.runtime.database is None:
        return
    arguments = json.dumps(context.message.arguments or {}, sort_keys=True)
    row = {
        "id": uuid4(),
        "business_id": call.business_id,
        "subject": call.claims.sub,
        "bot_id": call.claims.bot_id,
        "conversation_id": call.claims.conversation_id,
        "server": ctx.fastmcp.name,
        "tool": context.message.name[:128],
        "argument_digest": hashlib.sha256(arguments.encode()).hexdigest(),
        "outcome": outcome,
        "ms": ms,
    }
    try:
        async with call.transaction() as session:
            await session.execute(_APPEND, row)
    except DATABASE_DOWN:
        # What was done was done: that it cannot be written down must not unsay it.
        logger.exception("a tool call could not be written down", extra={"tool": row["tool"]})


def _outcome(result: ToolResult) -> str:
    if result.is_error:
        details = (result.meta or {}).get(META, {})
        return str(details.get("error", "fault"))
    return str((result.structured_content or {}).get("status", "ok"))[:32]

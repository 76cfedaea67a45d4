"""Middleware for the audit trail: one row per tool call, without its arguments."""

import logging
import time

from fastmcp import Context
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp_types import CallToolRequestParams
from sqlalchemy.exc import SQLAlchemyError

from config.protocol import META_KEY
from config.security.audit import AuditTrail, audit_row
from toolkit.tenancy import current_claims, current_runtime

logger = logging.getLogger("antiphon.audit")


class AuditMiddleware(Middleware):
    """Appends a row for every call, also for a failed one."""

    def __init__(self, trail: AuditTrail | None) -> None:
        self._trail = trail

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Run the tool, and append a row with its outcome before the result is returned."""
        started = time.perf_counter()
        outcome = "cut_off"  # the client went away, or a protocol error passes through
        try:
            result = await call_next(context)
            outcome = _outcome(result)
            return result
        finally:
            ms = (time.perf_counter() - started) * 1000
            if self._trail is not None and context.fastmcp_context is not None:
                await _append_row(self._trail, context.fastmcp_context, context, outcome, ms)


async def _append_row(
    trail: AuditTrail,
    ctx: Context,
    context: MiddlewareContext[CallToolRequestParams],
    outcome: str,
    ms: float,
) -> None:
    claims = current_claims(current_runtime(ctx))
    message = context.message
    row = audit_row(claims, ctx.fastmcp.name, message.name, message.arguments or {}, outcome, ms)
    try:
        await trail.append(claims.business_id, row)
    except SQLAlchemyError:
        # The call has been made: an audit trail that is down must not turn it into a failure.
        logger.exception("a tool call could not be written down", extra={"tool": row["tool"]})


def _outcome(result: ToolResult) -> str:
    if result.is_error:
        details = (result.meta or {}).get(META_KEY, {})
        return str(details.get("error", "fault"))
    return str((result.structured_content or {}).get("status", "ok"))

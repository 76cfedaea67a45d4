"""One row per tool call: who, what, how it ended; never what was said."""

import hashlib
import json
import time

from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp_types import CallToolRequestParams

from config.tables import Audit
from toolkit.errors import META
from toolkit.tenancy import current_call


class AuditTrail(Middleware):
    """Appends a row for every call, also for those that fail."""

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Answer the call, and write down that it happened."""
        started = time.perf_counter()
        result = await call_next(context)
        ctx = context.fastmcp_context
        call = current_call(ctx) if ctx else None
        if ctx is None or call is None or call.runtime.database is None:
            return result
        arguments = json.dumps(context.message.arguments or {}, sort_keys=True)
        row = Audit(
            business_id=call.business_id,
            subject=call.claims.sub,
            bot_id=call.claims.bot_id,
            conversation_id=call.claims.conversation_id,
            server=ctx.fastmcp.name,
            tool=context.message.name[:128],
            argument_digest=hashlib.sha256(arguments.encode()).hexdigest(),
            outcome=_outcome(result),
            ms=(time.perf_counter() - started) * 1000,
        )
        async with call.transaction() as session:
            session.add(row)
        return result


def _outcome(result: ToolResult) -> str:
    if result.is_error:
        details = (result.meta or {}).get(META, {})
        return str(details.get("error", "fault"))
    return str((result.structured_content or {}).get("status", "ok"))[:32]

"""Middleware for the caller's language, which requests bring in their metadata."""

from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp_types import CallToolRequestParams

from config.language.catalogue import DEFAULT, LANGUAGE
from config.protocol import LANGUAGE_KEY


class Language(Middleware):
    """Has the sentences of a call in the caller's language; clients of others get English."""

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Run the tool in the caller's language."""
        request = context.fastmcp_context and context.fastmcp_context.request_context
        sent = (request.meta or {}).get(LANGUAGE_KEY) if request else None
        token = LANGUAGE.set(sent if isinstance(sent, str) else DEFAULT)
        try:
            return await call_next(context)
        finally:
            LANGUAGE.reset(token)

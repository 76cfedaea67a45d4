"""Middleware for texts that cannot be seen: they reach neither a tool, a vendor nor a record."""

from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp_types import CallToolRequestParams

from config.text import clean_all


class CleanArguments(Middleware):
    """Takes control, invisible and direction characters out of every argument."""

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Run the tool with clean arguments."""
        arguments = clean_all(context.message.arguments or {})
        if arguments == (context.message.arguments or {}):
            return await call_next(context)
        message = context.message.model_copy(update={"arguments": arguments})
        return await call_next(context.copy(message=message))

"""Middleware for the deadline of what a tool asks of its vendor."""

import asyncio
from collections.abc import Mapping

from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import Tool, ToolResult
from mcp_types import CallToolRequestParams

from config.protocol import ANSWER_MARGIN
from toolkit.http.deadline import tool_deadline


class Deadline(Middleware):
    """Has a tool's requests end before the tool is cut off: the vendor's outcome is then known."""

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        self._tools = tools

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Run the tool."""
        tool = self._tools.get(context.message.name)
        if tool is None or tool.timeout is None:
            return await call_next(context)
        now = asyncio.get_running_loop().time()
        reset = tool_deadline.set(now + tool.timeout - ANSWER_MARGIN)
        try:
            return await call_next(context)
        finally:
            tool_deadline.reset(reset)

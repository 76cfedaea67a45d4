"""Middleware for arguments: read as the schema means them, and without what cannot be seen."""

from collections.abc import Mapping

from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import Tool, ToolResult
from mcp_types import CallToolRequestParams

from config.text import clean_all
from config.tool_arguments import read_arguments


class CleanArguments(Middleware):
    """Reads JSON texts, and takes control, invisible and direction characters out of every text.

    What cannot be seen then reaches neither a tool, a vendor nor a record.
    """

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        self._tools = tools

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Run the tool with clean arguments."""
        arguments = context.message.arguments or {}
        if (tool := self._tools.get(context.message.name)) is not None:
            arguments = read_arguments(arguments, tool.parameters)
        arguments = clean_all(arguments)
        if arguments == (context.message.arguments or {}):
            return await call_next(context)
        message = context.message.model_copy(update={"arguments": arguments})
        return await call_next(context.copy(message=message))

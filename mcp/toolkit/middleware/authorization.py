"""Listing and calling are both filtered by the grant in the caller's token."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastmcp import Context
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import Tool, ToolResult
from mcp_types import CallToolRequestParams, ListToolsRequest

from config.security.tokens import Grant
from toolkit.errors import UnknownTool
from toolkit.middleware.confirmation import with_code
from toolkit.tenancy import ProviderFactory, claims_of_request, runtime_of

DETAILS_KEY = "antiphon/details"
NAMED_ONLY = "named-only"  # a tool so powerful that a grant of all tools does not mean it


class Authorization(Middleware):
    """Shows and runs only what the caller may use and their vendor can do.

    The rest does not exist for them.
    """

    def __init__(
        self, providers: Mapping[str, ProviderFactory[Any]], tools: Mapping[str, Tool]
    ) -> None:
        self._providers = providers
        self._tools = tools

    async def on_list_tools(
        self,
        context: MiddlewareContext[ListToolsRequest],
        call_next: CallNext[ListToolsRequest, Sequence[Tool]],
    ) -> Sequence[Tool]:
        """List the granted tools; those that are confirmed first also take a code."""
        grant = _grant(context.fastmcp_context)
        able = await self._able(context.fastmcp_context)
        tools = [tool for tool in await call_next(context) if able(tool) and _may(grant, tool)]
        if not _wants_details(context.fastmcp_context):
            tools = [tool.model_copy(update={"meta": None, "tags": set()}) for tool in tools]
        return [with_code(tool) if tool.name in grant.confirm else tool for tool in tools]

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Run a granted tool."""
        ctx = context.fastmcp_context
        tool = self._tools.get(context.message.name)
        if not tool or not _may(_grant(ctx), tool) or not (await self._able(ctx))(tool):
            raise UnknownTool
        return await call_next(context)

    async def _able(self, ctx: Context | None) -> Callable[[Tool], bool]:
        """Return what says whether the caller's provider has a counterpart for a tool."""
        if ctx is None or not self._providers:
            return lambda _: True
        runtime = runtime_of(ctx)
        name = await runtime.vault.provider(ctx.fastmcp.name, claims_of_request(runtime))
        provider = self._providers.get(name or "")
        if provider is None:
            return lambda _: False
        return lambda tool: tool.name not in provider.unsupported


def _may(grant: Grant, tool: Tool) -> bool:
    if NAMED_ONLY in tool.tags and tool.name not in (grant.tools or ()):
        return False
    reads = tool.annotations is not None and bool(tool.annotations.read_only_hint)
    return grant.allows(tool.name) and (reads or grant.write)


def _wants_details(ctx: Context | None) -> bool:
    """Say whether the client asks for profile and examples, which some would show to a model."""
    request = ctx.request_context if ctx else None
    return bool(request and (request.meta or {}).get(DETAILS_KEY))


def _grant(ctx: Context | None) -> Grant:
    if ctx is None:
        raise UnknownTool
    return claims_of_request(runtime_of(ctx)).grant

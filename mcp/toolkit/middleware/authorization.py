"""Middleware for authorization: tools are listed and called as the token's grant allows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastmcp import Context
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import Tool, ToolResult
from mcp_types import CallToolRequestParams, ListToolsRequest

from config.confirmation import add_code_argument
from config.protocol import DETAILS_KEY
from config.security.tokens import Grant
from toolkit.errors import UnknownTool
from toolkit.tenancy import ProviderFactory, current_claims, current_runtime

# Tags of tools: of the voice profile, and of those that are granted by their names only.
VOICE = "voice"
NAMED_ONLY = "named-only"


class Authorization(Middleware):
    """Lists and runs the tools that the caller is granted and the caller's provider supports.

    For the caller, the other tools do not exist.
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
        """List the granted tools; those that need confirmation also take a code."""
        ctx = context.fastmcp_context
        grant = _grant(ctx)
        supports = await self._supports(ctx)
        listed = await call_next(context)
        tools = [tool for tool in listed if supports(tool) and _allows(grant, tool)]
        if not _wants_details(ctx):
            tools = [tool.model_copy(update={"meta": None, "tags": set()}) for tool in tools]
        return [_with_code(tool) if tool.name in grant.confirm else tool for tool in tools]

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Run a granted tool."""
        ctx = context.fastmcp_context
        tool = self._tools.get(context.message.name)
        if not tool or not _allows(_grant(ctx), tool) or not (await self._supports(ctx))(tool):
            raise UnknownTool
        return await call_next(context)

    async def _supports(self, ctx: Context | None) -> Callable[[Tool], bool]:
        """Return a predicate of the tools that the caller's provider supports."""
        if ctx is None or not self._providers:
            return lambda _: True
        runtime = current_runtime(ctx)
        name = await runtime.vault.provider(ctx.fastmcp.name, current_claims(runtime))
        provider = self._providers.get(name or "")
        if provider is None:
            return lambda _: False
        return lambda tool: tool.name not in provider.unsupported


def _allows(grant: Grant, tool: Tool) -> bool:
    reads = tool.annotations is not None and bool(tool.annotations.read_only_hint)
    return grant.allows(
        tool.name, reads=reads, voice=VOICE in tool.tags, named_only=NAMED_ONLY in tool.tags
    )


def _with_code(tool: Tool) -> Tool:
    return tool.model_copy(update={"parameters": add_code_argument(tool.parameters)})


def _wants_details(ctx: Context | None) -> bool:
    """Say whether the client asks for tool metadata, which some clients would show a model."""
    request = ctx.request_context if ctx else None
    return bool(request and (request.meta or {}).get(DETAILS_KEY))


def _grant(ctx: Context | None) -> Grant:
    if ctx is None:
        raise UnknownTool
    return current_claims(current_runtime(ctx)).grant

"""Middleware for authorization: tools are listed and called as the token's grant allows."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from fastmcp import Context
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import Tool, ToolResult
from mcp_types import CallToolRequestParams, ListToolsRequest

from config.confirmation import add_code_argument
from config.protocol import DETAILS_KEY
from config.security.tokens import Grant
from config.security.vault import BUILTIN
from toolkit.errors import Disconnected, UnknownTool
from toolkit.tenancy import ProviderFactory, current_claims, current_runtime

# Tags of tools: of the voice profile, and of those that are granted by their names only.
VOICE = "voice"
NAMED_ONLY = "named-only"


class Authorization(Middleware):
    """Lists and runs the tools that the caller is granted and the caller's provider supports.

    For the caller, the other tools do not exist. With `named_records`, a name that is no account's
    may be that of a record of the builtin provider; else the bot is disconnected.
    """

    def __init__(
        self,
        providers: Mapping[str, ProviderFactory[Any]],
        tools: Mapping[str, Tool],
        *,
        named_records: bool = False,
    ) -> None:
        self._providers = providers
        self._tools = tools
        self._named_records = named_records

    async def on_list_tools(
        self,
        context: MiddlewareContext[ListToolsRequest],
        call_next: CallNext[ListToolsRequest, Sequence[Tool]],
    ) -> Sequence[Tool]:
        """List the granted tools; those that need confirmation also take a code."""
        ctx = context.fastmcp_context
        grant = _grant(ctx)
        unsupported = await self._unsupported_tools(ctx)
        if unsupported is None:
            return []
        listed = await call_next(context)
        tools = [tool for tool in listed if tool.name not in unsupported and _allows(grant, tool)]
        if not _wants_details(ctx):
            tools = [tool.model_copy(update={"meta": None, "tags": set()}) for tool in tools]
        return [_with_code(tool) if tool.name in grant.confirm else tool for tool in tools]

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Run a granted tool.

        Raises:
            UnknownTool: it is not granted, or not supported.
            Disconnected: the account that the grant names is not there.
        """
        ctx = context.fastmcp_context
        grant = _grant(ctx)
        tool = self._tools.get(context.message.name)
        if tool is None or not _allows(grant, tool):
            raise UnknownTool
        unsupported = await self._unsupported_tools(ctx)
        if unsupported is None and grant.integration is not None:
            raise Disconnected("The account that this is connected to is not there.")
        if unsupported is None or tool.name in unsupported:
            raise UnknownTool
        return await call_next(context)

    async def _unsupported_tools(self, ctx: Context | None) -> Collection[str] | None:
        """Return the tools that the caller's provider does not support; None without a provider."""
        if ctx is None or not self._providers:
            return ()
        runtime = current_runtime(ctx)
        claims = current_claims(runtime)
        name = await runtime.vault.provider(ctx.fastmcp.name, claims)
        if name == BUILTIN and claims.grant.integration is not None and not self._named_records:
            return None  # an account that has been removed; its records are nowhere else
        provider = self._providers.get(name or "")
        return None if provider is None else provider.unsupported


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

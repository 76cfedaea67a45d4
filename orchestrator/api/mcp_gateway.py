"""MCP for clients other than our own agent: every server at `/mcp`, one at `/<server>/mcp`.

It lists and calls tools over the connections that the agent uses, so external servers are served
like the built-in ones; no server is mounted.
"""

import asyncio
import json
import logging
from dataclasses import replace
from importlib.metadata import version
from typing import Any, cast
from urllib.parse import urlsplit

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http import check_accept_headers
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    CallToolRequestParams,
    CallToolResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from config.body_limits import McpBodyLimits
from config.language.catalogue import DEFAULT
from config.protocol import IDEMPOTENCY_KEY, LANGUAGE_KEY, MAX_CALL_VALUES
from orchestrator.api.access import EffectiveAccess, resolve_access
from orchestrator.api.credentials import authenticator
from orchestrator.api.dependencies import Dependencies
from orchestrator.api.errors import ApiError, forbidden, unauthorized
from orchestrator.api.requests import LARGE_BODY_SIZE
from orchestrator.api.tool_dispatcher import ToolDispatcher
from orchestrator.sentences import in_language

logger = logging.getLogger("antiphon.gateway")

_ACCESS = "antiphon.access"  # in the scope of a request
_LIST_TTL = 60_000  # milliseconds for which a client may keep a list
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_INSTRUCTIONS = (
    "Tools of one business. Where an answer says needs_confirmation, nothing has happened yet: "
    "ask the person what it says, and call again with its confirmation_code once they agree."
)
# What the methods that no capability is declared for are answered with.
_UNDECLARED: dict[str, dict[str, Any]] = {
    "logging/setLevel": {},
    "completion/complete": {"completion": {"values": [], "hasMore": False}},
}
_MISDIRECTED = "MCP is not served under this host name. PUBLIC_URL names the one that is."


def gateway_routes(dependencies: Dependencies, dispatcher: ToolDispatcher) -> list[BaseRoute]:
    """Return the routes of all servers together, and of each."""
    app = McpGateway(dependencies, dispatcher)
    # Both with a slash, too: some clients do not follow a redirect, or lose their key on it.
    paths = ("/mcp", "/mcp/", "/{server}/mcp", "/{server}/mcp/")
    return [Route(path, app) for path in paths]


class McpGateway:
    """ASGI application that serves the tools of an API key over MCP, without sessions."""

    def __init__(self, dependencies: Dependencies, dispatcher: ToolDispatcher) -> None:
        self._dependencies = dependencies
        self._dispatcher = dispatcher
        self._security = TransportSecurityMiddleware(_transport_security(dependencies.origins))
        self._server: Server[Any] = Server(
            "antiphon",
            version=version("antiphon"),
            instructions=_INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            # There are none, but clients ask whatever a server says that it has, and give up.
            on_list_resources=_list_resources,
            on_list_resource_templates=_list_resource_templates,
            on_list_prompts=_list_prompts,
            # Else every call would list all tools first, to compare headers that no client sends.
            get_tool_input_schema=lambda _: None,
        )
        self._server.middleware += [_mask_errors, _answer_leniently]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        Raises:
            ApiError: its host, its origin or its API key is refused.
            HTTPException: it is no POST.
        """
        request = Request(scope)
        await self._check_host_and_origin(request)
        scope[_ACCESS] = await self._resolve_access(request)
        if request.method != "POST":
            raise HTTPException(405, headers={"Allow": "POST"})
        accepts_json, accepts_stream = _accepted_types(request)
        if accepts_json or accepts_stream:  # one of them is enough: that one is answered
            accept = (b"accept", b"application/json, text/event-stream")
            others = [header for header in scope["headers"] if header[0] != b"accept"]
            scope = {**scope, "headers": [*others, accept]}
        # For this request only: there is nothing to open before the first and to close at the end.
        manager = StreamableHTTPSessionManager(
            self._server, json_response=not accepts_stream, stateless=True
        )
        limited = McpBodyLimits(
            manager.handle_request, max_size=LARGE_BODY_SIZE, max_values=MAX_CALL_VALUES
        )
        async with manager.run():
            await limited(scope, receive, send)

    async def _check_host_and_origin(self, request: Request) -> None:
        """Refuse pages of other origins, and host names that were pointed at this address."""
        refusal = await self._security.validate_request(request)
        if refusal is None:
            return
        if refusal.status_code == 421:
            raise ApiError(421, "misdirected_request", _MISDIRECTED)
        raise forbidden("Pages of other origins may not use MCP.")

    async def _resolve_access(self, request: Request) -> EffectiveAccess:
        caller = await authenticator(request).authenticate(request, "limited")
        if caller is None:
            raise unauthorized()
        bot = request.query_params.get("bot")
        server = request.path_params.get("server")
        return await resolve_access(self._dependencies, caller, bot=bot, server=server)

    async def _list_tools(
        self, ctx: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        del params  # there is one page
        access = _access(ctx)
        listed, complete = await self._dispatcher.list_tools(access)
        tools = [tool.to_tool(access.tool_name(tool)) for tool in listed]
        ttl = _LIST_TTL if complete else 0
        return ListToolsResult(tools=tools, ttl_ms=ttl, cache_scope="private")

    async def _call_tool(
        self, ctx: ServerRequestContext[Any, Any], params: CallToolRequestParams
    ) -> CallToolResult:
        meta = ctx.meta or {}
        key, language = meta.get(IDEMPOTENCY_KEY), meta.get(LANGUAGE_KEY)
        with in_language(language if isinstance(language, str) else DEFAULT):
            outcome = await self._dispatcher.call_tool(
                _access(ctx),
                params.name,
                params.arguments or {},
                idempotency_key=None if key is None else str(key),
            )
        return outcome.result


def _access(ctx: ServerRequestContext[Any, Any]) -> EffectiveAccess:
    request = cast("Request", ctx.request)
    return cast("EffectiveAccess", request.scope[_ACCESS])


async def _mask_errors(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Hide unexpected errors' texts, which the SDK would send to clients of the 2025 protocol."""
    (answer,) = await asyncio.gather(call_next(ctx), return_exceptions=True)
    if not isinstance(answer, BaseException):
        return answer
    if isinstance(answer, MCPError | ValidationError):  # the SDK's own, which it words itself
        raise answer
    logger.error("a request failed", exc_info=answer)
    raise MCPError(INTERNAL_ERROR, "Something went wrong on our side.")


async def _list_resources(*_: object) -> ListResourcesResult:
    return ListResourcesResult(resources=[], ttl_ms=_LIST_TTL, cache_scope="private")


async def _list_resource_templates(*_: object) -> ListResourceTemplatesResult:
    return ListResourceTemplatesResult(
        resource_templates=[], ttl_ms=_LIST_TTL, cache_scope="private"
    )


async def _list_prompts(*_: object) -> ListPromptsResult:
    return ListPromptsResult(prompts=[], ttl_ms=_LIST_TTL, cache_scope="private")


async def _answer_leniently(
    ctx: ServerRequestContext[Any, Any], call_next: CallNext
) -> HandlerResult:
    """Answer requests of the 2025 protocol that clients send although nothing is declared.

    Arguments are read where they were sent as a text, or as the empty list that PHP makes of an
    empty object.
    """
    if ctx.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS and ctx.method in _UNDECLARED:
        return _UNDECLARED[ctx.method]
    if ctx.method == "tools/call" and ctx.params is not None:
        arguments = _read_object(ctx.params.get("arguments"))
        ctx = replace(ctx, params={**ctx.params, "arguments": arguments})
    return await call_next(ctx)


def _read_object(value: object) -> object:
    if value == [] or value == "":
        return {}
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _accepted_types(request: Request) -> tuple[bool, bool]:
    """Say whether a client accepts JSON, and a stream of events; one that says nothing does."""
    if not request.headers.get("accept", "").strip():
        return True, True
    return check_accept_headers(request)


def _transport_security(origins: frozenset[str]) -> TransportSecuritySettings:
    names = _LOOPBACK | {_host(origin) for origin in origins}
    hosts = [pattern for name in sorted(names) for pattern in (name, f"{name}:*")]
    return TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=sorted(origins))


def _host(origin: str) -> str:
    name = urlsplit(origin).hostname or ""
    return f"[{name}]" if ":" in name else name

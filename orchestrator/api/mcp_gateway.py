"""MCP for clients other than our own agent: every server at `/mcp`, one at `/<server>/mcp`.

Nothing is mounted: it lists and calls over the connections that the agent uses, so that a third
party's servers are served like ours.
"""

import asyncio
import logging
from importlib.metadata import version
from typing import Any, cast
from urllib.parse import urlsplit

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
)
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from orchestrator.api.access import Seat, Tools, seat_of
from orchestrator.api.credentials import admitted, conversation_verifier
from orchestrator.api.dependencies import Dependencies
from orchestrator.api.errors import ApiError, forbidden, unauthorized
from orchestrator.api.reading import LARGEST_BODY

logger = logging.getLogger("antiphon.gateway")

_SEAT = "antiphon.seat"
_KEY = "antiphon/idempotency_key"
_FRESH = 60_000  # milliseconds for which a client may keep a list
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_INSTRUCTIONS = (
    "Tools of one business. Where an answer says needs_confirmation, nothing has happened yet: "
    "ask the person what it says, and call again with its confirmation_code once they agree."
)
_MISDIRECTED = "MCP is not served under this host name. PUBLIC_URL names the one that is."


def gateway(dependencies: Dependencies) -> list[BaseRoute]:
    """Return the routes of all servers together, and of each."""
    app = _Gateway(dependencies)
    return [Route("/mcp", app), Route("/{server}/mcp", app)]


class _Gateway:
    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._verifier = conversation_verifier(dependencies.signer)
        self._tools = Tools(dependencies)
        self._guard = TransportSecurityMiddleware(_own(dependencies.origins))
        self._server: Server[Any] = Server(
            "antiphon",
            version=version("antiphon"),
            instructions=_INSTRUCTIONS,
            on_list_tools=self._list,
            on_call_tool=self._call,
            # Else every call would list all tools first, to compare headers that no client sends.
            get_tool_input_schema=lambda _: None,
        )
        self._server.middleware.append(_masked)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request of a client that shows a key."""
        request = Request(scope)
        await self._refuse_strangers(request)
        scope[_SEAT] = await self._seat(request)
        if request.method != "POST":
            raise HTTPException(405, headers={"Allow": "POST"})
        # For this request only: there is nothing to open before the first and to close at the end.
        manager = StreamableHTTPSessionManager(
            self._server, stateless=True, max_request_body_size=LARGEST_BODY
        )
        async with manager.run():
            await manager.handle_request(scope, receive, send)

    async def _refuse_strangers(self, request: Request) -> None:
        """Refuse pages of other origins, and names that somebody has pointed at this address."""
        refusal = await self._guard.validate_request(request)
        if refusal is None:
            return
        if refusal.status_code == 421:
            raise ApiError(421, "misdirected_request", _MISDIRECTED)
        raise forbidden("Pages of other origins may not use MCP.")

    async def _seat(self, request: Request) -> Seat:
        caller = await admitted(self._dependencies, self._verifier, request, "limited")
        if caller is None:
            raise unauthorized()
        bot = request.query_params.get("bot")
        server = request.path_params.get("server")
        return await seat_of(self._dependencies, caller, bot=bot, server=server)

    async def _list(
        self, ctx: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        del params  # there is one page
        seat = _seated(ctx)
        cards, complete = await self._tools.listed(seat)
        tools = [card.listed_as(seat.name(card)) for card in cards]
        ttl = _FRESH if complete else 0
        return ListToolsResult(tools=tools, ttl_ms=ttl, cache_scope="private")

    async def _call(
        self, ctx: ServerRequestContext[Any, Any], params: CallToolRequestParams
    ) -> CallToolResult:
        key = (ctx.meta or {}).get(_KEY)
        sent = None if key is None else str(key)
        outcome = await self._tools.call(_seated(ctx), params.name, params.arguments or {}, sent)
        return outcome.result


def _seated(ctx: ServerRequestContext[Any, Any]) -> Seat:
    request = cast("Request", ctx.request)
    return cast("Seat", request.scope[_SEAT])


async def _masked(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Answer, or say no more than that it failed: a client of the older era would be told why."""
    answer = (await asyncio.gather(call_next(ctx), return_exceptions=True))[0]
    if not isinstance(answer, BaseException):
        return answer
    if isinstance(answer, MCPError | ValidationError):  # the SDK's own, which it words itself
        raise answer
    logger.error("a request failed", exc_info=answer)
    raise MCPError(INTERNAL_ERROR, "Something went wrong on our side.")


def _own(origins: frozenset[str]) -> TransportSecuritySettings:
    names = _LOOPBACK | {_host(origin) for origin in origins}
    hosts = [pattern for name in sorted(names) for pattern in (name, f"{name}:*")]
    return TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=sorted(origins))


def _host(origin: str) -> str:
    name = urlsplit(origin).hostname or ""
    return f"[{name}]" if ":" in name else name

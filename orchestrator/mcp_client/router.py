"""Reaches the MCP servers: one pooled client per server for all tenants, a token per request.

A client is dead for good after one transport error, so it is replaced; only reads are tried again.
A server that a business has added is reached by its name alike, without a token of ours.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import (
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    DiscoverRequest,
    DiscoverResult,
    ListToolsRequest,
    ListToolsResult,
    PaginatedRequestParams,
    Request,
)
from pydantic import BaseModel

from config.bots import Bot
from config.constellation import constellation
from config.security.tokens import Claims, Grant, Signer, server_audience
from config.tables import McpServer
from orchestrator.mcp_client.client_pool import ClientPool, Endpoint
from orchestrator.mcp_client.external.calls import ExternalServers
from orchestrator.mcp_client.external.directory import Directory
from orchestrator.mcp_client.tool import (
    Outcome,
    ServerUnreachableError,
    ToolInfo,
    outcome_of,
    unknown_tool,
    unreachable,
)

R = TypeVar("R", bound=BaseModel)

PROTOCOL = "2026-07-28"
READ_BUDGET = 8.0  # seconds
WRITE_BUDGET = 15.0
_CONNECT = 1.0
_KEPT = 60.0  # seconds without a request; our servers close a connection after 75

_bearer: ContextVar[str | None] = ContextVar("bearer", default=None)


@dataclass(frozen=True)
class Identity:
    """For whom a call is made."""

    subject: str
    business_id: UUID
    bot: Bot | None = None
    conversation_id: UUID | None = None

    @property
    def servers(self) -> list[str]:
        """Return the servers that may be used."""
        return self.bot.enabled_servers if self.bot else []

    def claims(self, server: str, *, every_tool: bool = False) -> Claims:
        """Return what the token for `server` says."""
        return Claims(
            sub=self.subject,
            business_id=self.business_id,
            bot_id=self.bot.id if self.bot else None,
            conversation_id=self.conversation_id,
            grant=Grant() if every_tool else self._grant(server),
        )

    def _grant(self, server: str) -> Grant:
        use = self.bot.servers.get(server) if self.bot else None
        if use is None or not use.enabled:
            return Grant(tools=())
        tools, denied = None, use.denied_tools
        if use.tools:
            tools, denied = tuple(name for name in use.tools if name not in denied), ()
        return Grant(tools=tools, denied=denied, integration=use.integration, confirm=use.confirmed)


class UnknownServerError(ServerUnreachableError):
    """There is no such server for this business."""


class _Bearer(httpx2.Auth):
    """Puts the token of the request's own context on it, so that tenants share connections."""

    def auth_flow(self, request: httpx2.Request) -> Any:
        token = _bearer.get()
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        yield request


def warm_trust() -> None:
    """Read the machine's certificates before the first call needs them."""
    _trust()


@cache
def _trust() -> ssl.SSLContext:
    # 20 ms on the event loop, once per process instead of once per client.
    return ssl.create_default_context()


class Router:
    """All servers, as one process reaches them."""

    def __init__(
        self, signer: Signer, url: Callable[[str], str], registry: Directory | None = None
    ) -> None:
        self._signer = signer
        self._url = url
        self._registry = registry
        self._pool = ClientPool()
        self._strangers = ExternalServers(registry) if registry else None

    async def connect(self, server: str, claims: Claims) -> None:
        """Open the way to `server`, so that its first call finds it open; it may be down."""
        request = DiscoverRequest()
        with suppress(ServerUnreachableError):
            if (added := await self._added(server, claims)) is not None:
                await added.strangers.connect(added.row, READ_BUDGET)
                return
            await self._ask(server, claims, request, DiscoverResult, READ_BUDGET, retry=False)

    async def list_tools(self, server: str, claims: Claims) -> list[ToolInfo]:
        """Return every tool that `claims` are granted on `server`.

        Raises:
            ServerUnreachableError: it did not answer within the budget of a read.
        """
        if (added := await self._added(server, claims)) is not None:
            return await added.strangers.tools(added.row, claims, READ_BUDGET)
        cards: list[ToolInfo] = []
        cursor: str | None = None
        while True:
            page = {"cursor": cursor, "_meta": {"antiphon/details": True}}
            request = ListToolsRequest(params=PaginatedRequestParams.model_validate(page))
            answer = await self._ask(
                server, claims, request, ListToolsResult, READ_BUDGET, retry=True
            )
            cards += [ToolInfo.of(server, tool) for tool in answer.tools]
            cursor = answer.next_cursor
            if cursor is None:
                return cards

    async def call(
        self,
        server: str,
        tool: str,
        arguments: Mapping[str, Any],
        claims: Claims,
        *,
        budget: float = WRITE_BUDGET,
        retry: bool = False,
        key: str | None = None,
    ) -> Outcome:
        """Call a tool; whatever goes wrong is an outcome, too. `budget` is in seconds."""
        started = time.perf_counter()
        try:
            added = await self._added(server, claims)
        except UnknownServerError:
            return unknown_tool()
        except ServerUnreachableError as error:
            return unreachable(str(error), _since(started))
        if added is not None:
            return await added.strangers.call(
                added.row, tool, arguments, claims, budget=budget, retry=retry
            )
        asked: dict[str, Any] = {"name": tool, "arguments": dict(arguments)}
        if key is not None:
            asked["_meta"] = {"antiphon/idempotency_key": key}
        request = CallToolRequest(params=CallToolRequestParams.model_validate(asked))
        try:
            answer = await self._ask(server, claims, request, CallToolResult, budget, retry=retry)
        except ServerUnreachableError as error:
            return unreachable(str(error), _since(started))
        return outcome_of(answer, _since(started))

    async def external_servers(self, business_id: UUID) -> list[str]:
        """Return the servers of others that a business has added.

        Raises:
            ServerUnreachableError: nobody can tell.
        """
        return await self._registry.names(business_id) if self._registry else []

    def forget(self, business_id: UUID) -> None:
        """Read the servers that a business has added anew: they have been changed."""
        if self._registry is not None:
            self._registry.forget(business_id)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()
        if self._strangers is not None:
            await self._strangers.aclose()

    async def _added(self, server: str, claims: Claims) -> "_ExternalServer | None":
        """Return the server if the business has added it, and None for one that is built in."""
        if self._registry is None or self._strangers is None or server in constellation().servers:
            return None
        row = await self._registry.find(claims.business_id, server)
        if row is None:
            raise UnknownServerError(f"There is no server {server}.")
        return _ExternalServer(self._strangers, row)

    async def _ask(
        self,
        server: str,
        claims: Claims,
        request: Request[Any, Any],
        result: type[R],
        budget: float,
        *,
        retry: bool,
    ) -> R:
        _bearer.set(self._signer.mint(server_audience(server), claims))
        return await self._pool.ask(
            Endpoint(server, server, lambda: _client_of(self._url(server))),
            lambda session: session.send_request(request, result),
            asyncio.get_running_loop().time() + budget,
            retry=retry,
        )


@dataclass(frozen=True)
class _ExternalServer:
    strangers: ExternalServers
    row: McpServer


@asynccontextmanager
async def _client_of(url: str) -> AsyncGenerator[Client]:
    timeout = httpx2.Timeout(WRITE_BUDGET * 2, connect=_CONNECT)
    limits = httpx2.Limits(
        max_connections=200, max_keepalive_connections=50, keepalive_expiry=_KEPT
    )
    async with (
        httpx2.AsyncClient(verify=_trust(), auth=_Bearer(), timeout=timeout, limits=limits) as http,
        Client(streamable_http_client(url, http_client=http), mode=PROTOCOL) as client,
    ):
        yield client


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000

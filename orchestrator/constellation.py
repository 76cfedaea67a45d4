"""Reaches the MCP servers: one pooled client per server for all tenants, a token per request.

A client is dead for good after one transport error, so it is replaced; only reads are tried again.
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
from mcp.shared.exceptions import MCPError
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
from pydantic import BaseModel, ValidationError

from config.bots import Bot
from config.errors import Mendable
from config.tokens import Claims, Grant, Signer, server_audience
from orchestrator.tools import Outcome, ToolCard, outcome_of, unreachable

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
        confirmed = tuple(name for name, policy in use.policy.items() if policy.confirm)
        tools = use.tools or None
        return Grant(tools=tools, integration=use.integration, confirm=confirmed)


class ServerUnreachableError(Mendable):
    """A server could not be asked, or did not answer in time."""


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


@dataclass
class _Pooled:
    client: Client
    leave: asyncio.Event
    owner: asyncio.Task[None]


class Constellation:
    """All servers, as one process reaches them."""

    def __init__(self, signer: Signer, url: Callable[[str], str]) -> None:
        self._signer = signer
        self._url = url
        self._clients: dict[str, _Pooled] = {}
        self._connecting: dict[str, asyncio.Lock] = {}

    async def connect(self, server: str, claims: Claims) -> None:
        """Open the way to `server`, so that its first call finds it open; it may be down."""
        request = DiscoverRequest()
        with suppress(ServerUnreachableError):
            await self._ask(server, claims, request, DiscoverResult, READ_BUDGET, retry=False)

    async def list_tools(self, server: str, claims: Claims) -> list[ToolCard]:
        """Return every tool that `claims` are granted on `server`.

        Raises:
            ServerUnreachableError: it did not answer within the budget of a read.
        """
        cards: list[ToolCard] = []
        cursor: str | None = None
        while True:
            page = {"cursor": cursor, "_meta": {"antiphon/details": True}}
            request = ListToolsRequest(params=PaginatedRequestParams.model_validate(page))
            answer = await self._ask(
                server, claims, request, ListToolsResult, READ_BUDGET, retry=True
            )
            cards += [ToolCard.of(server, tool) for tool in answer.tools]
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
        asked: dict[str, Any] = {"name": tool, "arguments": dict(arguments)}
        if key is not None:
            asked["_meta"] = {"antiphon/idempotency_key": key}
        request = CallToolRequest(params=CallToolRequestParams.model_validate(asked))
        try:
            answer = await self._ask(server, claims, request, CallToolResult, budget, retry=retry)
        except ServerUnreachableError as error:
            return unreachable(str(error), _since(started))
        return outcome_of(answer, _since(started))

    async def aclose(self) -> None:
        """Close every connection."""
        pooled = list(self._clients.values())
        self._clients.clear()
        for entry in pooled:
            entry.leave.set()
        await asyncio.gather(*(entry.owner for entry in pooled), return_exceptions=True)

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
        deadline = asyncio.get_running_loop().time() + budget
        for attempt in (1, 2):
            pooled = await self._client(server)
            try:
                async with asyncio.timeout_at(deadline):
                    return await pooled.client.session.send_request(request, result)
            except TimeoutError:
                raise ServerUnreachableError(f"{server} did not answer in time.") from None
            except (MCPError, httpx2.HTTPError, OSError, ValidationError):
                self._evict(server, pooled)
                if attempt == 2 or not retry:
                    raise ServerUnreachableError(f"{server} is not available.") from None
        raise AssertionError("unreachable: both attempts return or raise")

    async def _client(self, server: str) -> _Pooled:
        async with self._connecting.setdefault(server, asyncio.Lock()):
            if server not in self._clients:
                self._clients[server] = await self._open(server)
            return self._clients[server]

    async def _open(self, server: str) -> _Pooled:
        entered: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        leave = asyncio.Event()
        # The client's scopes must be left by the task that entered them, so it has an owner.
        owner = asyncio.create_task(self._own(server, entered, leave))
        owner.add_done_callback(lambda _: entered.cancel())
        try:
            return _Pooled(await entered, leave, owner)
        except asyncio.CancelledError:
            if not entered.cancelled() or not owner.done():
                owner.cancel()
                raise
            raise ServerUnreachableError(f"{server} is not available.") from None

    async def _own(
        self, server: str, entered: "asyncio.Future[Client]", leave: asyncio.Event
    ) -> None:
        async with _client_of(self._url(server)) as client:
            if not entered.cancelled():
                entered.set_result(client)
            await leave.wait()

    def _evict(self, server: str, pooled: _Pooled) -> None:
        if self._clients.get(server) is pooled:
            del self._clients[server]
        pooled.leave.set()


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

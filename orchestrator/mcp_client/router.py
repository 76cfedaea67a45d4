"""Calls MCP servers by name: our own with a signed token per request, external ones as stored.

Each of our servers has one pooled client, which all tenants share. Only reads are tried again, and
what cannot have been done. A name that is not one of our
servers is looked up among the external servers of the business; they get no token of ours.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
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
from config.language.catalogue import LANGUAGE
from config.protocol import (
    CONNECT_BUDGET,
    DETAILS_KEY,
    IDEMPOTENCY_KEY,
    LANGUAGE_KEY,
    READ_BUDGET,
    WRITE_BUDGET,
    call_budget,
)
from config.security.tokens import Claims, Grant, Signer, server_audience
from config.tables import McpServer
from orchestrator.mcp_client.client_pool import ClientPool, Endpoint, InvalidParamsError
from orchestrator.mcp_client.exchange import Exchange, IsolatingTransport, current_exchange
from orchestrator.mcp_client.external.calls import ExternalServers
from orchestrator.mcp_client.external.directory import Directory
from orchestrator.mcp_client.tool import (
    Outcome,
    ServerUnreachableError,
    ToolInfo,
    elapsed_ms,
    invalid_outcome,
    lost_outcome,
    parse_result,
    unknown_tool_outcome,
    unreachable_outcome,
)

R = TypeVar("R", bound=BaseModel)

PROTOCOL = "2026-07-28"
WRITE_CALL_BUDGET = call_budget(reads=False)
_KEEPALIVE = 60.0  # seconds without a request; our servers close a connection after 75


@dataclass(frozen=True)
class Identity:
    """On whose behalf servers are called: a subject, its business, and the bot if there is one."""

    subject: str
    business_id: UUID
    bot: Bot | None = None
    conversation_id: UUID | None = None

    @property
    def servers(self) -> list[str]:
        """Return the names of the servers that the bot may use."""
        return self.bot.enabled_servers if self.bot else []

    @property
    def required_bot(self) -> Bot:
        """Return the bot.

        Raises:
            ValueError: it is a person or a program that acts.
        """
        if self.bot is None:
            raise ValueError("Only a bot can do that.")
        return self.bot

    def claims(self, server: str, *, every_tool: bool = False) -> Claims:
        """Return the claims of a token for `server`; `every_tool` grants more than the bot has."""
        return Claims(
            sub=self.subject,
            business_id=self.business_id,
            bot_id=self.bot.id if self.bot else None,
            conversation_id=self.conversation_id,
            grant=Grant() if every_tool else self._grant(server),
        )

    def _grant(self, server: str) -> Grant:
        return self.bot.grant(server) if self.bot else Grant(tools=())


class UnknownServerError(ServerUnreachableError):
    """There is no such server for this business."""


class _BearerAuth(httpx2.Auth):
    """Authorizes each request with the token of its own context: tenants share connections."""

    def auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        exchange = current_exchange.get()
        if exchange is not None and exchange.token is not None:
            request.headers["Authorization"] = f"Bearer {exchange.token}"
        yield request


def load_ca_certificates() -> None:
    """Read the system's CA certificates before the first call needs them."""
    _ssl_context()


@cache
def _ssl_context() -> ssl.SSLContext:
    # It blocks the event loop for 20 ms: once per process instead of once per client.
    return ssl.create_default_context()


class Router:
    """Lists and calls tools of any server by its name, for every tenant of one process."""

    def __init__(
        self, signer: Signer, url: Callable[[str], str], directory: Directory | None = None
    ) -> None:
        self._signer = signer
        self._url = url
        self._directory = directory
        self._pool = ClientPool()
        self._external = ExternalServers(directory) if directory else None

    async def connect(self, server: str, claims: Claims) -> None:
        """Open a connection before the first call needs it; a server that is down is ignored."""
        request = DiscoverRequest()
        with suppress(ServerUnreachableError):
            if (external := await self._find_external(server, claims)) is not None:
                await external.servers.connect(external.row, READ_BUDGET)
                return
            await self._request(server, claims, request, DiscoverResult, READ_BUDGET, retry=False)

    async def list_tools(self, server: str, claims: Claims) -> list[ToolInfo]:
        """Return every tool that `claims` are granted on `server`.

        Raises:
            ServerUnreachableError: it did not answer within `READ_BUDGET`.
        """
        if (external := await self._find_external(server, claims)) is not None:
            return await external.servers.list_tools(external.row, claims, READ_BUDGET)
        tools: list[ToolInfo] = []
        cursor: str | None = None
        while True:
            page = {"cursor": cursor, "_meta": {DETAILS_KEY: True}}
            request = ListToolsRequest(params=PaginatedRequestParams.model_validate(page))
            result = await self._request(
                server, claims, request, ListToolsResult, READ_BUDGET, retry=True
            )
            tools += [ToolInfo.from_tool(server, tool) for tool in result.tools]
            cursor = result.next_cursor
            if cursor is None:
                return tools

    async def call(
        self,
        server: str,
        tool: str,
        arguments: Mapping[str, Any],
        claims: Claims,
        *,
        budget: float = WRITE_CALL_BUDGET,
        retry: bool = False,
        reads: bool | None = None,
        key: str | None = None,
    ) -> Outcome:
        """Call a tool; never raises: whatever goes wrong is an `Outcome`, too.

        Long because each way to fail has an outcome of its own.
        `budget` is in seconds. `retry` allows a second attempt. `reads` says that the tool changes
        nothing; by default, that is what may be tried again. `key` is the idempotency key of a
        write; external servers do not get it, but it holds for them, too.
        """
        reads = retry if reads is None else reads
        started = time.perf_counter()
        try:
            external = await self._find_external(server, claims)
        except UnknownServerError:
            return unknown_tool_outcome()
        except ServerUnreachableError as error:
            return unreachable_outcome(str(error), elapsed_ms(started))
        if external is not None:
            return await external.servers.call(
                external.row, tool, arguments, claims, budget=budget, retry=retry, key=key
            )
        params: dict[str, Any] = {"name": tool, "arguments": dict(arguments)}
        params["_meta"] = {LANGUAGE_KEY: LANGUAGE.get()}
        if key is not None:
            params["_meta"][IDEMPOTENCY_KEY] = key
        request = CallToolRequest(params=CallToolRequestParams.model_validate(params))
        exchange = Exchange(self._signer.mint(server_audience(server), claims))
        try:
            result = await self._send(
                server, exchange, request, CallToolResult, budget, retry=retry
            )
        except InvalidParamsError as error:
            return invalid_outcome(str(error), elapsed_ms(started))
        except ServerUnreachableError as error:
            outcome = lost_outcome(error, elapsed_ms(started), reads=reads)
            return replace(outcome, status=exchange.status, retry_after=exchange.retry_after)
        return parse_result(result, elapsed_ms(started))

    async def forget_writes(self, business_id: UUID, noted: Sequence[str]) -> None:
        """Forget writes of a conversation, by `Outcome.noted`: a repeat is a new wish now."""
        if self._external is not None:
            await self._external.sent_writes.forget(business_id, noted)

    async def external_servers(self, business_id: UUID) -> list[str]:
        """Return the names of the external servers that a business has added.

        Raises:
            ServerUnreachableError: the database does not answer.
        """
        return await self._directory.server_names(business_id) if self._directory else []

    def forget(self, business_id: UUID) -> None:
        """Drop the cached external servers of a business: they have been changed."""
        if self._directory is not None:
            self._directory.forget(business_id)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()
        if self._external is not None:
            await self._external.aclose()

    async def _find_external(self, server: str, claims: Claims) -> "_ExternalServer | None":
        """Return a server that the business has added; None for one of ours."""
        if self._directory is None or self._external is None or server in constellation().servers:
            return None
        row = await self._directory.find(claims.business_id, server)
        if row is None:
            raise UnknownServerError(f"There is no server {server}.")
        return _ExternalServer(self._external, row)

    async def _request(
        self,
        server: str,
        claims: Claims,
        request: Request[Any, Any],
        result_type: type[R],
        budget: float,
        *,
        retry: bool,
    ) -> R:
        exchange = Exchange(self._signer.mint(server_audience(server), claims))
        return await self._send(server, exchange, request, result_type, budget, retry=retry)

    async def _send(
        self,
        server: str,
        exchange: Exchange,
        request: Request[Any, Any],
        result_type: type[R],
        budget: float,
        *,
        retry: bool,
    ) -> R:
        reset = current_exchange.set(exchange)
        try:
            return await self._pool.request(
                Endpoint(server, server, lambda: _open_client(self._url(server))),
                lambda session: session.send_request(request, result_type),
                asyncio.get_running_loop().time() + budget,
                retry=retry,
            )
        finally:
            current_exchange.reset(reset)


@dataclass(frozen=True)
class _ExternalServer:
    servers: ExternalServers
    row: McpServer


@asynccontextmanager
async def _open_client(url: str) -> AsyncGenerator[Client]:
    timeout = httpx2.Timeout(WRITE_BUDGET * 2, connect=CONNECT_BUDGET)
    limits = httpx2.Limits(
        max_connections=200, max_keepalive_connections=50, keepalive_expiry=_KEEPALIVE
    )
    transport = httpx2.AsyncHTTPTransport(verify=_ssl_context(), limits=limits)
    async with (
        httpx2.AsyncClient(
            transport=IsolatingTransport(transport), auth=_BearerAuth(), timeout=timeout
        ) as http,
        Client(streamable_http_client(url, http_client=http), mode=PROTOCOL) as client,
    ):
        yield client

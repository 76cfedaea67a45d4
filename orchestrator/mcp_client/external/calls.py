"""Reaches servers that others run: the same calls, with the business's own headers, on no trust.

A client belongs to one business and one address, for a server of the older era keeps a session.
Connections are shared, what is sent over them is not.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import httpx2
from mcp.client.session import ClientSession
from mcp_types import CallToolRequest, CallToolRequestParams, CallToolResult

from config.security.audit import audit_row
from config.security.egress import guarded_transport
from config.security.tokens import Claims, Grant
from config.tables import McpServer
from orchestrator.mcp_client.client_pool import ClientPool, Endpoint, RefusedError
from orchestrator.mcp_client.external.client import every_tool, external_client
from orchestrator.mcp_client.external.confirmation import CODE, unconfirmed, with_code
from orchestrator.mcp_client.external.directory import Directory
from orchestrator.mcp_client.external.pinning import PinnedTools, check_pins
from orchestrator.mcp_client.external.sanitize import outcome_of
from orchestrator.mcp_client.tool import (
    Outcome,
    ServerUnreachableError,
    ToolInfo,
    unknown_tool,
    unreachable,
)

R = TypeVar("R")

_IDLE = 600.0  # seconds without a request, after which a client is closed
_FRESH = 60.0  # seconds for which a list says what a tool is
_MOST_LISTS = 1000

_Key = tuple[UUID, str, str]


@dataclass(frozen=True)
class _Listed:
    listing: PinnedTools
    of: datetime  # the server as it was then
    until: float


class ExternalServers:
    """The servers of others, as one process reaches them for every business."""

    def __init__(self, registry: Directory) -> None:
        self._registry = registry
        self._pool = ClientPool(idle=_IDLE)
        self._transport: httpx2.AsyncBaseTransport | None = None
        self._servers: dict[_Key, McpServer] = {}
        self._listed: dict[_Key, _Listed] = {}

    async def tools(self, server: McpServer, claims: Claims, budget: float) -> list[ToolInfo]:
        """Return the accepted tools that `claims` are granted.

        Raises:
            ServerUnreachableError: it did not answer within the budget, in seconds.
        """
        self._listed.pop(_key(server), None)
        listing = await self._listing(server, _deadline(budget))
        grant = claims.grant
        granted = [card for card in listing.cards.values() if _may(grant, card)]
        return [with_code(card) if card.tool in grant.confirm else card for card in granted]

    async def connect(self, server: McpServer, budget: float) -> None:
        """Open the way to a server, and see whether its tools are still as accepted.

        Raises:
            ServerUnreachableError: it did not answer within the budget, in seconds.
        """
        await self._listing(server, _deadline(budget))

    async def call(
        self,
        server: McpServer,
        tool: str,
        arguments: Mapping[str, Any],
        claims: Claims,
        *,
        budget: float,
        retry: bool,
    ) -> Outcome:
        """Call a tool, if it is still as accepted; whatever goes wrong is an outcome, too."""
        started = time.perf_counter()
        outcome = await self._called(server, tool, arguments, claims, budget=budget, retry=retry)
        ended = outcome.error or str(outcome.data.get("status", "ok"))
        row = audit_row(claims, server.name, tool, arguments, ended, _since(started))
        await self._registry.write_audit(claims.business_id, row)
        return outcome

    async def _called(
        self,
        server: McpServer,
        tool: str,
        arguments: Mapping[str, Any],
        claims: Claims,
        *,
        budget: float,
        retry: bool,
    ) -> Outcome:
        started = time.perf_counter()
        deadline = _deadline(budget)
        try:
            card = (await self._listing(server, deadline)).cards.get(tool)
            if card is None or not _may(claims.grant, card):
                return unknown_tool()
            if tool in claims.grant.confirm:
                asked = await unconfirmed(self._registry.cache, card, arguments, claims)
                if asked is not None:
                    return asked
                arguments = {name: each for name, each in arguments.items() if name != CODE}
            params = CallToolRequestParams(name=tool, arguments=dict(arguments))
            request = CallToolRequest(params=params)
            answer = await self._ask(
                server,
                lambda session: session.send_request(request, CallToolResult),
                deadline,
                retry=retry and card.repeatable,
            )
        except RefusedError as error:
            say = "Sorry, I did not get that right. Could you say it again?"
            text = f"{error} Next: Call again with the arguments corrected, or ask the caller."
            return Outcome(text, say=say, error="invalid", ms=_since(started))
        except ServerUnreachableError as error:
            return unreachable(str(error), _since(started))
        return outcome_of(answer, _since(started))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()
        await self._registry.aclose()
        if self._transport is not None:
            await self._transport.aclose()

    async def _listing(self, server: McpServer, deadline: float) -> PinnedTools:
        key = _key(server)
        known = self._listed.get(key)
        if known is None or known.of != server.updated_at or known.until < time.monotonic():
            tools = await self._ask(server, every_tool, deadline, retry=True)
            listing = check_pins(server.name, tools, server.tools)
            if len(self._listed) >= _MOST_LISTS:
                self._listed.clear()
            known = _Listed(listing, server.updated_at, time.monotonic() + _FRESH)
            self._listed[key] = known
            await self._registry.note(server, listing.withheld)
        return known.listing

    async def _ask(
        self,
        server: McpServer,
        send: Callable[[ClientSession], Awaitable[R]],
        deadline: float,
        *,
        retry: bool,
    ) -> R:
        key = _key(server)
        self._servers[key] = server  # its headers of now go with the client's next request
        if self._transport is None:
            self._transport = guarded_transport(allow_private=self._registry.allow_private)
        transport = self._transport

        def headers() -> Mapping[str, str]:
            return self._registry.headers(self._servers[key])

        way = Endpoint(server.name, key, lambda: external_client(server.url, transport, headers))
        return await self._pool.ask(way, send, deadline, retry=retry)


def _key(server: McpServer) -> _Key:
    return server.business_id, server.name, server.url


def _may(grant: Grant, card: ToolInfo) -> bool:
    return grant.allows(card.tool) and (card.reads or grant.write)


def _deadline(budget: float) -> float:
    return asyncio.get_running_loop().time() + budget


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000

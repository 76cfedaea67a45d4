"""Calls tools of external MCP servers with the business's own headers; results are sanitized.

A client belongs to one business and one address, because servers of the older protocol keep a
session. Connections are shared between businesses, headers and sessions are not.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import httpx2
from mcp.client.session import ClientSession
from mcp_types import CallToolRequest, CallToolRequestParams, CallToolResult

from config.protocol import CONFIRMATION_CODE
from config.security.audit import audit_row
from config.security.egress import guarded_transport
from config.security.tokens import Claims
from config.tables import McpServer
from config.tool_arguments import read_arguments
from orchestrator.mcp_client.client_pool import ClientPool, Endpoint, InvalidParamsError
from orchestrator.mcp_client.external.client import list_all_tools, open_external_client
from orchestrator.mcp_client.external.confirmation import (
    add_code_parameter,
    require_confirmation,
)
from orchestrator.mcp_client.external.directory import Directory
from orchestrator.mcp_client.external.pinning import PinnedTools, check_pins
from orchestrator.mcp_client.external.sanitize import sanitize_result
from orchestrator.mcp_client.external.sent_writes import SentWrite, SentWrites
from orchestrator.mcp_client.tool import (
    Outcome,
    ServerUnreachableError,
    ToolInfo,
    elapsed_ms,
    invalid_outcome,
    lost_outcome,
    unknown_tool_outcome,
)

R = TypeVar("R")

_IDLE_TIMEOUT = 600.0  # seconds without a request, after which a client is closed
_LIST_TTL = 60.0  # seconds for which a tool list is used for calls
_MAX_LISTS = 1000

_Key = tuple[UUID, str, str]


@dataclass(frozen=True)
class _CachedTools:
    tools: PinnedTools
    server_updated_at: datetime
    expires_at: float  # by time.monotonic()


class ExternalServers:
    """Lists and calls tools of external servers, for all businesses of one process."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self.sent_writes = SentWrites(directory.database)
        self._pool = ClientPool(idle_timeout=_IDLE_TIMEOUT)
        self._transport: httpx2.AsyncBaseTransport | None = None
        self._servers: dict[_Key, McpServer] = {}
        self._tools: dict[_Key, _CachedTools] = {}

    async def list_tools(self, server: McpServer, claims: Claims, budget: float) -> list[ToolInfo]:
        """Return the accepted tools that `claims` are granted.

        Raises:
            ServerUnreachableError: it did not answer within the budget, in seconds.
        """
        self._tools.pop(_key(server), None)
        pinned = await self._pinned_tools(server, _deadline(budget))
        grant = claims.grant
        granted = [tool for tool in pinned.available.values() if tool.is_granted(grant)]
        return [
            add_code_parameter(tool) if tool.tool in grant.confirm else tool for tool in granted
        ]

    async def connect(self, server: McpServer, budget: float) -> None:
        """Open a connection to a server, and compare its tools with those that were accepted.

        Raises:
            ServerUnreachableError: it did not answer within the budget, in seconds.
        """
        await self._pinned_tools(server, _deadline(budget))

    async def call(
        self,
        server: McpServer,
        tool: str,
        arguments: Mapping[str, Any],
        claims: Claims,
        *,
        budget: float,
        retry: bool,
        key: str | None = None,
    ) -> Outcome:
        """Call a tool if it is unchanged since it was accepted, and write the audit row.

        Never raises: whatever goes wrong is an `Outcome`, too. `budget` is in seconds. A write that
        a client repeats with its `key` is answered from the first one; the server gets no key.
        """
        started = time.perf_counter()
        outcome = await self._call(
            server, tool, arguments, claims, budget=budget, retry=retry, key=key
        )
        status = outcome.error or str(outcome.data.get("status", "ok"))
        row = audit_row(claims, server.name, tool, arguments, status, elapsed_ms(started))
        await self._directory.write_audit(claims.business_id, row)
        return outcome

    async def _call(
        self,
        server: McpServer,
        tool: str,
        arguments: Mapping[str, Any],
        claims: Claims,
        *,
        budget: float,
        retry: bool,
        key: str | None,
    ) -> Outcome:
        """Call a tool; long because each way to fail has an outcome of its own."""
        started = time.perf_counter()
        deadline = _deadline(budget)
        info: ToolInfo | None = None
        try:
            info = (await self._pinned_tools(server, deadline)).available.get(tool)
            if info is None or not info.is_granted(claims.grant):
                return unknown_tool_outcome()
            arguments = read_arguments(arguments, info.parameters)
            if tool in claims.grant.confirm:
                question = await require_confirmation(
                    self._directory.cache, info, arguments, claims
                )
                if question is not None:
                    return question
                arguments = {
                    name: each for name, each in arguments.items() if name != CONFIRMATION_CODE
                }
            params = CallToolRequestParams(name=tool, arguments=dict(arguments))
            write = None
            if not info.reads:
                agreed = tool in claims.grant.confirm
                write = await self.sent_writes.begin(
                    server.name, tool, params.arguments or {}, claims, key, agreed=agreed
                )
            result = write.answer if write else None
            if result is None:
                repeatable = retry and info.repeatable
                result = await self._send(server, params, write, deadline, repeatable)
        except InvalidParamsError as error:
            return invalid_outcome(str(error), elapsed_ms(started))
        except ServerUnreachableError as error:
            return lost_outcome(error, elapsed_ms(started), reads=info is None or info.reads)
        outcome = sanitize_result(result, elapsed_ms(started))
        return replace(outcome, noted=write.key if write and not write.by_client else None)

    async def _send(
        self,
        server: McpServer,
        params: CallToolRequestParams,
        write: SentWrite | None,
        deadline: float,
        retry: bool,
    ) -> CallToolResult:
        """Send a call; a write stays noted unless it was never sent."""
        request = CallToolRequest(params=params)
        try:
            result = await self._request(
                server,
                lambda session: session.send_request(request, CallToolResult),
                deadline,
                retry=retry,
            )
        except ServerUnreachableError as error:
            if write is not None and not error.maybe_done:
                await self.sent_writes.forget(write.claims.business_id, [write.key], unsent=True)
            raise
        if write is not None:
            await self.sent_writes.keep_answer(write, result)
        return result

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()
        await self._directory.aclose()
        if self._transport is not None:
            await self._transport.aclose()

    async def _pinned_tools(self, server: McpServer, deadline: float) -> PinnedTools:
        key = _key(server)
        cached = self._tools.get(key)
        if (
            cached is None
            or cached.server_updated_at != server.updated_at
            or cached.expires_at < time.monotonic()
        ):
            listed = await self._request(server, list_all_tools, deadline, retry=True)
            pinned = check_pins(server.name, listed, server.tools)
            if len(self._tools) >= _MAX_LISTS:
                self._tools.clear()
            cached = _CachedTools(pinned, server.updated_at, time.monotonic() + _LIST_TTL)
            self._tools[key] = cached
            await self._directory.record_withheld(server, pinned.withheld)
        return cached.tools

    async def _request(
        self,
        server: McpServer,
        send: Callable[[ClientSession], Awaitable[R]],
        deadline: float,
        *,
        retry: bool,
    ) -> R:
        key = _key(server)
        self._servers[key] = server  # the client's next request sends its current headers
        if self._transport is None:
            self._transport = guarded_transport(allow_private=self._directory.allow_private)
        transport = self._transport

        def headers() -> Mapping[str, str]:
            return self._directory.headers(self._servers[key])

        endpoint = Endpoint(
            server.name, key, lambda: open_external_client(server.url, transport, headers)
        )
        return await self._pool.request(endpoint, send, deadline, retry=retry)


def _key(server: McpServer) -> _Key:
    return server.business_id, server.name, server.url


def _deadline(budget: float) -> float:
    return asyncio.get_running_loop().time() + budget

"""MCP clients of external servers, over connections that refuse private addresses."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import httpx2
from mcp import Client
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp_types import Implementation, PaginatedRequestParams, Tool

from config.security.egress import guarded_transport
from orchestrator.mcp_client.client_pool import ClientPool, Endpoint
from orchestrator.mcp_client.exchange import IsolatingTransport

_CONNECT_TIMEOUT = 3.0  # seconds: the server may be far away
_READ_TIMEOUT = 60.0  # seconds without a byte; each call has its own budget
_MAX_PAGES = 20
_MAX_TOOLS = 500
_MAX_RESPONSE = 4 * 1024 * 1024  # bytes

Headers = Callable[[], Mapping[str, str]]


async def fetch_tools(
    name: str, url: str, headers: Mapping[str, str], *, allow_private: bool, budget: float
) -> list[Tool]:
    """List a server's tools over a connection of its own; `budget` is in seconds.

    Raises:
        ServerUnreachableError: it does not answer, or is not an MCP server.
    """
    pool, transport = ClientPool(), guarded_transport(allow_private=allow_private)
    endpoint = Endpoint(name, url, lambda: open_external_client(url, transport, lambda: headers))
    try:
        return await pool.request(
            endpoint, list_all_tools, asyncio.get_running_loop().time() + budget, retry=False
        )
    finally:
        await pool.aclose()
        await transport.aclose()


async def list_all_tools(session: ClientSession) -> list[Tool]:
    """Return a server's tools from all pages, at most 500 from 20 pages."""
    tools: list[Tool] = []
    cursor: str | None = None
    for _ in range(_MAX_PAGES):
        page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor))
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None or len(tools) >= _MAX_TOOLS:
            break
    return tools[:_MAX_TOOLS]


@asynccontextmanager
async def open_external_client(
    url: str, transport: httpx2.AsyncBaseTransport, headers: Headers
) -> AsyncGenerator[Client]:
    """Open a client that sends `headers`; servers of both protocol eras are supported."""
    http = httpx2.AsyncClient(
        transport=IsolatingTransport(_SharedTransport(transport)),
        auth=_HeaderAuth(headers),
        headers={"Accept-Encoding": "identity"},
        timeout=httpx2.Timeout(_READ_TIMEOUT, connect=_CONNECT_TIMEOUT),
        trust_env=False,
    )
    streams = streamable_http_client(url, http_client=http)
    client_info = Implementation(name="antiphon", version=version("antiphon"))
    async with http, Client(streams, mode="auto", client_info=client_info, cache=None) as client:
        yield client


class _HeaderAuth(httpx2.Auth):
    """Adds a business's headers to each request; they are decrypted for this request only."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def auth_flow(self, request: httpx2.Request) -> Any:
        request.headers.update(self._headers())
        yield request


class _SharedTransport(httpx2.AsyncBaseTransport):
    """A transport that several clients share: closing is a no-op, and responses are bounded."""

    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._transport.handle_async_request(request)
        stream = response.stream
        if request.method == "GET" or not isinstance(stream, httpx2.AsyncByteStream):
            return response  # an event stream that lasts as long as the session
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise httpx2.ReadError("The answer is compressed, which was not asked for.")
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_BoundedStream(stream),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Leave the connections open."""


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._stream:
            size += len(part)
            if size > _MAX_RESPONSE:
                raise httpx2.ReadError("The answer is too large.")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()

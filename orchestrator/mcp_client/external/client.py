"""MCP clients of servers that others run, over connections that refuse private addresses."""

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

_CONNECT = 3.0  # seconds: it may be far away
_REQUEST = 60.0  # seconds without a byte; each call has a budget of its own
_MOST_PAGES = 20
_MOST_TOOLS = 500
_LARGEST_ANSWER = 4 * 1024 * 1024  # bytes

Headers = Callable[[], Mapping[str, str]]


async def tools_of(
    name: str, url: str, headers: Mapping[str, str], *, allow_private: bool, budget: float
) -> list[Tool]:
    """Ask a server for its tools, once, over a connection of its own; `budget` is in seconds.

    Raises:
        ServerUnreachableError: it does not answer, or is no MCP server.
    """
    pool, transport = ClientPool(), guarded_transport(allow_private=allow_private)
    way = Endpoint(name, url, lambda: external_client(url, transport, lambda: headers))
    try:
        return await pool.ask(
            way, every_tool, asyncio.get_running_loop().time() + budget, retry=False
        )
    finally:
        await pool.aclose()
        await transport.aclose()


async def every_tool(session: ClientSession) -> list[Tool]:
    """Return what a server lists, page by page, within reason."""
    tools: list[Tool] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor))
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None or len(tools) >= _MOST_TOOLS:
            break
    return tools[:_MOST_TOOLS]


@asynccontextmanager
async def external_client(
    url: str, transport: httpx2.AsyncBaseTransport, headers: Headers
) -> AsyncGenerator[Client]:
    """Open a client whose requests carry `headers`; both eras of servers are understood."""
    http = httpx2.AsyncClient(
        transport=_Borrowed(transport),
        auth=_OwnHeaders(headers),
        headers={"Accept-Encoding": "identity"},
        timeout=httpx2.Timeout(_REQUEST, connect=_CONNECT),
        trust_env=False,
    )
    streams = streamable_http_client(url, http_client=http)
    ourselves = Implementation(name="antiphon", version=version("antiphon"))
    async with http, Client(streams, mode="auto", client_info=ourselves, cache=None) as client:
        yield client


class _OwnHeaders(httpx2.Auth):
    """Puts a business's headers on a request, opened for this request."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def auth_flow(self, request: httpx2.Request) -> Any:
        request.headers.update(self._headers())
        yield request


class _Borrowed(httpx2.AsyncBaseTransport):
    """Connections that others use, too: they stay open, and an answer may not be endless."""

    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self._transport.handle_async_request(request)
        stream = answer.stream
        if request.method == "GET" or not isinstance(stream, httpx2.AsyncByteStream):
            return answer  # an event stream that lasts as long as the session
        if answer.headers.get("content-encoding", "identity").lower() != "identity":
            await answer.aclose()
            raise httpx2.ReadError("The answer is compressed, which was not asked for.")
        return httpx2.Response(
            answer.status_code,
            headers=answer.headers,
            stream=_Bounded(stream),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        """Leave the connections open."""


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._stream:
            size += len(part)
            if size > _LARGEST_ANSWER:
                raise httpx2.ReadError("The answer is too large.")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()

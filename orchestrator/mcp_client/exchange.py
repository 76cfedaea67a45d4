"""What is known of the HTTP request that carries an MCP request: was it sent, and how did it end.

A client's transport is shared by many requests, and the MCP SDK ends the whole client with one that
fails in transport. So a failure is noted here, and the client gets a response in its place.
"""

from collections.abc import AsyncIterator
from contextvars import ContextVar
from dataclasses import dataclass

import httpx2

from config.retry_after import parse_retry_after

_SENDING = ".send_request_headers.started"  # how the trace of a request that is sent begins
_LOST = 502
# A gateway may have passed the request on before it gave up.
_UNCERTAIN = frozenset({500, 502, 504})


@dataclass
class Exchange:
    """One request: the token that it brings, and how it went in HTTP.

    `status` is of a response that is no success, and `retry_after` the seconds that it asks for.
    """

    token: str | None = None
    sent: bool = False
    lost: bool = False  # in transport
    status: int | None = None
    retry_after: float | None = None

    @property
    def maybe_done(self) -> bool:
        """Return whether the server may have done what was requested, without an answer."""
        return self.sent and (self.status is None or self.status in _UNCERTAIN)

    @property
    def session_lost(self) -> bool:
        """Return whether the server does not know the session: it has done nothing."""
        return self.status == 404

    def begin(self) -> None:
        """Forget what went before: another request carries the same token."""
        self.sent = self.lost = False
        self.status = self.retry_after = None

    def note(self, response: httpx2.Response) -> None:
        """Note a response that is no result."""
        self.status = None if response.is_success else response.status_code
        self.retry_after = parse_retry_after(response.headers.get("Retry-After"))

    async def trace(self, event: str, info: object) -> None:
        """Note that the request is sent."""
        del info
        if event.endswith(_SENDING):
            self.sent = True


current_exchange: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


class IsolatingTransport(httpx2.AsyncBaseTransport):
    """A transport over another one, whose failures end one request and not the client."""

    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; return a response that stands for the failure where it fails."""
        if request.method != "POST":  # it carries no request of MCP's
            return await self._transport.handle_async_request(request)
        exchange = current_exchange.get() or Exchange()
        request.extensions["trace"] = exchange.trace
        try:
            response = await self._transport.handle_async_request(request)
        except httpx2.TransportError:
            exchange.lost = True
            return httpx2.Response(_LOST, request=request)
        exchange.note(response)
        if not isinstance(response.stream, httpx2.AsyncByteStream):
            return response
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_EndingStream(response.stream, exchange),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close the transport below."""
        await self._transport.aclose()


class _EndingStream(httpx2.AsyncByteStream):
    """A body that ends where it breaks off: the SDK then reports this request alone as lost."""

    def __init__(self, stream: httpx2.AsyncByteStream, exchange: Exchange) -> None:
        self._stream = stream
        self._exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._stream:
                yield part
        except httpx2.TransportError:
            self._exchange.lost = True

    async def aclose(self) -> None:
        await self._stream.aclose()

"""A network stream that says cheaply whether it can be read.

A pool asks that of every idle connection at each request and each close, since one that can be read
has been closed by its server. httpcore2 makes a poll object and looks for the socket each time:
with fifty idle connections, an eighth of what a tool call costs its server.
"""

import select
import socket
import ssl
from typing import Any

import httpcore2

_READABLE = "is_readable"


class PolledStream(httpcore2.AsyncNetworkStream):
    """A stream over another one, with a poll object that is kept as long as its socket is open."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._stream = stream
        self._socket: socket.socket | None = stream.get_extra_info("socket")
        self._descriptor = -1 if self._socket is None else self._socket.fileno()
        self._poll = select.poll()
        if self._descriptor >= 0:
            self._poll.register(self._descriptor, select.POLLIN)

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109  # the stream's interface
    ) -> bytes:
        """Return the next bytes."""
        return await self._stream.read(max_bytes, timeout)

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109  # the stream's interface
    ) -> None:
        """Write all of the bytes."""
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # the stream's interface
    ) -> httpcore2.AsyncNetworkStream:
        """Return a stream with TLS, over the same socket."""
        return PolledStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """Return what is known of the stream by this name, or None."""
        if info == _READABLE and self._socket is not None:
            return self._is_readable(self._socket)
        return self._stream.get_extra_info(info)

    def _is_readable(self, of: socket.socket) -> bool:
        # Once it is closed, its number may be that of another socket.
        return of.fileno() != self._descriptor or bool(self._poll.poll(0))

"""A connection that sends whatever it is given: a client of HTTP refuses much of it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks.hostile_values import HostileRequest

_CHUNK = 64 * 1024


@dataclass(frozen=True)
class RawResponse:
    """A response; the names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class RawConnection:
    """One connection that is kept alive, for one request at a time."""

    def __init__(
        self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._host = host
        self._reader = reader
        self._writer = writer

    async def send(self, request: HostileRequest) -> RawResponse:
        """Send a request, and return its response, which may come before all of it is sent.

        Raises:
            ConnectionError, asyncio.IncompleteReadError: the connection was closed.
        """
        lines = [f"{request.method} {request.target} HTTP/1.1", f"Host: {self._host}"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        if request.chunked:
            lines.append("Transfer-Encoding: chunked")
        elif request.body or request.method != "GET":
            lines.append(f"Content-Length: {len(request.body)}")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        _, response = await asyncio.gather(
            self._write(head + (_chunked(request.body) if request.chunked else request.body)),
            self.read_response(request.method),
        )
        return response

    async def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        await self._write(data)

    async def read_response(self, method: str = "GET") -> RawResponse:
        """Return the next response."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:])
        }
        status = int(head[0].split()[1])
        if method == "HEAD" or status in (204, 304):
            return RawResponse(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            return RawResponse(status, headers, await self._read_chunks())
        length = int(headers.get("content-length", "0"))
        return RawResponse(status, headers, await self._reader.readexactly(length))

    async def aclose(self) -> None:
        """Close the connection."""
        self._writer.close()

    async def _write(self, data: bytes) -> None:
        for start in range(0, len(data), _CHUNK):
            self._writer.write(data[start : start + _CHUNK])
            await self._writer.drain()

    async def _read_chunks(self) -> bytes:
        body = b""
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            body += await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)
        return body


@asynccontextmanager
async def connect(url: str) -> AsyncGenerator[RawConnection]:
    """Open a connection to the server of a URL."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    connection = RawConnection(parts.netloc, reader, writer)
    try:
        yield connection
    finally:
        await connection.aclose()


def _chunked(body: bytes) -> bytes:
    parts = [body[start : start + _CHUNK] for start in range(0, len(body), _CHUNK)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"

"""A stream says whether it can be read, as httpcore2's own does."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import httpcore2

from config.security.network_stream import PolledStream


@asynccontextmanager
async def connected() -> AsyncGenerator[tuple[PolledStream, asyncio.StreamWriter]]:
    """Connect to a server; yields the client's stream and the server's writer."""
    writers: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    server = await asyncio.start_server(lambda _, writer: writers.put_nowait(writer), "127.0.0.1")
    backend = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())
    stream = await backend.connect_tcp("127.0.0.1", server.sockets[0].getsockname()[1])
    writer = await writers.get()
    try:
        yield PolledStream(stream), writer
    finally:
        await stream.aclose()
        writer.close()
        server.close()


async def test_an_idle_stream_cannot_be_read_and_one_that_its_server_has_closed_can() -> None:
    async with connected() as (stream, writer):
        assert not stream.get_extra_info("is_readable")
        assert not stream.get_extra_info("is_readable")
        writer.close()
        await writer.wait_closed()
        async with asyncio.timeout(5):
            assert await stream.read(1) == b""
        assert stream.get_extra_info("is_readable")


async def test_a_closed_stream_is_none_whose_number_another_file_has() -> None:
    async with connected() as (stream, _):
        number = stream.get_extra_info("socket").fileno()
        await stream.aclose()
        await asyncio.sleep(0)  # the transport closes its socket on the loop's next turn
        reader, writer = os.pipe()  # one of these has the number now
        try:
            assert number >= 0
            assert stream.get_extra_info("is_readable")
        finally:
            os.close(reader)
            os.close(writer)

"""Slow clients are cut off in time, and shut nobody out."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from ipaddress import ip_network
from time import monotonic

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from orchestrator.runtime.connections import ConnectionLimits, limited_protocol

LIMITS = ConnectionLimits(
    total=20, per_address=8, header_seconds=0.5, body_seconds=0.5, write_seconds=0.5
)
HALF = b"POST /read HTTP/1.1\r\nHost: x\r\n"
NO_BODY = HALF + b"Content-Length: 5\r\n\r\n"
WHOLE = b"GET /client HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Served:
    """A server within limits."""

    port: int
    disconnected: asyncio.Event
    released: asyncio.Event
    working: asyncio.Queue[None]
    clients: "list[Client]"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def connect(self, source: str = "127.0.0.1") -> "Client":
        """Connect from one of this machine's addresses."""
        opened = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0))
        self.clients.append(Client(*opened))
        return self.clients[-1]


@dataclass
class Client:
    """A connection by hand."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def status(self) -> int:
        """Return the status of the next answer, 0 where the connection is closed without one."""
        with suppress(ConnectionError):
            line = await self.reader.readline()
            return int(line.split()[1]) if line else 0
        return 0

    async def is_closed(self) -> bool:
        """Wait until the server has closed the connection."""
        with suppress(ConnectionError):
            await self.reader.read()
        return True


def _routes(served: Served) -> list[Route]:
    async def read(request: Request) -> Response:
        try:
            return JSONResponse(len(await request.body()))
        except ClientDisconnect:
            served.disconnected.set()
            raise

    async def tell_client(request: Request) -> Response:
        return JSONResponse(request.client.host if request.client else None)

    async def work(_: Request) -> Response:
        served.working.put_nowait(None)
        await served.released.wait()
        return Response()

    async def long(_: Request) -> Response:
        async def parts() -> AsyncGenerator[bytes]:
            try:
                while True:
                    yield b"x" * 65536
                    await asyncio.sleep(0)
            finally:
                served.disconnected.set()

        return StreamingResponse(parts())

    return [
        Route("/read", read, methods=["POST"]),
        Route("/client", tell_client),
        Route("/work", work),
        Route("/long", long),
    ]


@asynccontextmanager
async def serve(limits: ConnectionLimits = LIMITS) -> AsyncGenerator[Served]:
    served = Served(0, asyncio.Event(), asyncio.Event(), asyncio.Queue(), [])

    proxies = [str(network) for network in limits.proxies]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        served.port = listener.getsockname()[1]
        config = uvicorn.Config(
            Starlette(routes=_routes(served)),
            http=limited_protocol(limits),
            ws="none",
            log_level="critical",
            lifespan="off",
            proxy_headers=bool(proxies),
            forwarded_allow_ips=proxies,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield served
        finally:
            served.released.set()
            for client in served.clients:
                client.writer.close()
            server.should_exit = True
            await task


async def ask(served: Served, **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=served.url, trust_env=False) as http:
        return await http.get("/client", headers=headers)


async def test_headers_that_come_byte_by_byte_end_in_time() -> None:
    async with serve() as served:
        client = await served.connect()
        answer = asyncio.create_task(client.status())
        started = monotonic()
        while not answer.done():  # each byte would start a timeout of idleness anew
            await client.send(b"G" if monotonic() == started else b"E")
            await asyncio.wait({answer}, timeout=0.05)
        assert answer.result() == 408
        assert monotonic() - started < 5


async def test_a_connection_on_which_nothing_is_sent_is_closed() -> None:
    async with serve() as served:
        client = await served.connect()
        assert await client.status() in (0, 408)
        assert await client.is_closed()


async def test_a_body_that_does_not_come_ends_in_time_and_the_app_is_told() -> None:
    async with serve() as served:
        client = await served.connect()
        await client.send(NO_BODY + b"ab")
        assert await client.status() == 408
        async with asyncio.timeout(5):
            await served.disconnected.wait()


async def test_who_takes_nothing_of_a_long_answer_is_cut_off() -> None:
    async with serve() as served:
        client = await served.connect()
        await client.send(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(10):
            await served.disconnected.wait()


async def test_a_connection_that_waits_for_its_next_request_stays_open() -> None:
    async with serve() as served:
        client = await served.connect()
        for _ in range(2):
            await client.send(WHOLE)
            assert await client.status() == 200
            while await client.reader.readline() != b"\r\n":
                pass
            await client.reader.readexactly(len(b'"127.0.0.1"'))
            await asyncio.sleep(2 * LIMITS.header_seconds)  # the time is what is tested


async def test_slow_sockets_of_one_address_shut_nobody_out() -> None:
    async with serve(replace(LIMITS, header_seconds=30, body_seconds=30)) as served:
        slow = [await served.connect() for _ in range(12)]
        for number, client in enumerate(slow):
            await client.send(HALF if number % 2 else NO_BODY)
        assert (await ask(served)).json() == "127.0.0.1"
        assert await slow[0].is_closed()  # which has waited longest


async def test_slow_sockets_of_many_addresses_shut_nobody_out() -> None:
    async with serve(replace(LIMITS, header_seconds=30)) as served:
        slow = [await served.connect(f"127.0.0.{2 + number % 10}") for number in range(25)]
        for client in slow:
            with suppress(ConnectionError):
                await client.send(HALF)
        assert (await ask(served)).json() == "127.0.0.1"


async def test_what_is_worked_on_does_not_give_way() -> None:
    async with serve() as served:
        busy = [await served.connect() for _ in range(LIMITS.per_address)]
        for client in busy:
            await client.send(b"GET /work HTTP/1.1\r\nHost: x\r\n\r\n")
            await served.working.get()
        refused = await served.connect()
        assert await refused.status() == 503
        other = await served.connect("127.0.0.9")
        await other.send(WHOLE)
        assert await other.status() == 200
        served.released.set()
        assert [await client.status() for client in busy] == [200] * len(busy)


async def test_an_address_is_forwarded_by_a_trusted_proxy_alone() -> None:
    forged = {"X-Forwarded-For": "203.0.113.7"}
    async with serve() as served:
        assert (await ask(served, **forged)).json() == "127.0.0.1"
    trusted = (ip_network("127.0.0.0/8"),)
    async with serve(replace(LIMITS, proxies=trusted)) as served:
        assert (await ask(served, **forged)).json() == "203.0.113.7"
        # What a client itself has sent stands left of what its proxy has added.
        both = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7"}
        assert (await ask(served, **both)).json() == "203.0.113.7"
        slow = [await served.connect() for _ in range(2 * LIMITS.per_address)]
        for client in slow[: LIMITS.per_address]:
            await client.send(WHOLE)
            assert await client.status() == 200  # none had to give way to the others

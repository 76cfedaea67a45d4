"""Processes that benchmarks call: a stub of a vendor, our servers, and a bare fastmcp server.

Each is started as `python -m benchmarks.peers NAME`; `PEER_PORT` is the port to listen on.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx2
from fastmcp import FastMCP

from benchmarks.parcels import SERVER, CourierParcel
from config.constellation import constellation, load_object
from config.settings import settings
from orchestrator.cli.terminal import run
from orchestrator.engines.ports import free_port
from orchestrator.engines.process import Process, Program, run_program
from orchestrator.runtime.connections import ConnectionLimits
from orchestrator.runtime.gc_tuning import freeze_heap
from orchestrator.runtime.serving import serve_app

VENDOR_DELAY = 0.03  # seconds
POOL = httpx2.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=60)
CALENDARS = tuple(f"calendar{number}" for number in range(1, 11))
_COUNT = "/count"


class _Stub(asyncio.Protocol):
    """Answers every request after `VENDOR_DELAY`, with as little work as possible."""

    requests = 0
    _transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        path = unquote(data.split(b" ", 2)[1].decode())
        if path == _COUNT:
            self._answer({"requests": _Stub.requests})
            return
        _Stub.requests += 1
        parcel = {
            "number": path.rpartition("/")[2],
            "status": "on its way",
            "place": "Hamburg",
            "expected": "tomorrow",
        }
        asyncio.get_running_loop().call_later(VENDOR_DELAY, self._answer, parcel)

    def _answer(self, content: Mapping[str, Any]) -> None:
        body = json.dumps(content).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        self._transport.write(head.encode() + b"\r\n\r\n" + body)


async def _stub(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Stub, "127.0.0.1", port, backlog=512)
    await server.serve_forever()


async def _ours(port: int) -> None:
    """Serve as `antiphon mcp` does, with all middleware of production."""
    async with load_object(constellation().serve)([SERVER], settings()) as app:
        freeze_heap()
        await serve_app(app, "127.0.0.1", port, ConnectionLimits())


async def _bare(port: int) -> None:
    """Serve the same tool with fastmcp alone: no token, no tenant, no audit."""
    server: FastMCP[Any] = FastMCP("bare")
    vendor = os.environ["VENDOR_URL"]
    async with httpx2.AsyncClient(limits=POOL, trust_env=False) as client:

        @server.tool
        async def get_parcel(number: str) -> CourierParcel:
            """Say where a parcel is. number: as the caller reads it out."""
            response = await client.get(f"{vendor}/v1/parcels/{number}")
            response.raise_for_status()
            return CourierParcel.model_validate_json(response.content)

        app = server.http_app(path="/mcp", stateless_http=True)
        await serve_app(app, "127.0.0.1", port, ConnectionLimits())


async def _calendars(port: int) -> None:
    """Serve the scheduling server under ten names, as ten servers."""
    scheduling = load_object(constellation().servers["scheduling"])
    specs = [replace(scheduling, name=name) for name in CALENDARS]
    async with load_object(constellation().serve)(specs, settings()) as app:
        await serve_app(app, "127.0.0.1", port, ConnectionLimits())


@dataclass(frozen=True)
class Peer:
    """A running process, and the URL at which it serves."""

    url: str
    process: Process


@dataclass(frozen=True)
class Peers:
    """The three processes of the benchmark `tool_call`."""

    stub: Peer
    ours: Peer
    bare: Peer

    async def vendor_requests(self) -> int:
        """Return how many requests the vendor has received."""
        async with httpx2.AsyncClient(trust_env=False) as client:
            return int((await client.get(self.stub.url + _COUNT)).json()["requests"])


@asynccontextmanager
async def peer(
    name: str, port: int, path: str, environment: Mapping[str, str], logs: Path
) -> AsyncGenerator[Peer]:
    """Start one process with these additional environment variables."""
    program = Program(
        name=name,
        command=[sys.executable, "-m", "benchmarks.peers", name],
        log=logs / f"{name}.log",
        env={**os.environ, **environment, "PEER_PORT": str(port)},
        deadline=60,
    )
    async with run_program(program, lambda _: _listens(port)) as process:
        yield Peer(f"http://127.0.0.1:{port}{path}", process)


@asynccontextmanager
async def peers(
    environment: Mapping[str, str], logs: Path, stub_port: int
) -> AsyncGenerator[Peers]:
    """Start the three processes of the benchmark `tool_call`."""
    async with (
        peer("stub", stub_port, "", environment, logs) as stub,
        peer("ours", free_port(), "/{server}/mcp", environment, logs) as ours,
        peer("bare", free_port(), "/mcp", environment, logs) as bare,
    ):
        yield Peers(stub, ours, bare)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _serve(name: str) -> Coroutine[Any, Any, None]:
    serve = {"stub": _stub, "ours": _ours, "bare": _bare, "calendars": _calendars}[name]
    return serve(int(os.environ["PEER_PORT"]))


if __name__ == "__main__":
    # The servers run on the event loop that `antiphon mcp` has.
    run(_serve(sys.argv[1]), serving=sys.argv[1] != "stub")

"""A played vendor on a real socket, for processes that cannot be handed a transport."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestrator.engines.ports import free_port
from tests.support.vendors import Vendor

_OF_THE_CONNECTION = frozenset({"host", "connection", "content-length", "accept-encoding"})


class _Server(uvicorn.Server):
    """Leaves signals alone: ended in any order, servers would leave a dead one's handler."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Do nothing."""
        yield


class Socket:
    """A vendor on a real socket, which can stop answering after it has done what was asked.

    `done` says whether a write was the one that is meant, where a vendor needs several.
    """

    def __init__(self, vendor: Vendor, done: Callable[[], bool] = lambda: True) -> None:
        self.vendor = vendor
        self._done = done
        self.silent = False
        self.committed = asyncio.Event()

    async def answer(self, request: Request) -> Response:
        """Do what is asked, and perhaps say so."""
        origin = httpx2.URL(self.vendor.base)
        url = origin.copy_with(raw_path=_target(request))
        headers = {
            name: value for name, value in request.headers.items() if name not in _OF_THE_CONNECTION
        }
        asked = httpx2.Request(request.method, url, headers=headers, content=await request.body())
        self.vendor.requests.append(asked)
        played = self.vendor.answer(asked)
        written = any(asked is each for each in self.vendor.written())
        if self.silent and played.is_success and written and self._done():
            self.committed.set()
            await asyncio.Event().wait()
        return Response(played.content, played.status_code, media_type="application/json")


def _target(request: Request) -> bytes:
    path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return path + b"?" + query if query else path


@asynccontextmanager
async def listening(*sockets: Socket) -> AsyncGenerator[list[str]]:
    """Serve the vendors, each at an address of its own."""
    ports = [free_port() for _ in sockets]
    servers = [_server(socket, port) for socket, port in zip(sockets, ports, strict=True)]
    serving = [asyncio.create_task(server.serve()) for server in servers]
    try:
        yield [f"http://127.0.0.1:{port}" for port in ports]
    finally:
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*serving)


def _server(socket: Socket, port: int) -> uvicorn.Server:
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    app = Starlette(routes=[Route("/{path:path}", socket.answer, methods=methods)])
    config = uvicorn.Config(
        app, port=port, log_level="critical", timeout_graceful_shutdown=0, lifespan="off"
    )
    return _Server(config)

"""A played vendor on a real socket, for processes that cannot be handed a transport."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestrator.engines.ports import free_port
from tests.scheduling.contract import Telephone


class Socket:
    """A vendor on a real socket, which can stop answering after it has done what was asked."""

    def __init__(self, vendor: Telephone) -> None:
        self.vendor = vendor
        self.silent = False
        self.committed = asyncio.Event()

    async def answer(self, request: Request) -> Response:
        """Do what is asked, and perhaps say so."""
        origin = httpx2.URL(self.vendor.base)
        url = origin.copy_with(raw_path=_target(request))
        headers = {
            name: value
            for name, value in request.headers.items()
            if name in ("authorization", "content-type", "cal-api-version")
        }
        played = self.vendor.answer(
            httpx2.Request(request.method, url, headers=headers, content=await request.body())
        )
        if self.silent and request.method != "GET" and self.vendor.calendar.bookings:
            self.committed.set()
            await asyncio.Event().wait()
        return Response(played.content, played.status_code, media_type="application/json")


def _target(request: Request) -> bytes:
    path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return path + b"?" + query if query else path


@asynccontextmanager
async def listening(socket: Socket) -> AsyncGenerator[str]:
    """Serve the vendor."""
    methods = ["GET", "POST", "PUT", "DELETE"]
    app = Starlette(routes=[Route("/{path:path}", socket.answer, methods=methods)])
    port = free_port()
    config = uvicorn.Config(
        app, port=port, log_level="critical", timeout_graceful_shutdown=0, lifespan="off"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

import uvicorn
from fastmcp import FastMCP
from starlette.types import ASGIApp, Receive, Scope, Send

from config.security.tokens import Claims, Signer
from orchestrator.mcp_client.router import Router

CLAIMS = Claims(sub="bot:x", business_id=uuid4())


def echo(text: str) -> dict[str, str]:
    """Say it again."""
    return {"say": text}


class Connections:
    """Takes note of the connections on which requests come."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.seen: list[int] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.seen.append(scope["client"][1])
        await self._app(scope, receive, send)


@asynccontextmanager
async def echoing() -> AsyncGenerator[tuple[str, Connections]]:
    app = Connections(FastMCP("echo", tools=[echo]).http_app(path="/mcp", stateless_http=True))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", app
        finally:
            server.should_exit = True
            await task


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def test_the_first_call_finds_the_way_open(signer: Signer) -> None:
    async with echoing() as (url, connections):
        constellation = Router(signer, lambda _: url)

        await constellation.connect("echo", CLAIMS)
        (opened,) = set(connections.seen)
        connections.seen.clear()
        outcome = await constellation.call("echo", "echo", {"text": "hello"}, CLAIMS)

        assert outcome.say == "hello"
        assert set(connections.seen) == {opened}
        await constellation.aclose()


async def test_a_server_that_is_down_is_not_the_callers_business_yet(signer: Signer) -> None:
    port = free_port()
    constellation = Router(signer, lambda _: f"http://127.0.0.1:{port}/mcp")

    await constellation.connect("echo", CLAIMS)
    outcome = await constellation.call("echo", "echo", {"text": "hello"}, CLAIMS)

    assert outcome.error == "unavailable"
    await constellation.aclose()

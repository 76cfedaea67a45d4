import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
import uvicorn
from fastmcp import FastMCP
from fastmcp.tools import Tool
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from config.security.tokens import Claims, Signer
from orchestrator.mcp_client.router import Router
from tests.support.asgi import serve_app
from tests.support.recording import Gate

CLAIMS = Claims(sub="bot:x", business_id=uuid4())


def echo(text: str) -> dict[str, str]:
    """Repeat the text."""
    return {"say": text}


class Connections:
    """Records the client port of each request: one port, one connection."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.ports: list[int] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.ports.append(scope["client"][1])
        await self._app(scope, receive, send)


@asynccontextmanager
async def echo_server() -> AsyncGenerator[tuple[str, Connections]]:
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
    async with echo_server() as (url, connections):
        router = Router(signer, lambda _: url)

        await router.connect("echo", CLAIMS)
        (opened,) = set(connections.ports)
        connections.ports.clear()
        outcome = await router.call("echo", "echo", {"text": "hello"}, CLAIMS)

        assert outcome.say == "hello"
        assert set(connections.ports) == {opened}
        await router.aclose()


async def test_a_server_that_is_down_is_not_the_callers_business_yet(signer: Signer) -> None:
    port = free_port()
    router = Router(signer, lambda _: f"http://127.0.0.1:{port}/mcp")

    await router.connect("echo", CLAIMS)
    outcome = await router.call("echo", "echo", {"text": "hello"}, CLAIMS)

    assert outcome.error == "unavailable"
    await router.aclose()


@pytest.mark.parametrize(
    ("status", "headers", "retry_after"),
    [(413, {}, None), (401, {}, None), (429, {"Retry-After": "7"}, 7.0), (503, {}, None)],
)
async def test_a_request_that_http_refuses_says_how(
    status: int, headers: dict[str, str], retry_after: float | None, signer: Signer
) -> None:
    gate = Gate(Starlette(), rule=lambda _: Response("No.", status, headers))
    async with serve_app(gate) as url:
        router = Router(signer, lambda _: f"{url}/mcp")
        outcome = await router.call("echo", "echo", {"text": "hello"}, CLAIMS)
        await router.aclose()
    assert outcome.error == "unavailable"
    assert (outcome.status, outcome.retry_after) == (status, retry_after)


async def test_a_server_that_is_down_has_no_status(signer: Signer) -> None:
    router = Router(signer, lambda _: f"http://127.0.0.1:{free_port()}/mcp")
    outcome = await router.call("echo", "echo", {"text": "hello"}, CLAIMS)
    await router.aclose()
    assert (outcome.error, outcome.status, outcome.retry_after) == ("unavailable", None, None)


async def test_a_request_that_is_refused_breaks_off_no_other(signer: Signer) -> None:
    slow_came, refused = asyncio.Event(), asyncio.Event()

    async def answer(text: str) -> dict[str, str]:
        """Repeat the text, once another request has been refused."""
        slow_came.set()
        await refused.wait()
        return {"say": text}

    server = FastMCP("echo", tools=[Tool.from_function(answer, name="echo")])
    app = server.http_app(path="/mcp", stateless_http=True)
    gate = Gate(
        app, rule=lambda request: Response("", 502) if request.arguments == {"text": "no"} else None
    )
    async with app.router.lifespan_context(app), serve_app(gate) as url:
        router = Router(signer, lambda _: f"{url}/mcp")
        slow = asyncio.create_task(router.call("echo", "echo", {"text": "slow"}, CLAIMS))
        await slow_came.wait()
        outcome = await router.call("echo", "echo", {"text": "no"}, CLAIMS, retry=True)
        assert outcome.status == 502
        refused.set()
        assert (await slow).say == "slow"
        assert (await router.call("echo", "echo", {"text": "next"}, CLAIMS)).say == "next"
        await router.aclose()

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


@asynccontextmanager
async def closing_server(*, reads_first: bool) -> AsyncGenerator[str]:
    """A server that closes each connection: after the request has come, or at once."""

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if reads_first:
            await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"


@pytest.mark.parametrize(("reads", "error"), [(True, "unavailable"), (False, "outcome_unknown")])
async def test_a_write_whose_answer_is_lost_may_have_been_done(
    signer: Signer, *, reads: bool, error: str
) -> None:
    async with closing_server(reads_first=True) as url:
        router = Router(signer, lambda _: url)
        outcome = await router.call("echo", "echo", {"text": "x"}, CLAIMS, reads=reads)
        await router.aclose()
    assert outcome.error == error
    assert outcome.status is None


@pytest.mark.parametrize(("reads", "error"), [(True, "timeout"), (False, "outcome_unknown")])
async def test_a_call_that_is_late_says_so(signer: Signer, *, reads: bool, error: str) -> None:
    async def hang(text: str) -> dict[str, str]:
        """Never answer."""
        await asyncio.Event().wait()
        return {"say": text}

    app = FastMCP("echo", tools=[Tool.from_function(hang, name="echo")]).http_app(
        path="/mcp", stateless_http=True
    )
    async with app.router.lifespan_context(app), serve_app(app) as url:
        router = Router(signer, lambda _: f"{url}/mcp")
        outcome = await router.call("echo", "echo", {"text": "x"}, CLAIMS, reads=reads, budget=0.5)
        assert outcome.error == error
        await router.aclose()


async def test_one_lost_request_ends_no_other(signer: Signer) -> None:
    """The connections are everybody's: of all tenants and calls of a process."""
    came, goes_on = asyncio.Event(), asyncio.Event()

    async def answer(text: str) -> dict[str, str]:
        """Repeat the text, or break off."""
        came.set()
        await goes_on.wait()
        return {"say": text}

    app = FastMCP("echo", tools=[Tool.from_function(answer, name="echo")]).http_app(
        path="/mcp", stateless_http=True
    )

    async def breaking(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and came.is_set() and not goes_on.is_set():
            await receive()
            head = [(b"content-type", b"application/json"), (b"content-length", b"9")]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            raise ConnectionResetError
        await app(scope, receive, send)

    async with app.router.lifespan_context(app), serve_app(breaking) as url:
        router = Router(signer, lambda _: f"{url}/mcp")
        slow = asyncio.create_task(router.call("echo", "echo", {"text": "slow"}, CLAIMS))
        await came.wait()
        lost = await router.call("echo", "echo", {"text": "no"}, CLAIMS)
        assert lost.error == "outcome_unknown"
        goes_on.set()
        assert (await slow).say == "slow"
        await router.aclose()

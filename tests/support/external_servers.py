"""MCP servers that somebody else runs, on loopback: what they list can change, and they remember.

They know nothing of us, and let nobody in without their own header.
"""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastmcp import FastMCP
from fastmcp.tools import Tool
from mcp_types import ToolAnnotations
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MODERN = "2026-07-28"


@dataclass
class ExternalServerDouble:
    """A server of somebody else's, and what came over its wire."""

    mcp: FastMCP[Any]
    url: str = ""
    header: tuple[str, str] | None = None
    hanging: bool = False
    breaking: bool = False  # in the middle of an answer
    requests: list[tuple[Headers, dict[str, Any]]] = field(
        default_factory=list[tuple[Headers, dict[str, Any]]]
    )

    def offer(
        self,
        function: Callable[..., Any],
        description: str,
        *,
        name: str | None = None,
        reads: bool = True,
    ) -> None:
        """List a tool from now on, in the place of one with its name."""
        hints = ToolAnnotations(read_only_hint=reads)
        self.mcp.add_tool(
            Tool.from_function(function, name=name, description=description, annotations=hints)
        )

    def withdraw(self, name: str) -> None:
        """List a tool no longer."""
        self.mcp.local_provider.remove_tool(name)

    def asked(self, method: str) -> list[dict[str, Any]]:
        """Return the parameters of each request of a method."""
        return [body["params"] for _, body in self.requests if body.get("method") == method]

    @property
    def said(self) -> str:
        """Return everything that was sent to it, headers and all."""
        return "\n".join(f"{dict(headers)} {json.dumps(body)}" for headers, body in self.requests)


@asynccontextmanager
async def serve_external(
    *, header: tuple[str, str] | None = None, legacy: bool = False, port: int = 0
) -> AsyncGenerator[ExternalServerDouble]:
    """Serve a server without tools; with `legacy`, one that knows sessions and no later era."""
    server = ExternalServerDouble(FastMCP("stranger", on_duplicate="replace"), header=header)
    app = server.mcp.http_app(path="/mcp", stateless_http=not legacy)
    with socket.create_server(("127.0.0.1", port)) as listener:
        server.url = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        guarded = _Door(app, server, legacy=legacy)
        config = uvicorn.Config(
            guarded, log_level="warning", ws="none", timeout_graceful_shutdown=1
        )
        uvicorn_server = uvicorn.Server(config)
        task = asyncio.create_task(uvicorn_server.serve(sockets=[listener]))
        try:
            yield server
        finally:
            uvicorn_server.should_exit = True
            await task


class _Door:
    """Takes note of each request, and turns away who has no key or speaks too modern."""

    def __init__(self, app: ASGIApp, server: ExternalServerDouble, *, legacy: bool) -> None:
        self._app = app
        self._server = server
        self._legacy = legacy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        body = await _body(receive) if scope["method"] == "POST" else b"{}"
        self._server.requests.append((headers, json.loads(body)))
        if self._server.hanging:
            await asyncio.Event().wait()
        refusal = self._refusal(headers)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        if self._server.breaking:
            await _break_off(send)
        await self._app(scope, _replay_body(body, receive), send)

    def _refusal(self, headers: Headers) -> PlainTextResponse | None:
        wanted = self._server.header
        if wanted is not None and headers.get(wanted[0]) != wanted[1]:
            return PlainTextResponse("Who are you?", 401)
        if self._legacy and headers.get("mcp-protocol-version") == MODERN:
            return PlainTextResponse("Unsupported protocol version", 400)
        return None


async def _break_off(send: Send) -> None:
    """Begin an answer, and close the connection."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"100")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{", "more_body": True})
    raise ConnectionResetError


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _replay_body(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay

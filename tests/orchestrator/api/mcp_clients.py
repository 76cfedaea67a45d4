"""The API and its servers on ports that stay, and one way to ask for every kind of client."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import fastmcp
import httpx2
import mcp
import uvicorn
from fastmcp.client.transports import StreamableHttpTransport
from livekit.agents.llm.mcp import MCPServerHTTP
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent, Tool
from redis.asyncio import Redis
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.database import Database
from config.security.tokens import Signer
from crm.server import SERVER as CRM
from knowledge.server import SERVER as KNOWLEDGE
from orchestrator.api.app import create_app
from orchestrator.api.dependencies import Dependencies
from orchestrator.engines.ports import free_port
from orchestrator.mcp_client.router import Router
from servicenow.server import SERVER as SERVICENOW
from tests.orchestrator.api.scheduling_double import DESK
from tests.support.processes import held
from tests.support.servers import serve
from tickets.server import SERVER as TICKETS
from transcripts.server import SERVER as TRANSCRIPTS

SERVERS = (DESK, KNOWLEDGE, TRANSCRIPTS, CRM, TICKETS, SERVICENOW)

Opens = Callable[[], AbstractAsyncContextManager[ASGIApp]]


class Process:
    """An app on a port of its own, which can be ended and begun again."""

    def __init__(self, opens: Opens) -> None:
        self._opens = opens
        self._port = free_port()
        self._leave = asyncio.Event()
        self._running: AbstractAsyncContextManager[None] | None = None

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Begin."""
        self._running = held(self._served())
        await self._running.__aenter__()

    async def stop(self) -> None:
        """End, as a process does: its connections are closed."""
        if self._running is not None:
            await self._running.__aexit__(None, None, None)
            self._running = None

    @asynccontextmanager
    async def _served(self) -> AsyncGenerator[None]:
        with socket.create_server(("127.0.0.1", self._port)) as listener:
            async with self._opens() as app:
                config = uvicorn.Config(app, lifespan="off", log_level="warning", ws="none")
                server = uvicorn.Server(config)
                task = asyncio.create_task(server.serve(sockets=[listener]))
                yield
                server.should_exit = True
                await task


class Heard:
    """Notes the requests that reach an app."""

    def __init__(self, app: ASGIApp, bodies: list[str]) -> None:
        self._app = app
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def heard() -> Message:
            message = await receive()
            self._bodies.append(message.get("body", b"").decode())
            return message

        await self._app(scope, heard, send)


@dataclass(frozen=True)
class House:
    """The API as a process, and each MCP server as another; `heard` is what the servers got."""

    api: Process
    servers: Mapping[str, Process]
    heard: list[str]

    @property
    def url(self) -> str:
        """Return where every server is served together."""
        return f"{self.api.url}/mcp"

    async def restart(self) -> None:
        """End everything, and begin it again."""
        for process in (self.api, *self.servers.values()):
            await process.stop()
            await process.start()


@asynccontextmanager
async def opened(
    dependencies: Dependencies, signer: Signer, database: Database, cache: Redis
) -> AsyncGenerator[House]:
    """Serve the API and its servers, each on a port that stays."""

    heard: list[str] = []

    def alone(spec: Any) -> Opens:
        @asynccontextmanager
        async def opens() -> AsyncGenerator[ASGIApp]:
            async with serve([spec], signer, database, cache) as served:
                yield Heard(served.app, heard)

        return opens

    servers = {spec.name: Process(alone(spec)) for spec in SERVERS}

    @asynccontextmanager
    async def api() -> AsyncGenerator[ASGIApp]:
        constellation = Router(signer, lambda name: f"{servers[name].url}/{name}/mcp")
        yield create_app(replace(dependencies, constellation=constellation))
        await constellation.aclose()

    house = House(Process(api), servers, heard)
    for process in (house.api, *servers.values()):
        await process.start()
    yield house
    for process in (house.api, *servers.values()):
        await process.stop()


class Outsider(Protocol):
    """A client of some kind, connected."""

    async def tools(self) -> list[str]:
        """List the names of the tools, asking anew."""
        ...

    async def call(self, tool: str, **arguments: Any) -> str:
        """Call a tool, and return the text of its answer."""
        ...


Connect = Callable[[str, str], AbstractAsyncContextManager[Outsider]]


@dataclass
class FastMcp:
    """FastMCP's client."""

    client: fastmcp.Client[StreamableHttpTransport]

    async def listed(self) -> list[Tool]:
        """List the tools."""
        return await self.client.list_tools()

    async def tools(self) -> list[str]:
        """List the names of the tools."""
        return [tool.name for tool in await self.listed()]

    async def result(self, tool: str, meta: Any = None, **arguments: Any) -> Any:
        """Call a tool."""
        return await self.client.call_tool(tool, arguments, raise_on_error=False, meta=meta)

    async def call(self, tool: str, **arguments: Any) -> str:
        """Call a tool, and return its text."""
        return _text((await self.result(tool, **arguments)).content)


@dataclass
class Sdk:
    """The MCP SDK's client."""

    client: mcp.Client

    async def tools(self) -> list[str]:
        """List the names of the tools."""
        # Else the second list would come from the client's own memory.
        listed = await self.client.list_tools(cache_mode="bypass")
        return [tool.name for tool in listed.tools]

    async def call(self, tool: str, **arguments: Any) -> str:
        """Call a tool, and return its text."""
        result = await self.client.call_tool(tool, arguments)
        return _text(result.content)


@dataclass
class LiveKit:
    """The MCP client of LiveKit's agents."""

    server: MCPServerHTTP

    async def tools(self) -> list[str]:
        """List the names of the tools."""
        self.server.invalidate_cache()
        return [tool.info.name for tool in await self._tools()]

    async def call(self, tool: str, **arguments: Any) -> str:
        """Call a tool, and return its text."""
        (found,) = [each for each in await self._tools() if each.info.name == tool]
        return str(await found(raw_arguments=arguments))

    async def _tools(self) -> list[Any]:
        return [*await self.server.list_tools()]


@asynccontextmanager
async def fast_mcp(url: str, key: str, mode: Any = "auto") -> AsyncGenerator[FastMcp]:
    """Connect with FastMCP."""
    transport = StreamableHttpTransport(url, auth=key)
    async with fastmcp.Client(transport, mode=mode) as client:
        yield FastMcp(client)


@asynccontextmanager
async def fast_mcp_legacy(url: str, key: str) -> AsyncGenerator[Outsider]:
    """Connect with FastMCP, as in 2025."""
    async with fast_mcp(url, key, "legacy") as client:
        yield client


@asynccontextmanager
async def sdk(url: str, key: str) -> AsyncGenerator[Outsider]:
    """Connect with the SDK."""
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        mcp.Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield Sdk(client)


@asynccontextmanager
async def livekit(url: str, key: str) -> AsyncGenerator[Outsider]:
    """Connect with LiveKit's agents."""
    server = MCPServerHTTP(url, headers={"Authorization": f"Bearer {key}"})
    await server.initialize()
    yield LiveKit(server)
    await server.aclose()


def _text(content: Any) -> str:
    return "\n".join(part.text for part in content if isinstance(part, TextContent))


def modern(method: str, **params: Any) -> dict[str, Any]:
    """Return a request of 2026, as `post` takes it."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method}
    if "name" in params:
        headers["Mcp-Name"] = params["name"]
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    return {"headers": {"Accept": "application/json, text/event-stream", **headers}, "json": body}


LIST = modern("tools/list")

"""The API and its servers on fixed ports, and one interface to every kind of MCP client."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
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

from automation.server import SERVER as AUTOMATION
from config.database import Database
from config.security.tokens import Signer
from crm.server import SERVER as CRM
from knowledge.server import SERVER as KNOWLEDGE
from orchestrator.api.app import create_app
from orchestrator.api.dependencies import Dependencies
from orchestrator.engines.ports import free_port
from orchestrator.mcp_client.router import Router
from servicenow.server import SERVER as SERVICENOW
from tests.orchestrator.api.scheduling_double import SCHEDULING
from tests.support.processes import in_one_task
from tests.support.servers import serve
from tickets.server import SERVER as TICKETS
from transcripts.server import SERVER as TRANSCRIPTS
from websearch.server import SERVER as WEBSEARCH

SERVERS = (
    *(SCHEDULING, KNOWLEDGE, TRANSCRIPTS, CRM, TICKETS),
    *(SERVICENOW, AUTOMATION, WEBSEARCH),
)

AppFactory = Callable[[], AbstractAsyncContextManager[ASGIApp]]


class RestartableServer:
    """An app on a port of its own, which can be stopped and started again."""

    def __init__(self, open_app: AppFactory) -> None:
        self._open_app = open_app
        self._port = free_port()
        self._leave = asyncio.Event()
        self._running: AbstractAsyncContextManager[None] | None = None

    @property
    def url(self) -> str:
        """Return the URL."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start."""
        self._running = in_one_task(self._served())
        await self._running.__aenter__()

    async def stop(self) -> None:
        """Stop, as a process does: its connections are closed."""
        if self._running is not None:
            await self._running.__aexit__(None, None, None)
            self._running = None

    @asynccontextmanager
    async def _served(self) -> AsyncGenerator[None]:
        with socket.create_server(("127.0.0.1", self._port)) as listener:
            async with self._open_app() as app:
                config = uvicorn.Config(
                    app, lifespan="off", log_level="warning", ws="none", timeout_keep_alive=60
                )
                server = uvicorn.Server(config)
                task = asyncio.create_task(server.serve(sockets=[listener]))
                yield
                server.should_exit = True
                await task


class RequestRecorder:
    """Records the bodies of the requests to an app."""

    def __init__(self, app: ASGIApp, bodies: list[str]) -> None:
        self._app = app
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def received() -> Message:
            message = await receive()
            self._bodies.append(message.get("body", b"").decode())
            return message

        await self._app(scope, received, send)


@dataclass(frozen=True)
class Deployment:
    """The API as a process and each MCP server as another.

    `received` are the bodies of the requests to the servers.
    """

    api: RestartableServer
    servers: Mapping[str, RestartableServer]
    received: list[str]
    dependencies: Dependencies

    @property
    def url(self) -> str:
        """Return the URL that serves all servers together."""
        return f"{self.api.url}/mcp"

    async def restart(self) -> None:
        """Stop everything, and start it again."""
        for process in (self.api, *self.servers.values()):
            await process.stop()
            await process.start()


@asynccontextmanager
async def serve_deployment(
    dependencies: Dependencies, signer: Signer, database: Database, cache: Redis
) -> AsyncGenerator[Deployment]:
    """Serve the API and its servers, each on a fixed port."""

    received: list[str] = []

    def factory_of(spec: Any) -> AppFactory:
        @asynccontextmanager
        async def open_app() -> AsyncGenerator[ASGIApp]:
            async with serve([spec], signer, database, cache) as served:
                yield RequestRecorder(served.app, received)

        return open_app

    servers = {spec.name: RestartableServer(factory_of(spec)) for spec in SERVERS}

    def server_url(name: str) -> str:
        return f"{servers[name].url}/{name}/mcp"

    @asynccontextmanager
    async def open_api() -> AsyncGenerator[ASGIApp]:
        async with aclosing(Router(signer, server_url)) as router:
            yield create_app(replace(dependencies, router=router))

    async with aclosing(Router(signer, server_url)) as router:
        own = replace(dependencies, router=router)
        deployment = Deployment(RestartableServer(open_api), servers, received, own)
        for process in (deployment.api, *servers.values()):
            await process.start()
        yield deployment
        for process in (deployment.api, *servers.values()):
            await process.stop()


class ConnectedClient(Protocol):
    """A connected client of some kind."""

    async def tool_names(self) -> list[str]:
        """List the names of the tools, bypassing any cache of the client."""
        ...

    async def call_text(self, tool: str, **arguments: Any) -> str:
        """Call a tool, and return the text of its answer."""
        ...


Connect = Callable[[str, str], AbstractAsyncContextManager[ConnectedClient]]


@dataclass
class FastMcpClient:
    """FastMCP's client."""

    client: fastmcp.Client[StreamableHttpTransport]

    async def list_tools(self) -> list[Tool]:
        """List the tools."""
        return await self.client.list_tools()

    async def tool_names(self) -> list[str]:
        """List the names of the tools."""
        return [tool.name for tool in await self.list_tools()]

    async def call_tool(self, tool: str, meta: Any = None, **arguments: Any) -> Any:
        """Call a tool."""
        return await self.client.call_tool(tool, arguments, raise_on_error=False, meta=meta)

    async def call_text(self, tool: str, **arguments: Any) -> str:
        """Call a tool, and return its text."""
        return _text((await self.call_tool(tool, **arguments)).content)


@dataclass
class SdkClient:
    """The MCP SDK's client."""

    client: mcp.Client

    async def tool_names(self) -> list[str]:
        """List the names of the tools."""
        # Else the second list would come from the client's own memory.
        listed = await self.client.list_tools(cache_mode="bypass")
        return [tool.name for tool in listed.tools]

    async def call_text(self, tool: str, **arguments: Any) -> str:
        """Call a tool, and return its text."""
        result = await self.client.call_tool(tool, arguments)
        return _text(result.content)


@dataclass
class LiveKitClient:
    """The MCP client of LiveKit's agents."""

    server: MCPServerHTTP

    async def tool_names(self) -> list[str]:
        """List the names of the tools."""
        self.server.invalidate_cache()
        return [tool.info.name for tool in await self._tools()]

    async def call_text(self, tool: str, **arguments: Any) -> str:
        """Call a tool, and return its text."""
        (found,) = [each for each in await self._tools() if each.info.name == tool]
        return str(await found(raw_arguments=arguments))

    async def _tools(self) -> list[Any]:
        return [*await self.server.list_tools()]


@asynccontextmanager
async def connect_fast_mcp(url: str, key: str, mode: Any = "auto") -> AsyncGenerator[FastMcpClient]:
    """Connect with FastMCP."""
    transport = StreamableHttpTransport(url, auth=key)
    async with fastmcp.Client(transport, mode=mode) as client:
        yield FastMcpClient(client)


@asynccontextmanager
async def connect_fast_mcp_legacy(url: str, key: str) -> AsyncGenerator[ConnectedClient]:
    """Connect with FastMCP, by the protocol of 2025."""
    async with connect_fast_mcp(url, key, "legacy") as client:
        yield client


@asynccontextmanager
async def connect_sdk(url: str, key: str) -> AsyncGenerator[ConnectedClient]:
    """Connect with the SDK."""
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        mcp.Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield SdkClient(client)


@asynccontextmanager
async def connect_livekit(url: str, key: str) -> AsyncGenerator[ConnectedClient]:
    """Connect with LiveKit's agents."""
    server = MCPServerHTTP(url, headers={"Authorization": f"Bearer {key}"})
    await server.initialize()
    yield LiveKitClient(server)
    await server.aclose()


def _text(content: Any) -> str:
    return "\n".join(part.text for part in content if isinstance(part, TextContent))


def mcp_request(method: str, **params: Any) -> dict[str, Any]:
    """Return a request of the protocol of 2026, as arguments of `post`."""
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


LIST_TOOLS = mcp_request("tools/list")

"""MCP servers as tests run them: over HTTP without a socket, each client with a tenant's token."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from mcp_types import TextContent, Tool
from redis.asyncio import Redis
from starlette.applications import Starlette

from config.database import Database
from config.security.encryption import Keyring
from config.security.tokens import Claims, Signer, Verifier, server_audience
from config.security.vault import DatabaseVault
from toolkit.server.build import ServerSpec, build_server, create_app
from toolkit.tenancy import Runtime

VAULT_KEYS = Keyring.new_key("k1")
KEYRING = Keyring.parse(VAULT_KEYS)


@dataclass(frozen=True)
class Answer:
    """What a client sees of one tool call."""

    data: dict[str, Any]
    text: str
    error: str | None


class Caller:
    """An MCP client that acts for one tenant on one server."""

    def __init__(self, client: Client[StreamableHttpTransport]) -> None:
        self._client = client

    async def tools(self) -> dict[str, Tool]:
        """List the tools, in order."""
        return {tool.name: tool for tool in await self._client.list_tools()}

    async def call(self, tool: str, /, *, key: str | None = None, **arguments: Any) -> Answer:
        """Call a tool; a failure is an answer, too."""
        meta = {"antiphon/idempotency_key": key} if key else None
        result = await self._client.call_tool(tool, arguments, raise_on_error=False, meta=meta)
        text = "\n".join(part.text for part in result.content if isinstance(part, TextContent))
        error = (result.meta or {}).get("antiphon", {}).get("error", "fault")
        return Answer(result.structured_content or {}, text, error if result.is_error else None)


class Servers:
    """MCP servers over HTTP, without a socket; each client brings a tenant's token."""

    def __init__(self, app: Starlette, signer: Signer) -> None:
        self.app = app
        self.signer = signer

    def http(
        self,
        headers: dict[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
        auth: httpx2.Auth | None = None,
        **_: Any,
    ) -> httpx2.AsyncClient:
        """Return a plain HTTP client of the servers."""
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=self.app),
            base_url="http://127.0.0.1",
            headers=headers,
            timeout=timeout,
            auth=auth,
        )

    @asynccontextmanager
    async def connect(self, server: str, claims: Claims) -> AsyncGenerator[Caller]:
        """Open an MCP client that acts for `claims`."""
        transport = StreamableHttpTransport(
            f"http://127.0.0.1/{server}/mcp",
            auth=self.signer.mint(server_audience(server), claims),
            httpx_client_factory=self.http,
        )
        async with Client(transport) as client:
            yield Caller(client)


@asynccontextmanager
async def serve(
    specs: Sequence[ServerSpec],
    signer: Signer,
    database: Database,
    cache: Redis,
    *,
    vendors: httpx2.AsyncBaseTransport | None = None,
    **runtime_options: Any,
) -> AsyncGenerator[Servers]:
    """Serve these servers on the real database and cache; `vendors` plays whom they ask."""
    async with httpx2.AsyncClient(transport=vendors) as client:
        vault = DatabaseVault(database, KEYRING)
        runtime = Runtime(client, vault, database, cache, **runtime_options)
        key = signer.public_key()
        servers = {
            spec.name: build_server(
                spec, runtime, verifier=Verifier(key, server_audience(spec.name))
            )
            for spec in specs
        }
        for spec in specs:
            if spec.warm_up is not None:
                await spec.warm_up()
        app = create_app(servers)
        async with app.router.lifespan_context(app):
            yield Servers(app, signer)

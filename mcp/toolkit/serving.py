"""Builds a server from its tools: the only place that knows how servers are wired."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from fastmcp import FastMCP
from fastmcp.tools import FunctionTool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from config.cache import connect
from config.database import Database
from config.settings import Settings, required
from config.tokens import Verifier, server_audience
from toolkit.audit import AuditTrail
from toolkit.confirmation import NEEDS_CONFIRMATION_SCHEMA, Confirmation
from toolkit.effects import guarded
from toolkit.errors import META, Failures
from toolkit.grants import Grants
from toolkit.idempotency import Idempotency
from toolkit.results import Slim
from toolkit.tenancy import BuiltinVault, Runtime, ServiceTokens

VENDOR_TIMEOUT = httpx2.Timeout(8.0, connect=1.0)  # a caller is waiting on the line


@dataclass(frozen=True)
class ServerSpec:
    """One MCP server: its name, its tools, and the providers behind them."""

    name: str
    instructions: str
    tools: Sequence[Callable[..., Awaitable[Any]]]
    providers: Sequence[str] = ("builtin",)
    unsupported: Mapping[str, Mapping[str, str]] = field(
        default_factory=dict[str, Mapping[str, str]]
    )
    warm: Callable[[], Awaitable[None]] | None = None

    def catalogue(self) -> dict[str, Any]:
        """Return providers and tools as the catalogue shows them."""
        return {
            "providers": list(self.providers),
            "tools": [FunctionTool.from_function(tool).name for tool in self.tools],
            "unsupported": {name: dict(tools) for name, tools in self.unsupported.items()},
        }


class ServerTool(FunctionTool):
    """A tool without FastMCP's own metadata, which some clients copy into the model's schema."""

    def get_meta(self) -> dict[str, Any]:
        """Return only what the tool itself declares: its profile and its examples."""
        meta = dict(self.meta or {})
        if "voice" in self.tags:
            meta[META] = {**meta.get(META, {}), "profile": "voice"}
        return meta


def build_server(
    spec: ServerSpec, runtime: Runtime, *, verifier: Verifier | None = None
) -> FastMCP[Any]:
    """Return a server whose tools act for the tenant named by the caller's token."""

    @asynccontextmanager
    async def lifespan(_: FastMCP[Any]) -> AsyncGenerator[dict[str, Runtime]]:
        yield {"runtime": runtime}

    return FastMCP(
        spec.name,
        instructions=spec.instructions,
        auth=ServiceTokens(verifier) if verifier else None,
        # Outermost first.
        middleware=[
            AuditTrail(),
            Failures(),
            Grants(),
            Slim(),
            Confirmation(),
            Idempotency(),
        ],
        tools=[_tool(function) for function in spec.tools],
        lifespan=lifespan,
        mask_error_details=True,
        on_duplicate="error",
        cache_scope="private",
        cache_ttl=60,
    )


def _tool(function: Callable[..., Awaitable[Any]]) -> FunctionTool:
    tool = ServerTool.from_function(function)
    if not guarded(tool.annotations):
        return tool
    answers = [tool.output_schema or {"type": "object"}, dict(NEEDS_CONFIRMATION_SCHEMA)]
    return tool.model_copy(update={"output_schema": {"type": "object", "anyOf": answers}})


def mounted(servers: Mapping[str, FastMCP[Any]], allowed_hosts: Sequence[str] = ()) -> Starlette:
    """Return one app that serves each server at `/<name>/mcp`, stateless."""
    apps = {
        name: server.http_app(
            path="/mcp",
            stateless_http=True,
            json_response=False,
            host_origin_protection=True,
            allowed_hosts=list(allowed_hosts),
        )
        for name, server in servers.items()
    }

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            for app in apps.values():
                await stack.enter_async_context(app.router.lifespan_context(app))
            yield

    routes = [Mount(f"/{name}", app=app) for name, app in apps.items()]
    return Starlette(routes=[Route("/healthz", _healthz), *routes], lifespan=lifespan)


async def _healthz(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


@asynccontextmanager
async def serving(specs: Sequence[ServerSpec], settings: Settings) -> AsyncGenerator[Starlette]:
    """Yield the app of these servers, with the database and the cache that the settings name."""
    public_key = required("SERVICE_TOKEN_PUBLIC_KEY", settings.service_token_public_key)
    database = Database(required("DATABASE_URL", settings.database_url))
    cache = connect(required("REDIS_URL", settings.redis_url))
    async with httpx2.AsyncClient(timeout=VENDOR_TIMEOUT) as client:
        runtime = Runtime(client, BuiltinVault(), database, cache)
        servers = {
            spec.name: build_server(
                spec, runtime, verifier=Verifier(public_key, server_audience(spec.name))
            )
            for spec in specs
        }
        try:
            for spec in specs:
                if spec.warm is not None:
                    await spec.warm()
            yield mounted(servers, settings.mcp_allowed_hosts)
        finally:
            await database.aclose()
            await cache.aclose()

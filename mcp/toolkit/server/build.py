"""Builds MCP servers from their tools, with middleware, database, cache and HTTP client."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from typing import Any

import httpx2
from fastmcp import FastMCP
from fastmcp.server.middleware import Middleware as ServerMiddleware
from fastmcp.tools import FunctionTool
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from config.body_limits import McpBodyLimits
from config.cache import connect
from config.confirmation import NEEDS_CONFIRMATION_SCHEMA
from config.database import Database
from config.protocol import CONNECT_BUDGET, MAX_CALL_SIZE, MAX_CALL_VALUES, READ_BUDGET
from config.security.audit import AuditTrail
from config.security.egress import guarded_transport
from config.security.tokens import Verifier, server_audience
from config.security.vault import DatabaseVault, keyring
from config.settings import Settings, required
from toolkit.effects import is_record, is_unsafe_to_repeat
from toolkit.middleware.arguments import CleanArguments
from toolkit.middleware.audit import AuditMiddleware
from toolkit.middleware.authorization import Authorization
from toolkit.middleware.confirmation import Confirmation
from toolkit.middleware.deadline import Deadline
from toolkit.middleware.failures import Failures
from toolkit.middleware.idempotency import Idempotency
from toolkit.middleware.language import Language
from toolkit.middleware.rate_limit import RateLimit
from toolkit.middleware.results import CompactResults
from toolkit.server.tool import ServerTool
from toolkit.tenancy import CheckableProvider, ProviderFactory, Runtime, ServiceTokenVerifier


@dataclass(frozen=True)
class ServerSpec:
    """One MCP server: its name, its tools, and the providers behind them.

    A server without providers keeps the records of every business itself. `extras` adds what is
    not a tool, such as prompts and resources. `named_records` returns the names, such as those of
    calendars, by which a bot's `integration` may choose among the records that it keeps itself.
    """

    name: str
    instructions: str
    tools: Sequence[Callable[..., Awaitable[Any]]]
    providers: Mapping[str, ProviderFactory[CheckableProvider]] = field(
        default_factory=dict[str, ProviderFactory[CheckableProvider]]
    )
    warm_up: Callable[[], Awaitable[None]] | None = None
    extras: Callable[[FastMCP[Any]], None] | None = None
    named_records: Callable[[AsyncSession], Awaitable[Sequence[str]]] | None = None

    def catalogue(self) -> dict[str, Any]:
        """Return the providers and tools as `antiphon catalogue` shows them."""
        return {
            "providers": list(self.providers) or ["builtin"],
            "tools": [FunctionTool.from_function(tool).name for tool in self.tools],
            "unsupported": {
                name: dict(provider.unsupported)
                for name, provider in self.providers.items()
                if provider.unsupported
            },
        }


def build_server(
    spec: ServerSpec, runtime: Runtime, *, verifier: Verifier | None = None
) -> FastMCP[Any]:
    """Return a server whose tools act for the tenant in the caller's token."""
    tools = [_build_tool(function) for function in spec.tools]
    trail = AuditTrail(runtime.database) if runtime.database else None

    @asynccontextmanager
    async def lifespan(_: FastMCP[Any]) -> AsyncGenerator[dict[str, Runtime]]:
        yield {"runtime": runtime}
        if trail is not None:
            await trail.aclose()

    server: FastMCP[Any] = FastMCP(
        spec.name,
        version=version("antiphon"),
        instructions=spec.instructions,
        auth=ServiceTokenVerifier(verifier) if verifier else None,
        middleware=_middleware(spec, tools, trail),
        tools=tools,
        lifespan=lifespan,
        mask_error_details=True,
        on_duplicate="error",
        cache_scope="private",
        cache_ttl=60,
    )
    if spec.extras is not None:
        spec.extras(server)
    # The SDK would list all tools before each call, to compare headers with a tool's schema. Its
    # server may be told where the schemas are; FastMCP only hides that server.
    lowlevel = server._mcp_server  # pyright: ignore[reportPrivateUsage]
    lowlevel.get_tool_input_schema = {tool.name: tool.parameters for tool in tools}.get
    return server


def _middleware(
    spec: ServerSpec, tools: Sequence[FunctionTool], trail: AuditTrail | None
) -> list[ServerMiddleware]:
    """Return the middleware of a server, outermost first."""
    by_name = {tool.name: tool for tool in tools}
    writing = frozenset(tool.name for tool in tools if is_unsafe_to_repeat(tool.annotations))
    recording = frozenset(tool.name for tool in tools if is_record(tool.annotations))
    return [
        Language(),
        AuditMiddleware(trail),
        Failures(writing),
        RateLimit(writing, recording),
        Authorization(spec.providers, by_name, named_records=spec.named_records is not None),
        CleanArguments(by_name),
        CompactResults(),
        Confirmation(),
        Idempotency(by_name),
        Deadline(by_name),
    ]


def _build_tool(function: Callable[..., Awaitable[Any]]) -> FunctionTool:
    """Return a tool whose output schema allows a result that asks for confirmation."""
    tool = ServerTool.from_function(function)
    if not is_unsafe_to_repeat(tool.annotations):
        return tool
    own = dict(tool.output_schema or {"type": "object"})
    shared = {"$defs": own.pop("$defs")} if "$defs" in own else {}  # referred to from the top
    results = [own, dict(NEEDS_CONFIRMATION_SCHEMA)]
    return tool.model_copy(update={"output_schema": {"type": "object", "anyOf": results, **shared}})


def create_app(servers: Mapping[str, FastMCP[Any]], allowed_hosts: Sequence[str] = ()) -> Starlette:
    """Return an app that serves each server at `/<name>/mcp`, without sessions."""
    limits = Middleware(McpBodyLimits, max_size=MAX_CALL_SIZE, max_values=MAX_CALL_VALUES)
    apps = {
        name: server.http_app(
            path="/mcp",
            middleware=[limits],
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
    return Starlette(
        routes=[Route("/healthz", _healthz), *routes],
        middleware=[Middleware(TrailingSlash)],
        lifespan=lifespan,
    )


class TrailingSlash:
    """ASGI middleware that serves `/mcp/` as `/mcp`: some clients do not follow a redirect."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"].endswith("/mcp/"):
            scope = {**scope, "path": scope["path"].removesuffix("/")}
        await self._app(scope, receive, send)


async def _healthz(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


def vendor_client(settings: Settings) -> httpx2.AsyncClient:
    """Return a client for requests to vendors; it connects to public addresses only.

    It is shared by all tenants, so it keeps no cookies.
    """
    return httpx2.AsyncClient(
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        transport=guarded_transport(allow_private=settings.allow_private_hosts),
        timeout=httpx2.Timeout(READ_BUDGET, connect=CONNECT_BUDGET),
        follow_redirects=False,
        headers={"User-Agent": "antiphon"},
        trust_env=False,
    )


@asynccontextmanager
async def server_app(specs: Sequence[ServerSpec], settings: Settings) -> AsyncGenerator[Starlette]:
    """Yield an app that serves these servers with the database and cache from the settings."""
    public_key = required("SERVICE_TOKEN_PUBLIC_KEY", settings.service_token_public_key)
    database = Database(required("DATABASE_URL", settings.database_url))
    cache = connect(required("REDIS_URL", settings.redis_url))
    async with vendor_client(settings) as client:
        runtime = Runtime(
            client,
            DatabaseVault(database, keyring(settings)),
            database,
            cache,
            calls_per_minute=settings.mcp_calls_per_minute,
        )
        servers = {
            spec.name: build_server(
                spec, runtime, verifier=Verifier(public_key, server_audience(spec.name))
            )
            for spec in specs
        }
        try:
            for spec in specs:
                if spec.warm_up is not None:
                    await spec.warm_up()
            yield create_app(servers, settings.mcp_allowed_hosts)
        finally:
            await database.aclose()
            await cache.aclose()

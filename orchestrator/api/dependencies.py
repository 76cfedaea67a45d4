"""What the API needs from outside, opened once per process."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

import httpx2
from fastapi import Depends
from redis.asyncio import Redis
from starlette.requests import Request

from config.cache import connect
from config.constellation import constellation
from config.database import Database
from config.security.tokens import Signer
from config.security.vault import keyring
from config.settings import Settings, required
from orchestrator.api.concurrency import ConcurrencyLimit
from orchestrator.calls.queue import CallQueue
from orchestrator.mcp_client.external.directory import Directory
from orchestrator.mcp_client.external.registration import RegistrationContext
from orchestrator.mcp_client.router import Router

CONSOLE = Path(__file__).parents[1] / "console"
_LIVEKIT_CLIENT = CONSOLE / "node_modules/livekit-client/dist/livekit-client.umd.js"
_CHECK_TIMEOUT = 2.0  # seconds


@dataclass(frozen=True)
class LiveKitAccess:
    """The LiveKit server's addresses and API key."""

    url: str
    api_key: str
    api_secret: str = field(repr=False)
    public_url: str | None = None  # as browsers reach it, where that differs

    @property
    def client_url(self) -> str:
        """Return the address for callers."""
        return self.public_url or self.url

    @property
    def http_url(self) -> str:
        """Return the address of the same server for plain HTTP."""
        return to_http_url(self.url)


def to_http_url(url: str) -> str:
    """Return the HTTP address of a WebSocket's: `wss` becomes `https`, `ws` becomes `http`."""
    scheme, *rest = urlsplit(url)
    return urlunsplit((scheme.replace("ws", "http", 1), *rest))


def _new_start_limit() -> ConcurrencyLimit:
    """Return the limit of session starts: below the database's pool, which others need, too."""
    return ConcurrencyLimit(running=12, waiting=2000, seconds=20)


@dataclass(frozen=True)
class Dependencies:
    """Everything that the routes use.

    `health_urls` are by server; `tool_lists_fresh_for` are the seconds until a list is refreshed.
    One object holds all of them, more than a class should have, so that tests replace any one.

    It has many fields because each route takes what it needs from one object.
    """

    database: Database
    cache: Redis
    router: Router
    signer: Signer
    livekit: LiveKitAccess
    http: httpx2.AsyncClient
    agent_name: str = "voice"
    ice_servers: tuple[str, ...] = ()
    origins: frozenset[str] = frozenset()  # the API's own, for bots that name none
    health_urls: Mapping[str, str] = field(default_factory=dict[str, str])
    writes_per_minute: int = 120  # of one API key
    business_writes_per_minute: int = 600  # of all API keys of a business
    anonymous_per_minute: int = 10  # calls that one address begins with a bot
    # Requests of one address, whatever they are: callers in the queue ask every two seconds.
    anonymous_requests_per_minute: int = 600
    tool_lists_fresh_for: float = 60.0
    livekit_client: Path | None = None
    registration: RegistrationContext = field(default_factory=RegistrationContext)
    static: Path = CONSOLE / "static"
    starts: ConcurrencyLimit = field(default_factory=_new_start_limit)
    queue: CallQueue | None = None  # without one, calls begin whether a worker is free or not


async def get_dependencies(request: Request) -> Dependencies:
    """Return what the running API was created with."""
    dependencies: Dependencies = request.app.state.dependencies
    return dependencies


ApiDependencies = Annotated[Dependencies, Depends(get_dependencies)]


@asynccontextmanager
async def open_dependencies(settings: Settings) -> AsyncGenerator[Dependencies]:
    """Open what these settings name, and close it at exit.

    Long because everything is opened and closed in one order.

    Raises:
        MissingSettingError: a variable is not set.
    """
    signer = Signer(required("SERVICE_TOKEN_PRIVATE_KEY", settings.service_token_private_key))
    livekit = LiveKitAccess(
        required("LIVEKIT_URL", settings.livekit_url),
        required("LIVEKIT_API_KEY", settings.livekit_api_key),
        required("LIVEKIT_API_SECRET", settings.livekit_api_secret),
        settings.livekit_public_url,
    )
    database = Database(required("DATABASE_URL", settings.database_url))
    cache = connect(required("REDIS_URL", settings.redis_url))
    registration = RegistrationContext(keyring(settings), settings.allow_private_hosts)
    directory = Directory.from_settings(settings, database, cache)
    router = Router(signer, settings.mcp_server_url, directory)
    try:
        async with httpx2.AsyncClient(timeout=_CHECK_TIMEOUT, trust_env=False) as http:
            yield Dependencies(
                database,
                cache,
                router,
                signer,
                livekit,
                http,
                agent_name=settings.agent_name,
                ice_servers=tuple(settings.ice_servers),
                origins=_own_origins(settings),
                health_urls={
                    name: _health_url(settings.mcp_server_url(name))
                    for name in constellation().servers
                },
                livekit_client=_livekit_client(settings),
                registration=registration,
                writes_per_minute=settings.api_writes_per_minute,
                business_writes_per_minute=settings.api_business_writes_per_minute,
                queue=_queue(settings, cache),
            )
    finally:
        await router.aclose()
        await cache.aclose()
        await database.aclose()


def _queue(settings: Settings, cache: Redis) -> CallQueue | None:
    if not settings.call_queue_seconds:
        return None
    return CallQueue(
        cache, max_wait=settings.call_queue_seconds, max_length=settings.call_queue_length
    )


def _livekit_client(settings: Settings) -> Path | None:
    path = settings.livekit_client or _LIVEKIT_CLIENT
    return path if path.is_file() else None


def _own_origins(settings: Settings) -> frozenset[str]:
    # Not from the Host header: a page that rebinds its own name to this address would match it.
    hosts = (settings.api_host, "127.0.0.1", "localhost")
    origins = {f"http://{host}:{settings.api_port}" for host in hosts}
    if settings.public_url:
        origins.add(_origin(settings.public_url))
    return frozenset(origins)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _health_url(url: str) -> str:
    return f"{_origin(url)}/healthz"

"""What the API needs from outside, opened once per process."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx2
from redis.asyncio import Redis

from config.cache import connect
from config.constellation import constellation
from config.database import Database
from config.security.tokens import Signer
from config.security.vault import keyring
from config.settings import Settings, required
from orchestrator.mcp_client.external.directory import Directory
from orchestrator.mcp_client.external.registration import RegistrationContext
from orchestrator.mcp_client.router import Router

CONSOLE = Path(__file__).parents[1] / "console"
_LIVEKIT_CLIENT = CONSOLE / "node_modules/livekit-client/dist/livekit-client.umd.js"
_CHECK_TIMEOUT = 2.0  # seconds


@dataclass(frozen=True)
class LiveKitAccess:
    """Where rooms are, and the key that opens them."""

    url: str
    api_key: str
    api_secret: str = field(repr=False)
    public_url: str | None = None  # as browsers reach it, where that differs

    @property
    def client_url(self) -> str:
        """Return the address that callers are given."""
        return self.public_url or self.url

    @property
    def http_url(self) -> str:
        """Return the address of the same server for plain HTTP."""
        return plain_http(self.url)


def plain_http(url: str) -> str:
    """Return a WebSocket's address as one for plain HTTP."""
    scheme, *rest = urlsplit(url)
    return urlunsplit((scheme.replace("ws", "http", 1), *rest))


@dataclass(frozen=True)
class Dependencies:
    """Everything that the routes use."""

    database: Database
    cache: Redis
    constellation: Router
    signer: Signer
    livekit: LiveKitAccess
    http: httpx2.AsyncClient
    agent_name: str = "voice"
    ice_servers: tuple[str, ...] = ()
    origins: frozenset[str] = frozenset()  # the API's own, for bots that name none
    health: Mapping[str, str] = field(default_factory=dict[str, str])  # URL by server
    anonymous_per_minute: int = 10
    livekit_client: Path | None = None
    terms: RegistrationContext = field(
        default_factory=RegistrationContext
    )  # on which servers of others are asked
    static: Path = CONSOLE / "static"


@asynccontextmanager
async def opened(settings: Settings) -> AsyncGenerator[Dependencies]:
    """Open what these settings name, and close it at exit.

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
    terms = RegistrationContext(keyring(settings), settings.allow_private_hosts)
    registry = Directory.of(settings, database, cache)
    servers = Router(signer, settings.mcp_server_url, registry)
    try:
        async with httpx2.AsyncClient(timeout=_CHECK_TIMEOUT, trust_env=False) as http:
            yield Dependencies(
                database,
                cache,
                servers,
                signer,
                livekit,
                http,
                agent_name=settings.agent_name,
                ice_servers=tuple(settings.ice_servers),
                origins=_own_origins(settings),
                health={
                    name: _health(settings.mcp_server_url(name)) for name in constellation().servers
                },
                livekit_client=_livekit_client(settings),
                terms=terms,
            )
    finally:
        await servers.aclose()
        await cache.aclose()
        await database.aclose()


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


def _health(url: str) -> str:
    return f"{_origin(url)}/healthz"

"""What every test shares: real engines, two tenants, and the way into a server."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
import pytest_asyncio
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from mcp_types import TextContent, Tool
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import set_tracer_provider
from redis.asyncio import Redis
from sqlalchemy import text
from starlette.applications import Starlette

from config.cache import connect
from config.database import Database
from config.migrate import migrate
from config.sealing import Keyring
from config.tables import AgentConfig, Business
from config.tokens import Claims, Grant, Signer, Verifier, server_audience
from config.vault import DatabaseVault
from orchestrator.engines.ports import Port, free_port
from orchestrator.engines.postgres import Postgres, postgres
from orchestrator.engines.process import Program, running
from orchestrator.engines.valkey import Valkey, valkey
from orchestrator.models.parts import Options
from orchestrator.models.weights import WeightsError
from tests.node_tools import NodeTools, node_tools_of
from tests.processes import answering, held
from toolkit.serving import ServerSpec, build_server, mounted
from toolkit.tenancy import Runtime

VAULT_KEYS = Keyring.new_key("k1")
KEYRING = Keyring.parse(VAULT_KEYS)
pytest.register_assert_rewrite("tests.scheduling.contract", "tests.vendors")

_CALLS = ("room", "model", "browser")
ANY_PORT = Port(0, "POSTGRES_PORT")
CACHE = Path(os.environ.get("ANTIPHON_CACHE", Path.home() / ".cache" / "antiphon"))
# Settings of a constellation of our own: whatever .env says, nothing of the developer's is touched.
OWN_ENGINES: dict[str, Any] = {
    "database_url": None,
    "migration_database_url": None,
    "redis_url": None,
    "livekit_url": None,
    "ANTIPHON_CACHE": CACHE,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what shares engines on one worker: all calls on one, the others folder by folder."""
    for item in items:
        calls = any(item.get_closest_marker(name) for name in _CALLS)
        group = "calls" if calls else str(item.path.parent)
        item.add_marker(pytest.mark.xdist_group(group))
        if calls:
            # Speech in real time suffers on a machine that is busy elsewhere: one more try.
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest_asyncio.fixture(scope="session")
async def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Postgres]:
    """A real PostgreSQL with the whole schema."""
    folder = tmp_path_factory.mktemp("postgres")
    async with postgres(folder, ANY_PORT, print, durable=False) as server:
        urls = server.migration_database_url, server.database_url
        await asyncio.to_thread(migrate, *urls)
        yield server


@pytest_asyncio.fixture(scope="session")
async def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Valkey]:
    """A real Valkey."""
    folder = tmp_path_factory.mktemp("valkey")
    async with valkey(folder, Port(0, "VALKEY_PORT"), print, durable=False) as server:
        yield server


@pytest_asyncio.fixture(scope="session")
async def database(postgres_server: Postgres) -> AsyncGenerator[Database]:
    """The application's own way into the database."""
    database = Database(postgres_server.database_url)
    yield database
    await database.aclose()


@pytest_asyncio.fixture(scope="session")
async def cache(valkey_server: Valkey) -> AsyncGenerator[Redis]:
    """The cache."""
    client = connect(valkey_server.redis_url)
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
def all_spans() -> InMemorySpanExporter:
    """Every span of this process."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    set_tracer_provider(provider)
    return exporter


@pytest.fixture
def spans(all_spans: InMemorySpanExporter) -> InMemorySpanExporter:
    """The spans of this test."""
    all_spans.clear()
    return all_spans


@pytest.fixture(scope="session")
def signer() -> Signer:
    """The orchestrator's key."""
    return Signer.generate()


@dataclass(frozen=True)
class Tenant:
    """A business with one bot."""

    business_id: UUID = field(default_factory=uuid4)
    bot_id: UUID = field(default_factory=uuid4)

    def claims(self, *, conversation_id: UUID | None = None, **grant: Any) -> Claims:
        """Return what a token of this tenant's bot claims."""
        return Claims(
            sub=f"bot:{self.bot_id}",
            business_id=self.business_id,
            bot_id=self.bot_id,
            conversation_id=conversation_id,
            grant=Grant(**grant),
        )


async def new_tenant(database: Database) -> Tenant:
    """Store a business with a bot."""
    tenant = Tenant()
    business = Business(
        id=tenant.business_id,
        slug=f"b{tenant.business_id.hex[:12]}",
        name="A business",
        time_zone="Europe/Berlin",
    )
    bot = AgentConfig(
        id=tenant.bot_id,
        business_id=tenant.business_id,
        name="bot",
        system_prompt="You answer the phone.",
        stt_provider="embedded",
        tts_provider="embedded",
        llm_provider="embedded",
        llm_model="embedded",
        default_language="en",
        first_message_inbound="Hello.",
        eagerness="normal",
        soft_timeout_seconds=1.5,
        llm_cascade_timeout_seconds=8.0,
        max_conversation_duration_seconds=600,
        allow_anonymous=True,
    )
    async with database.business(tenant.business_id) as session:
        session.add(business)
        await session.flush()
        session.add(bot)
    return tenant


@pytest_asyncio.fixture(scope="session")
async def tenant(database: Database) -> Tenant:
    """A tenant."""
    return await new_tenant(database)


@pytest_asyncio.fixture(scope="session")
async def other_tenant(database: Database) -> Tenant:
    """A tenant who must never see the first one's rows."""
    return await new_tenant(database)


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

    async def call(self, tool: str, *, key: str | None = None, **arguments: Any) -> Answer:
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
        app = mounted(servers)
        async with app.router.lifespan_context(app):
            yield Servers(app, signer)


@pytest.fixture
def repository() -> Path:
    """The root of the project."""
    return Path(__file__).parents[1]


async def fetch(database: Database, tenant: Tenant, query: str, **values: Any) -> list[Any]:
    """Return rows as the tenant's own transaction sees them."""
    async with database.business(tenant.business_id) as session:
        return list((await session.execute(text(query), values)).mappings())


@pytest_asyncio.fixture(scope="session")
async def node_tools() -> NodeTools:
    """Programs from npm, and a Node that runs them."""
    return await node_tools_of(CACHE, print)


@pytest_asyncio.fixture(scope="session")
async def models_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[str]:
    """Where the embedded speech and hearing are served, without the language model."""
    try:
        Options(llm=False).require_installed()
    except WeightsError as error:
        pytest.skip(str(error))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    program = Program(
        name="models",
        command=[sys.executable, "-m", "orchestrator.models", "--no-llm", "--port", str(port)],
        log=tmp_path_factory.mktemp("models") / "models.log",
        deadline=120,
    )
    async with held(running(program, answering(f"{url}/health"))):
        yield f"{url}/v1"

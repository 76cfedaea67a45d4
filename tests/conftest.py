"""What every test shares: real engines, two tenants, and the way into a server."""

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import set_tracer_provider
from redis.asyncio import Redis
from sqlalchemy import text

from config.cache import connect
from config.database import Database
from config.security.tokens import Claims, Grant, Signer
from config.settings import Settings
from config.tables import AgentConfig, Business
from orchestrator.embedded.loader import LoadOptions
from orchestrator.embedded.weights import WeightsError
from orchestrator.engines.node import ensure_livekit_client
from orchestrator.engines.ports import Port, free_port
from orchestrator.engines.postgres import Postgres, run_postgres
from orchestrator.engines.process import Program, run_program
from orchestrator.engines.valkey import Valkey, run_valkey
from tests.support.deployment import SharedDeployment, shared_deployment
from tests.support.node_tools import NodeTools, node_tools_of
from tests.support.postgres_template import copy_template
from tests.support.processes import answers, in_one_task

# Before anybody imports them: tests of one folder use what another one promises.
pytest.register_assert_rewrite(
    *("tests.support.vendors", "tests.support.vendor_contract", "tests.scheduling.contract"),
    "tests.websearch.contract",
    *("tests.crm.contract", "tests.crm.scenario", "tests.crm.harness"),
    *("tests.tickets.contract", "tests.tickets.scenario", "tests.tickets.people_scenario"),
    "tests.tickets.tool_session",
)

_CALLS = ("room", "model", "browser")
_TESTS = Path(__file__).parent
_NICE = 10  # of the processes that run no calls, and of those that they start
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


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what shares processes on one worker: all calls on one, the others file by file.

    The calls come first, because they take longest and may not be divided.
    """
    for item in items:
        calls = _calls_a_bot(item)
        group = "calls" if calls else item.path.relative_to(_TESTS).as_posix()
        item.add_marker(pytest.mark.xdist_group(group))
        if calls:
            # Speech in real time suffers on a machine that is busy elsewhere: one more try.
            item.add_marker(pytest.mark.flaky(reruns=1))
    items.sort(key=lambda item: not _calls_a_bot(item))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let calls go first: they are in real time, and other tests only take longer."""
    if not _calls_a_bot(item) and os.nice(0) < _NICE:
        os.nice(_NICE)


def _calls_a_bot(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in _CALLS)


@pytest_asyncio.fixture(scope="session")
async def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Postgres]:
    """A real PostgreSQL with the whole schema."""
    async with _run_migrated_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest_asyncio.fixture(scope="session")
async def jobs_postgres_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncGenerator[Postgres]:
    """One for tests of jobs: in the other one, those of a deployment might run them first."""
    async with _run_migrated_postgres(tmp_path_factory.mktemp("jobs_postgres")) as server:
        yield server


@asynccontextmanager
async def _run_migrated_postgres(folder: Path) -> AsyncGenerator[Postgres]:
    await copy_template(CACHE, folder)
    async with run_postgres(folder, ANY_PORT, print, durable=False) as server:
        yield server


@pytest_asyncio.fixture(scope="session")
async def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Valkey]:
    """A real Valkey."""
    folder = tmp_path_factory.mktemp("valkey")
    async with run_valkey(folder, Port(0, "VALKEY_PORT"), print, durable=False) as server:
        yield server


@pytest_asyncio.fixture(scope="session")
async def database(postgres_server: Postgres) -> AsyncGenerator[Database]:
    """The application's own way into the database."""
    database = Database(postgres_server.database_url)
    yield database
    await database.aclose()


@pytest_asyncio.fixture(scope="session")
async def jobs_database(jobs_postgres_server: Postgres) -> AsyncGenerator[Database]:
    """The application's way into the database of tests of jobs."""
    database = Database(jobs_postgres_server.database_url)
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
        max_turn_seconds=60,
        max_turn_writes=20,
        max_call_writes=50,
        max_minute_writes=120,
        max_conversation_duration_seconds=600,
        allow_anonymous=True,
    )
    async with database.tenant(tenant.business_id) as session:
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


@pytest.fixture
def repository() -> Path:
    """The root of the project."""
    return Path(__file__).parents[1]


async def fetch(database: Database, tenant: Tenant, query: str, **values: Any) -> list[Any]:
    """Return rows as the tenant's own transaction sees them."""
    async with database.tenant(tenant.business_id) as session:
        return list((await session.execute(text(query), values)).mappings())


@pytest_asyncio.fixture(scope="session")
async def node_tools() -> NodeTools:
    """Programs from npm, and a Node that runs them."""
    return await node_tools_of(CACHE, print)


@pytest_asyncio.fixture(scope="session")
async def models_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[str]:
    """Where the embedded speech and hearing are served, without the language model."""
    try:
        LoadOptions(llm=False).require_installed()
    except WeightsError as error:
        pytest.skip(str(error))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    program = Program(
        name="models",
        command=[sys.executable, "-m", "orchestrator", "models", "--no-llm", "--port", str(port)],
        log=tmp_path_factory.mktemp("models") / "models.log",
        deadline=120,
    )
    async with in_one_task(run_program(program, answers(f"{url}/health"))):
        yield f"{url}/v1"


@pytest.fixture(scope="session")
def engine_settings(postgres_server: Postgres, valkey_server: Valkey) -> Settings:
    """Settings of a deployment on the engines of this session."""
    engines: dict[str, Any] = {
        **OWN_ENGINES,
        "database_url": postgres_server.database_url,
        "migration_database_url": postgres_server.migration_database_url,
        "redis_url": valkey_server.redis_url,
    }
    return Settings(**engines)


@pytest_asyncio.fixture(scope="session")
async def deployment(
    engine_settings: Settings,
    models_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncGenerator[SharedDeployment]:
    """The whole constellation, for tests that call a bot: mark them `room` or `browser`."""
    folder = tmp_path_factory.mktemp("deployment")
    client = await ensure_livekit_client(CACHE, print)
    async with in_one_task(
        shared_deployment(engine_settings, folder, models_url, client)
    ) as shared:
        yield shared

"""Fixtures of the tickets server's tests."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from tests.conftest import new_tenant
from tests.support.faults import SwitchableBreakers, UncachedCache
from tests.support.processes import in_one_task
from tests.support.servers import Caller, Servers, serve
from tests.support.vendors import Exchange
from tests.tickets.double import NO_PAUSES
from tests.tickets.rows import Rows, seed_rows
from tickets.server import SERVER


@pytest_asyncio.fixture(scope="module")
async def servers(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Servers]:
    """The server, over HTTP."""
    async with in_one_task(serve([SERVER], signer, database, cache)) as servers:
        yield servers


@pytest.fixture(scope="session")
def exchange() -> Exchange:
    """The transport to the fake vendor of the current test."""
    return Exchange()


@pytest_asyncio.fixture(scope="session")
async def uncached_servers(
    exchange: Exchange, signer: Signer, database: Database, cache: Redis
) -> AsyncGenerator[Servers]:
    """The server without memory of failures or cached answers, and without pauses."""
    options = {**NO_PAUSES, "breakers": SwitchableBreakers(), "ttl_cache": UncachedCache()}
    serving = serve(
        [SERVER], signer, database, cache, vendors=exchange, calls_per_minute=100_000, **options
    )
    async with in_one_task(serving) as servers:
        yield servers


@pytest_asyncio.fixture
async def rows(database: Database) -> Rows:
    """A tenant with seeded rows in the builtin provider."""
    return await seed_rows(database, await new_tenant(database))


@pytest_asyncio.fixture
async def caller(servers: Servers, rows: Rows) -> AsyncGenerator[Caller]:
    """A client without a conversation, whose calls are never repeats."""
    async with servers.connect("tickets", rows.tenant.claims()) as caller:
        yield caller

"""Fixtures of the tickets server's tests."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from tests.conftest import new_tenant
from tests.support.faults import Forgetful, Patient
from tests.support.processes import held
from tests.support.servers import Caller, Servers, serve
from tests.support.vendors import Exchange
from tests.tickets.double import NO_PAUSES
from tests.tickets.rows import Rows, seed_rows
from tickets.server import SERVER


@pytest_asyncio.fixture(scope="module")
async def servers(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Servers]:
    """The server, over HTTP."""
    async with held(serve([SERVER], signer, database, cache)) as servers:
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
    options = {**NO_PAUSES, "breakers": Patient(), "ttl_cache": Forgetful()}
    serving = serve(
        [SERVER], signer, database, cache, vendors=exchange, calls_per_minute=100_000, **options
    )
    async with held(serving) as servers:
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

"""What tests of the ticket desk share."""

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
from tests.tickets.rows import Rows, seeded
from tickets.server import SERVER


@pytest_asyncio.fixture(scope="module")
async def servers(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Servers]:
    """The server, over HTTP."""
    async with held(serve([SERVER], signer, database, cache)) as servers:
        yield servers


@pytest.fixture(scope="session")
def exchange() -> Exchange:
    """The way to the vendor."""
    return Exchange()


@pytest_asyncio.fixture(scope="session")
async def patient(
    exchange: Exchange, signer: Signer, database: Database, cache: Redis
) -> AsyncGenerator[Servers]:
    """The server, which asks a vendor every time, whatever has happened before."""
    options = {"breakers": Patient(), "kept": Forgetful(), "calls_per_minute": 100_000}
    serving = serve([SERVER], signer, database, cache, vendors=exchange, **options)
    async with held(serving) as servers:
        yield servers


@pytest_asyncio.fixture
async def rows(database: Database) -> Rows:
    """A business whose own desk has what every test begins with."""
    return await seeded(database, await new_tenant(database))


@pytest_asyncio.fixture
async def caller(servers: Servers, rows: Rows) -> AsyncGenerator[Caller]:
    """A client without a conversation: nothing that it does is a repeat."""
    async with servers.connect("tickets", rows.tenant.claims()) as caller:
        yield caller

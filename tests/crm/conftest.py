"""What the tests of the CRM share."""

from collections.abc import AsyncGenerator
from uuid import uuid4

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from crm.server import SERVER
from tests.conftest import Tenant, new_tenant
from tests.support.faults import Patient
from tests.support.processes import held
from tests.support.servers import Caller, Servers, serve
from tests.support.vendors import Exchange


@pytest_asyncio.fixture(scope="module")
async def servers(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Servers]:
    """The server, over HTTP."""
    async with held(serve([SERVER], signer, database, cache, calls_per_minute=100_000)) as servers:
        yield servers


@pytest.fixture(scope="session")
def exchange() -> Exchange:
    """The way to the vendor."""
    return Exchange()


@pytest.fixture(scope="session")
def breakers() -> Patient:
    """Those of the server that asks the vendor."""
    return Patient()


@pytest_asyncio.fixture(scope="session")
async def patient(
    exchange: Exchange, breakers: Patient, signer: Signer, database: Database, cache: Redis
) -> AsyncGenerator[Servers]:
    """The server, which asks a vendor whatever has happened before."""
    options = {"breakers": breakers, "calls_per_minute": 100_000}
    serving = serve([SERVER], signer, database, cache, vendors=exchange, **options)
    async with held(serving) as servers:
        yield servers


@pytest_asyncio.fixture
async def shop(database: Database) -> Tenant:
    """A business whose records are in the builtin CRM."""
    return await new_tenant(database)


@pytest_asyncio.fixture
async def caller(servers: Servers, shop: Tenant) -> AsyncGenerator[Caller]:
    """A client in one of its conversations."""
    async with held(servers.connect("crm", shop.claims(conversation_id=uuid4()))) as caller:
        yield caller

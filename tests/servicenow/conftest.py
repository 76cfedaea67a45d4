"""Fixtures of the ServiceNow server."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from servicenow.server import SERVER
from tests.conftest import new_tenant
from tests.servicenow.double import ServiceNow
from tests.servicenow.harness import APPLICATION, ServiceNowHarness
from tests.support.accounts import connect
from tests.support.faults import SwitchableBreakers
from tests.support.processes import in_one_task
from tests.support.servers import Servers, serve
from tests.support.vendors import Exchange


@pytest.fixture(scope="session")
def exchange() -> Exchange:
    """The transport to the fake instance of the running test."""
    return Exchange()


@pytest_asyncio.fixture(scope="session")
async def servers(
    exchange: Exchange, signer: Signer, database: Database, cache: Redis
) -> AsyncGenerator[Servers]:
    """The server, over HTTP."""
    server = serve(
        [SERVER], signer, database, cache, vendors=exchange, breakers=SwitchableBreakers()
    )
    async with in_one_task(server) as servers:
        yield servers


@pytest_asyncio.fixture
async def harness(exchange: Exchange, servers: Servers, database: Database) -> ServiceNowHarness:
    """A new tenant who is connected to a new instance."""
    exchange.vendor = vendor = ServiceNow()
    tenant = await new_tenant(database)
    await connect(database, tenant, "servicenow", "servicenow", APPLICATION)
    return ServiceNowHarness(servers, tenant, vendor, database)

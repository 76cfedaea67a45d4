"""Fixtures of the scheduling server."""

from collections.abc import AsyncGenerator

import pytest_asyncio
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from scheduling.server import SERVER
from tests.conftest import Tenant, new_tenant
from tests.scheduling.calendars import MUSEUM, SCHOOL, declare
from tests.support.faults import SwitchableBreakers
from tests.support.processes import in_one_task
from tests.support.servers import Servers, serve
from tests.support.vendor_contract import breakers, exchange, serve_vendor
from tests.support.vendors import Exchange

__all__ = ["breakers", "exchange"]  # fixtures


@pytest_asyncio.fixture(scope="module")
async def servers(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Servers]:
    """The server, over HTTP."""
    async with in_one_task(serve([SERVER], signer, database, cache)) as servers:
        yield servers


@pytest_asyncio.fixture(scope="session")
async def vendor_servers(
    exchange: Exchange,
    breakers: SwitchableBreakers,
    signer: Signer,
    database: Database,
    cache: Redis,
) -> AsyncGenerator[Servers]:
    """The server, with the fake vendor of the running test."""
    async with serve_vendor(SERVER, exchange, breakers, signer, database, cache) as servers:
        yield servers


@pytest_asyncio.fixture
async def school(database: Database) -> Tenant:
    """A business whose calendar has two services and is open every day from nine to six."""
    tenant = await new_tenant(database)
    await declare(database, tenant, SCHOOL)
    return tenant


@pytest_asyncio.fixture
async def museum(database: Database) -> Tenant:
    """A business whose calendar has one service, and a break at noon."""
    tenant = await new_tenant(database)
    await declare(database, tenant, MUSEUM)
    return tenant

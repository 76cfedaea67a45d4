"""Fixtures of the ServiceNow server."""

from collections.abc import AsyncGenerator

import pytest_asyncio
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from servicenow.server import SERVER
from tests.servicenow.harness import ServiceNowHarness
from tests.servicenow.instance_contract import ServiceNowContract
from tests.support.faults import SwitchableBreakers
from tests.support.servers import Servers
from tests.support.vendor_contract import breakers, exchange, serve_vendor
from tests.support.vendors import Exchange

__all__ = ["breakers", "exchange"]  # fixtures


@pytest_asyncio.fixture(scope="session")
async def vendor_servers(
    exchange: Exchange,
    breakers: SwitchableBreakers,
    signer: Signer,
    database: Database,
    cache: Redis,
) -> AsyncGenerator[Servers]:
    """The server, with the fake instance of the running test."""
    async with serve_vendor(SERVER, exchange, breakers, signer, database, cache) as servers:
        yield servers


@pytest_asyncio.fixture
async def harness(
    exchange: Exchange, vendor_servers: Servers, database: Database, breakers: SwitchableBreakers
) -> ServiceNowHarness:
    """A new tenant who is connected to a new instance."""
    return await ServiceNowContract().open_harness(exchange, vendor_servers, database, breakers)

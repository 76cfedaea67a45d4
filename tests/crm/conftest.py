"""Fixtures for the tests of the CRM server."""

from collections.abc import AsyncGenerator
from uuid import uuid4

import pytest_asyncio
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from crm.server import SERVER
from tests.conftest import Tenant, new_tenant
from tests.support.faults import SwitchableBreakers
from tests.support.processes import in_one_task
from tests.support.servers import Caller, Servers, serve
from tests.support.vendor_contract import breakers, exchange, serve_vendor
from tests.support.vendors import Exchange

__all__ = ["breakers", "exchange"]  # fixtures


@pytest_asyncio.fixture(scope="module")
async def servers(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Servers]:
    """The CRM server, over HTTP."""
    async with in_one_task(
        serve([SERVER], signer, database, cache, calls_per_minute=100_000)
    ) as servers:
        yield servers


@pytest_asyncio.fixture(scope="session")
async def vendor_servers(
    exchange: Exchange,
    breakers: SwitchableBreakers,
    signer: Signer,
    database: Database,
    cache: Redis,
) -> AsyncGenerator[Servers]:
    """The CRM server, with the fake vendor of the running test."""
    async with serve_vendor(SERVER, exchange, breakers, signer, database, cache) as servers:
        yield servers


@pytest_asyncio.fixture
async def shop(database: Database) -> Tenant:
    """A tenant whose records are in the builtin CRM."""
    return await new_tenant(database)


@pytest_asyncio.fixture
async def caller(servers: Servers, shop: Tenant) -> AsyncGenerator[Caller]:
    """An MCP client in one of the tenant's conversations."""
    async with in_one_task(servers.connect("crm", shop.claims(conversation_id=uuid4()))) as caller:
        yield caller

"""Fixtures of the tickets server's tests."""

from collections.abc import AsyncGenerator

import pytest_asyncio
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from tests.conftest import new_tenant
from tests.support.faults import SwitchableBreakers, UncachedCache
from tests.support.processes import in_one_task
from tests.support.servers import Caller, Servers, serve
from tests.support.vendor_contract import breakers, exchange, serve_vendor
from tests.support.vendors import Exchange
from tests.tickets.rows import Rows, seed_rows
from tickets.server import SERVER

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
    """The server, with the fake vendor of the running test; it caches no answers."""
    async with serve_vendor(
        SERVER, exchange, breakers, signer, database, cache, ttl_cache=UncachedCache()
    ) as servers:
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

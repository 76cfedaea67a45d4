"""Fixtures of the automation server."""

from collections.abc import AsyncGenerator

import pytest_asyncio
from redis.asyncio import Redis

from automation.server import SERVER
from config.database import Database
from config.security.tokens import Signer
from tests.support.faults import SwitchableBreakers, UncachedCache
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
    """The server, with the fake vendor of the running test."""
    # Uncached: interfaces of scenarios would hide faults.
    options = {"ttl_cache": UncachedCache()}
    async with serve_vendor(
        SERVER, exchange, breakers, signer, database, cache, **options
    ) as servers:
        yield servers

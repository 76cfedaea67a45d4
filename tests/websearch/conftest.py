"""Fixtures of the websearch server."""

from collections.abc import AsyncGenerator

import pytest_asyncio
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from tests.support.faults import SwitchableBreakers
from tests.support.servers import Servers
from tests.support.vendor_contract import breakers, exchange, serve_vendor
from tests.support.vendors import Exchange
from tests.websearch.contract import WebsearchHarness
from tests.websearch.providers.test_exa import TestExa as ExaContract
from websearch.server import SERVER

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
    async with serve_vendor(SERVER, exchange, breakers, signer, database, cache) as servers:
        yield servers


@pytest_asyncio.fixture
async def harness(
    exchange: Exchange, vendor_servers: Servers, database: Database, breakers: SwitchableBreakers
) -> WebsearchHarness:
    """A new tenant who is connected to a new search engine."""
    return await ExaContract().open_harness(exchange, vendor_servers, database, breakers)

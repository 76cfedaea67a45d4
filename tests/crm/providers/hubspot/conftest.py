"""A tenant that is connected to the fake HubSpot."""

import pytest_asyncio

from config.database import Database
from tests.crm.harness import CrmHarness
from tests.crm.providers.hubspot.test_provider import TestHubSpot
from tests.support.faults import SwitchableBreakers
from tests.support.servers import Servers
from tests.support.vendors import Exchange


@pytest_asyncio.fixture
async def hub(
    exchange: Exchange,
    vendor_servers: Servers,
    database: Database,
    breakers: SwitchableBreakers,
) -> CrmHarness:
    """The tenant, and an MCP server in between."""
    return await TestHubSpot().open_harness(exchange, vendor_servers, database, breakers)

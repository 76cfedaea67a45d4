"""What the tests of the CRM share."""

from collections.abc import AsyncGenerator
from uuid import uuid4

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from config.database import Database
from config.tokens import Signer
from crm.server import SERVER
from tests.conftest import Tenant, new_tenant
from tests.processes import held
from tests.servers import Caller, Servers, serve

pytest.register_assert_rewrite("tests.crm.contract", "tests.crm.scenario", "tests.crm.line")


@pytest_asyncio.fixture(scope="module")
async def servers(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Servers]:
    """The server, over HTTP."""
    async with held(serve([SERVER], signer, database, cache, calls_per_minute=100_000)) as servers:
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

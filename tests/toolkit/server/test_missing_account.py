"""A bot whose account is gone is disconnected: its calls go to no other account or desk."""

from collections.abc import AsyncGenerator
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from config.tables import BusinessIntegration
from crm.server import SERVER as CRM
from knowledge.server import SERVER as KNOWLEDGE
from scheduling.server import SERVER as SCHEDULING
from servicenow.server import SERVER as SERVICENOW
from tests.conftest import Tenant, fetch, new_tenant
from tests.support.processes import in_one_task
from tests.support.servers import Servers, serve
from tickets.server import SERVER as TICKETS

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "crm": ("create_lead", {"name": "Ada"}),
    "tickets": ("create_ticket", {"subject": "Broken", "text": "It is."}),
    "servicenow": ("get_incident", {"incident": "INC0010001"}),
    "scheduling": ("get_available_slots", {"service": "checkup", "when": "tomorrow"}),
    "knowledge": ("list_documents", {}),
}


@pytest_asyncio.fixture(scope="module")
async def servers(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Servers]:
    specs = [CRM, TICKETS, SERVICENOW, SCHEDULING, KNOWLEDGE]
    async with in_one_task(serve(specs, signer, database, cache)) as servers:
        yield servers


async def call(servers: Servers, tenant: Tenant, server: str) -> str | None:
    """Return the error of a call with the account `main`."""
    tool, arguments = CALLS[server]
    async with servers.connect(server, tenant.claims(integration="main")) as caller:
        return (await caller.call(tool, **arguments)).error


@pytest.mark.parametrize("server", CALLS)
async def test_an_account_that_was_removed_is_replaced_by_none(
    servers: Servers, database: Database, server: str
) -> None:
    tenant = await new_tenant(database)
    assert await call(servers, tenant, server) == "disconnected"
    for table in ("ticket", "crm_record"):
        assert await fetch(database, tenant, f"select id from {table}") == []


@pytest.mark.parametrize("change", [{"enabled": False}, {"scoped_to_bot_ids": [str(uuid4())]}])
async def test_an_account_that_the_bot_may_not_use_is_replaced_by_none(
    servers: Servers, database: Database, change: dict[str, Any]
) -> None:
    tenant = await new_tenant(database)
    row: Any = {"name": "main", "server": "tickets", "integration_type": "jira", "credentials": {}}
    async with database.tenant(tenant.business_id) as session:
        session.add(BusinessIntegration(business_id=tenant.business_id, **row, **change))
    assert await call(servers, tenant, "tickets") == "disconnected"
    assert await fetch(database, tenant, "select id from ticket") == []


async def test_who_names_no_account_has_the_builtin_desk(
    servers: Servers, database: Database
) -> None:
    tenant = await new_tenant(database)
    async with servers.connect("tickets", tenant.claims()) as caller:
        assert (await caller.call("create_ticket", subject="Broken", text="It is.")).error is None

"""An account that a bot names is not taken from it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from config.bot_settings import ServerUse
from config.database import Database
from config.declarations.section import ApplyContext
from config.integrations import IntegrationError, IntegrationInput, remove, store
from config.references import find_unknown_name
from config.slow_work import SlowWork, run_transaction
from config.tables import McpConnection
from tests.conftest import Tenant, fetch, new_tenant
from tests.support.servers import KEYRING

DESK: Mapping[str, Any] = {"name": "desk", "server": "tickets", "provider": "jira"}


async def save(database: Database, tenant: Tenant, **changes: Any) -> None:
    """Store an account, without asking its vendor."""
    fields: dict[str, Any] = {**DESK, "secrets": {}, "settings": {}, **changes}

    async def attempt(slow_work: SlowWork) -> None:
        async with database.tenant(tenant.business_id) as session:
            context = ApplyContext(
                session, tenant.business_id, "UTC", Path(), slow_work, keyring=KEYRING
            )
            await store(context, IntegrationInput(**fields))

    await run_transaction(attempt)


async def use(database: Database, tenant: Tenant, **use: Any) -> None:
    """Have the tenant's bot use a server."""
    row = McpConnection(business_id=tenant.business_id, agent_config_id=tenant.bot_id, **use)
    async with database.tenant(tenant.business_id) as session:
        session.add(row)


async def take_away(database: Database, tenant: Tenant) -> bool:
    """Remove the account."""
    async with database.tenant(tenant.business_id) as session:
        return await remove(session, "desk")


async def test_what_a_bot_names_is_neither_removed_nor_given_to_another_server(
    database: Database,
) -> None:
    tenant = await new_tenant(database)
    await save(database, tenant)
    await use(database, tenant, server="tickets", integration="desk")
    with pytest.raises(IntegrationError, match="desk is used by bot, for tickets"):
        await take_away(database, tenant)
    with pytest.raises(IntegrationError, match="desk is used by bot, for tickets"):
        await save(database, tenant, server="crm", provider="hubspot")
    await save(database, tenant, provider="zendesk")
    await fetch(database, tenant, "delete from mcp_connection returning id")
    assert await take_away(database, tenant)
    assert not await take_away(database, tenant)


async def test_a_name_on_another_server_is_no_use_of_it(database: Database) -> None:
    tenant = await new_tenant(database)
    await save(database, tenant)
    await use(database, tenant, server="crm", integration="desk")
    assert await take_away(database, tenant)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"server": "ticket"}, "did you mean tickets"),
        ({"provider": "jria"}, "did you mean jira"),
        ({"provider": "salesforce"}, "there are freshdesk, jira, zendesk"),
        ({"bots": ["bto"]}, "'bto', which is not stored; did you mean bot"),
        ({"settings": {"bot": "nobody"}}, "'nobody', which is not stored; there are bot"),
    ],
)
async def test_an_account_names_what_exists(
    database: Database, changes: dict[str, Any], said: str
) -> None:
    tenant = await new_tenant(database)
    with pytest.raises(IntegrationError) as refused:
        await save(database, tenant, **changes)
    assert said in str(refused.value)
    assert await fetch(database, tenant, "select id from business_integration") == []


async def test_of_a_removal_and_a_new_use_at_once_only_one_is_done(database: Database) -> None:
    tenant = await new_tenant(database)
    await save(database, tenant)
    named = {"server": "tickets", "integration": "desk"}
    async with database.tenant(tenant.business_id) as session:
        assert await find_unknown_name(session, "tickets", ServerUse(integration="desk")) is None
        removal = asyncio.create_task(take_away(database, tenant))
        row: Any = {"business_id": tenant.business_id, "agent_config_id": tenant.bot_id, **named}
        session.add(McpConnection(**row))
        await session.flush()
        done, _ = await asyncio.wait({removal}, timeout=0.3)
        assert not done  # it waits for what names the account
    with pytest.raises(IntegrationError, match="is used by bot"):
        await removal

"""A pooled connection keeps nothing of the tenant that used it before."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from config.database import Database
from orchestrator.engines.postgres import Postgres
from tests.conftest import Tenant

TASKS, TRANSACTIONS = 8, 300
_SEEN = text("select distinct business_id from agent_config")
_SETTING = text("select current_setting('app.business', true)")


class _Dropped(Exception):
    """The work of a transaction fails."""


async def _succeeds(_: AsyncSession) -> None:
    pass


async def _raises(_: AsyncSession) -> None:
    raise _Dropped


async def _bad_statement(session: AsyncSession) -> None:
    await session.execute(text("select 1 / 0"))


async def _cancelled(session: AsyncSession) -> None:
    async with asyncio.timeout(0):
        await session.execute(text("select pg_sleep(1)"))


async def _overwritten(session: AsyncSession) -> None:
    await session.execute(text("select set_config('app.business', '', true)"))


async def _disconnected(session: AsyncSession) -> None:
    await session.execute(text("select pg_terminate_backend(pg_backend_pid())"))


ENDINGS = (_succeeds, _raises, _bad_statement, _cancelled, _overwritten, _disconnected)
OFTEN = (60, 15, 15, 4, 5, 1)
EXPECTED = (_Dropped, DBAPIError, TimeoutError)


@pytest_asyncio.fixture
async def small(postgres_server: Postgres) -> AsyncGenerator[Database]:
    """A pool that has fewer connections than there is work."""
    database = Database(postgres_server.database_url, pool_size=2)
    yield database
    await database.aclose()


async def test_nothing_of_a_tenant_stays_in_the_pool(
    small: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    violations: list[object] = []
    endings: Counter[str] = Counter()

    async def watched(session: AsyncSession, mine: set[UUID]) -> None:
        seen = set(await session.scalars(_SEEN))
        if seen != mine:
            violations.append((mine, seen))

    async def work(number: int) -> None:
        dice = random.Random(number)
        for _ in range(TRANSACTIONS):
            business_id = dice.choice((tenant, other_tenant)).business_id
            (ending,) = dice.choices(ENDINGS, OFTEN)
            try:
                async with small.tenant(business_id) as session:
                    await watched(session, {business_id})
                    await ending(session)
            except EXPECTED as error:
                endings[type(error).__name__] += 1
            if dice.random() < 0.2:
                async with small.unscoped() as session:
                    await watched(session, set())

    async with asyncio.TaskGroup() as tasks:
        for number in range(TASKS):
            tasks.create_task(work(number))
    assert violations == []
    assert len(endings) >= 4, endings


async def test_the_setting_ends_with_the_transaction(small: Database, tenant: Tenant) -> None:
    async with small.tenant(tenant.business_id) as session:
        assert await session.scalar(_SETTING) == str(tenant.business_id)
    async with small.unscoped() as session:
        assert not await session.scalar(_SETTING)


async def test_a_failed_transaction_leaves_nothing(small: Database, tenant: Tenant) -> None:
    rename = text("update business set name = 'Renamed'")
    with pytest.raises(_Dropped):
        async with small.tenant(tenant.business_id) as session:
            await session.execute(rename)
            raise _Dropped
    async with small.tenant(tenant.business_id) as session:
        assert await session.scalar(text("select name from business")) != "Renamed"


async def test_an_error_does_not_show_what_was_written(small: Database, tenant: Tenant) -> None:
    with pytest.raises(DBAPIError) as failed:
        async with small.tenant(tenant.business_id) as session:
            await session.execute(text("select :value / 0"), {"value": 4_627_142})
    assert "4627142" not in str(failed.value)


async def test_moments_come_back_in_utc_whatever_zone_the_server_has(
    postgres_server: Postgres, small: Database
) -> None:
    """In a zone of its own, two of them would be compared by the wall clock."""
    async with small.unscoped() as session:
        await session.execute(text("alter role current_user set timezone = 'Europe/Berlin'"))
    elsewhere = Database(postgres_server.database_url, pool_size=1)
    try:
        async with elsewhere.unscoped() as session:
            moment = await session.scalar(text("select timestamptz '2027-10-31 02:30+01'"))
        assert moment.isoformat() == "2027-10-31T01:30:00+00:00"
    finally:
        await elsewhere.aclose()
        async with small.unscoped() as session:
            await session.execute(text("alter role current_user reset timezone"))

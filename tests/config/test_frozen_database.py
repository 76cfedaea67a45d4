"""A database that stands still costs a bounded time, and nothing of that stays in the pool."""

import asyncio
from collections.abc import AsyncGenerator
from time import monotonic

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from config.database import UNREACHABLE, Database
from config.postgres import BoundedConnection
from config.security.audit import AuditTrail, audit_row
from orchestrator.engines.postgres import Postgres
from tests.conftest import Tenant
from tests.support.frozen import frozen

_ONE = text("select 1")
_BUSY = text("select count(*) from pg_stat_activity where query like '%pg_sleep(77)%'")


@pytest_asyncio.fixture
async def small(postgres_server: Postgres) -> AsyncGenerator[Database]:
    """A pool of two connections, both of them open."""
    database = Database(postgres_server.database_url, pool_size=2)
    async with database.unscoped() as one, database.unscoped() as two:
        await one.execute(_ONE)
        await two.execute(_ONE)
    yield database
    await database.aclose()


async def _answers(database: Database) -> bool:
    async with database.unscoped() as session:
        return bool(await session.scalar(_ONE) == 1)


async def test_a_timeout_around_a_statement_holds(
    small: Database, postgres_server: Postgres
) -> None:
    started = monotonic()
    async with small.unscoped() as session:
        await session.execute(_ONE)
        with frozen(postgres_server.process):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await session.execute(_ONE)
            assert monotonic() - started < 2
            await session.invalidate()
    assert all(await asyncio.gather(*(_answers(small) for _ in range(4))))


async def test_a_transaction_is_opened_in_four_seconds_or_not_at_all(
    small: Database, postgres_server: Postgres, tenant: Tenant
) -> None:
    async def open_one(number: int) -> None:
        opened = small.tenant(tenant.business_id) if number % 2 else small.unscoped()
        async with opened as session:
            await session.execute(_ONE)

    with frozen(postgres_server.process):  # more than the pool has connections
        started = monotonic()
        failures = await asyncio.gather(*map(open_one, range(6)), return_exceptions=True)
        took = monotonic() - started
    assert {type(each) for each in failures} == {PoolTimeoutError}
    assert took < 5
    assert all(await asyncio.gather(*(_answers(small) for _ in range(4))))


async def test_a_statement_without_a_timeout_ends_all_the_same(
    small: Database, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedConnection, "answer_seconds", 0.5)
    with pytest.raises(UNREACHABLE):
        async with small.unscoped() as session:
            await session.execute(_ONE)
            with frozen(postgres_server.process):
                await session.execute(_ONE)
    assert await _answers(small)


async def test_a_row_of_the_audit_trail_is_waited_for_in_bounds(
    small: Database, postgres_server: Postgres, tenant: Tenant
) -> None:
    trail = AuditTrail(small)
    row = audit_row(tenant.claims(), "crm", "search", {}, "ok", 1.0)
    await trail.append(tenant.business_id, row)
    with frozen(postgres_server.process):
        started = monotonic()
        with pytest.raises(UNREACHABLE):
            await trail.append(tenant.business_id, {**row, "id": str(tenant.bot_id)})
        assert monotonic() - started < 5
    await trail.append(
        tenant.business_id, audit_row(tenant.claims(), "crm", "search", {}, "ok", 1.0)
    )
    await trail.aclose()


async def test_what_is_cancelled_ends_in_the_server_too(
    small: Database, database: Database
) -> None:
    """Where the server does answer, a cancelled statement is not left to go on in it."""
    async with small.unscoped() as session:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await session.execute(text("select pg_sleep(77)"))
        await session.invalidate()
    async with database.unscoped() as session:
        assert await session.scalar(_BUSY) == 1  # this very query

"""A job is there when the rows that it is about are, and not a moment earlier."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection

from config.constellation import jobs
from config.database import Database
from config.jobs import Job
from config.queue import enqueue
from config.tables import Session
from tests.conftest import Tenant, fetch

JOB = "transcripts.end_abandoned"
LATER = datetime(2100, 1, 1, tzinfo=UTC)  # no worker of another test takes it


@pytest.fixture
def key() -> str:
    return uuid4().hex


async def _stored(database: Database, key: str) -> Sequence[Any]:
    query = "select * from procrastinate_jobs where queueing_lock = :key order by id"
    async with database.unscoped() as session:
        return (await session.execute(text(query), {"key": f"{JOB}:{key}"})).mappings().all()


def test_every_job_of_the_constellation_can_be_loaded() -> None:
    loaded = jobs()
    assert JOB in loaded
    assert all(isinstance(job, Job) for job in loaded.values())


async def test_a_job_comes_with_its_transaction(
    database: Database, tenant: Tenant, key: str
) -> None:
    payload = {"conversation_id": str(uuid4()), "share": "100 %"}
    async with database.tenant(tenant.business_id) as session:
        assert await enqueue(session, JOB, payload, key=key, run_at=LATER, lock="a call")
        assert await _stored(database, key) == []
    (job,) = await _stored(database, key)
    assert job["args"] == {"payload": payload}
    assert (job["status"], job["scheduled_at"], job["lock"]) == ("todo", LATER, "a call")


async def test_a_job_goes_with_its_transaction(
    database: Database, tenant: Tenant, key: str
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.tenant(tenant.business_id) as session:
            await enqueue(session, JOB, {}, key=key, run_at=LATER)
            _ = 1 / 0
    assert await _stored(database, key) == []


async def test_a_key_waits_once_and_costs_the_transaction_nothing(
    database: Database, tenant: Tenant, key: str
) -> None:
    identifier = uuid4().hex
    async with database.tenant(tenant.business_id) as session:
        assert await enqueue(session, JOB, {"turn": 1}, key=key, run_at=LATER)
        assert not await enqueue(session, JOB, {"turn": 2}, key=key, run_at=LATER)
        session.add(Session(business_id=tenant.business_id, identifier=identifier))
    async with database.tenant(tenant.business_id) as session:
        assert not await enqueue(session, JOB, {"turn": 3}, key=key, run_at=LATER)
    (job,) = await _stored(database, key)
    assert job["args"] == {"payload": {"turn": 1}}
    query = "select 1 from session where identifier = :identifier"
    assert len(await fetch(database, tenant, query, identifier=identifier)) == 1


async def test_a_key_waits_once_also_when_many_enqueue_it(
    database: Database, tenant: Tenant, key: str
) -> None:
    async def enqueued() -> bool:
        async with database.tenant(tenant.business_id) as session:
            return await enqueue(session, JOB, {}, key=key, run_at=LATER)

    assert sum(await asyncio.gather(*(enqueued() for _ in range(8)))) == 1
    assert len(await _stored(database, key)) == 1


async def test_a_key_that_has_started_can_be_enqueued_again(
    database: Database, tenant: Tenant, key: str
) -> None:
    async with database.tenant(tenant.business_id) as session:
        await enqueue(session, JOB, {}, key=key, run_at=LATER)
        start = "update procrastinate_jobs set status = 'succeeded' where queueing_lock = :key"
        await session.execute(text(start), {"key": f"{JOB}:{key}"})
        assert await enqueue(session, JOB, {}, key=key, run_at=LATER)
    assert [job["status"] for job in await _stored(database, key)] == ["succeeded", "todo"]


async def test_an_unknown_job_is_refused(database: Database, tenant: Tenant) -> None:
    async with database.tenant(tenant.business_id) as session:
        with pytest.raises(ValueError, match="There is no job"):
            await enqueue(session, "transcripts.end_the_world", {})


@pytest.mark.parametrize(
    "statement",
    [
        "drop table procrastinate_jobs cascade",
        "alter table procrastinate_jobs disable trigger all",
        "drop function procrastinate_register_worker_v1()",
    ],
)
async def test_the_application_owns_nothing_of_the_queue(
    statement: str, database: Database
) -> None:
    with pytest.raises(ProgrammingError) as refused:
        async with database.unscoped() as session:
            await session.execute(text(statement))
    assert getattr(refused.value.orig, "sqlstate", None) == "42501"


async def test_nobody_else_may_use_the_queue(owner: AsyncConnection) -> None:
    query = """
        select count(*), count(*) filter (where has_function_privilege('public', oid, 'execute'))
        from pg_proc where starts_with(proname, 'procrastinate_')
    """
    total, public = (await owner.execute(text(query))).one()
    await owner.rollback()
    assert (total > 10, public) == (True, 0)

"""`antiphon jobs`: what is due is done, also when a worker dies over it."""

import os
import signal
from datetime import timedelta
from time import monotonic

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from config.queue import enqueue
from orchestrator.engines.postgres import Postgres
from tests.conftest import Tenant
from tests.orchestrator.jobs.conftest import (
    Queue,
    Workers,
    ending,
    load_conversation,
    store_conversation,
)
from tests.support.frozen import frozen
from transcripts.tables import Conversation

JOB = "transcripts.end_abandoned"
DONE = "select * from procrastinate_jobs where task_name = :job and status = 'succeeded'"
WAITS_FOR_A_ROW = """
select pid from pg_stat_activity
where wait_event_type = 'Lock' and query ilike '%from conversation%'
"""
LONG = timedelta(hours=7)


async def _lock(session: AsyncSession, conversation: Conversation) -> None:
    """Lock a conversation, so that a sweep gets as far as there and no further."""
    lock = text("select 1 from conversation where id = :id for update")
    await session.execute(lock, {"id": conversation.id})


async def test_abandoned_conversations_of_every_tenant_are_ended(
    worker: Workers, queue: Queue, tenants: list[Tenant]
) -> None:
    abandoned = [
        await store_conversation(queue.database, tenant, silent_for=LONG) for tenant in tenants
    ]
    fresh = [
        await store_conversation(queue.database, tenant, silent_for=timedelta(hours=5))
        for tenant in tenants
    ]
    over = await store_conversation(queue.database, tenants[0], silent_for=LONG, status="ended")
    async with worker():
        await queue.wait_for(DONE, job=JOB)
    for before in abandoned:
        after = await load_conversation(queue.database, before)
        assert ending(after) == ("ended", before.updated_at, "abandoned")
    for before in (*fresh, over):
        assert await load_conversation(queue.database, before) == before


@pytest.mark.kill
async def test_a_job_is_finished_by_another_worker_when_its_own_is_killed(
    worker: Workers, queue: Queue, tenants: list[Tenant]
) -> None:
    first, second = [
        await store_conversation(queue.database, tenant, silent_for=LONG) for tenant in tenants
    ]
    async with worker() as killed:
        async with queue.database.tenant(second.business_id) as session:
            await _lock(session, second)
            await queue.wait_for(WAITS_FOR_A_ROW)
            ended = await load_conversation(queue.database, first)
            assert ended.status == "ended"
            assert (await load_conversation(queue.database, second)).status == "active"
            os.kill(killed.pid, signal.SIGKILL)
            await killed.failure()
        async with worker():
            (job,) = await queue.wait_for(DONE, job=JOB, seconds=15)
    assert job["attempts"] == 2
    assert ending(await load_conversation(queue.database, second)) == (
        "ended",
        second.updated_at,
        "abandoned",
    )
    assert await load_conversation(queue.database, first) == ended  # once


@pytest.mark.kill
async def test_a_worker_goes_on_when_the_database_is_back_from_a_crash(
    worker: Workers, queue: Queue, tenants: list[Tenant]
) -> None:
    """All connections break off, and for a while there are no new ones."""
    async with worker():
        await queue.wait_for(DONE, job=JOB)
        await queue.crash()
        async with queue.database.tenant(tenants[0].business_id) as session:
            conversation = await store_conversation(queue.database, tenants[0], silent_for=LONG)
            await enqueue(session, JOB, {}, key="after the crash", lock="after the crash")
        await queue.wait_for(f"{DONE} and lock = 'after the crash'", job=JOB)
    assert (await load_conversation(queue.database, conversation)).status == "ended"


async def test_a_worker_that_is_told_to_end_finishes_its_job(
    worker: Workers, queue: Queue, tenants: list[Tenant]
) -> None:
    conversation = await store_conversation(queue.database, tenants[0], silent_for=LONG)
    async with worker() as process:
        async with queue.database.tenant(conversation.business_id) as session:
            await _lock(session, conversation)
            await queue.wait_for(WAITS_FOR_A_ROW)
            os.kill(process.pid, signal.SIGTERM)
        ended = await process.failure()
    assert "ended with code 0" in str(ended)
    (job,) = await queue.rows(DONE, job=JOB)
    assert job["attempts"] == 1
    assert (await load_conversation(queue.database, conversation)).status == "ended"
    assert await queue.rows("select * from procrastinate_workers") == []


@pytest.mark.kill
async def test_what_a_dead_worker_left_makes_way(
    worker: Workers, queue: Queue, tenants: list[Tenant]
) -> None:
    """For one with its key that waits; and for good, where it has killed worker after worker."""
    died = "update procrastinate_jobs set status = 'doing', attempts = :times where lock = :lock"
    async with queue.database.tenant(tenants[0].business_id) as session:
        for lock, times in {"interrupted": 1, "deadly": 8}.items():
            await enqueue(session, JOB, {}, key=lock, lock=lock)
            await session.execute(text(died), {"lock": lock, "times": times})
            await enqueue(session, JOB, {}, key=lock, lock=lock)
    query = "select * from procrastinate_jobs where lock = :lock and status = :status"
    async with worker():
        for lock, status in {"interrupted": "aborted", "deadly": "failed"}.items():
            await queue.wait_for(query, lock=lock, status=status)
            await queue.wait_for(query, lock=lock, status="succeeded")


async def test_a_worker_ends_when_it_is_told_to_while_the_database_stands_still(
    worker: Workers, queue: Queue, jobs_postgres_server: Postgres
) -> None:
    async with worker() as ending_worker:
        with frozen(jobs_postgres_server.process):
            started = monotonic()
            os.kill(ending_worker.pid, signal.SIGTERM)
            await ending_worker.failure()
            took = monotonic() - started
    assert took < 18  # two graces of five seconds, of the jobs and of the pool, on a busy machine

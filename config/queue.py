"""The job queue, in PostgreSQL: jobs are enqueued in the transaction of the rows they are about.

Jobs belong to no tenant, since a worker serves every business. A payload therefore has ids, and
never a secret or what a person said.
"""

from datetime import datetime
from typing import cast

from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from config.constellation import constellation
from config.jobs import Payload

_APP = App(connector=PsycopgConnector())  # never opened: jobs use the callers' connections


async def enqueue(
    session: AsyncSession,
    job: str,
    payload: Payload,
    *,
    run_at: datetime | None = None,
    key: str | None = None,
    lock: str | None = None,
) -> bool:
    """Enqueue a job in the caller's transaction, and say whether it is new.

    While a job with the same `key` waits, another one is not enqueued; a job that has started may
    have missed the news, so it does not count. Jobs with the same `lock`, of whatever kind, run
    one at a time and in order.

    Raises:
        ValueError: `constellation.yaml` names no such job.
    """
    if job not in constellation().jobs:
        raise ValueError(f"There is no job {job!r}.")
    try:
        # A savepoint: a refused row would otherwise abort the caller's transaction.
        async with session.begin_nested():
            deferrer = _APP.configure_task(
                job,
                schedule_at=run_at,
                queueing_lock=f"{job}:{key}" if key else None,
                lock=lock,
                connection=await _connection(session),
            )
            await deferrer.defer_async(payload=dict(payload))
    except AlreadyEnqueued:
        return False
    return True


async def _connection(session: AsyncSession) -> AsyncConnection:
    """Return the driver's connection of the session; asking for it opens the savepoint."""
    connection = await (await session.connection()).get_raw_connection()
    return cast("AsyncConnection", connection.driver_connection)

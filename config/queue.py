"""Work for later, which commits with the rows that it is about.

Jobs are rows of no tenant: row-level security does not hide them from the application's role, as a
worker serves every business. A payload therefore holds ids, never what a person said or a secret.
"""

from datetime import datetime
from typing import cast

from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from config.constellation import constellation
from config.jobs import Payload

_APP = App(connector=PsycopgConnector())  # never opened: it borrows its callers' connections


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

    While a job with the same `key` waits, another one is not enqueued; one that has started may
    have missed what is new, so it does not count. Of the jobs with the same `lock`, whatever their
    kind, one runs at a time, in order.

    Raises:
        ValueError: `constellation.yaml` names no such job.
    """
    if job not in constellation().jobs:
        raise ValueError(f"There is no job {job!r}.")
    try:
        # A refused row would otherwise take the caller's transaction with it.
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
    """Return what runs the session's transaction; a savepoint exists only once this was asked."""
    connection = await (await session.connection()).get_raw_connection()
    return cast("AsyncConnection", connection.driver_connection)

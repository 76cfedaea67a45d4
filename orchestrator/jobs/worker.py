"""`antiphon jobs`: runs due jobs, retries those whose worker has died, and looks after calls."""

import asyncio
import logging
import signal
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from procrastinate import App, PsycopgConnector, RetryStrategy
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Job as Row
from procrastinate.jobs import Status
from procrastinate.manager import JobManager
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from config.constellation import jobs
from config.database import Database
from config.jobs import Job, Payload
from config.postgres import CancellableConnection
from config.settings import Settings, required
from orchestrator.jobs.agent_watcher import watch

logger = logging.getLogger("antiphon.jobs")

_CONCURRENCY = 8
_HEARTBEAT_SECONDS = 3
_STALLED_SECONDS = 10
_REAP_SECONDS = 3
_RESTART_SECONDS = 1
_POLL_SECONDS = 1  # new jobs are announced; scheduled ones are not
_GRACE_SECONDS = 5
_RETENTION_HOURS = 24
_ATTEMPTS = 8
_RETRY = RetryStrategy(max_attempts=_ATTEMPTS, exponential_wait=3)  # 3 s, 9 s, … 1.8 h

# One reaper at a time: a second one would retry what the first has just handed out.
_REAPER_LOCK = text("select pg_try_advisory_xact_lock(4627002)")


async def serve(settings: Settings) -> None:
    """Run jobs until SIGINT or SIGTERM; jobs in progress may finish."""
    url = required("DATABASE_URL", settings.database_url)
    database = Database(url, pool_size=_CONCURRENCY)
    ending = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    watching = None
    if settings.livekit_url is not None:
        watching = asyncio.create_task(watch(settings, database))
    try:
        while not ending.is_set():
            await _run_worker(url, database, settings.jobs_ready_file, ending)
            if not ending.is_set():
                logger.warning("The database broke off; jobs go on once it is back")
                await asyncio.sleep(_RESTART_SECONDS)
    finally:
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        await database.aclose()


async def _run_worker(
    url: str, database: Database, ready_file: Path | None, ending: asyncio.Event
) -> None:
    """Run jobs until it is to end, or the database breaks off.

    Procrastinate then ends a worker as if it had been told to, so that signals are handled here.
    """
    app = _create_app(url, database, jobs())
    try:
        async with app.open_async():
            reaping = asyncio.create_task(_reap(database, app.job_manager))
            if ready_file is not None:
                await asyncio.to_thread(ready_file.touch)
            working = asyncio.create_task(
                app.run_worker_async(
                    concurrency=_CONCURRENCY,
                    fetch_job_polling_interval=_POLL_SECONDS,
                    update_heartbeat_interval=_HEARTBEAT_SECONDS,
                    stalled_worker_timeout=_STALLED_SECONDS,
                    shutdown_graceful_timeout=_GRACE_SECONDS,
                    install_signal_handlers=False,
                )
            )
            stopping = asyncio.create_task(ending.wait())
            try:
                await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if working.done():
                    await working
            finally:
                await _end(working, stopping, reaping)
    except ConnectorException as error:
        logger.info("A worker has ended", exc_info=error)


async def _end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks. A job in progress may finish; who waits for a frozen database is cut off."""
    for task in tasks:
        task.cancel()
    _, late = await asyncio.wait(tasks, timeout=_GRACE_SECONDS + 0.5)
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _create_app(url: str, database: Database, registered: Mapping[str, Job]) -> App:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connector = PsycopgConnector(
        conninfo=plain,
        connection_class=CancellableConnection,
        min_size=1,
        max_size=_CONCURRENCY,
    )
    app = App(connector=connector)
    app.job_manager = _Manager(connector)
    for name, job in registered.items():
        _register(app, name, job, database)

    @app.periodic(cron="23 * * * *")
    @app.task(name="jobs.forget")
    async def forget(timestamp: int) -> None:  # pyright: ignore[reportUnusedFunction] - registered
        """Delete jobs that ended a day ago: a small table is a fast queue."""
        await app.job_manager.delete_old_jobs(
            _RETENTION_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
        )

    return app


def _register(app: App, name: str, job: Job, database: Database) -> None:
    async def run(timestamp: int = 0, payload: Payload | None = None) -> None:
        await job.run(database, payload or {})

    task = app.task(name=name, retry=_RETRY)(run)
    if job.cron is not None:
        # A late run neither overlaps with the next one nor queues up behind it.
        app.periodic(cron=job.cron, queueing_lock=name, lock=name)(task)


class _Manager(JobManager):
    """Aborts a retry where a job with the same queueing lock was enqueued in the meantime."""

    async def retry_job(
        self,
        job: Row,
        retry_at: datetime | None = None,
        priority: int | None = None,
        queue: str | None = None,
        lock: str | None = None,
    ) -> None:
        """Put a job back into the queue, unless one with its queueing lock is waiting there."""
        try:
            await super().retry_job(job, retry_at, priority, queue, lock)
        except UniqueViolation:
            await self.finish_job(job, Status.ABORTED, delete_job=False)


async def _reap(database: Database, manager: JobManager) -> None:
    """Retry the jobs of dead workers, every few seconds."""
    while True:
        try:
            async with database.unscoped() as session:
                if await session.scalar(_REAPER_LOCK):
                    await _retry_stalled(manager)
        except (ConnectorException, SQLAlchemyError):
            logger.warning("The jobs of dead workers could not be looked for", exc_info=True)
        await asyncio.sleep(_REAP_SECONDS)


async def _retry_stalled(manager: JobManager) -> None:
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=_STALLED_SECONDS):
        fields = {"job": job.task_name, "job_id": job.id, "attempts": job.attempts}
        logger.warning("A worker died over a job", extra=fields)
        if job.attempts < _ATTEMPTS:
            await manager.retry_job(job)
        else:
            await manager.finish_job(job, Status.FAILED, delete_job=False)

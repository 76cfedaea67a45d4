"""Runs real `antiphon jobs` processes, and stores conversations for them to end."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from config.columns import now
from config.database import Database
from orchestrator.engines.postgres import Postgres
from orchestrator.engines.process import Process, Program, run_program
from tests.conftest import Tenant, new_tenant
from transcripts.tables import Conversation

ANTIPHON = Path(sys.executable).with_name("antiphon")


class Workers(Protocol):
    """Starts workers."""

    def __call__(self) -> AbstractAsyncContextManager[Process]:
        """Run one more worker, which takes jobs when the context is entered."""
        ...


@pytest.fixture
def worker(tmp_path: Path, jobs_postgres_server: Postgres) -> Workers:
    @asynccontextmanager
    async def worker() -> AsyncGenerator[Process]:
        name = uuid4().hex
        ready = tmp_path / f"{name}.ready"
        environment = {
            **os.environ,
            "DATABASE_URL": jobs_postgres_server.database_url,
            "JOBS_READY_FILE": str(ready),
        }
        program = Program(
            name="worker",
            command=[ANTIPHON, "jobs"],
            log=tmp_path / f"{name}.log",
            env=environment,
        )

        async def is_ready(_: Process) -> bool:
            return await asyncio.to_thread(ready.exists)

        async with run_program(program, is_ready) as process:
            yield process

    return worker


@dataclass(frozen=True)
class Queue:
    """Reads the tables of the job queue."""

    database: Database

    async def rows(self, query: str, **values: Any) -> Sequence[Any]:
        """Return the rows of a query."""
        async with self.database.unscoped() as session:
            return (await session.execute(text(query), values)).mappings().all()

    async def wait_for(self, query: str, seconds: float = 20, **values: Any) -> Sequence[Any]:
        """Wait until a query returns rows, and return them."""
        async with asyncio.timeout(seconds):
            while True:
                if rows := await self.rows(query, **values):
                    return rows
                await asyncio.sleep(0.02)

    async def crash(self) -> None:
        """Kill a process of PostgreSQL, which ends all others, and wait until it is back."""
        async with asyncio.timeout(20):
            with suppress(SQLAlchemyError):
                async with self.database.unscoped() as killed, self.database.unscoped() as other:
                    pid = await killed.scalar(text("select pg_backend_pid()"))
                    os.kill(int(pid or 0), signal.SIGKILL)
                    while True:  # until its connection has been ended, too
                        await other.execute(text("select 1"))
                        await asyncio.sleep(0.01)
            while True:
                with suppress(SQLAlchemyError):
                    await self.rows("select 1")
                    return
                await asyncio.sleep(0.05)


@pytest_asyncio.fixture
async def queue(jobs_database: Database) -> Queue:
    """The queue, as empty as on the first day: what is due by the clock is due now."""
    async with jobs_database.unscoped() as session:
        for table in ("periodic_defers", "jobs", "workers"):
            await session.execute(text(f"delete from procrastinate_{table}"))
    return Queue(jobs_database)


@pytest_asyncio.fixture
async def tenants(jobs_database: Database) -> list[Tenant]:
    """Two tenants, in the order of a sweep."""
    created = [await new_tenant(jobs_database) for _ in range(2)]
    return sorted(created, key=lambda tenant: tenant.business_id)


async def store_conversation(
    database: Database, tenant: Tenant, *, silent_for: timedelta, status: str = "active"
) -> Conversation:
    """Store a conversation that was last active some time ago."""
    last_active = now() - silent_for
    conversation = Conversation(
        business_id=tenant.business_id,
        agent_config_id=tenant.bot_id,
        room_name="room",
        status=status,
        direction="inbound",
        started_at=last_active - timedelta(minutes=1),
        updated_at=last_active,
    )
    async with database.tenant(tenant.business_id) as session:
        session.add(conversation)
    return conversation


async def load_conversation(database: Database, conversation: Conversation) -> Conversation:
    """Return a conversation as it is stored now."""
    async with database.tenant(conversation.business_id) as session:
        current = await session.get(Conversation, conversation.id)
    assert current is not None
    return current


def ending(conversation: Conversation) -> tuple[str, datetime | None, Any]:
    """Return whether, when and why a conversation ended."""
    return conversation.status, conversation.ended_at, conversation.end_reason

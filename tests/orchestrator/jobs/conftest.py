"""Real `antiphon jobs` processes, and conversations that they are to end."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import pytest
import pytest_asyncio
from sqlalchemy import text

from config.columns import now
from config.database import Database
from orchestrator.engines.postgres import Postgres
from orchestrator.engines.process import Process, Program, running
from tests.conftest import Tenant, new_tenant
from transcripts.tables import Conversation

ANTIPHON = Path(sys.executable).with_name("antiphon")


class Workers(Protocol):
    """Starts workers."""

    def __call__(self) -> AbstractAsyncContextManager[Process]:
        """Run one more worker, which takes jobs when the context is entered."""
        ...


@pytest.fixture
def worker(tmp_path: Path, postgres_server: Postgres) -> Workers:
    @asynccontextmanager
    async def worker() -> AsyncGenerator[Process]:
        name = uuid4().hex
        ready = tmp_path / f"{name}.ready"
        environment = {
            **os.environ,
            "DATABASE_URL": postgres_server.database_url,
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

        async with running(program, is_ready) as process:
            yield process

    return worker


@dataclass(frozen=True)
class Queue:
    """What the queue holds."""

    database: Database

    async def rows(self, query: str, **values: Any) -> Sequence[Any]:
        """Return what a query finds."""
        async with self.database.unscoped() as session:
            return (await session.execute(text(query), values)).mappings().all()

    async def until(self, query: str, patience: float = 20, **values: Any) -> Sequence[Any]:
        """Wait until a query finds something, and return it."""
        async with asyncio.timeout(patience):
            while True:
                if found := await self.rows(query, **values):
                    return found
                await asyncio.sleep(0.02)


@pytest_asyncio.fixture
async def queue(database: Database) -> Queue:
    """The queue, as empty as on the first day: what is due by the clock is due now."""
    async with database.unscoped() as session:
        for table in ("periodic_defers", "jobs", "workers"):
            await session.execute(text(f"delete from procrastinate_{table}"))
    return Queue(database)


@pytest_asyncio.fixture
async def tenants(database: Database) -> list[Tenant]:
    """Two tenants, in the order of a sweep."""
    created = [await new_tenant(database) for _ in range(2)]
    return sorted(created, key=lambda tenant: tenant.business_id)


async def stored(
    database: Database, tenant: Tenant, *, silent_for: timedelta, status: str = "active"
) -> Conversation:
    """Store a conversation of which nothing was heard for some time."""
    heard = now() - silent_for
    conversation = Conversation(
        business_id=tenant.business_id,
        agent_config_id=tenant.bot_id,
        room_name="room",
        status=status,
        direction="inbound",
        started_at=heard - timedelta(minutes=1),
        updated_at=heard,
    )
    async with database.tenant(tenant.business_id) as session:
        session.add(conversation)
    return conversation


async def read(database: Database, conversation: Conversation) -> Conversation:
    """Return a conversation as it is stored now."""
    async with database.tenant(conversation.business_id) as session:
        found = await session.get(Conversation, conversation.id)
    assert found is not None
    return found


def ending(conversation: Conversation) -> tuple[str, datetime | None, Any]:
    """Return whether, when and why a conversation ended."""
    return conversation.status, conversation.ended_at, conversation.details.get("end_reason")

"""Declarations to read and to apply, and rows of two tenants in every table."""

from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from config.database import Database
from orchestrator.engines.postgres import Postgres
from tests.config.rows import Schema, stored

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a declaration to a file."""

    def write(text: str) -> Path:
        path = tmp_path / "bots.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest_asyncio.fixture(scope="module")
async def owner(postgres_server: Postgres) -> AsyncGenerator[AsyncConnection]:
    """A connection of the role that owns the schema."""
    engine = create_async_engine(postgres_server.migration_database_url)
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


@pytest_asyncio.fixture(scope="module")
async def schema(owner: AsyncConnection, database: Database) -> Schema:
    """Every table, with rows of two tenants."""
    return await stored(owner, database)

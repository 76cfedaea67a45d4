"""The chain of migrations makes the schema that the models describe, and can be taken back."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, ForeignKeyConstraint, String, create_engine, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

from config.migrate import alembic_config, migrate
from orchestrator.engines.postgres import Postgres, run_postgres
from tests.conftest import ANY_PORT

ANTIPHON = Path(sys.executable).with_name("antiphon")

_BUSINESS = "insert into business (id, name, slug, time_zone) values (:id, 'b', 'b', 'UTC')"
_CONVERSATION = """
insert into conversation (id, business_id, agent_config_id, room_name, status, direction, metadata)
values (
    :id, :business, :id, 'r', 'ended', 'inbound',
    jsonb_strip_nulls(jsonb_build_object('end_reason', cast(:reason as text)))
)
"""


@pytest_asyncio.fixture
async def empty(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Postgres]:
    """A PostgreSQL without a schema."""
    folder = tmp_path_factory.mktemp("empty")
    async with run_postgres(folder, ANY_PORT, print, durable=False) as server:
        yield server


@contextmanager
def _as_owner(server: Postgres) -> Generator[Connection]:
    engine = create_engine(server.migration_database_url, poolclass=NullPool)
    with engine.begin() as connection:
        yield connection


def _of_others(name: str) -> bool:
    """Say whether a table is of a library, which has no models of it."""
    return name == "alembic_version" or name.startswith("procrastinate_")


def _tables(connection: Connection) -> set[str]:
    return {name for name in inspect(connection).get_table_names() if not _of_others(name)}


def _schema(connection: Connection) -> list[tuple[Any, ...]]:
    """Return everything that migrations make, also what Alembic does not compare."""
    queries = (
        "select table_name, column_name, udt_name, is_nullable, column_default"
        " from information_schema.columns where table_schema = 'public'",
        "select conrelid::regclass::text, conname, pg_get_constraintdef(oid)"
        " from pg_constraint where connamespace = 'public'::regnamespace",
        "select tablename, indexname, indexdef from pg_indexes where schemaname = 'public'",
        "select tablename, policyname, roles::text, qual, with_check from pg_policies",
        "select relname, relkind::text, relacl::text, relrowsecurity, relforcerowsecurity"
        " from pg_class where relnamespace = 'public'::regnamespace",
        "select proname, pg_get_functiondef(oid), proacl::text from pg_proc"
        " where pronamespace = 'public'::regnamespace and prosecdef",
    )
    return [
        tuple(row)
        for query in queries
        for row in connection.execute(text(f"{query} order by 1, 2"))
    ]


def _import_every_model(repository: Path) -> None:
    for path in sorted({*repository.glob("*/tables.py"), *repository.glob("mcp/*/tables.py")}):
        import_module(f"{path.parent.name}.tables")


def _unlike(
    _: MigrationContext, __: object, ___: object, stored: object, declared: object
) -> bool | None:
    """Take `text` and a `varchar` without a limit for the same: to PostgreSQL they are."""
    if isinstance(stored, String) and isinstance(declared, String | AutoString):
        return stored.length != declared.length
    return None


def _compared(thing: object, name: str | None, kind: str, reflected: bool, _: object) -> bool:
    """Leave out the tables of libraries, and the reference to the tenant.

    Models do not repeat it, so that an owner of tables can be loaded without the tenants' table;
    the next test looks for it instead.
    """
    if kind == "table" and name is not None and _of_others(name):
        return False
    return not (
        reflected
        and isinstance(thing, ForeignKeyConstraint)
        and thing.column_keys == ["business_id"]
    )


def test_migrations_and_models_agree(postgres_server: Postgres, repository: Path) -> None:
    _import_every_model(repository)
    options = {
        "compare_type": _unlike,
        "compare_server_default": True,
        "include_object": _compared,
    }
    with _as_owner(postgres_server) as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, SQLModel.metadata) == []
        assert _tables(connection) == set(SQLModel.metadata.tables)


def test_a_tenants_rows_go_with_the_tenant(postgres_server: Postgres) -> None:
    with _as_owner(postgres_server) as connection:
        schema = inspect(connection)
        of_tenants = {
            name
            for name in _tables(connection)
            if any(column["name"] == "business_id" for column in schema.get_columns(name))
        }
        cascading = {
            name
            for name in of_tenants
            for key in schema.get_foreign_keys(name)
            if key["referred_table"] == "business"
            and key.get("options", {}).get("ondelete") == "CASCADE"
        }
    assert of_tenants
    assert cascading == of_tenants


async def test_the_chain_can_be_taken_back_and_applied_again(empty: Postgres) -> None:
    def there_and_back() -> None:
        urls = empty.migration_database_url, empty.database_url
        role = make_url(empty.database_url).username or ""
        migrate(*urls)
        with _as_owner(empty) as connection:
            first = _schema(connection)
            command.downgrade(alembic_config(connection, role), "base")
        with _as_owner(empty) as connection:
            assert _tables(connection) == set()
        migrate(*urls)
        with _as_owner(empty) as connection:
            assert _schema(connection) == first

    await asyncio.to_thread(there_and_back)


async def test_two_processes_may_migrate_at_once(empty: Postgres, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "MIGRATION_DATABASE_URL": empty.migration_database_url,
        "DATABASE_URL": empty.database_url,
    }
    engine = create_async_engine(empty.migration_database_url)
    async with engine.connect() as owner, asyncio.timeout(60):
        # Both stop at this table, which is being made, and go on together when it is not.
        await owner.execute(text("create table alembic_version (version_num text)"))
        processes = [
            await asyncio.create_subprocess_exec(
                *(ANTIPHON, "migrate"),
                cwd=tmp_path,
                env=environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            for _ in range(2)
        ]
        while await owner.scalar(text("select count(*) from pg_locks where not granted")) != 2:
            assert [process.returncode for process in processes] == [None, None]
        await owner.rollback()
        answers = [await process.communicate() for process in processes]
        assert [process.returncode for process in processes] == [0, 0], answers
        assert "business" in await owner.run_sync(_tables)
    await engine.dispose()


def test_the_application_may_not_own_the_schema(postgres_server: Postgres) -> None:
    owner = postgres_server.migration_database_url
    with pytest.raises(ValueError, match="a role of its own"):
        migrate(owner, owner)


def test_the_chain_is_one_line(postgres_server: Postgres) -> None:
    with _as_owner(postgres_server) as connection:
        scripts = ScriptDirectory.from_config(alembic_config(connection, "app"))
        assert len(scripts.get_heads()) == len(scripts.get_bases()) == 1
        stored = MigrationContext.configure(connection).get_current_revision()
    assert stored == scripts.get_current_head()


async def test_why_conversations_had_ended_is_kept(empty: Postgres) -> None:
    business, reasons = uuid4(), ["agent_lost", "parent process shutdown", None]
    rows = [{"id": uuid4(), "business": business, "reason": reason} for reason in reasons]

    def upgrade() -> tuple[list[Any], list[Any]]:
        role = make_url(empty.database_url).username or ""
        stored = "select end_reason, metadata from conversation order by end_reason nulls last"
        with _as_owner(empty) as connection:
            command.upgrade(alembic_config(connection, role), "0006")
            connection.execute(text(_BUSINESS), {"id": business})
            connection.execute(text(_CONVERSATION), rows)
        with _as_owner(empty) as connection:
            command.upgrade(alembic_config(connection, role), "0007")
            after = [tuple(row) for row in connection.execute(text(stored))]
            command.downgrade(alembic_config(connection, role), "0006")
            query = "select metadata ->> 'end_reason' from conversation order by 1 nulls last"
            return after, list(connection.scalars(text(query)))

    after, before = await asyncio.to_thread(upgrade)
    assert after == [("agent_lost", {}), ("other", {}), (None, {})]
    assert before == ["agent_lost", "other", None]

"""What the application can and cannot do on the PostgreSQL that is started for it."""

import json
import stat
from pathlib import Path

import psycopg
import pytest

from orchestrator.engines.engines import Engines
from orchestrator.engines.errors import EngineError
from orchestrator.engines.ports import Port
from orchestrator.engines.postgres import run_postgres

PORT = Port(0, "POSTGRES_PORT")


async def connect(url: str) -> psycopg.AsyncConnection:
    plain = url.replace("postgresql+psycopg://", "postgresql://")
    return await psycopg.AsyncConnection.connect(plain, autocommit=True)


async def test_the_application_owns_nothing_and_cannot_create(engines: Engines) -> None:
    async with await connect(engines.endpoints.database_url) as connection:
        for statement in (
            "create table mine (id int)",
            "create schema mine",
            "create temporary table mine (id int)",
            "create role mine",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(statement)


@pytest.mark.parametrize("url", ["database_url", "migration_database_url"])
async def test_neither_role_can_step_over_row_level_security(engines: Engines, url: str) -> None:
    async with await connect(getattr(engines.endpoints, url)) as connection:
        cursor = await connection.execute(
            "select rolsuper, rolbypassrls, rolcreaterole from pg_roles"
            " where rolname = current_user"
        )
        assert await cursor.fetchone() == (False, False, False)


async def test_the_owner_makes_tables_with_vectors(engines: Engines) -> None:
    async with await connect(engines.endpoints.migration_database_url) as connection:
        await connection.execute("create table chunk (embedding vector)")
        await connection.execute("insert into chunk values ('[1,0]'), ('[0,1]')")
        cursor = await connection.execute("select embedding <=> '[1,0]' from chunk order by 1")
        assert await cursor.fetchall() == [(0.0,), (1.0,)]
        await connection.execute("drop table chunk")


async def test_a_wrong_password_is_refused_even_on_this_machine(engines: Engines) -> None:
    address, _, rest = engines.endpoints.database_url.rpartition("@")
    user = address.rpartition(":")[0]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await connect(f"{user}:wrong@{rest}")


async def test_a_second_start_finds_the_same_data_and_passwords(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    async with (
        run_postgres(folder, PORT, print, durable=False) as first,
        await connect(first.migration_database_url) as connection,
    ):
        await connection.execute("create table kept (id int)")
    progress: list[str] = []
    async with (
        run_postgres(folder, PORT, progress.append, durable=False) as second,
        await connect(second.migration_database_url) as connection,
    ):
        await connection.execute("select * from kept")
    passwords = folder / "passwords.json"
    assert stat.S_IMODE(passwords.stat().st_mode) == 0o600
    assert set(json.loads(passwords.read_text())) == {"postgres", "antiphon_owner", "antiphon_app"}
    assert not any("new database cluster" in line for line in progress)


async def test_lost_passwords_are_said_to_be_lost(tmp_path: Path) -> None:
    (tmp_path / "18").mkdir()
    with pytest.raises(EngineError, match=r"passwords\.json is gone"):
        async with run_postgres(tmp_path, PORT, print):
            pass

"""Each transaction sees the rows of one business, whatever it tries.

The tables are those that the database has, so that one without a policy cannot be forgotten.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from pgvector.sqlalchemy import Vector
from sqlalchemy import (
    JSON,
    Boolean,
    Connection,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    select,
    text,
)
from sqlalchemy import (
    UUID as UUID_TYPE,
)
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from config.columns import now
from config.database import Database
from orchestrator.engines.postgres import Postgres

NOT_OF_TENANTS = {"alembic_version": "the schema's own revision, which the application cannot read"}
APPEND_ONLY = frozenset({"audit"})

_UNPROTECTED = """
select c.relname from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
  and not (
    c.relrowsecurity and c.relforcerowsecurity
    and (select count(*) from pg_policy p where p.polrelid = c.oid) = 2
    and exists (
      select from pg_policy p where p.polrelid = c.oid and p.polcmd = '*' and p.polpermissive
        and p.polroles = array[to_regrole(:app)::oid]
        and pg_get_expr(p.polqual, c.oid) like '%app.business%'
        and pg_get_expr(p.polwithcheck, c.oid) = pg_get_expr(p.polqual, c.oid))
    and exists (
      select from pg_policy p where p.polrelid = c.oid and p.polroles = array[c.relowner])
  )
"""


@dataclass(frozen=True)
class Schema:
    """Every table of a tenant as the database has it, and one row of each for two tenants."""

    tables: tuple[Table, ...]
    mine: Mapping[str, Mapping[str, Any]]
    theirs: Mapping[str, Mapping[str, Any]]

    @property
    def me(self) -> UUID:
        return UUID(str(self.mine["business"]["id"]))

    @property
    def them(self) -> UUID:
        return UUID(str(self.theirs["business"]["id"]))


def _sample(kind: object) -> Any:
    """Return a value for a column."""
    match kind:
        case UUID_TYPE():
            return uuid4()
        case Text():
            return uuid4().hex
        case DateTime():
            return now()
        case Boolean():
            return True
        case Integer() | Float():
            return 1
        case LargeBinary():
            return uuid4().bytes
        case JSON():
            return {}
        case Vector():
            return [1.0]
        case unexpected:
            raise AssertionError(unexpected)


def _row(table: Table, others: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a row that refers to the rows already made."""
    row = {column.name: _sample(column.type) for column in table.columns}
    for foreign in table.foreign_key_constraints:
        for element in foreign.elements:
            row[element.parent.name] = others[foreign.referred_table.name][element.column.name]
    return row


def _tenant_column(table: Table) -> str:
    return "id" if table.name == "business" else "business_id"


def _reflected(connection: Connection) -> tuple[Table, ...]:
    metadata = MetaData()
    metadata.reflect(connection)
    return tuple(table for table in metadata.sorted_tables if table.name not in NOT_OF_TENANTS)


@pytest_asyncio.fixture(scope="module")
async def owner(postgres_server: Postgres) -> AsyncGenerator[AsyncConnection]:
    engine = create_async_engine(postgres_server.migration_database_url)
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


@pytest_asyncio.fixture(scope="module")
async def schema(owner: AsyncConnection, database: Database) -> Schema:
    tables = await owner.run_sync(_reflected)
    await owner.rollback()
    tenants: list[dict[str, dict[str, Any]]] = [{}, {}]
    for rows in tenants:
        for table in tables:
            rows[table.name] = _row(table, rows)
        async with database.business(rows["business"]["id"]) as session:
            for table in tables:
                await session.execute(table.insert().values(rows[table.name]))
    return Schema(tables, *tenants)


async def _unprotected(connection: AsyncConnection, app: str) -> set[str]:
    return set(await connection.scalars(text(_UNPROTECTED), {"app": app}))


async def _app_role(database: Database) -> str:
    async with database.nobody() as session:
        return str(await session.scalar(text("select current_user")))


async def _visible(database: Database, table: Table, business_id: UUID | None) -> set[UUID]:
    """Return whose rows of a table a transaction sees."""
    column = table.c[_tenant_column(table)]
    transaction = database.nobody() if business_id is None else database.business(business_id)
    async with transaction as session:
        return set(await session.scalars(select(column).distinct()))


async def _refusal(database: Database, business_id: UUID, statement: Any) -> str:
    """Return PostgreSQL's code for refusing a statement, or how many rows it changed."""
    try:
        async with database.business(business_id) as session:
            result = await session.execute(statement)
            return f"{getattr(result, 'rowcount', '?')} rows"
    except ProgrammingError as error:
        return str(getattr(error.orig, "sqlstate", None))


async def test_every_table_is_protected(owner: AsyncConnection, database: Database) -> None:
    assert await _unprotected(owner, await _app_role(database)) == set(NOT_OF_TENANTS)


@pytest.mark.parametrize(
    "statements",
    [
        ["create table forgotten (id uuid, business_id uuid)"],
        [
            "create table forgotten (id uuid, business_id uuid)",
            "alter table forgotten enable row level security",
        ],
        ["create view forgotten as select * from session"],
        ["alter table session no force row level security"],
        ["create policy everyone on session using (true)"],
        ["drop policy tenant on session"],
    ],
)
async def test_a_forgotten_table_is_noticed(
    statements: list[str], owner: AsyncConnection, database: Database
) -> None:
    for statement in statements:
        await owner.execute(text(statement))
    unprotected = await _unprotected(owner, await _app_role(database))
    await owner.rollback()
    assert unprotected & {"forgotten", "session"}


async def test_a_tenant_sees_its_own_rows_only(schema: Schema, database: Database) -> None:
    assert {table.name for table in schema.tables} >= {"business", "session", "chunk", "audit"}
    for table in schema.tables:
        assert await _visible(database, table, schema.me) == {schema.me}, table.name
        assert await _visible(database, table, schema.them) == {schema.them}, table.name


async def test_without_a_tenant_there_is_nothing_to_see(schema: Schema, database: Database) -> None:
    for table in schema.tables:
        assert await _visible(database, table, None) == set(), table.name
        assert await _visible(database, table, uuid4()) == set(), table.name


async def test_rows_cannot_be_written_for_another_tenant(
    schema: Schema, database: Database
) -> None:
    for table in schema.tables:
        row = _row(table, schema.theirs)
        if table.name == "business":
            row["id"] = schema.them
        refusal = await _refusal(database, schema.me, table.insert().values(row))
        assert refusal == "42501", table.name


async def test_rows_cannot_be_given_to_another_tenant(schema: Schema, database: Database) -> None:
    for table in schema.tables:
        give = table.update().values({_tenant_column(table): schema.them})
        assert await _refusal(database, schema.me, give) == "42501", table.name


async def test_rows_of_another_tenant_can_be_neither_changed_nor_deleted(
    schema: Schema, database: Database
) -> None:
    for table in schema.tables:
        column = table.c[_tenant_column(table)]
        expected = "42501" if table.name in APPEND_ONLY else "0 rows"
        take = table.update().where(column == schema.them).values({column.name: schema.me})
        assert await _refusal(database, schema.me, take) == expected, table.name
        remove = table.delete().where(column == schema.them)
        assert await _refusal(database, schema.me, remove) == expected, table.name
        assert await _visible(database, table, schema.them) == {schema.them}, table.name


async def test_a_row_cannot_refer_to_another_tenants_row(
    schema: Schema, database: Database
) -> None:
    """Foreign keys are checked past row-level security, so they have to name the tenant, too."""
    loose = {
        f"{table.name}.{element.parent.name}"
        for table in schema.tables
        for foreign in table.foreign_key_constraints
        for element in foreign.elements
        if foreign.referred_table.name != "business"
        and "business_id" not in {column.name for column in foreign.columns}
    }
    assert loose == set()


@pytest.mark.parametrize(
    "statement",
    [
        "set row_security = off",
        "set role {owner}",
        "set session authorization {owner}",
        "alter table session disable row level security",
        "alter table session no force row level security",
        "drop policy tenant on session",
        "create policy everyone on session using (true)",
        "alter role current_user bypassrls",
        "grant {owner} to current_user",
        "truncate session",
        "drop table session",
        "create table mine (id int)",
        "create function mine() returns int language sql as 'select 1'",
        "select * from alembic_version",
        "select * from pg_authid",
        "copy (select 1) to program 'true'",
    ],
)
async def test_no_statement_gets_around_it(
    statement: str, schema: Schema, owner: AsyncConnection, database: Database
) -> None:
    role = await owner.scalar(text("select current_user"))
    await owner.rollback()
    with pytest.raises(ProgrammingError) as refused:
        async with database.business(schema.me) as session:
            await session.execute(text(statement.format(owner=role)))
            await session.execute(text("select * from session"))
    assert getattr(refused.value.orig, "sqlstate", None) == "42501"


@pytest.mark.parametrize("statement", ["update audit set outcome = 'ok'", "delete from audit"])
async def test_the_audit_trail_cannot_be_rewritten(
    statement: str, schema: Schema, database: Database
) -> None:
    assert await _refusal(database, schema.me, text(statement)) == "42501"


async def test_the_applications_role_owns_nothing_and_is_nobody(
    owner: AsyncConnection, database: Database
) -> None:
    app = await _app_role(database)
    owned = """
        select count(*) from pg_shdepend
        where refobjid = to_regrole(:app)::oid and refclassid = 'pg_authid'::regclass
          and deptype = 'o'
    """
    assert await owner.scalar(text(owned), {"app": app}) == 0
    powers = """
        select rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication
            or exists (select from pg_auth_members where member = r.oid)
        from pg_roles r where rolname = :app
    """
    assert await owner.scalar(text(powers), {"app": app}) is False


async def test_what_is_found_without_a_tenant_are_ids(owner: AsyncConnection) -> None:
    functions = """
        select p.proname, p.prosecdef, p.proconfig,
            has_function_privilege('public', p.oid, 'execute'), pg_get_function_result(p.oid)
        from pg_proc p
        where p.pronamespace = 'public'::regnamespace
          and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
    """
    found = (await owner.execute(text(functions))).all()
    await owner.rollback()
    assert {row.proname for row in found} >= {"find_bot", "find_business", "find_api_key"}
    for name, definer, settings, public, result in found:
        assert definer, name
        assert "search_path=" in str(settings), name
        assert not public, name
        returned = result.removeprefix("TABLE(").removesuffix(")").split(", ")
        assert all(column.split()[-1] == "uuid" for column in returned), name

"""Each transaction sees the rows of one business, whatever it tries.

The tables are those that the database has, so that one without a policy cannot be forgotten.
"""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import Table, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from config.database import Database
from tests.config.rows import NOT_OF_TENANTS, Schema, app_role, refusal, row_of, tenant_column

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


async def _unprotected(connection: AsyncConnection, app: str) -> set[str]:
    return set(await connection.scalars(text(_UNPROTECTED), {"app": app}))


async def _visible(database: Database, table: Table, business_id: UUID | None) -> set[UUID]:
    """Return whose rows of a table a transaction sees."""
    column = table.c[tenant_column(table)]
    transaction = database.unscoped() if business_id is None else database.tenant(business_id)
    async with transaction as session:
        return set(await session.scalars(select(column).distinct()))


async def test_every_table_is_protected(owner: AsyncConnection, database: Database) -> None:
    assert await _unprotected(owner, await app_role(database)) == set(NOT_OF_TENANTS)


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
    unprotected = await _unprotected(owner, await app_role(database))
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
        row = row_of(table, schema.theirs)
        if table.name == "business":
            row["id"] = schema.them
        code = await refusal(database, schema.me, table.insert().values(row))
        assert code == "42501", table.name


async def test_rows_cannot_be_given_to_another_tenant(schema: Schema, database: Database) -> None:
    for table in schema.tables:
        give = table.update().values({tenant_column(table): schema.them})
        assert await refusal(database, schema.me, give) == "42501", table.name


async def test_rows_of_another_tenant_can_be_neither_changed_nor_deleted(
    schema: Schema, database: Database
) -> None:
    for table in schema.tables:
        column = table.c[tenant_column(table)]
        expected = "42501" if table.name in APPEND_ONLY else "0 rows"
        take = table.update().where(column == schema.them).values({column.name: schema.me})
        assert await refusal(database, schema.me, take) == expected, table.name
        remove = table.delete().where(column == schema.them)
        assert await refusal(database, schema.me, remove) == expected, table.name
        assert await _visible(database, table, schema.them) == {schema.them}, table.name


async def test_a_row_cannot_refer_to_another_tenants_row(
    schema: Schema, database: Database
) -> None:
    """Foreign keys are checked past row-level security, so they have to name the tenant, too."""
    loose = {
        f"{table.name}.{element.parent.name}"
        for table in schema.tables
        for constraint in table.foreign_key_constraints
        for element in constraint.elements
        if constraint.referred_table.name != "business"
        and "business_id" not in {column.name for column in constraint.columns}
    }
    assert loose == set()

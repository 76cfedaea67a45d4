"""What the application's role may not do, and what it may find without naming a tenant."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection

from config.database import Database
from tests.config.rows import Schema, app_role, refusal


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
        async with database.tenant(schema.me) as session:
            await session.execute(text(statement.format(owner=role)))
            await session.execute(text("select * from session"))
    assert getattr(refused.value.orig, "sqlstate", None) == "42501"


@pytest.mark.parametrize("statement", ["update audit set outcome = 'ok'", "delete from audit"])
async def test_the_audit_trail_cannot_be_rewritten(
    statement: str, schema: Schema, database: Database
) -> None:
    assert await refusal(database, schema.me, text(statement)) == "42501"


async def test_the_applications_role_owns_nothing_and_is_nobody(
    owner: AsyncConnection, database: Database
) -> None:
    app = await app_role(database)
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
        select p.proname, p.proconfig,
            has_function_privilege('public', p.oid, 'execute'), pg_get_function_result(p.oid)
        from pg_proc p
        where p.prosecdef and p.pronamespace = 'public'::regnamespace
          and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
    """
    found = (await owner.execute(text(functions))).all()
    await owner.rollback()
    assert {row.proname for row in found} >= {"find_bot", "find_business", "find_api_key"}
    for name, settings, public, result in found:
        assert "search_path=" in str(settings), name
        assert not public, name
        returned = result.removeprefix("TABLE(").removesuffix(")").split(", ")
        assert all(column.split()[-1] == "uuid" for column in returned), name

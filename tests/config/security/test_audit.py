"""Rows of the audit trail: written together, each in its own business, none lost or doubled."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from config.database import Database
from config.security.audit import AuditTrail, audit_row
from tests.conftest import Tenant, fetch, new_tenant

QUERY = "select subject, tool, outcome, created_at from audit order by created_at"


async def append(trail: AuditTrail, tenant: Tenant, tool: str) -> None:
    row = audit_row(tenant.claims(), "notes", tool, {"name": "secretive"}, "ok", 1.5)
    await trail.append(tenant.business_id, row)


async def test_rows_that_come_together_are_all_there_each_in_its_own_business(
    database: Database,
) -> None:
    tenants = [await new_tenant(database) for _ in range(5)]
    trail = AuditTrail(database)
    await asyncio.gather(
        *(append(trail, tenant, f"tool_{n}") for n in range(40) for tenant in tenants)
    )
    for tenant in tenants:
        rows = await fetch(database, tenant, QUERY)
        assert {row["tool"] for row in rows} == {f"tool_{n}" for n in range(40)}
        assert len(rows) == 40
        assert {row["subject"] for row in rows} == {tenant.claims().sub}
        assert "secretive" not in str(rows)
    await trail.aclose()


async def test_a_row_of_a_business_that_does_not_exist_holds_up_nobody(database: Database) -> None:
    trail, tenant = AuditTrail(database), await new_tenant(database)
    stranger = Tenant(business_id=uuid4())
    outcomes = await asyncio.gather(
        append(trail, stranger, "a"), append(trail, tenant, "b"), return_exceptions=True
    )
    assert isinstance(outcomes[0], SQLAlchemyError)
    assert outcomes[1] is None
    assert [row["tool"] for row in await fetch(database, tenant, QUERY)] == ["b"]
    await trail.aclose()


async def test_a_connection_that_was_cut_is_opened_again(database: Database) -> None:
    trail, tenant = AuditTrail(database), await new_tenant(database)
    await append(trail, tenant, "before")
    async with database.unscoped() as session:
        await session.execute(
            text(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where usename = current_user and pid <> pg_backend_pid()"
            )
        )
    await append(trail, tenant, "after")
    assert [row["tool"] for row in await fetch(database, tenant, QUERY)] == ["before", "after"]
    await trail.aclose()


async def test_a_hostile_name_is_written_down_harmlessly(database: Database) -> None:
    trail, tenant = AuditTrail(database), await new_tenant(database)
    await append(trail, tenant, "a\x00b'; drop table audit; --" + "x" * 500)
    (row,) = await fetch(database, tenant, QUERY)
    assert row["tool"].startswith("ab'; drop table audit")
    assert len(row["tool"]) == 128
    await trail.aclose()


async def test_a_database_that_is_down_is_said_to_be() -> None:
    nowhere = Database("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    trail = AuditTrail(nowhere)
    with pytest.raises(SQLAlchemyError):
        await append(trail, Tenant(), "a")
    await trail.aclose()
    await nowhere.aclose()

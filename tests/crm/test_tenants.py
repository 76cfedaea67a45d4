"""Records of other tenants: every tool answers as it does for a record that does not exist."""

from collections.abc import Mapping
from typing import Any

import pytest

from config.database import Database
from crm.provider import KINDS, Kind
from tests.conftest import Tenant, fetch, new_tenant
from tests.crm.samples import CREATE, UPDATE, title_field
from tests.support.servers import Answer, Servers

UNKNOWN_ID = "0" * 12


async def call_as(servers: Servers, tenant: Tenant, tool: str, **arguments: Any) -> Answer:
    async with servers.connect("crm", tenant.claims()) as caller:
        return await caller.call(tool, **arguments)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_foreign_record_is_answered_like_an_unknown_one(
    servers: Servers, shop: Tenant, database: Database, kind: Kind
) -> None:
    other = await new_tenant(database)
    made = await call_as(servers, shop, f"create_{kind}", **CREATE[kind])
    mine = made.data["id"]
    (before,) = await fetch(database, shop, "select * from crm_record")
    verbs: dict[str, Mapping[str, Any]] = {"get": {}, "update": UPDATE[kind]}
    for verb, changes in verbs.items():
        tool = f"{verb}_{kind}"
        unknown = await call_as(servers, other, tool, **{kind: UNKNOWN_ID}, **changes)
        assert unknown.error == "not_found"
        for reference in (mine, str(before["id"])):
            of_other = await call_as(servers, other, tool, **{kind: reference}, **changes)
            assert of_other == unknown
        for malformed in ("", "x", "%", mine[:7], f"{mine}%", "' or 1=1", "-" * 12, UNKNOWN_ID * 4):
            answer = await call_as(servers, shop, tool, **{kind: malformed}, **changes)
            assert answer == unknown, malformed
        other_kind: Kind = "case" if kind != "case" else "task"
        mismatched = await call_as(
            servers, shop, f"{verb}_{other_kind}", **{other_kind: mine}, **UPDATE[other_kind]
        )
        assert mismatched.error in ("not_found", "invalid")
    (after,) = await fetch(database, shop, "select * from crm_record")
    assert after == before
    for reference in (mine, mine[:8], mine.upper(), f" {mine} ", str(before["id"])):
        own = await call_as(servers, shop, f"get_{kind}", **{kind: reference})
        assert own.data["id"] == mine


async def test_nothing_of_others_is_found(
    servers: Servers, shop: Tenant, database: Database
) -> None:
    other = await new_tenant(database)
    for kind in KINDS:
        await call_as(servers, shop, f"create_{kind}", **CREATE[kind])
    for text in ("Tom Hill", "+49 30 555 0142", "tom.hill@example.com", "Would like a quote"):
        assert (await call_as(servers, shop, "search", text=text)).data["found"] != []
        assert (await call_as(servers, other, "search", text=text)).data["found"] == []
    for kind in KINDS:
        rows = await call_as(servers, other, "query", kind=kind)
        assert rows.data["rows"] == []
        title = CREATE[kind][title_field(kind)]
        found = await call_as(servers, shop, "query", kind=kind)
        assert [row["title"] for row in found.data["rows"]] == [title]


async def test_a_record_does_not_refer_to_a_foreign_one(
    servers: Servers, shop: Tenant, database: Database
) -> None:
    other = await new_tenant(database)
    mine = (await call_as(servers, shop, "create_account", name="Hill Ltd")).data["id"]
    unknown = await call_as(servers, other, "create_contact", name="Ann", account=UNKNOWN_ID)
    of_other = await call_as(servers, other, "create_contact", name="Ann", account=mine)
    assert of_other == unknown
    assert of_other.error == "not_found"
    # A record of another kind does not count, either.
    lead = (await call_as(servers, shop, "create_lead", name="Tom")).data["id"]
    mismatched = await call_as(servers, shop, "create_contact", name="Ann", account=lead)
    assert mismatched == unknown
    assert (await call_as(servers, shop, "create_task", subject="Call", about=lead)).error is None

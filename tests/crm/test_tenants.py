"""What belongs to somebody else does not exist: for every tool the same answer as for nothing."""

from collections.abc import Mapping
from typing import Any

import pytest

from config.database import Database
from crm.provider import KINDS, Kind
from tests.conftest import Tenant, fetch, new_tenant
from tests.crm.samples import CREATE, UPDATE, title_word
from tests.support.servers import Answer, Servers

NOBODYS = "0" * 12


async def asked(servers: Servers, tenant: Tenant, tool: str, **arguments: Any) -> Answer:
    async with servers.connect("crm", tenant.claims()) as caller:
        return await caller.call(tool, **arguments)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_foreign_record_is_answered_like_an_unknown_one(
    servers: Servers, shop: Tenant, database: Database, kind: Kind
) -> None:
    other = await new_tenant(database)
    made = await asked(servers, shop, f"create_{kind}", **CREATE[kind])
    mine = made.data["id"]
    (before,) = await fetch(database, shop, "select * from crm_record")
    verbs: dict[str, Mapping[str, Any]] = {"get": {}, "update": UPDATE[kind]}
    for verb, changes in verbs.items():
        tool = f"{verb}_{kind}"
        unknown = await asked(servers, other, tool, **{kind: NOBODYS}, **changes)
        assert unknown.error == "not_found"
        for reference in (mine, str(before["id"])):
            foreign = await asked(servers, other, tool, **{kind: reference}, **changes)
            assert foreign == unknown
        for malformed in ("", "x", "%", mine[:7], f"{mine}%", "' or 1=1", "-" * 12, NOBODYS * 4):
            answer = await asked(servers, shop, tool, **{kind: malformed}, **changes)
            assert answer == unknown, malformed
        wrong: Kind = "case" if kind != "case" else "task"
        confused = await asked(servers, shop, f"{verb}_{wrong}", **{wrong: mine}, **UPDATE[wrong])
        assert confused.error in ("not_found", "invalid")
    (after,) = await fetch(database, shop, "select * from crm_record")
    assert after == before
    for reference in (mine, mine[:8], mine.upper(), f" {mine} ", str(before["id"])):
        own = await asked(servers, shop, f"get_{kind}", **{kind: reference})
        assert own.data["id"] == mine


async def test_nothing_of_others_is_found(
    servers: Servers, shop: Tenant, database: Database
) -> None:
    other = await new_tenant(database)
    for kind in KINDS:
        await asked(servers, shop, f"create_{kind}", **CREATE[kind])
    for said in ("Tom Hill", "+49 30 555 0142", "tom.hill@example.com", "Would like a quote"):
        assert (await asked(servers, shop, "search", text=said)).data["found"] != []
        assert (await asked(servers, other, "search", text=said)).data["found"] == []
    for kind in KINDS:
        rows = await asked(servers, other, "query", kind=kind)
        assert rows.data["rows"] == []
        title = CREATE[kind][title_word(kind)]
        found = await asked(servers, shop, "query", kind=kind)
        assert [row["title"] for row in found.data["rows"]] == [title]


async def test_a_record_does_not_refer_to_a_foreign_one(
    servers: Servers, shop: Tenant, database: Database
) -> None:
    other = await new_tenant(database)
    mine = (await asked(servers, shop, "create_account", name="Hill Ltd")).data["id"]
    unknown = await asked(servers, other, "create_contact", name="Ann", account=NOBODYS)
    foreign = await asked(servers, other, "create_contact", name="Ann", account=mine)
    assert foreign == unknown
    assert foreign.error == "not_found"
    # A record of another kind is none of this kind, too.
    lead = (await asked(servers, shop, "create_lead", name="Tom")).data["id"]
    confused = await asked(servers, shop, "create_contact", name="Ann", account=lead)
    assert confused == unknown
    assert (await asked(servers, shop, "create_task", subject="Call", about=lead)).error is None

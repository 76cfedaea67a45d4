"""The builtin provider: the scenario, and its own behaviour in PostgreSQL."""

import asyncio
from typing import Any, ClassVar

import httpx2
import psycopg
import pytest
import pytest_asyncio
from psycopg.rows import dict_row

from config.database import Database
from config.security.vault import Account, DatabaseVault
from crm.provider import Kind
from crm.providers.builtin.provider import Builtin
from orchestrator.engines.postgres import Postgres
from tests.conftest import Tenant, fetch, new_tenant
from tests.crm.harness import CrmHarness, FakeCrm
from tests.crm.scenario import CrmScenario
from tests.support.faults import SwitchableBreakers
from tests.support.servers import KEYRING, Caller, Servers
from toolkit.tenancy import Attempt, Runtime, ToolCall

NAMES = (
    "O'Brien",
    'Tom "The Drill" \\ Hill',
    "'; drop table crm_record; --",
    "100% _real_ & | ! ( ) :* <->",
    "\u674e\u5c0f\u9f99 \u0939\u093f\u0928\u094d\u0926\u0940 \U0001f600",
    "a_b-c.d@e/f",
    "w" * 200,
)


class BuiltinTable(FakeCrm):
    """The table of records, read by its owner."""

    base = "http://nowhere.example"
    url: str = ""
    tenant: Tenant | None = None

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        raise AssertionError(request)

    def records(self, kind: Kind) -> list[dict[str, Any]]:
        assert self.tenant is not None
        query = "select * from crm_record where business_id = %s and kind = %s"
        connect = psycopg.Connection[dict[str, Any]].connect
        with connect(self.url, row_factory=dict_row) as connection:
            rows = connection.execute(query, (self.tenant.business_id, kind)).fetchall()
        return [_to_record(row) for row in rows]


def _to_record(row: dict[str, Any]) -> dict[str, Any]:
    references = {
        field: row["data"][field][:12]
        for field in ("account", "contact", "about")
        if field in row["data"]
    }
    return {**row["data"], **references, "id": row["id"].hex[:12], "fields": row["fields"]}


class TestBuiltin(CrmScenario):
    provider: ClassVar[str] = "builtin"

    @pytest_asyncio.fixture
    async def harness(
        self, servers: Servers, database: Database, postgres_server: Postgres
    ) -> CrmHarness:
        table, tenant = BuiltinTable(), await new_tenant(database)
        table.url = postgres_server.migration_database_url.replace("+psycopg", "")
        table.tenant = tenant
        return CrmHarness(servers, tenant, table, database, SwitchableBreakers())


async def test_a_repeat_at_the_same_moment_is_one_record(shop: Tenant, database: Database) -> None:
    """The table itself prevents duplicates, whatever is stored about calls."""
    async with httpx2.AsyncClient() as client:
        runtime = Runtime(client, DatabaseVault(database, KEYRING), database)

        async def create(key: str | None) -> str:
            call = ToolCall(shop.claims(), runtime, Attempt(key) if key else None)
            builtin = Builtin(Account("builtin"), call)
            await builtin.check()
            return await builtin.create("lead", {"name": "Tom Hill"}, {})

        assert len({*await asyncio.gather(*(create("key") for _ in range(8)))}) == 1
        assert len({*await asyncio.gather(*(create(None) for _ in range(4)))}) == 4
    assert len(await fetch(database, shop, "select id from crm_record")) == 5


async def test_changes_at_the_same_moment_are_all_kept(
    servers: Servers, shop: Tenant, database: Database
) -> None:
    async with servers.connect("crm", shop.claims()) as caller:
        lead = (await caller.call("create_lead", name="Tom Hill")).data["id"]
        changes: list[dict[str, Any]] = [{"fields": {f"f{number}": number}} for number in range(6)]
        changes += [{"company": "Hill Ltd"}, {"title": "Owner"}, {"phone": "555 0142"}]
        answers = await asyncio.gather(
            *(caller.call("update_lead", lead=lead, **change) for change in changes)
        )
        assert [answer.error for answer in answers] == [None] * len(changes)
    (row,) = await fetch(database, shop, "select * from crm_record")
    assert row["fields"] == {f"f{number}": number for number in range(6)}
    assert row["data"] == {
        "name": "Tom Hill",
        "company": "Hill Ltd",
        "title": "Owner",
        "phone": "5550142",
    }
    assert row["updated_at"] > row["created_at"]


async def test_what_is_changed_is_found_by_the_new_name_only(caller: Caller) -> None:
    lead = (await caller.call("create_lead", name="Ann Berg", phone="555 0142")).data["id"]
    await caller.call("update_lead", lead=lead, name="Cleo Marsh", phone="555 0199")
    for text, found in (("Cleo Marsh", 1), ("Ann Berg", 0), ("5550199", 1), ("5550142", 0)):
        answer = await caller.call("search", text=text)
        assert len(answer.data["found"]) == found, text


async def test_a_number_is_told_from_one_that_ends_like_it(caller: Caller) -> None:
    made = [
        (await caller.call("create_lead", name=f"Tom {area}", phone=f"+49 {area} 555 0142")).data
        for area in (30, 40)
    ]
    one, other = (each["id"] for each in made)
    for op, value, expected in (
        ("is", "030 5550142", {one}),
        ("is_not", "030 5550142", {other}),
        ("one_of", ["+49 30 5550142", "+49 89 5550142"], {one}),
        ("contains", "5550142", {one, other}),
    ):
        filters = [{"field": "phone", "op": op, "value": value}]
        found = await caller.call("query", kind="lead", filters=filters)
        assert {row["id"] for row in found.data["rows"]} == expected, op


async def test_own_fields_are_changed_one_by_one(caller: Caller) -> None:
    custom = {"region": "north", "size": 3}
    lead = {"lead": (await caller.call("create_lead", name="Tom", fields=custom)).data["id"]}
    await caller.call("update_lead", **lead, fields={"size": None, "vip": True})
    shown = await caller.call("get_lead", **lead, fields=["region", "size", "vip"])
    assert shown.data["fields"] == {"region": "north", "vip": True}
    found = await caller.call("query", kind="lead", filters=[{"field": "vip", "value": True}])
    assert len(found.data["rows"]) == 1


@pytest.mark.parametrize("name", NAMES)
async def test_a_value_is_only_a_value(caller: Caller, name: str) -> None:
    made = await caller.call("create_lead", name=name, fields={"note": name})
    assert made.error is None, made
    shown = await caller.call("get_lead", lead=made.data["id"], fields=["note"])
    assert shown.data["name"] == name
    assert shown.data["fields"] == {"note": name}
    for field in ("name", "note"):
        for op in ("is", "contains", "starts_with", "one_of"):
            value = [name] if op == "one_of" else name
            filters = [{"field": field, "op": op, "value": value}]
            found = await caller.call("query", kind="lead", filters=filters)
            assert [row["id"] for row in found.data["rows"]] == [made.data["id"]], (field, op)
    other = await caller.call("search", text=f"{name} {name}"[:200])
    assert other.error is None, other

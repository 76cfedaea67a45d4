"""Tenants are separate: every tool treats ids of another tenant like ids that do not exist."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast
from uuid import uuid4

import pytest_asyncio

from config.database import Database
from tests.conftest import new_tenant
from tests.support.servers import Answer, Servers
from tests.tickets.double import Seed
from tests.tickets.rows import Rows, seed_rows
from tests.tickets.tool_cases import ID_ARGUMENTS, READ_TOOLS, valid_arguments
from tests.tickets.tool_session import UNKNOWN_ID
from tickets.server import SERVER

# Tools with ids inside of a draft.
WITH_DRAFTS = ("create_ticket", "create_many_tickets", "update_many_users")
# Tools without ids of records.
WITHOUT_IDS = frozenset(
    {
        *("list_tickets", "list_problems", "search", "list_users", "search_users"),
        *("create_user", "create_or_update_user", "create_or_update_many_users"),
    }
)


@pytest_asyncio.fixture
async def other_tenant(database: Database) -> Rows:
    """Another tenant, without any rows."""
    tenant = await new_tenant(database)
    return Rows(database, tenant, Seed(*[""] * len(fields(Seed))))


def test_every_tool_is_here() -> None:
    assert {*ID_ARGUMENTS, *WITH_DRAFTS, *WITHOUT_IDS} == set(SERVER.catalogue()["tools"])


def _unknown_ids(rows: Rows) -> dict[str, str]:
    """Return, for every seeded id, one of the same form that no record has."""
    tickets = (rows.seed.oven, rows.seed.scale)
    ids = [each for each in vars(rows.seed).values() if each not in tickets]
    uuids = {id: f"00000000-0000-4000-8000-{number:012}" for number, id in enumerate(ids)}
    return {**uuids, **{id: f"{UNKNOWN_ID}{id}" for id in tickets}}


def _without_ids(rows: Rows, answer: Answer) -> str:
    """Return an answer without the ids that were passed."""
    text = answer.text
    for known, unknown in _unknown_ids(rows).items():
        text = text.replace(f'"{known}"', "ID").replace(f'"{unknown}"', "ID")
    return f"{answer.error} {text}"


def _replaced(value: object, names: Mapping[str, str]) -> Any:
    match value:
        case dict():
            items = cast("dict[str, object]", value).items()
            return {name: _replaced(each, names) for name, each in items}
        case list():
            return [_replaced(each, names) for each in cast("list[object]", value)]
        case str():
            return names.get(value, value)
        case _:
            return value


async def test_a_foreign_id_is_answered_like_an_unknown_one(
    servers: Servers, rows: Rows, other_tenant: Rows
) -> None:
    before = await rows.snapshot()
    async with servers.connect("tickets", other_tenant.tenant.claims()) as caller:
        for tool in (*ID_ARGUMENTS, *WITH_DRAFTS):
            values, answers = valid_arguments(rows.seed)[tool], list[str]()
            for passed in (values, _replaced(values, _unknown_ids(rows))):
                answer = await caller.call(tool, **passed)
                assert answer.error or not answer.data.get("done"), (tool, answer)
                answers.append(_without_ids(rows, answer))
            assert answers[0] == answers[1], tool
    assert await other_tenant.list_tickets() == await other_tenant.list_users() == []
    assert await rows.snapshot() == before
    async with servers.connect("tickets", rows.tenant.claims()) as caller:
        for tool in sorted(ID_ARGUMENTS.keys() & READ_TOOLS):
            own = await caller.call(tool, **valid_arguments(rows.seed)[tool])
            assert own.error is None, (tool, own)


async def test_each_business_finds_its_own_only(
    servers: Servers, rows: Rows, other_tenant: Rows
) -> None:
    for tenant_rows, found in ((rows, True), (other_tenant, False)):
        async with servers.connect("tickets", tenant_rows.tenant.claims()) as caller:
            for tool in sorted(WITHOUT_IDS & READ_TOOLS):
                answer = await caller.call(tool, **valid_arguments(rows.seed)[tool])
                assert answer.error is None, answer
                assert bool(answer.data.get("tickets") or answer.data.get("users")) is found, tool


async def test_two_businesses_may_know_the_same_person(
    servers: Servers, rows: Rows, other_tenant: Rows
) -> None:
    for tenant_rows in (rows, other_tenant):
        async with servers.connect("tickets", tenant_rows.tenant.claims()) as caller:
            for tool in sorted(WITHOUT_IDS - READ_TOOLS, reverse=True):
                answer = await caller.call(tool, **valid_arguments(rows.seed)[tool])
                assert answer.error is None, (tool, answer)
    emails = {each["email"] for each in await other_tenant.list_users()}
    assert emails == {"ines.moreau@example.org", "joao.lima@example.org"}
    assert len(await rows.list_users()) == 5


async def test_numbers_begin_with_one_in_each_business(
    servers: Servers, database: Database, rows: Rows, other_tenant: Rows
) -> None:
    other = await seed_rows(database, await new_tenant(database))
    for tenant_rows, number in ((other_tenant, "1"), (other, "3"), (rows, "3")):
        claims = tenant_rows.tenant.claims(conversation_id=uuid4())
        async with servers.connect("tickets", claims) as caller:
            answer = await caller.call("create_ticket", subject="A", text="B")
        assert answer.data["id"] == number

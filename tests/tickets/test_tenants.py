"""What belongs to somebody else does not exist: for every tool the same answer as for nothing."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast
from uuid import uuid4

import pytest_asyncio

from config.database import Database
from tests.conftest import new_tenant
from tests.support.servers import Answer, Servers
from tests.tickets.double import Seed
from tests.tickets.faults import NAMING, READING, arguments
from tests.tickets.rows import Rows, seeded
from tests.tickets.tour import NOWHERE
from tickets.server import SERVER

# Tools that name somebody in a draft.
IN_DRAFTS = ("create_ticket", "create_many_tickets", "update_many_users")
# Tools that name nobody: they find, or add, what is one's own.
OWN = frozenset(
    {
        *("list_tickets", "list_problems", "search", "list_users", "search_users"),
        *("create_user", "create_or_update_user", "create_or_update_many_users"),
    }
)


@pytest_asyncio.fixture
async def stranger(database: Database) -> Rows:
    """Another business, whose desk is empty."""
    tenant = await new_tenant(database)
    return Rows(database, tenant, Seed(*[""] * len(fields(Seed))))


def test_every_tool_is_here() -> None:
    assert {*NAMING, *IN_DRAFTS, *OWN} == set(SERVER.catalogue()["tools"])


def _others(rows: Rows) -> dict[str, str]:
    """Return, for every id of the desk, one of the same form that nothing has."""
    tickets = (rows.seed.oven, rows.seed.scale)
    ids = [each for each in vars(rows.seed).values() if each not in tickets]
    nobodys = {id: f"00000000-0000-4000-8000-{number:012}" for number, id in enumerate(ids)}
    return {**nobodys, **{id: f"{NOWHERE}{id}" for id in tickets}}


def _told(rows: Rows, answer: Answer) -> str:
    """Return an answer without the ids that were asked for."""
    text = answer.text
    for known, unknown in _others(rows).items():
        text = text.replace(f'"{known}"', "ID").replace(f'"{unknown}"', "ID")
    return f"{answer.error} {text}"


def _renamed(value: object, names: Mapping[str, str]) -> Any:
    match value:
        case dict():
            items = cast("dict[str, object]", value).items()
            return {name: _renamed(each, names) for name, each in items}
        case list():
            return [_renamed(each, names) for each in cast("list[object]", value)]
        case str():
            return names.get(value, value)
        case _:
            return value


async def test_a_foreign_id_is_answered_like_an_unknown_one(
    servers: Servers, rows: Rows, stranger: Rows
) -> None:
    before = [await rows.held(), await rows.people(), await rows.said(rows.seed.oven)]
    async with servers.connect("tickets", stranger.tenant.claims()) as caller:
        for tool in (*NAMING, *IN_DRAFTS):
            values, told = arguments(rows.seed)[tool], list[str]()
            for given in (values, _renamed(values, _others(rows))):
                answer = await caller.call(tool, **given)
                assert answer.error or not answer.data.get("done"), (tool, answer)
                told.append(_told(rows, answer))
            assert told[0] == told[1], tool
    assert await stranger.held() == await stranger.people() == []
    assert [await rows.held(), await rows.people(), await rows.said(rows.seed.oven)] == before
    async with servers.connect("tickets", rows.tenant.claims()) as caller:
        for tool in sorted(NAMING.keys() & READING):
            own = await caller.call(tool, **arguments(rows.seed)[tool])
            assert own.error is None, (tool, own)


async def test_each_business_finds_its_own_only(
    servers: Servers, rows: Rows, stranger: Rows
) -> None:
    for desk, found in ((rows, True), (stranger, False)):
        async with servers.connect("tickets", desk.tenant.claims()) as caller:
            for tool in sorted(OWN & READING):
                answer = await caller.call(tool, **arguments(rows.seed)[tool])
                assert answer.error is None, answer
                assert bool(answer.data.get("tickets") or answer.data.get("users")) is found, tool


async def test_two_businesses_may_know_the_same_person(
    servers: Servers, rows: Rows, stranger: Rows
) -> None:
    for desk in (rows, stranger):
        async with servers.connect("tickets", desk.tenant.claims()) as caller:
            for tool in sorted(OWN - READING, reverse=True):
                answer = await caller.call(tool, **arguments(rows.seed)[tool])
                assert answer.error is None, (tool, answer)
    emails = {each["email"] for each in await stranger.people()}
    assert emails == {"ines.moreau@example.org", "joao.lima@example.org"}
    assert len(await rows.people()) == 5


async def test_numbers_begin_with_one_in_each_business(
    servers: Servers, database: Database, rows: Rows, stranger: Rows
) -> None:
    other = await seeded(database, await new_tenant(database))
    for desk, number in ((stranger, "1"), (other, "3"), (rows, "3")):
        claims = desk.tenant.claims(conversation_id=uuid4())
        async with servers.connect("tickets", claims) as caller:
            answer = await caller.call("create_ticket", subject="A", text="B")
        assert answer.data["id"] == number

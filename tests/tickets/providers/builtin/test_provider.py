"""The builtin provider: numbers, people, bulk calls, and retries."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from config.database import Database
from tests.conftest import fetch
from tests.support.servers import Answer, Caller, Servers
from tests.tickets.rows import Rows
from tests.tickets.scenario import use_everything
from tests.tickets.tool_cases import ID_ARGUMENTS, valid_arguments
from tests.tickets.tool_session import UNKNOWN_ID, ToolSession, call_tool
from tickets.server import SERVER


async def create_ticket(caller: Caller, subject: str = "Fridge hums", **values: Any) -> str:
    """Create a ticket and return its number."""
    return str(
        (await call_tool(caller, "create_ticket", subject=subject, text="See.", **values))["id"]
    )


async def test_every_tool_does_what_it_says(servers: Servers, rows: Rows) -> None:
    claims = rows.tenant.claims(conversation_id=uuid4())
    async with servers.connect("tickets", claims) as caller:
        session = ToolSession(rows, caller, frozenset())
        await use_everything(session)
    assert session.used == set(SERVER.catalogue()["tools"])


async def test_an_id_that_is_none_is_not_found(caller: Caller, rows: Rows) -> None:
    before = await rows.snapshot()
    misfits = ("../x", "' OR 1=1 --", " ", "9" * 40, "\u0661", str(uuid4()), UNKNOWN_ID)
    for tool, name in ID_ARGUMENTS.items():
        values = valid_arguments(rows.seed)[tool]
        for hostile in misfits:
            value: Any = [hostile] if isinstance(values[name], list) else hostile
            answer = await caller.call(tool, **{**values, name: value})
            if tool.startswith("show_many") and hostile.strip():
                assert answer.data.get("missing") == value, (tool, hostile, answer)
            else:
                assert answer.error == "not_found", (tool, hostile, answer)
    assert await rows.snapshot() == before


async def test_twenty_tickets_opened_at_once_have_twenty_numbers(
    servers: Servers, rows: Rows
) -> None:
    async def one(number: int) -> Answer:
        claims = rows.tenant.claims(conversation_id=uuid4())
        async with servers.connect("tickets", claims) as caller:
            return await caller.call(
                "create_ticket",
                subject=f"Subject {number}",
                text="See.",
                requester_name="Nadia Petrova",
                requester_email="nadia.petrova@example.org",
            )

    answers = await asyncio.gather(*map(one, range(20)))
    assert [answer.error for answer in answers] == [None] * 20
    assert sorted(int(answer.data["id"]) for answer in answers) == [*range(3, 23)]
    emails = [each["email"] for each in await rows.list_users()]
    assert emails.count("nadia.petrova@example.org") == 1


async def test_the_number_of_a_deleted_ticket_does_not_come_again(caller: Caller) -> None:
    last = await create_ticket(caller)
    await call_tool(caller, "delete_ticket", ticket=last)
    assert int(await create_ticket(caller)) == int(last) + 1


CREATES: dict[str, tuple[str, dict[str, Any]]] = {
    "create_ticket": ("ticket", {}),
    "create_many_tickets": ("ticket", {}),
    "add_comment": ("ticket_comment", {}),
    "create_user": ("ticket_user", {}),
    "log_call": ("ticket_call", {}),
}


@pytest.mark.parametrize("tool", CREATES)
async def test_a_repeat_is_answered_from_the_first_one(
    servers: Servers, rows: Rows, database: Database, tool: str
) -> None:
    values = valid_arguments(rows.seed)[tool]
    table, _ = CREATES[tool]

    async def count() -> int:
        return len(await fetch(database, rows.tenant, f"select id from {table}"))

    before = await count()
    claims = rows.tenant.claims(conversation_id=uuid4())
    async with servers.connect("tickets", claims) as caller:
        first = await call_tool(caller, tool, **values)
        # As if the process had died between the work and the answer.
        async with database.tenant(rows.tenant.business_id) as session:
            await session.execute(text("delete from idempotent_call"))
        repeated = await call_tool(caller, tool, **values)
    assert first == repeated
    assert await count() == before + (2 if tool == "create_many_tickets" else 1)
    async with servers.connect("tickets", rows.tenant.claims(conversation_id=uuid4())) as caller:
        other = await caller.call(tool, **values)
    assert other.error == ("conflict" if tool == "create_user" else None)


async def test_a_requester_is_found_by_any_address_or_added(caller: Caller, rows: Rows) -> None:
    async def requester(**values: str) -> str:
        ticket = await create_ticket(
            caller, **{f"requester_{name}": each for name, each in values.items()}
        )
        (found,) = [each for each in await rows.list_tickets() if each["id"] == ticket]
        return str(found["requester"])

    async def person(user: str) -> dict[str, Any]:
        (found,) = [each for each in await rows.list_users() if each["id"] == user]
        return found

    seed = rows.seed
    assert await requester(email="Katherine.Brandt@Bakery.example") == seed.katherine
    assert await requester(name="K. Brandt", phone="030 555 0142") == seed.katherine
    # A shared phone does not make two people one.
    other = await requester(name="Ben Brandt", phone="030 5550142", email="ben@example.org")
    assert other != seed.katherine
    # What was not known of somebody is known from now on; what was stays.
    known = await requester(name="Nadia Petrova", phone="+49 40 5550199")
    assert await requester(phone="040 5550199", email="nadia@example.org") == known
    assert await person(known) == {
        "id": known,
        "name": "Nadia Petrova",
        "email": "nadia@example.org",
        "phone": "+49405550199",
    }
    # A name alone is nobody's address.
    assert await requester(name="Katherine Brandt") != seed.katherine
    assert len(await rows.list_users()) == 6


async def test_a_ticket_needs_nobody(caller: Caller, rows: Rows) -> None:
    ticket = await create_ticket(caller)
    shown = await call_tool(caller, "show_ticket", ticket=ticket)
    assert "requester" not in shown
    assert (shown["status"], shown["tags"]) == ("new", [])


async def test_what_is_refused_does_not_undo_the_rest(caller: Caller, rows: Rows) -> None:
    seed = rows.seed
    ticket = {"subject": "Fridge hums", "text": "See."}
    created = await call_tool(
        caller,
        "create_many_tickets",
        tickets=[ticket, {**ticket, "requester": str(uuid4())}, {**ticket, "assignee": seed.agent}],
    )
    assert (created["done"], created["refused"]) == (2, {"2": "There is no such user."})
    users = await call_tool(
        caller,
        "update_many_users",
        users=[
            {"id": seed.tomasz, "name": "Tomasz A. Nowak"},
            {"id": seed.katherine, "email": "tomasz.nowak@example.net", "name": "Nobody"},
            {"id": UNKNOWN_ID, "name": "Nobody"},
        ],
    )
    assert users["done"] == 1
    assert users["refused"] == {
        seed.katherine: "There is a user with that e-mail address.",
        UNKNOWN_ID: "There is no such user.",
    }
    names = [each["name"] for each in await rows.list_users()]
    assert "Tomasz A. Nowak" in names
    assert "Nobody" not in names
    both = [seed.oven, seed.scale]
    agents = await call_tool(
        caller, "update_many_tickets", tickets=both, status="solved", assignee=seed.tomasz
    )
    assert agents["refused"] == dict.fromkeys(both, "There is no such agent.")
    assert {each["status"] for each in await rows.list_tickets()} == {"open", "new"}


async def test_merged_tickets_are_closed_and_their_people_copied(
    caller: Caller, rows: Rows, database: Database
) -> None:
    seed = rows.seed
    values = {"into": seed.oven, "tickets": [seed.scale], "comment": "One wire for both."}
    assert (await call_tool(caller, "merge_tickets", **values))["done"] == 1
    query = "select number, status, merged_into, copied from ticket order by number"
    oven, scale = await fetch(database, rows.tenant, query)
    assert (oven["status"], oven["copied"]) == ("open", [seed.tomasz])
    assert (scale["status"], scale["merged_into"]) == ("closed", int(seed.oven))
    said = "One wire for both.\nTickets that are part of this one now: 2."
    assert (await rows.list_comments(seed.oven))[-1] == {"text": said, "public": False}
    told = {"text": "This is now part of ticket 1.", "public": False}
    assert await rows.list_comments(seed.scale) == [told]
    # Once more changes nothing, and what is a part has no parts.
    assert (await call_tool(caller, "merge_tickets", **values))["done"] == 1
    assert len(await rows.list_comments(seed.oven)) == 3
    third = await create_ticket(caller, requester_email="nadia.petrova@example.org")
    refused = await caller.call("merge_tickets", into=seed.scale, tickets=[third])
    assert refused.error == "rejected"
    assert "It is part of ticket 1 itself." in refused.text
    unknown = await caller.call("merge_tickets", into=seed.oven, tickets=[UNKNOWN_ID])
    assert unknown.error == "not_found"
    partly = await call_tool(caller, "merge_tickets", into=seed.oven, tickets=[third, UNKNOWN_ID])
    assert (partly["done"], [*partly["refused"]]) == (1, [UNKNOWN_ID])
    shown = await call_tool(caller, "show_ticket", ticket=third)
    (oven, *_) = await fetch(database, rows.tenant, query)
    assert oven["copied"] == [seed.tomasz, shown["requester"]]


async def test_nothing_is_written_to_a_ticket_that_is_part_of_another(
    caller: Caller, rows: Rows
) -> None:
    seed = rows.seed
    await call_tool(caller, "merge_tickets", into=seed.oven, tickets=[seed.scale])
    third = await create_ticket(caller, requester_email="nadia.petrova@example.org")
    before = (await rows.list_tickets(), await rows.list_comments(seed.scale))
    writes: tuple[tuple[str, dict[str, Any]], ...] = (
        ("add_comment", {"ticket": seed.scale, "text": "It is dark."}),
        ("update_ticket", {"ticket": seed.scale, "status": "open"}),
        ("add_tags", {"ticket": seed.scale, "tags": ["late"]}),
        ("merge_tickets", {"into": third, "tickets": [seed.scale]}),
    )
    for tool, values in writes:
        refused = await caller.call(tool, **values)
        assert refused.error == "rejected", (tool, refused)
        assert f"now part of ticket {seed.oven}" in refused.text, (tool, refused)
    assert (await rows.list_tickets(), await rows.list_comments(seed.scale)) == before


async def test_an_organization_comes_with_its_first_member(caller: Caller, rows: Rows) -> None:
    seed = rows.seed
    ines = await call_tool(caller, "create_user", name="Ines Moreau", organization=" Town  Hall ")
    joao = await call_tool(caller, "create_user", name="Joao Lima", organization="town hall")
    known = await call_tool(caller, "create_user", name="Mia Lund", organization=seed.organization)
    users = [await call_tool(caller, "get_user", user=each["id"]) for each in (ines, joao, known)]
    assert users[0]["organization"] == users[1]["organization"] != seed.organization
    assert users[2]["organization"] == seed.organization
    shown = await call_tool(caller, "get_organization", organization=users[0]["organization"])
    assert shown["name"] == "Town Hall"
    ticket = await create_ticket(caller, requester=joao["id"])
    found = await call_tool(
        caller, "get_organization_tickets", organization=users[0]["organization"], detail="full"
    )
    assert [(each["id"], each["organization"]) for each in found["tickets"]] == [
        (ticket, users[0]["organization"])
    ]
    unknown = await caller.call("create_user", name="Nobody", organization=str(uuid4()))
    assert unknown.error == "rejected"


async def test_an_address_is_one_users(caller: Caller, rows: Rows) -> None:
    taken = {"name": "Nobody", "email": "TOMASZ.NOWAK@example.net"}
    for answer in (
        await caller.call("create_user", **taken),
        await caller.call("update_user", user=rows.seed.katherine, **taken),
    ):
        assert answer.error == "conflict"
        assert "Somebody has that e-mail address already." in answer.text
    assert "Nobody" not in [each["name"] for each in await rows.list_users()]
    same = await call_tool(caller, "update_user", user=rows.seed.tomasz, email=taken["email"])
    assert same["id"] == rows.seed.tomasz
    saved = await call_tool(caller, "create_or_update_user", name="T. Nowak", phone="022 5550177")
    assert saved["id"] == rows.seed.tomasz


async def test_what_a_deleted_user_wrote_stays(
    caller: Caller, rows: Rows, database: Database
) -> None:
    seed = rows.seed
    for user in (seed.katherine, seed.agent, seed.tomasz):
        await call_tool(caller, "delete_user", user=user)
    assert await rows.list_users() == []
    shown = await call_tool(caller, "show_ticket", ticket=seed.oven)
    assert not {"requester", "assignee"} & shown.keys()
    comments = (await call_tool(caller, "list_ticket_comments", ticket=seed.oven))["comments"]
    assert [each["by"] for each in comments] == ["agent", "customer"]
    (oven, _) = await fetch(database, rows.tenant, "select copied from ticket order by number")
    assert oven["copied"] == []

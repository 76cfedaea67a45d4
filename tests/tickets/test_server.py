"""The tools of the tickets server over HTTP: schemas, confirmations, refusals, sentences."""

from typing import Any
from uuid import uuid4

from fastmcp.tools import FunctionTool
from sqlalchemy import text

from config.database import Database
from tests.conftest import fetch
from tests.support.servers import Caller, Servers
from tests.tickets.rows import Rows
from tests.tickets.tool_cases import READ_TOOLS, valid_arguments
from tickets.server import SERVER
from toolkit import effects


async def test_every_tool_says_what_it_does(servers: Servers, rows: Rows) -> None:
    async with servers.connect("tickets", rows.tenant.claims()) as caller:
        tools = await caller.tools()
    assert list(tools) == SERVER.catalogue()["tools"]
    assert len(tools) == 33
    for tool in tools.values():
        assert tool.title
        assert tool.description
        assert tool.output_schema
        assert tool.annotations is not None
        hints = tool.annotations.model_dump(exclude={"title"}).values()
        assert len([hint for hint in hints if isinstance(hint, bool)]) == 4
        assert "provider" not in tool.input_schema["properties"]
    destroying = {
        name
        for name, tool in tools.items()
        if tool.annotations and effects.is_removal(tool.annotations)
    }
    assert destroying == {"delete_ticket", "delete_many_tickets", "delete_user", "merge_tickets"}
    required = {name: tool.input_schema.get("required", []) for name, tool in tools.items()}
    assert required["create_ticket"] == ["subject", "text"]
    assert required["search_users"] == ["text"]
    assert required["log_call"] == ["phone", "direction", "summary"]
    assert required["check_availability"] == []


def test_the_tools_for_a_call_are_tagged_and_have_examples() -> None:
    tools = [FunctionTool.from_function(tool) for tool in SERVER.tools]
    voice = {tool.name: tool for tool in tools if "voice" in tool.tags}
    assert voice.keys() == {"create_ticket", "show_ticket", "search", "add_comment", "search_users"}
    for tool in voice.values():
        (example,) = (tool.meta or {})["antiphon"]["examples"]
        assert example["caller"]
        assert example["arguments"].keys() <= tool.parameters["properties"].keys()


QUESTIONS = {
    "create_ticket": "A ticket about Mixer hums. Shall I open it?",
    "update_ticket": "Ticket 1, Oven stays cold: priority low. Shall I change it?",
    "create_many_tickets": "Two tickets would be opened. Shall I do that?",
    "update_many_tickets": "Two tickets would be changed. Shall I do that?",
    "add_comment": "In ticket 1, Oven stays cold: It is needed on Friday. Shall I add that?",
    "merge_tickets": "One ticket would become part of ticket 1, Oven stays cold."
    " Shall I merge them?",
    "add_tags": "Ticket 1, Oven stays cold: more tags late. Shall I change it?",
    "remove_tags": "Ticket 1, Oven stays cold: without the tags oven. Shall I change it?",
    "create_user": "Ines Moreau, ines.moreau@example.org. Shall I add them?",
    "update_user": "Katherine Brandt: Katherine Braun. Shall I change it?",
    "create_or_update_user": "Ines Moreau, ines.moreau@example.org. Shall I save that?",
    "create_or_update_many_users": "Two users would be saved. Shall I do that?",
    "update_many_users": "Two users would be changed. Shall I do that?",
    "log_call": "The call with +49305550142 would be written down in ticket 1. Shall I do that?",
    "delete_user": "Katherine Brandt would be deleted. Shall I do that?",
    "delete_ticket": "Ticket 1, Oven stays cold. Shall I delete it?",
    "delete_many_tickets": "Two tickets would be deleted. Shall I do that?",
}


async def all_rows(rows: Rows) -> list[Any]:
    """Return all rows of a tenant."""
    tables = ("ticket", "ticket_comment", "ticket_user", "ticket_call", "ticket_organization")
    return [
        await fetch(rows.database, rows.tenant, f"select * from {table} order by id")
        for table in tables
    ]


def test_every_writing_tool_asks() -> None:
    assert {*QUESTIONS} == set(SERVER.catalogue()["tools"]) - READ_TOOLS


async def test_what_is_written_is_read_back_before(servers: Servers, rows: Rows) -> None:
    claims = rows.tenant.claims(conversation_id=uuid4(), confirm=tuple(QUESTIONS))
    before, codes = await all_rows(rows), dict[str, str]()
    async with servers.connect("tickets", claims) as caller:
        for tool, question in QUESTIONS.items():
            asked = (await caller.call(tool, **valid_arguments(rows.seed)[tool])).data
            assert asked["status"] == "needs_confirmation", asked
            assert asked["say"] == question
            codes[tool] = asked["confirmation_code"]
        assert await all_rows(rows) == before
        for tool, code in codes.items():
            values = valid_arguments(rows.seed)[tool]
            done = await caller.call(tool, **values, confirmation_code=code)
            assert done.error is None, (tool, done)
            after = await all_rows(rows)
            assert after != before, tool
            before = after


REFUSALS: list[tuple[str, dict[str, Any], str, str]] = [
    ("update_ticket", {"priority": None}, "rejected", "What should I change?"),
    ("update_ticket", {"status": "waiting"}, "rejected", "new, open, pending, solved, closed"),
    ("update_ticket", {"assignee": str(uuid4())}, "rejected", "There is no such agent."),
    ("update_user", {"name": None}, "rejected", "What should I change?"),
    ("create_ticket", {"priority": "high up"}, "invalid", "priority does not fit"),
    ("create_ticket", {"requester_email": "ann at"}, "rejected", "spell the e-mail address"),
    ("create_ticket", {"requester_phone": "unknown"}, "rejected", "the phone number once more"),
    ("create_ticket", {"subject": ""}, "invalid", "subject does not fit"),
    ("create_many_tickets", {"tickets": []}, "invalid", "tickets does not fit"),
    ("create_many_tickets", {"tickets": [{"subject": "A"}]}, "invalid", "text is missing"),
    ("delete_many_tickets", {"tickets": ["1"] * 101}, "invalid", "at most 100"),
    ("merge_tickets", {"tickets": ["#1"]}, "rejected", "merged into itself"),
    ("add_comment", {"text": " \x00 "}, "rejected", "What should I write?"),
    ("create_user", {"name": " "}, "rejected", "There is nothing in that text."),
    ("search", {"text": "  "}, "rejected", "What should I look for?"),
    ("search_users", {"text": "  "}, "rejected", "Whom should I look for?"),
    ("create_or_update_user", {"email": None}, "rejected", "the phone number?"),
    ("log_call", {"phone": "hello"}, "rejected", "Could you give me the phone number once more?"),
    ("log_call", {"started": "some day"}, "rejected", "For which day and time?"),
    ("log_call", {"started": "tomorrow at ten"}, "rejected", "When was the call?"),
    ("log_call", {"direction": "sideways"}, "invalid", "direction does not fit"),
    ("check_availability", {"agent": "  "}, "not_found", "There is no such agent."),
]


async def test_what_cannot_be_done_is_refused_with_a_way_on(servers: Servers, rows: Rows) -> None:
    before = await all_rows(rows)
    async with servers.connect("tickets", rows.tenant.claims()) as caller:
        for tool, changes, error, message in REFUSALS:
            values = {**valid_arguments(rows.seed)[tool], **changes}
            present = {name: value for name, value in values.items() if value is not None}
            answer = await caller.call(tool, **present)
            assert answer.error == error, (tool, changes, answer)
            assert message in answer.text, (tool, changes, answer)
    assert await all_rows(rows) == before


async def test_what_is_found_is_said(servers: Servers, rows: Rows) -> None:
    """All sentences in one conversation, since some depend on the ones before.

    Long because it is one conversation.
    """
    async with servers.connect("tickets", rows.tenant.claims(conversation_id=uuid4())) as caller:

        async def say(tool: str, **values: Any) -> str:
            answer = await caller.call(tool, **values)
            assert answer.error is None, answer
            assert answer.text.splitlines()[0] == answer.data["say"]
            return str(answer.data["say"])

        oven, scale = "ticket 1, Oven stays cold", "ticket 2, Scale shows nothing"
        assert await say("list_tickets") in (
            f"I have {oven} and {scale}.",
            f"I have {scale} and {oven}.",
        )
        assert await say("search", text="oven") == f"I have {oven}."
        assert await say("search", text="zeppelin") == "I can't find any such ticket."
        assert await say("list_tickets", status="Closed") == "I can't find any such ticket."
        assert await say("show_ticket", ticket=" #1 ") == (
            "Ticket 1, Oven stays cold. Its status is open."
        )
        assert await say("search_users", text="catherine brand") == "I found Katherine Brandt."
        assert await say("search_users", text="Wu") == "I can't find anybody like that."
        assert await say("get_organization", organization=rows.seed.organization) == (
            "That is Corner Bakery."
        )
        agent = rows.seed.agent
        assert await say("check_availability") == "Mara Lindqvist can take a call now."
        await set_available(rows, False)
        assert await say("check_availability", agent=agent) == (
            "Mara Lindqvist can't take a call now."
        )
        assert await say("check_availability") == "Nobody can take a call now."
        assert await say("update_ticket", ticket="1", status="SOLVED") == (
            "Done, ticket 1 is now solved. Is there anything else?"
        )
        assert await say("create_ticket", subject="A", text="B") == (
            "Done, your ticket is number 3. Is there anything else?"
        )
        assert await say("update_many_tickets", tickets=["1", "2", "77"], priority="low") == (
            "Two tickets have been changed, and one could not be."
        )
        assert await say("delete_many_tickets", tickets=["3"]) == (
            "Done, one ticket has been deleted."
        )


async def set_available(rows: Rows, available: bool) -> None:
    """Make all agents available, or none."""
    query = text("update ticket_user set available = :available")
    async with rows.database.tenant(rows.tenant.business_id) as session:
        await session.execute(query, {"available": available})


async def test_what_is_said_is_written_down_as_it_is_meant(
    servers: Servers, rows: Rows, database: Database
) -> None:
    async with servers.connect("tickets", rows.tenant.claims()) as caller:
        created = await caller.call(
            "create_ticket",
            subject="  Fridge \u202e  hums\x00 ",
            text=" It hums.\x00 ",
            requester_name=" Nadia  Petrova ",
            requester_email="Nadia dot Petrova at example dot org",
            requester_phone="double five five oh one four three",
            tags=["cold room", "fridge"],
            fields={"room": "Kitchen\x00", "floor": 2},
        )
        assert created.error is None, created
        await caller.call(
            "update_ticket", ticket=created.data["id"], fields={"floor": None, "door": "left"}
        )
        logged = await caller.call(
            "log_call",
            phone="plus four nine three oh five five five oh one four two",
            direction="outbound",
            minutes=2,
            seconds=5,
            started="2026-11-20T09:30",
            summary="Called back.",
        )
        assert logged.error is None, logged
    (ticket,) = await fetch(database, rows.tenant, "select * from ticket where number = 3")
    assert (ticket["subject"], ticket["text"]) == ("Fridge hums", "It hums.")
    assert ticket["tags"] == ["cold_room", "fridge"]
    assert ticket["fields"] == {"room": "Kitchen", "door": "left"}
    query = "select * from ticket_user where id = :id"
    (user,) = await fetch(database, rows.tenant, query, id=ticket["requester_id"])
    assert (user["name"], user["email"]) == ("Nadia Petrova", "nadia.petrova@example.org")
    assert user["phone"] == "5550143"
    (call,) = await fetch(database, rows.tenant, "select * from ticket_call")
    assert (call["phone"], call["seconds"]) == ("+49305550142", 125)
    assert call["started_at"].isoformat() == "2026-11-20T08:30:00+00:00"  # Berlin's clock


async def test_a_call_that_has_just_ended_began_when_it_must_have(
    servers: Servers, rows: Rows, database: Database
) -> None:
    async with servers.connect("tickets", rows.tenant.claims()) as caller:
        answer = await caller.call("log_call", **valid_arguments(rows.seed)["log_call"])
    assert answer.data["say"] == "Done, the call has been written down in ticket 1."
    query = "select extract(epoch from created_at - started_at) as length, seconds from ticket_call"
    (call,) = await fetch(database, rows.tenant, query)
    assert call["seconds"] == 240
    assert 239 < float(call["length"]) < 250


async def search_ids(caller: Caller, words: str) -> list[str]:
    """Search for tickets and return their ids."""
    answer = await caller.call("search", text=words, detail="full")
    assert answer.error is None, answer
    return [each["id"] for each in answer.data["tickets"]]


async def test_what_is_alike_comes_first(servers: Servers, rows: Rows) -> None:
    async with servers.connect("tickets", rows.tenant.claims(conversation_id=uuid4())) as caller:
        for subject in ("Oven door", "Everything about the oven door and its hinges", "Door"):
            await caller.call("create_ticket", subject=subject, text="See there.")
        await caller.call("add_comment", ticket=rows.seed.scale, text="The oven door hit it.")
        # The one that was changed last tells of it in a comment only.
        assert await search_ids(caller, "oven door") == ["4", "3", rows.seed.scale]

"""The builtin provider's search, for texts as callers say them."""

from sqlalchemy import text

from config.database import Database
from tests.support.servers import Caller
from tests.tickets.rows import Rows
from tests.tickets.tool_session import call_tool

TICKETS: list[tuple[str, list[str]]] = [
    ("oven", ["oven"]),
    ("COLD OVEN", ["oven"]),
    ("the ovens display", ["scale"]),  # nothing has all of them; one has a telling one
    ("technician", ["oven"]),  # in a comment
    ("displ", ["scale"]),
    ("2", ["scale"]),
    ("Tomasz", ["scale"]),  # who asked for it
    ("Catherine Brand", ["oven"]),  # as it may be heard
    ("Tomash Novak", ["scale"]),
    ("Wladimir", []),
    ("is a an", []),
    ("' | !oven:* <-> \\", ["oven"]),
    ("!!", []),
]


async def test_tickets_are_found_by_what_is_said_of_them(caller: Caller, rows: Rows) -> None:
    for words, found in TICKETS:
        answer = await call_tool(caller, "search", text=words)
        expected = [getattr(rows.seed, name) for name in found]
        assert [each["id"] for each in answer["tickets"]] == expected, words


async def test_a_ticket_is_found_by_what_it_is_called_now(caller: Caller, rows: Rows) -> None:
    await call_tool(
        caller, "update_ticket", ticket=rows.seed.oven, subject="Stove", add_tags=["kitchen"]
    )
    await call_tool(caller, "add_comment", ticket=rows.seed.oven, text="The fuse blew.")
    for words in ("stove", "kitchen", "fuse", "heat"):
        answer = await call_tool(caller, "search", text=words)
        assert [each["id"] for each in answer["tickets"]] == [rows.seed.oven], words
    assert (await call_tool(caller, "search", text="stays cold"))["tickets"] == []


USERS: list[tuple[str, list[str]]] = [
    ("Katherine Brandt", ["katherine"]),
    ("Catherine", ["katherine"]),
    ("Katherine", ["katherine"]),
    ("brand", ["katherine"]),
    ("Thomas Novak", ["tomasz"]),
    ("Lindquist", ["agent"]),
    ("Zzyzx", []),
    ("030 555 0142", ["katherine"]),
    ("0142", []),
    ("Tomasz dot Nowak at example dot net", ["tomasz"]),
    ("%", []),
    ("_", []),
]


async def test_users_are_found_by_what_is_said_of_them(caller: Caller, rows: Rows) -> None:
    for said, found in USERS:
        answer = await call_tool(caller, "search_users", text=said)
        expected = [getattr(rows.seed, name) for name in found]
        assert [each["id"] for each in answer["users"]] == expected, said


async def test_the_best_of_many_names_comes_first(
    caller: Caller, rows: Rows, database: Database
) -> None:
    query = text("""
        insert into ticket_user (id, business_id, name, role, available, words)
        select gen_random_uuid(), :business, name, 'customer', false, to_tsvector('simple', name)
        from (select 'kai brock' || n as name from generate_series(1, 600) n) as names
    """)
    async with database.tenant(rows.tenant.business_id) as session:
        await session.execute(query, {"business": str(rows.tenant.business_id)})
    answer = await call_tool(caller, "search_users", text="Cathrin Brant")
    assert answer["users"][0]["id"] == rows.seed.katherine


async def test_lists_are_narrowed_and_sorted(caller: Caller, rows: Rows) -> None:
    seed = rows.seed
    await call_tool(caller, "update_ticket", ticket=seed.oven, status="Pending", type="task")
    for values, expected in (
        ({}, [seed.oven, seed.scale]),  # the last changed first
        ({"status": "PENDING"}, [seed.oven]),
        ({"status": "open"}, [seed.scale]),
        ({"type": "task"}, [seed.oven]),
        ({"type": "problem", "status": "pending"}, []),
        ({"status": "of our own"}, []),
    ):
        listed = await call_tool(caller, "list_tickets", **values)
        assert [each["id"] for each in listed["tickets"]] == expected, values

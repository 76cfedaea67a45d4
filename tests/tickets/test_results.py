"""Results are short by default, and complete with `detail: full`."""

import json
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from tests.support.servers import Servers
from tests.tickets.rows import Rows
from tests.tickets.tool_cases import READ_TOOLS, valid_arguments

MAX_SHORT = 1500  # bytes of a result


def size(data: dict[str, Any]) -> int:
    """Return the size of a result in bytes."""
    return len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())


async def fill_with_long_texts(rows: Rows) -> None:
    """Give the tenant many rows with long texts."""
    query = """
        update ticket set subject = repeat('Sehr lange Überschrift ', 20),
            text = repeat('Ein Ärgernis ohne Ende. ', 200),
            tags = (select jsonb_agg('etikett-nummer-' || n) from generate_series(1, 30) n);
        update ticket_comment set text = repeat('Noch ein Wörtchen dazu. ', 100);
        insert into ticket (id, business_id, number, subject, text, status, copied, tags, fields,
            words, requester_id, assignee_id)
        select gen_random_uuid(), business_id, number + 100 * n, subject, text, status, copied,
            tags, fields, words, requester_id, assignee_id
        from ticket cross join generate_series(1, 15) n;
        insert into ticket_comment (id, business_id, ticket_id, written_by, public, created_at,
            text)
        select gen_random_uuid(), business_id, id, 'us', true, now() + n * interval '1 second',
            'Comment ' || n || ' ' || repeat('é', 999)
        from ticket cross join generate_series(1, 40) n where number = 1;
        insert into ticket_user (id, business_id, name, email, phone, role, available, words)
        select gen_random_uuid(), business_id, repeat(name || ' ', 9), n || email, phone, role,
            true, words
        from ticket_user cross join generate_series(1, 15) n;
    """
    async with rows.database.tenant(rows.tenant.business_id) as session:
        for statement in query.split(";")[:-1]:
            await session.execute(text(statement))


async def test_answers_are_short_until_more_is_asked_for(servers: Servers, rows: Rows) -> None:
    await fill_with_long_texts(rows)
    listing: dict[str, dict[str, Any]] = {
        **{tool: valid_arguments(rows.seed)[tool] for tool in READ_TOOLS},
        "search": {"text": "oven"},
        "search_users": {"text": "Katherine Brandt"},
        "show_many_tickets": {"tickets": [str(100 * n + 1) for n in range(90)]},
        "show_many_users": {"users": [str(uuid4()) for _ in range(98)]},
    }
    async with servers.connect("tickets", rows.tenant.claims()) as caller:
        for tool, values in listing.items():
            answer = await caller.call(tool, **values)
            assert answer.error is None, (tool, answer)
            assert size(answer.data) <= MAX_SHORT, (tool, size(answer.data))
            for name in ("tickets", "users", "comments", "agents"):
                assert len(answer.data.get(name, [])) <= 3, tool
        for tool in ("list_tickets", "search", "get_user_requested_tickets", "list_users"):
            short = (await caller.call(tool, **listing[tool])).data
            full = (await caller.call(tool, **listing[tool], detail="full")).data
            name = "users" if tool == "list_users" else "tickets"
            assert (len(short[name]), short["more"]) == (3, True), tool
            assert 16 <= len(full[name]) <= 20, tool
            assert [each["id"] for each in full[name][:3]] == [each["id"] for each in short[name]]
        many = await caller.call("show_many_tickets", **listing["show_many_tickets"])
        assert len(many.data["missing"]) == 10


async def test_a_tickets_comments_are_told_in_order(servers: Servers, rows: Rows) -> None:
    await fill_with_long_texts(rows)
    async with servers.connect("tickets", rows.tenant.claims()) as caller:
        short = (await caller.call("list_ticket_comments", ticket="1")).data
        full = (await caller.call("list_ticket_comments", ticket="1", detail="full")).data
        none = (await caller.call("list_ticket_comments", ticket=rows.seed.scale)).data
    assert [each["text"].split()[1] for each in short["comments"]] == ["38", "39", "40"]
    assert short["more"] is True
    assert short["say"].startswith("Ticket 1 has 42 comments. The last one says: Comment 40 ")
    assert [each["text"].split()[1] for each in full["comments"]] == [
        str(number) for number in range(11, 41)
    ]
    assert {len(each["text"]) for each in full["comments"]} == {1010}
    assert {each["by"] for each in full["comments"]} == {"us"}
    assert none == {
        "say": "Ticket 2 has no comments.",
        "ticket": "2",
        "comments": [],
        "more": False,
    }

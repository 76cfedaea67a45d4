"""Every tool of the tickets server, called as it should be: what it returns and stores."""

from tests.tickets.double import PEOPLE
from tests.tickets.people_scenario import (
    read_people,
    read_related_tickets,
    use_calls,
    write_many_people,
    write_people,
)
from tests.tickets.tool_session import UNKNOWN_ID, ToolSession


async def use_everything(session: ToolSession) -> None:
    """Call every tool that the vendor has."""
    await read_tickets(session)
    ticket = await create_tickets(session)
    await add_comments(session, ticket)
    await change_ticket(session, ticket)
    await change_many_tickets(session)
    await read_related_tickets(session)
    await read_people(session)
    await write_people(session)
    await write_many_people(session)
    await use_calls(session)


async def read_tickets(session: ToolSession) -> None:
    """Read the seeded tickets."""
    seed = session.store.seed
    assert {seed.oven, seed.scale} <= {*await session.list_ids("list_tickets")}
    assert {seed.oven, seed.scale} <= {*await session.list_ids("list_tickets", status="open")}
    if session.supports("list_problems"):
        assert await session.list_ids("list_problems") == [seed.scale]
    assert (await session.list_ids("search", text="oven stays cold"))[0] == seed.oven
    assert await session.list_ids("search", text="zeppelin") == []
    shown = await session.call("show_ticket", ticket=seed.oven)
    expected = {
        "id": seed.oven,
        "subject": "Oven stays cold",
        "status": "open",
        "priority": "high",
        "requester": seed.katherine,
        "assignee": seed.agent,
        "tags": ["oven"],
    }
    assert expected.items() <= shown.items(), shown
    assert "The big oven does not heat since Monday." in shown["text"]
    many = await session.call("show_many_tickets", tickets=[seed.scale, UNKNOWN_ID, seed.oven])
    assert [row["id"] for row in many["tickets"]] == [seed.scale, seed.oven]
    assert many["missing"] == [UNKNOWN_ID]
    comments = await session.call("list_ticket_comments", ticket=seed.oven, detail="full")
    # A vendor may return the description as the first comment.
    last = [(row["by"], row["text"].strip()) for row in comments["comments"]][-2:]
    assert last == [
        ("agent", "A technician is on the way."),
        ("customer", "Good to know."),
    ]


async def create_tickets(session: ToolSession) -> str:
    """Create tickets, whose requester is known by id, by address, or not at all."""
    seed = session.store.seed
    created = await session.call(
        "create_ticket",
        subject="Bread slicer jams",
        text="It jams on every loaf.",
        requester=seed.katherine,
        priority="low",
        tags=["slicer"],
    )
    stored = await session.get_ticket(created["id"])
    expected = {
        "subject": "Bread slicer jams",
        "requester": seed.katherine,
        "priority": "low",
        "tags": ["slicer"],
    }
    assert expected.items() <= stored.items(), stored
    assert stored["status"] in ("new", "open")
    assert "It jams on every loaf." in stored["text"]
    known = await session.call(
        "create_ticket",
        subject="Till is slow",
        text="It takes a minute to open.",
        requester_name="Tomasz Nowak",
        requester_email=PEOPLE["tomasz"].email,
    )
    assert (await session.get_ticket(known["id"]))["requester"] == seed.tomasz
    if session.supports("create_user"):
        new = await session.call(
            "create_ticket",
            subject="Door does not close",
            text="There is a draught.",
            requester_name="Nadia Petrova",
            requester_email="nadia.petrova@example.org",
        )
        stored = await session.get_ticket(new["id"])
        assert (await session.get_user(stored["requester"]))["email"] == "nadia.petrova@example.org"
    return str(created["id"])


async def add_comments(session: ToolSession, ticket: str) -> None:
    """Add comments, one that the customer sees and one that they do not."""
    before = len(await session.store.list_comments(ticket))
    await session.call("add_comment", ticket=ticket, text="It is needed on Friday.")
    await session.call("add_comment", ticket=ticket, text="They sound annoyed.", public=False)
    stored = [
        (row["text"].strip(), row["public"]) for row in await session.store.list_comments(ticket)
    ]
    assert stored[before:] == [("It is needed on Friday.", True), ("They sound annoyed.", False)]
    comments = (await session.call("list_ticket_comments", ticket=ticket))["comments"][-2:]
    assert [(row["by"], row["public"]) for row in comments] == [("us", True), ("us", False)]


async def change_ticket(session: ToolSession, ticket: str) -> None:
    """Change one ticket, and its tags."""
    seed = session.store.seed
    await session.call(
        "update_ticket",
        ticket=ticket,
        subject="Bread slicer jams daily",
        status="solved",
        priority="urgent",
        assignee=seed.agent,
    )
    expected = {
        "subject": "Bread slicer jams daily",
        "status": "solved",
        "priority": "urgent",
        "assignee": seed.agent,
        "tags": ["slicer"],
    }
    assert expected.items() <= (await session.get_ticket(ticket)).items()
    if session.supports("add_tags", "remove_tags"):
        await session.call("add_tags", ticket=ticket, tags=["bread", "daily"])
        assert (await session.get_ticket(ticket))["tags"] == ["bread", "daily", "slicer"]
        await session.call("remove_tags", ticket=ticket, tags=["daily", "never"])
        assert (await session.get_ticket(ticket))["tags"] == ["bread", "slicer"]
    if session.supports("delete_ticket"):
        await session.call("delete_ticket", ticket=ticket)
        assert ticket not in [each["id"] for each in await session.store.list_tickets()]


async def change_many_tickets(session: ToolSession) -> None:
    """Create, change, merge and delete many tickets at once."""
    seed = session.store.seed
    names = ["First delivery", "Second delivery", "Third delivery", "Fourth delivery"]
    if not session.supports("create_many_tickets"):
        return
    created = await session.call(
        "create_many_tickets",
        tickets=[
            {"subject": name, "text": f"{name} is late.", "requester": seed.tomasz}
            for name in names
        ],
    )
    assert created["done"] == 4, created
    ids: list[str] = created["ids"]
    assert [(await session.get_ticket(each))["subject"] for each in ids] == names
    if session.supports("update_many_tickets"):
        changed = await session.call(
            "update_many_tickets", tickets=ids[:2], priority="high", add_tags=["late"]
        )
        assert changed["done"] == 2, changed
        after = [await session.get_ticket(each) for each in ids[:3]]
        assert [each["priority"] == "high" for each in after] == [True, True, False]
        assert [each["tags"] for each in after] == [["late"], ["late"], []]
    if session.supports("merge_tickets"):
        merged = await session.call(
            "merge_tickets", into=ids[0], tickets=ids[1:2], comment="One van for both."
        )
        assert merged["done"] == 1, merged
        assert (await session.get_ticket(ids[1]))["status"] in ("solved", "closed")
        assert any(
            "One van for both." in each["text"]
            for each in await session.store.list_comments(ids[0])
        )
    if session.supports("delete_many_tickets"):
        gone = await session.call("delete_many_tickets", tickets=ids[2:])
        assert gone["done"] == 2, gone
        assert not {*ids[2:]} & {each["id"] for each in await session.store.list_tickets()}

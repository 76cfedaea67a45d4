"""Every ticket tool, used as it should be: what it answers, and what it does at the desk."""

from tests.tickets.double import PEOPLE
from tests.tickets.people_scenario import calls, find_people, keep_people, whose_tickets
from tests.tickets.tour import NOWHERE, Tour


async def use_everything(tour: Tour) -> None:
    """Use every tool that the desk has."""
    await find_tickets(tour)
    ticket = await open_a_ticket(tour)
    await comment(tour, ticket)
    await change(tour, ticket)
    await many_tickets(tour)
    await whose_tickets(tour)
    await find_people(tour)
    await keep_people(tour)
    await calls(tour)


async def find_tickets(tour: Tour) -> None:
    """Read what is there."""
    seed = tour.world.seed
    assert {seed.oven, seed.scale} <= {*await tour.ids("list_tickets")}
    assert {seed.oven, seed.scale} <= {*await tour.ids("list_tickets", status="open")}
    if tour.can("list_problems"):
        assert await tour.ids("list_problems") == [seed.scale]
    assert (await tour.ids("search", text="oven stays cold"))[0] == seed.oven
    assert await tour.ids("search", text="zeppelin") == []
    shown = await tour.use("show_ticket", ticket=seed.oven)
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
    many = await tour.use("show_many_tickets", tickets=[seed.scale, NOWHERE, seed.oven])
    assert [row["id"] for row in many["tickets"]] == [seed.scale, seed.oven]
    assert many["missing"] == [NOWHERE]
    comments = await tour.use("list_ticket_comments", ticket=seed.oven, detail="full")
    # A vendor may count what the ticket was opened with as the first one.
    told = [(row["by"], row["text"].strip()) for row in comments["comments"]][-2:]
    assert told == [
        ("agent", "A technician is on the way."),
        ("customer", "Good to know."),
    ]


async def open_a_ticket(tour: Tour) -> str:
    """Open tickets: of somebody whose id, whose address, or of whom nothing is known."""
    seed = tour.world.seed
    created = await tour.use(
        "create_ticket",
        subject="Bread slicer jams",
        text="It jams on every loaf.",
        requester=seed.katherine,
        priority="low",
        tags=["slicer"],
    )
    held = await tour.ticket(created["id"])
    expected = {
        "subject": "Bread slicer jams",
        "requester": seed.katherine,
        "priority": "low",
        "tags": ["slicer"],
    }
    assert expected.items() <= held.items(), held
    assert held["status"] in ("new", "open")
    assert "It jams on every loaf." in held["text"]
    known = await tour.use(
        "create_ticket",
        subject="Till is slow",
        text="It takes a minute to open.",
        requester_name="Tomasz Nowak",
        requester_email=PEOPLE["tomasz"].email,
    )
    assert (await tour.ticket(known["id"]))["requester"] == seed.tomasz
    if tour.can("create_user"):
        new = await tour.use(
            "create_ticket",
            subject="Door does not close",
            text="There is a draught.",
            requester_name="Nadia Petrova",
            requester_email="nadia.petrova@example.org",
        )
        held = await tour.ticket(new["id"])
        assert (await tour.person(held["requester"]))["email"] == "nadia.petrova@example.org"
    return str(created["id"])


async def comment(tour: Tour, ticket: str) -> None:
    """Add comments, one that the customer sees and one that they do not."""
    before = len(await tour.world.said(ticket))
    await tour.use("add_comment", ticket=ticket, text="It is needed on Friday.")
    await tour.use("add_comment", ticket=ticket, text="They sound annoyed.", public=False)
    said = [(row["text"].strip(), row["public"]) for row in await tour.world.said(ticket)]
    assert said[before:] == [("It is needed on Friday.", True), ("They sound annoyed.", False)]
    comments = (await tour.use("list_ticket_comments", ticket=ticket))["comments"][-2:]
    assert [(row["by"], row["public"]) for row in comments] == [("us", True), ("us", False)]


async def change(tour: Tour, ticket: str) -> None:
    """Change one ticket, and its tags."""
    seed = tour.world.seed
    await tour.use(
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
    assert expected.items() <= (await tour.ticket(ticket)).items()
    if tour.can("add_tags", "remove_tags"):
        await tour.use("add_tags", ticket=ticket, tags=["bread", "daily"])
        assert (await tour.ticket(ticket))["tags"] == ["bread", "daily", "slicer"]
        await tour.use("remove_tags", ticket=ticket, tags=["daily", "never"])
        assert (await tour.ticket(ticket))["tags"] == ["bread", "slicer"]
    if tour.can("delete_ticket"):
        await tour.use("delete_ticket", ticket=ticket)
        assert ticket not in [each["id"] for each in await tour.world.held()]


async def many_tickets(tour: Tour) -> None:
    """Open, change, merge and delete many at once."""
    seed = tour.world.seed
    names = ["First delivery", "Second delivery", "Third delivery", "Fourth delivery"]
    if not tour.can("create_many_tickets"):
        return
    created = await tour.use(
        "create_many_tickets",
        tickets=[
            {"subject": name, "text": f"{name} is late.", "requester": seed.tomasz}
            for name in names
        ],
    )
    assert created["done"] == 4, created
    ids: list[str] = created["ids"]
    assert [(await tour.ticket(each))["subject"] for each in ids] == names
    if tour.can("update_many_tickets"):
        changed = await tour.use(
            "update_many_tickets", tickets=ids[:2], priority="high", add_tags=["late"]
        )
        assert changed["done"] == 2, changed
        after = [await tour.ticket(each) for each in ids[:3]]
        assert [each["priority"] == "high" for each in after] == [True, True, False]
        assert [each["tags"] for each in after] == [["late"], ["late"], []]
    if tour.can("merge_tickets"):
        merged = await tour.use(
            "merge_tickets", into=ids[0], tickets=ids[1:2], comment="One van for both."
        )
        assert merged["done"] == 1, merged
        assert (await tour.ticket(ids[1]))["status"] in ("solved", "closed")
        assert any("One van for both." in each["text"] for each in await tour.world.said(ids[0]))
    if tour.can("delete_many_tickets"):
        gone = await tour.use("delete_many_tickets", tickets=ids[2:])
        assert gone["done"] == 2, gone
        assert not {*ids[2:]} & {each["id"] for each in await tour.world.held()}

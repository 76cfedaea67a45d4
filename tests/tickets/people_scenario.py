"""The tools for people, organizations and calls, called as they should be."""

from tests.tickets.double import ORGANIZATION, PEOPLE
from tests.tickets.tool_session import UNKNOWN_ID, ToolSession


async def read_related_tickets(session: ToolSession) -> None:
    """Read the tickets of users and organizations."""
    seed = session.store.seed
    for tool, person in (
        ("get_user_requested_tickets", seed.katherine),
        ("get_user_assigned_tickets", seed.agent),
        ("get_user_ccd_tickets", seed.tomasz),
    ):
        if session.supports(tool):
            found = await session.list_ids(tool, user=person)
            assert seed.oven in found, (tool, found)
            assert seed.scale not in found, (tool, found)
    if session.supports("get_organization"):
        shown = await session.call("get_organization", organization=seed.organization)
        assert shown["name"] == ORGANIZATION
    if session.supports("get_organization_tickets"):
        found = await session.list_ids("get_organization_tickets", organization=seed.organization)
        assert seed.oven in found
        assert seed.scale not in found


async def read_people(session: ToolSession) -> None:
    """Read the seeded users."""
    seed = session.store.seed
    for user, key in ((seed.katherine, "katherine"), (seed.agent, "agent")):
        shown = await session.call("get_user", user=user)
        assert (shown["name"], shown["role"]) == (PEOPLE[key].name, PEOPLE[key].role)
    if session.supports("list_users"):
        listed = await session.list_ids("list_users", "users")
        assert {seed.katherine, seed.tomasz} <= {*listed}
    if session.supports("show_many_users"):
        many = await session.call(
            "show_many_users", users=[seed.tomasz, UNKNOWN_ID, seed.katherine], detail="full"
        )
        assert [row["id"] for row in many["users"]] == [seed.tomasz, seed.katherine]
        assert many["missing"] == [UNKNOWN_ID]
    for text in ("Katherine Brandt", "katherine dot brandt at bakery dot example"):
        assert await session.list_ids("search_users", "users", text=text) == [seed.katherine]


async def write_people(session: ToolSession) -> None:
    """Add, change and delete users."""
    ines = "ines.moreau@example.org"
    if session.supports("create_user"):
        phone = {"phone": "+33 1 55 50 01 99"} if session.phones else {}
        created = await session.call("create_user", name="Ines Moreau", email=ines, **phone)
        person = await session.get_user(created["id"])
        assert (person["name"], person["email"]) == ("Ines Moreau", ines)
        if session.supports("update_user"):
            await session.call("update_user", user=created["id"], name="Ines Dubois")
            assert (await session.get_user(created["id"]))["name"] == "Ines Dubois"
        if session.supports("create_or_update_user"):
            saved = await session.call("create_or_update_user", name="Ines Moreau", email=ines)
            assert saved["id"] == created["id"]
            assert (await session.get_user(created["id"]))["name"] == "Ines Moreau"
        if session.supports("delete_user"):
            await session.call("delete_user", user=created["id"])
            assert ines not in [each["email"] for each in await session.store.list_users()]


async def write_many_people(session: ToolSession) -> None:
    """Add and change many users at once."""
    joao = "joao.lima@example.org"
    if session.supports("create_or_update_many_users"):
        saved = await session.call(
            "create_or_update_many_users",
            users=[
                {"name": "Tomasz A. Nowak", "email": PEOPLE["tomasz"].email},
                {"name": "Joao Lima", "email": joao},
            ],
        )
        assert saved["done"] == 2, saved
        names = {each["email"]: each["name"] for each in await session.store.list_users()}
        assert names[PEOPLE["tomasz"].email] == "Tomasz A. Nowak"
        assert names[joao] == "Joao Lima"
    if session.supports("update_many_users"):
        seed = session.store.seed
        changed = await session.call(
            "update_many_users",
            users=[
                {"id": seed.tomasz, "name": "Tomasz Nowak"},
                {"id": seed.katherine, "name": "Katherine Braun"},
            ],
        )
        assert changed["done"] == 2, changed
        assert (await session.get_user(seed.katherine))["name"] == "Katherine Braun"


async def use_calls(session: ToolSession) -> None:
    """Log a call, and ask who can take the next one."""
    seed = session.store.seed
    if session.supports("log_call"):
        logged = await session.call(
            "log_call",
            phone="+49 30 5550142",
            direction="inbound",
            minutes=4,
            summary="Asked when the technician comes.",
            ticket=seed.oven,
        )
        assert logged["id"]
    if session.supports("check_availability"):
        one = await session.call("check_availability", agent=seed.agent)
        assert [each["available"] for each in one["agents"]] == [True]
        free = await session.call("check_availability")
        assert seed.agent in [each["agent"] for each in free["agents"]]

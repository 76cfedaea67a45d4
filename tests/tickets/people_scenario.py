"""The tools for people, organizations and calls, used as they should be."""

from tests.tickets.double import ORGANIZATION, PEOPLE
from tests.tickets.tour import NOWHERE, Tour


async def whose_tickets(tour: Tour) -> None:
    """Find tickets by those they are about."""
    seed = tour.world.seed
    for tool, person in (
        ("get_user_requested_tickets", seed.katherine),
        ("get_user_assigned_tickets", seed.agent),
        ("get_user_ccd_tickets", seed.tomasz),
    ):
        if tour.can(tool):
            found = await tour.ids(tool, user=person)
            assert seed.oven in found, (tool, found)
            assert seed.scale not in found, (tool, found)
    if tour.can("get_organization"):
        shown = await tour.use("get_organization", organization=seed.organization)
        assert shown["name"] == ORGANIZATION
    if tour.can("get_organization_tickets"):
        found = await tour.ids("get_organization_tickets", organization=seed.organization)
        assert seed.oven in found
        assert seed.scale not in found


async def find_people(tour: Tour) -> None:
    """Read who is there."""
    seed = tour.world.seed
    for user, key in ((seed.katherine, "katherine"), (seed.agent, "agent")):
        shown = await tour.use("get_user", user=user)
        assert (shown["name"], shown["role"]) == (PEOPLE[key].name, PEOPLE[key].role)
    if tour.can("list_users"):
        listed = await tour.ids("list_users", "users")
        assert {seed.katherine, seed.tomasz} <= {*listed}
    if tour.can("show_many_users"):
        many = await tour.use(
            "show_many_users", users=[seed.tomasz, NOWHERE, seed.katherine], detail="full"
        )
        assert [row["id"] for row in many["users"]] == [seed.tomasz, seed.katherine]
        assert many["missing"] == [NOWHERE]
    for text in ("Katherine Brandt", "katherine dot brandt at bakery dot example"):
        assert await tour.ids("search_users", "users", text=text) == [seed.katherine]


async def keep_people(tour: Tour) -> None:
    """Add, change and delete users."""
    ines, joao = "ines.moreau@example.org", "joao.lima@example.org"
    if tour.can("create_user"):
        phone = {"phone": "+33 1 55 50 01 99"} if tour.phones else {}
        created = await tour.use("create_user", name="Ines Moreau", email=ines, **phone)
        person = await tour.person(created["id"])
        assert (person["name"], person["email"]) == ("Ines Moreau", ines)
        if tour.can("update_user"):
            await tour.use("update_user", user=created["id"], name="Ines Dubois")
            assert (await tour.person(created["id"]))["name"] == "Ines Dubois"
        if tour.can("create_or_update_user"):
            kept = await tour.use("create_or_update_user", name="Ines Moreau", email=ines)
            assert kept["id"] == created["id"]
            assert (await tour.person(created["id"]))["name"] == "Ines Moreau"
        if tour.can("delete_user"):
            await tour.use("delete_user", user=created["id"])
            assert ines not in [each["email"] for each in await tour.world.people()]
    if tour.can("create_or_update_many_users"):
        kept = await tour.use(
            "create_or_update_many_users",
            users=[
                {"name": "Tomasz A. Nowak", "email": PEOPLE["tomasz"].email},
                {"name": "Joao Lima", "email": joao},
            ],
        )
        assert kept["done"] == 2, kept
        names = {each["email"]: each["name"] for each in await tour.world.people()}
        assert names[PEOPLE["tomasz"].email] == "Tomasz A. Nowak"
        assert names[joao] == "Joao Lima"
    if tour.can("update_many_users"):
        seed = tour.world.seed
        changed = await tour.use(
            "update_many_users",
            users=[
                {"id": seed.tomasz, "name": "Tomasz Nowak"},
                {"id": seed.katherine, "name": "Katherine Braun"},
            ],
        )
        assert changed["done"] == 2, changed
        assert (await tour.person(seed.katherine))["name"] == "Katherine Braun"


async def calls(tour: Tour) -> None:
    """Write a call down, and ask who could take the next one."""
    seed = tour.world.seed
    if tour.can("log_call"):
        logged = await tour.use(
            "log_call",
            phone="+49 30 5550142",
            direction="inbound",
            minutes=4,
            summary="Asked when the technician comes.",
            ticket=seed.oven,
        )
        assert logged["id"]
    if tour.can("check_availability"):
        one = await tour.use("check_availability", agent=seed.agent)
        assert [each["available"] for each in one["agents"]] == [True]
        free = await tour.use("check_availability")
        assert seed.agent in [each["agent"] for each in free["agents"]]

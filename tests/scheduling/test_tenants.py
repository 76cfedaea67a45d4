"""Another tenant's bookings and calendars are answered like ones that do not exist."""

from typing import Any

import pytest

from config.database import Database
from tests.conftest import Tenant, fetch, new_tenant
from tests.scheduling.calendars import MUSEUM, SCHOOL, declare
from tests.support.servers import Answer, Servers

UNKNOWN_ID = "00000000"
BOOKING_TOOLS: dict[str, dict[str, Any]] = {
    "get_booking": {},
    "reschedule_booking": {"slot": "piano tomorrow at three"},
    "cancel_booking": {},
}


async def book(servers: Servers, tenant: Tenant, slot: str, name: str) -> str:
    async with servers.connect("scheduling", tenant.claims()) as caller:
        answer = await caller.call("create_booking", slot=slot, name=name, phone="5550142")
    assert answer.error is None
    return str(answer.data["id"])


async def call(servers: Servers, tenant: Tenant, tool: str, **arguments: Any) -> Answer:
    async with servers.connect("scheduling", tenant.claims()) as caller:
        return await caller.call(tool, **arguments)


@pytest.mark.parametrize("tool", BOOKING_TOOLS)
@pytest.mark.parametrize("form", ["reference", "id"])
async def test_a_foreign_booking_is_answered_like_an_unknown_one(
    servers: Servers, school: Tenant, database: Database, tool: str, form: str
) -> None:
    other = await new_tenant(database)
    await declare(database, other, SCHOOL)
    reference = await book(servers, school, "piano tomorrow at ten", "Ann One")
    (before,) = await fetch(database, school, "select * from calendar_booking")
    booking = reference if form == "reference" else str(before["id"])
    arguments = BOOKING_TOOLS[tool]
    others = await call(servers, other, tool, booking=booking, **arguments)
    unknown = await call(servers, other, tool, booking=UNKNOWN_ID, **arguments)
    assert others == unknown
    assert others.error == "not_found"
    for malformed in ("", "x", "%", "________", f"{reference}%", "' or 1=1"):
        assert await call(servers, other, tool, booking=malformed, **arguments) == unknown
    (after,) = await fetch(database, school, "select * from calendar_booking")
    assert after == before
    own = await call(servers, school, tool, booking=booking, **arguments)
    assert own.error is None
    assert own.data["id"] == reference


async def test_a_foreign_calendar_is_answered_like_an_unknown_one(
    servers: Servers, database: Database
) -> None:
    mine, other = await new_tenant(database), await new_tenant(database)
    await declare(database, mine, SCHOOL)
    await declare(database, other, MUSEUM)
    calls: list[tuple[str, dict[str, str]]] = [
        ("get_available_slots", {"service": "piano", "when": "tomorrow"}),
        ("create_booking", {"slot": "piano tomorrow at ten", "name": "Ann One"}),
        ("list_bookings", {"name": "Ann One"}),
        *(
            (tool, {"booking": UNKNOWN_ID, **arguments})
            for tool, arguments in BOOKING_TOOLS.items()
        ),
    ]
    for tool, arguments in calls:
        answers: dict[str, Answer] = {}
        for calendar in ("school", "nowhere"):
            claims = other.claims(integration=calendar)
            async with servers.connect("scheduling", claims) as caller:
                answers[calendar] = await caller.call(tool, **arguments)
        assert answers["school"] == answers["nowhere"], tool
        assert answers["school"].error == "disconnected", tool


async def test_each_business_sees_its_own_times_and_callers(
    servers: Servers, school: Tenant, database: Database
) -> None:
    other = await new_tenant(database)
    await declare(database, other, SCHOOL)
    await book(servers, school, "piano tomorrow at ten", "Ann One")
    for find in ({"name": "Ann One"}, {"phone": "5550142"}):
        theirs = await call(servers, other, "list_bookings", **find)
        unknown = await call(servers, other, "list_bookings", name="Nobody At All")
        assert theirs == unknown
        own = await call(servers, school, "list_bookings", **find)
        assert len(own.data["bookings"]) == 1
    question = {"service": "piano", "when": "tomorrow at ten"}
    free = await call(servers, other, "get_available_slots", **question)
    taken = await call(servers, school, "get_available_slots", **question)
    assert " is free." in free.data["say"]
    assert " is not free," in taken.data["say"]
    await book(servers, other, "piano tomorrow at ten", "Ben Two")

"""The scheduling tools as a client sees them, over HTTP."""

import asyncio
import importlib
import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from fastmcp.tools import FunctionTool
from sqlalchemy import text

from config.database import Database
from scheduling.server import SERVER
from tests.conftest import Tenant, fetch, new_tenant
from tests.scheduling.calendars import MUSEUM, SCHOOL, declare
from tests.support.servers import Caller, Servers

NAMES = [
    *("get_available_slots", "create_booking", "get_booking"),
    *("list_bookings", "reschedule_booking", "cancel_booking"),
]


async def slots(caller: Caller, when: str = "tomorrow", service: str = "piano") -> list[str]:
    """Return the handles that are offered."""
    answer = await caller.call("get_available_slots", service=service, when=when)
    assert answer.error is None
    return [offer["handle"] for offer in answer.data["offered"]]


async def test_every_tool_says_what_it_does(servers: Servers, school: Tenant) -> None:
    async with servers.connect("scheduling", school.claims()) as caller:
        tools = await caller.tools()
    assert list(tools) == NAMES
    for tool in tools.values():
        assert tool.title
        assert tool.description
        assert tool.output_schema
        assert tool.annotations is not None
        hints = tool.annotations.model_dump(exclude={"title"}).values()
        assert len([hint for hint in hints if isinstance(hint, bool)]) == 4
        assert "calendar" not in tool.input_schema["properties"]
        assert "operations" not in tool.input_schema["properties"]
    required = {name: tools[name].input_schema.get("required", []) for name in NAMES[:2]}
    assert required == {
        "get_available_slots": ["service", "when"],
        "create_booking": ["slot", "name"],
    }


def test_the_tools_for_a_call_are_tagged() -> None:
    tools = [FunctionTool.from_function(tool) for tool in SERVER.tools]
    assert [tool.name for tool in tools if "voice" not in tool.tags] == ["get_booking"]
    catalogue = SERVER.catalogue()
    assert set(catalogue["providers"]) == {"calcom", "acuity", "housecallpro", "builtin"}
    assert (catalogue["tools"], catalogue["unsupported"]) == (NAMES, {})


async def test_the_tools_cost_few_tokens(
    servers: Servers, school: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # read when it is imported
    token_counter = importlib.import_module("litellm").token_counter

    async with servers.connect("scheduling", school.claims()) as caller:
        tools = await caller.tools()

    def tokens(*functions: dict[str, Any]) -> int:
        message = [{"role": "user", "content": "hello"}]
        wire = [{"type": "function", "function": each} for each in functions]
        return int(token_counter(model="gpt-4o", messages=message, tools=wire))

    functions = [
        {
            "name": f"scheduling_{tool.name}",
            "description": tool.description,
            "parameters": tool.input_schema,
        }
        for tool in tools.values()
    ]
    assert (tokens(*functions) - tokens()) / len(functions) <= 100


async def test_a_call_from_question_to_booking(
    servers: Servers, school: Tenant, database: Database
) -> None:
    async with servers.connect("scheduling", school.claims(conversation_id=uuid4())) as caller:
        offer = await caller.call(
            "get_available_slots", service="a piano lesson", when="tomorrow at ten"
        )
        first = offer.data["offered"][0]
        assert first["handle"].startswith("piano-")
        assert first["handle"].endswith("-10:00")
        assert first["label"].endswith("at ten in the morning")
        assert offer.data["more"] is True
        assert offer.text.splitlines()[0] == offer.data["say"]
        booked = await caller.call(
            "create_booking",
            slot=first["handle"],
            name=" Peter  Brown ",
            phone="five five five zero one four two",
        )
        assert booked.error is None
        label = first["label"]
        assert booked.data["say"] == f"Done, you are booked for {label}. Is there anything else?"
        shown = {key: booked.data[key] for key in ("service", "label", "name", "phone", "status")}
        assert shown == {
            "service": "Piano lesson",
            "label": label,
            "name": "Peter Brown",
            "phone": "5550142",
            "status": "booked",
        }
        found = await caller.call("get_booking", booking=booked.data["id"])
        assert found.data["say"] == f"Piano lesson on {label}, for Peter Brown."
        assert found.data["starts_at"] == booked.data["starts_at"]
    (row,) = await fetch(database, school, "select * from calendar_booking")
    assert str(row["id"]).startswith(booked.data["id"])
    assert row["idempotency_key"]


async def test_no_result_is_long(servers: Servers, school: Tenant) -> None:
    async with servers.connect("scheduling", school.claims()) as caller:
        answer = await caller.call("get_available_slots", service="piano", when="in two weeks")
    assert len(json.dumps(answer.data)) <= 1500


@pytest.mark.parametrize("when", ["", "hello?", "in the morning", "at ten"])
async def test_without_a_day_the_caller_is_asked_for_one(
    servers: Servers, school: Tenant, when: str
) -> None:
    async with servers.connect("scheduling", school.claims()) as caller:
        answer = await caller.call("get_available_slots", service="piano", when=when)
    assert answer.data == {
        "say": "For which day would you like to come?",
        "offered": [],
        "more": False,
    }


@pytest.mark.parametrize("service", ["haircut", "lesson", ""])
async def test_a_service_that_could_be_none_or_several_is_asked_for(
    servers: Servers, school: Tenant, service: str
) -> None:
    async with servers.connect("scheduling", school.claims()) as caller:
        answer = await caller.call("get_available_slots", service=service, when="tomorrow")
    assert answer.error == "rejected"
    assert "What would you like to book: Piano lesson or Violin lesson?" in answer.text


@pytest.mark.parametrize(
    ("slot", "reason"),
    [
        ("piano-thu31feb-10:00", "not one of the offered times"),
        ("piano lesson the second one", "not one of the offered times"),
        ("piano tomorrow morning", "not one of the offered times"),
        ("piano lesson on 2020-01-01 at 10:00", "has already passed"),
        ("piano tomorrow at eight in the morning", "is not free. Free instead: piano-"),
        ("tomorrow at ten", "The services are: Piano lesson or Violin lesson."),
        ("mon-10:00", "The services are: Piano lesson or Violin lesson."),
        ("harp-mon-10:00", "The services are: Piano lesson or Violin lesson."),
    ],
)
async def test_what_cannot_be_booked_is_refused_with_a_way_on(
    servers: Servers, school: Tenant, database: Database, slot: str, reason: str
) -> None:
    async with servers.connect("scheduling", school.claims()) as caller:
        answer = await caller.call("create_booking", slot=slot, name="Ann One")
    assert answer.error == "rejected"
    assert reason in answer.text
    assert await fetch(database, school, "select * from calendar_booking") == []


async def test_words_and_iso_book_as_well_as_a_handle(servers: Servers, school: Tenant) -> None:
    async with servers.connect("scheduling", school.claims()) as caller:
        words = await caller.call(
            "create_booking", slot="violin lesson tomorrow at half past ten", name="Ann One"
        )
        assert words.error is None
        assert words.data["service"] == "Violin lesson"
        iso = words.data["starts_at"]
        moved = await caller.call(
            "reschedule_booking",
            booking=words.data["id"],
            slot=iso.replace("T10:30", "T14:00"),
        )
        assert moved.data["starts_at"] == iso.replace("T10:30", "T14:00")


async def test_a_calendar_with_one_service_has_short_handles(
    servers: Servers, museum: Tenant
) -> None:
    async with servers.connect("scheduling", museum.claims()) as caller:
        (handle, *_) = await slots(caller, "next Tuesday", "a visit")
        assert handle.startswith("tue")
        booked = await caller.call("create_booking", slot=handle, name="Ann One")
    assert booked.data["service"] == "Guided tour"


async def test_ten_callers_at_once_get_one_time_once(
    servers: Servers, school: Tenant, database: Database
) -> None:
    async with servers.connect("scheduling", school.claims()) as caller:
        handle = (await slots(caller))[0]

    async def book(number: int) -> str | None:
        claims = school.claims(conversation_id=uuid4())
        async with servers.connect("scheduling", claims) as caller:
            answer = await caller.call("create_booking", slot=handle, name=f"Caller {number}")
        if answer.error:
            assert "Free instead: piano-" in answer.text
        return answer.error

    errors = await asyncio.gather(*(book(number) for number in range(10)))
    assert sorted(filter(None, errors)) == ["rejected"] * 9
    assert len(await fetch(database, school, "select * from calendar_booking")) == 1


async def test_a_repeat_is_answered_from_the_first_booking(
    servers: Servers, school: Tenant, database: Database
) -> None:
    async with servers.connect("scheduling", school.claims(conversation_id=uuid4())) as caller:
        handle = (await slots(caller))[0]
        first = await caller.call("create_booking", slot=handle, name="Ann One")
        second = await caller.call("create_booking", slot=handle, name="Ann One")
        # As if the process had died between the booking and the answer.
        async with database.tenant(school.business_id) as session:
            await session.execute(text("delete from idempotent_call"))
        third = await caller.call("create_booking", slot=handle, name="Ann One")
    assert first.error is None
    assert first.data == second.data == third.data
    assert len(await fetch(database, school, "select * from calendar_booking")) == 1


async def call_confirmed(
    caller: Caller, tool: str, question: str, states: Callable[[], Awaitable[Any]], **arguments: Any
) -> dict[str, Any]:
    """Call a tool that asks `question` and changes nothing, then call it with the code."""
    before = await states()
    asked = (await caller.call(tool, **arguments)).data
    assert asked["status"] == "needs_confirmation"
    assert asked["say"] == question
    assert await states() == before
    code = asked["confirmation_code"]
    return (await caller.call(tool, **arguments, confirmation_code=code)).data


async def test_bookings_are_read_back_before_anything_happens(
    servers: Servers, school: Tenant, database: Database
) -> None:
    """Long because one booking is made, moved and cancelled."""
    writing = ("create_booking", "reschedule_booking", "cancel_booking")
    claims = school.claims(conversation_id=uuid4(), confirm=writing)

    async def states() -> list[tuple[Any, ...]]:
        rows = await fetch(database, school, "select status, starts_at from calendar_booking")
        return [tuple(row.values()) for row in rows]

    async with servers.connect("scheduling", claims) as caller:
        offer = await caller.call("get_available_slots", service="piano", when="tomorrow at ten")
        ten, later = (offer.data["offered"][n] for n in (0, 2))
        booked = await call_confirmed(
            caller,
            "create_booking",
            f"Piano lesson on {ten['label']}, for Ann One. Shall I book it?",
            states,
            slot=ten["handle"],
            name="Ann One",
        )
        moved = await call_confirmed(
            caller,
            "reschedule_booking",
            f"Piano lesson, from {ten['label']} to {later['label']}. Shall I move it?",
            states,
            booking=booked["id"],
            slot=later["handle"],
        )
        assert moved["label"] == later["label"]
        cancelled = await call_confirmed(
            caller,
            "cancel_booking",
            f"Piano lesson on {later['label']}. Shall I cancel it?",
            states,
            booking=booked["id"],
            reason="ill",
        )
        assert cancelled["status"] == "cancelled"
        assert cancelled["say"] == f"Done, {later['label']} is cancelled. Is there anything else?"
        refused = await caller.call("create_booking", slot="piano tomorrow at six", name="Ann")
        assert refused.error == "rejected"


async def test_a_cancelled_booking_stays_cancelled(servers: Servers, school: Tenant) -> None:
    async with servers.connect("scheduling", school.claims()) as caller:
        one, two, *_ = await slots(caller)
        booking = (await caller.call("create_booking", slot=one, name="Ann One")).data["id"]
        first = await caller.call("cancel_booking", booking=booking)
        assert await caller.call("cancel_booking", booking=booking) == first
        moved = await caller.call("reschedule_booking", booking=booking, slot=two)
        assert moved.error == "rejected"
        shown = await caller.call("get_booking", booking=booking)
        assert shown.data["say"].endswith("It has been cancelled.")
        assert (await caller.call("create_booking", slot=one, name="Ben Two")).error is None


async def test_bookings_are_listed_for_who_says_whose_they_are(
    servers: Servers, school: Tenant
) -> None:
    async with servers.connect("scheduling", school.claims()) as caller:
        one, two, *_ = await slots(caller)
        for slot in (one, two):
            await caller.call("create_booking", slot=slot, name="Ann One", phone="555 0142")
        await caller.call("create_booking", slot=(await slots(caller))[0], name="Ben Two")

        unnamed = await caller.call("list_bookings")
        assert unnamed.error == "rejected"
        assert "Under which name is the booking?" in unnamed.text

        by_name = await caller.call("list_bookings", name="ann one")
        by_phone = await caller.call("list_bookings", phone="five five five 0142")
        assert by_name == by_phone
        labels = [booking["label"] for booking in by_name.data["bookings"]]
        assert by_name.data["say"] == (
            f"I have Piano lesson on {labels[0]} and Piano lesson on {labels[1]}."
        )
        assert {booking["name"] for booking in by_name.data["bookings"]} == {"Ann One"}

        on_day = await caller.call("list_bookings", name="Ann One", when="tomorrow before noon")
        assert [booking["label"] for booking in on_day.data["bookings"]] == labels[:1]

        unknown = await caller.call("list_bookings", name="Cat Three")
        assert unknown.data == {
            "say": "I can't find a booking under that name or number.",
            "bookings": [],
        }


async def test_the_integration_names_the_calendar(servers: Servers, database: Database) -> None:
    tenant = await new_tenant(database)
    arguments = {"service": "tour", "when": "next Tuesday"}
    async with servers.connect("scheduling", tenant.claims()) as caller:
        none = await caller.call("get_available_slots", **arguments)
    await declare(database, tenant, SCHOOL, MUSEUM)
    async with servers.connect("scheduling", tenant.claims()) as caller:
        several = await caller.call("get_available_slots", **arguments)
    async with servers.connect("scheduling", tenant.claims(integration="museum")) as caller:
        museum = await caller.call("get_available_slots", **arguments)
    async with servers.connect("scheduling", tenant.claims(integration="zoo")) as caller:
        unknown = await caller.call("get_available_slots", **arguments)
    assert [each.error for each in (none, several, museum, unknown)] == [
        "disconnected",
        "disconnected",
        None,
        "disconnected",
    ]

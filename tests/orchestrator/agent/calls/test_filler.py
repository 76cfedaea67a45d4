"""While something takes long, the caller hears that it is being worked on."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from tests.orchestrator.agent.calls.museum import Museum, handle, tomorrow
from tests.support.scripted_model import Call, Step

pytestmark = pytest.mark.room

BOT = "patient"
FILLER = "Let me write that down."
BOOKED = "It is booked."
BAGS = "In the cloakroom."


@asynccontextmanager
async def calendar_locked(museum: Museum, calendar: str = BOT) -> AsyncGenerator[None]:
    """Keep everybody from booking."""
    async with museum.database.tenant(museum.business_id) as session:
        lock = text("select id from calendar where name = :name for update")
        (await session.execute(lock, {"name": calendar})).one()
        yield


async def test_a_slow_tool_is_bridged_by_its_filler(museum: Museum) -> None:
    slot = {"slot": handle(tomorrow()), "name": "Mary Brown"}
    model = museum.model(BOT)
    model.play(
        Step("please|book", [Call("scheduling_create_booking", slot)]),
        Step("please|book", BOOKED, results="booked"),
    )
    async with museum.call(BOT) as visit:
        async with calendar_locked(museum):
            spoken = await visit.say("Please book it for me.")
            await visit.voice_after(spoken)
            assert await museum.bookings(BOT) == []
        await visit.hears(spoken, FILLER, BOOKED)
        assert len(await museum.bookings(BOT)) == 1
    model.script.assert_done()


async def test_a_slow_model_is_bridged_once(museum: Museum) -> None:
    model = museum.model(BOT)
    model.play(Step("where|leave|bags", BAGS))
    model.answering.clear()
    async with museum.call(BOT) as visit:
        spoken = await visit.say("Where can I leave my bags?")
        await visit.voice_after(spoken)
        assert model.script.requests == []
        model.answering.set()
        await visit.hears(spoken, "One moment, please.", BAGS)
    model.script.assert_done()

"""What is to be confirmed waits for the caller's yes, whatever the model says."""

import json
from typing import Any

import pytest

from config.cache import connect
from config.settings import required
from tests.orchestrator.agent.calls.museum import Museum, handle, tomorrow
from tests.support.scripted_model import Call, Step

pytestmark = pytest.mark.room

ASKED = "Tomorrow at three, for John Carter. Shall I book it?"


async def test_after_a_no_nothing_is_booked_whatever_the_model_does(museum: Museum) -> None:
    slot = {"slot": handle(tomorrow()), "name": "John Carter"}
    booking = [Call("scheduling_create_booking", slot)]
    careful = museum.model("careful")
    careful.play(
        Step("garden|afternoon", booking),
        # In the very turn that asks, the caller has agreed to nothing.
        Step("garden|afternoon", [Call("confirm")], results="needs_confirmation"),
        Step("garden|afternoon", booking, results="Nothing waits"),
        Step("garden|afternoon", ASKED, results="Nothing waits"),
        Step("not|n't", [Call("confirm")]),
        Step("not|n't", booking, results="Nothing waits"),
        Step("not|n't", "I have not booked it.", results="needs_confirmation"),
    )
    async with museum.call("careful") as visit:
        asked = await visit.ask("I would like a garden tour tomorrow afternoon at three.")
        assert asked == ASKED, careful.script.unexpected
        codes = await issued_codes(museum)
        answer = await visit.ask("Please do not book it.")
        assert answer == "I have not booked it.", careful.script.unexpected
        outcomes = [event["outcome"] for event in visit.events("agent_tool_call")]
        assert outcomes == ["needs_confirmation"] * 3
        codes |= await issued_codes(museum)
    careful.script.assert_done()
    assert await museum.bookings("careful") == []
    assert len(codes) == 3
    requests = "\n".join(careful.bodies)
    assert "confirmation_code" not in requests
    assert not [code for code in codes if code in requests]
    assert not [code for code in codes if code in json.dumps(visit.caller.events)]


async def issued_codes(museum: Museum) -> set[str]:
    """Return the codes that wait to be redeemed."""
    url = required("REDIS_URL", museum.deployment.settings.redis_url)
    cache = connect(url)
    try:
        keys: list[Any] = await cache.keys("confirm:*")
    finally:
        await cache.aclose()
    return {str(key).removeprefix("confirm:") for key in keys}

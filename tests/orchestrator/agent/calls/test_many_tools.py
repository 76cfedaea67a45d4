"""A request that takes a dozen tool calls is served."""

import pytest

from tests.orchestrator.agent.calls.museum import Museum
from tests.support.scripted_model import Call, Step

pytestmark = pytest.mark.room

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DONE = "Every day at three is free."


async def test_a_dozen_tool_calls_answer_one_question(museum: Museum) -> None:
    asked = [
        Call("scheduling_get_available_slots", {"service": service, "when": f"next {day} at three"})
        for day in DAYS
        for service in ("garden tour", "highlights tour")
    ][:12]
    model = museum.model("guide")
    first, *others = [[call] for call in asked]
    model.play(
        Step("every day", first),
        *(Step("every day", calls, results=".") for calls in others),
        Step("every day", DONE, results="."),
    )
    async with museum.call("guide") as visit:
        typed = await museum.type_text(visit, "On which days is every day at three free?")
        assert await visit.answer(typed) == DONE, model.script.unexpected
        assert len(visit.events("agent_tool_call")) == 12
    model.script.assert_done()

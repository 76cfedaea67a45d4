"""A server that takes connections and never answers costs its own tools, and nothing else."""

import pytest

from tests.orchestrator.agent.calls.museum import Museum, handle, tomorrow
from tests.support.scripted_model import Call, Step

pytestmark = pytest.mark.room

OFFER = "Three in the afternoon is free."


async def test_the_greeting_and_the_other_tools_do_not_wait_for_it(museum: Museum) -> None:
    wish = {"service": "garden tour", "when": "tomorrow afternoon at three"}
    model = museum.model("cut-off")
    model.play(
        Step("garden|afternoon", [Call("scheduling_get_available_slots", wish)]),
        Step("garden|afternoon", OFFER, results=handle(tomorrow())),
    )
    museum.knowledge.die()
    try:
        async with museum.call("cut-off") as visit:
            # The greeting was heard, and the agent has not stopped waiting for the server.
            assert museum.knowledge.pending > 0
            assert museum.knowledge.given_up == 0
            answer = await visit.ask("I would like a garden tour tomorrow afternoon at three.")
            assert answer == OFFER, model.script.unexpected
            assert museum.knowledge.passed_on == 0
    finally:
        museum.knowledge.revive()
    model.script.assert_done()
    for request in model.script.requests:
        assert "scheduling_get_available_slots" in request.offered
        assert "knowledge_search_knowledge" not in request.offered

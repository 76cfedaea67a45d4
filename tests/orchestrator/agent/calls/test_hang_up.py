"""The caller hangs up: their last words are stored, and why the call ended."""

import pytest

from tests.orchestrator.agent.calls.museum import GREETING, Museum
from tests.support.scripted_model import Step

pytestmark = pytest.mark.room

BAGS = "In the cloakroom."


async def test_the_last_words_before_a_hang_up_are_stored(museum: Museum) -> None:
    museum.model("listener").play()
    async with museum.call("listener") as visit:
        await visit.say("Please cancel my tour for tomorrow.")
        await visit.caller.hang_up()
        conversation = await museum.wait_until_ended(visit)
        (greeting, (role, words)) = await museum.transcript(visit, 2)
        assert greeting == ("agent", GREETING)
        assert role == "user"
        assert "cancel my" in words.lower()
        assert conversation["end_reason"] == "caller_left"


async def test_a_caller_who_says_nothing_more_waits_for_nothing(museum: Museum) -> None:
    model = museum.model("listener")
    model.play(Step("where|leave|bags", BAGS))
    async with museum.call("listener") as visit:
        assert await visit.ask("Where can I leave my bags?") == BAGS
        await visit.caller.hang_up()
        conversation = await museum.wait_until_ended(visit)
        assert conversation["end_reason"] == "caller_left"
        assert [role for role, _ in await museum.transcript(visit, 3)] == ["agent", "user", "agent"]


async def test_a_room_that_is_closed_by_others_says_so(museum: Museum) -> None:
    museum.model("listener").play()
    async with museum.call("listener") as visit:
        await museum.close_room(visit)
        conversation = await museum.wait_until_ended(visit)
        assert conversation["end_reason"] == "room_closed"

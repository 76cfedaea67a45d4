"""A caller who speaks while the agent does is listened to."""

import pytest

from tests.orchestrator.agent.calls.museum import GREETING, Museum
from tests.support.callers import until
from tests.support.scripted_model import Step

pytestmark = pytest.mark.room

LONG = (
    "The museum shows paintings of four centuries on three floors. On the first floor are the "
    "old masters. On the second floor are the portraits, and the maps of the harbour. On the "
    "third floor is the modern collection, with a view over the whole city and the river."
)
BAGS = "In the cloakroom."


async def test_the_agent_stops_and_only_what_was_heard_is_kept(museum: Museum) -> None:
    model = museum.model("listener")
    model.play(Step("what|there|see", LONG), Step("where|leave|bags", BAGS))
    async with museum.call("listener") as visit:
        spoken = await visit.say("What is there to see?")
        await visit.voice_after(spoken)
        await visit.say("Excuse me, where can I leave my bags?")
        await until(lambda: visit.said("agent", spoken)[1:] == [BAGS])
        assert len(visit.events("interruption")) == 1
        entries = await museum.entries(visit, 5)
    model.script.assert_done()
    assert [entry["role"] for entry in entries] == ["agent", "user", "agent", "user", "agent"]
    greeting, cut, answer = (entry for entry in entries if entry["role"] == "agent")
    assert (greeting["text"], answer["text"]) == (GREETING, BAGS)
    assert cut["interrupted"] is True
    assert LONG.startswith(cut["text"].rstrip(". "))
    assert len(cut["text"]) < len(LONG) / 2
    assert not greeting.get("interrupted")
    assert not answer.get("interrupted")

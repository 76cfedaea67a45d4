"""The process of a call is killed: what was said before is not lost."""

import os
import signal

import pytest

from tests.orchestrator.agent.calls.museum import GREETING, Museum
from tests.support.scripted_model import Step

pytestmark = pytest.mark.room

PRICE = "It costs twelve euros."
BAGS = "In the cloakroom."


async def test_every_completed_turn_survives_the_process(museum: Museum) -> None:
    lost = museum.model("lost")
    lost.play(Step("much|guided|adults", PRICE), Step("where|leave|bags", BAGS))
    async with museum.call("lost") as visit:
        price = await visit.ask("How much is a guided tour for adults?")
        assert price == PRICE, lost.script.unexpected
        assert await visit.ask("Where can I leave my bags?") == BAGS, lost.script.unexpected
        (journal,) = museum.journals.glob(f"{visit.conversation_id}.*.jsonl")
        os.kill(int(journal.name.split(".")[1]), signal.SIGKILL)

        conversation = await museum.wait_until_ended(visit)
        assert conversation["end_reason"] == "agent_lost"
        transcript = await museum.transcript(visit, 5)
        assert [role for role, _ in transcript] == ["agent", "user", "agent", "user", "agent"]
        assert [text for role, text in transcript if role == "agent"] == [GREETING, PRICE, BAGS]
        assert not journal.exists()

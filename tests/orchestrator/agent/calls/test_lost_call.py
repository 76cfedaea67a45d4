"""The process of a call is killed: what was said before is not lost."""

import asyncio
import os
import signal
from typing import Any

import pytest

from tests.orchestrator.agent.calls.museum import GREETING, Museum
from tests.support.callers import OFTEN, PATIENCE
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

        said: list[dict[str, Any]] = []
        async with asyncio.timeout(PATIENCE):
            while len(said) < 5 or journal.exists():
                await asyncio.sleep(OFTEN)
                said = await museum.get(visit, "/transcript")
        said = said[:5]  # the caller gets another agent, which has more to say
        assert [entry["order_index"] for entry in said] == list(range(5))
        assert [entry["role"] for entry in said] == ["agent", "user", "agent", "user", "agent"]
        assert [entry["text"] for entry in said[::2]] == [GREETING, PRICE, BAGS]

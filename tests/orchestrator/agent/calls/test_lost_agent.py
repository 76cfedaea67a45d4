"""The agent of a call dies: the caller hears another one, which goes on where that one was."""

import os
import signal
import time
from uuid import UUID

import pytest

from orchestrator.sentences import say
from tests.orchestrator.agent.calls.museum import GREETING, Museum
from tests.support.callers import VoiceCall
from tests.support.scripted_model import Step

pytestmark = pytest.mark.room

PRICE = "It costs twelve euros."
BAGS = "In the cloakroom."
RECOVERY = 12.0  # seconds on a machine that is busy; benchmarks measure it on one that is not


def job_process(museum: Museum, conversation_id: UUID) -> int:
    """Return the process that serves a call now."""
    journals = museum.journals.glob(f"{conversation_id}.*.jsonl")
    newest = max(journals, key=lambda path: path.stat().st_mtime)
    return int(newest.name.split(".")[1])


async def kill_agent(museum: Museum, visit: VoiceCall) -> float:
    """Kill the process of a call, and return when."""
    os.kill(job_process(museum, visit.conversation_id), signal.SIGKILL)
    return time.time()


async def test_another_agent_goes_on_with_the_conversation(museum: Museum) -> None:
    model = museum.model("lost")
    model.play(Step("much|guided|adults", PRICE), Step("where|leave|bags", BAGS))
    async with museum.call("lost") as visit:
        assert await visit.ask("How much is a guided tour for adults?") == PRICE
        killed = await kill_agent(museum, visit)
        assert await visit.answer(killed) == say("resumed")
        assert await visit.voice_after(killed) - killed < RECOVERY
        assert await visit.ask("Where can I leave my bags?") == BAGS, model.script.unexpected
        said = [message.text for message in model.script.requests[-1].messages]
        assert PRICE in said  # the new agent's model has read what was said before
        await visit.caller.hang_up()
        conversation = await museum.wait_until_ended(visit)
        assert conversation["end_reason"] == "caller_left"
        entries = await museum.get(visit, "/transcript")
        assert [entry["text"] for entry in entries if entry["role"] == "agent"] == [
            *(GREETING, PRICE, say("resumed"), BAGS),
        ]
        indexes = [entry["order_index"] for entry in entries]
        assert indexes == sorted(set(indexes))


async def test_who_loses_every_agent_is_let_go(museum: Museum) -> None:
    museum.model("lost").play()
    async with museum.call("lost") as visit:
        for _ in range(2):
            killed = await kill_agent(museum, visit)
            await visit.answer(killed)
        await kill_agent(museum, visit)
        await visit.gone()
        conversation = await museum.wait_until_ended(visit)
        assert conversation["end_reason"] == "agent_lost"


async def test_a_conversation_that_is_over_gets_no_agent(museum: Museum) -> None:
    museum.model("listener").play()
    async with museum.call("listener") as visit:
        token = visit.caller.session["token"]
        await visit.caller.hang_up()
        await museum.wait_until_ended(visit)
        before = await museum.get(visit, "/transcript")
        async with museum.enter(visit, token) as room:  # the first token opens the room again
            await room.closed()
        assert await museum.get(visit, "/transcript") == before

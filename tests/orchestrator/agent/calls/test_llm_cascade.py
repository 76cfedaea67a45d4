"""A model that does not begin to answer in time is passed over, and then left out for a while."""

import pytest
from redis.asyncio import Redis

from orchestrator.sentences import say
from tests.orchestrator.agent.calls.museum import Museum
from tests.support.language_models import Model, Stream, forget_failures
from tests.support.scripted_model import Step

pytestmark = pytest.mark.room

ROLE = {"role": "assistant", "content": ""}


@pytest.fixture
async def silent(museum: Museum, cache: Redis) -> Model:
    """The first model of the bot, which does not rest any more."""
    await forget_failures(cache)
    return museum.model("silent")


async def test_the_next_model_answers_and_the_hanging_one_rests(
    museum: Museum, silent: Model
) -> None:
    second = museum.model("second")
    silent.hang()
    second.play(
        Step("much|guided|adults", "A guided tour costs twelve euros."),
        Step("where|leave|bags", "In the cloakroom."),
    )
    async with museum.call("cascade") as visit:
        price = await visit.ask("How much is a guided tour for adults?")
        assert price == "A guided tour costs twelve euros.", second.script.unexpected
        assert len(silent.bodies) > 0
        before = len(silent.bodies)
        assert await visit.ask("Where can I leave my bags?") == "In the cloakroom."
        assert len(silent.bodies) == before
    second.script.assert_done()


async def test_a_model_that_only_names_its_role_is_passed_over(
    museum: Museum, silent: Model
) -> None:
    second = museum.model("second")
    silent.send(Stream([ROLE], then="stalled"))
    second.play(Step("much|guided|adults", "A guided tour costs twelve euros."))
    async with museum.call("cascade") as visit:
        spoken = await visit.say("How much is a guided tour for adults?")
        await visit.hears(spoken, "A guided tour costs twelve euros.")
        assert len(silent.bodies) > 0
        assert silent.left.is_set()
        second.script.assert_done()
        second.send(Stream([ROLE], "stop"))  # and the first one rests
        spoken = await visit.say("Where can I leave my bags?")
        await visit.hears(spoken, say("apology"))
        second.play(Step("where|leave|bags", "In the cloakroom."))
        assert await visit.ask("Where can I leave my bags?") == "In the cloakroom."
    second.script.assert_done()

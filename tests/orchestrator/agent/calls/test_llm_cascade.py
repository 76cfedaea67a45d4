"""A model that does not begin to answer in time is passed over, and then left out for a while."""

import pytest

from tests.orchestrator.agent.calls.museum import Museum
from tests.support.scripted_model import Step

pytestmark = pytest.mark.room


async def test_the_next_model_answers_and_the_hanging_one_rests(museum: Museum) -> None:
    silent, second = museum.model("silent"), museum.model("second")
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

"""What the documents say is looked up while the caller still speaks."""

from typing import Any

import pytest

from tests.orchestrator.agent.calls.museum import GREETING, Museum
from tests.support.callers import until
from tests.support.scripted_model import Step
from tests.support.speech_recognition import utterance

pytestmark = pytest.mark.room

QUESTION = "How much is a guided tour for adults?"
PRICE = "It costs twelve euros."


def finals(museum: Museum) -> list[str]:
    """Return what Deepgram has understood in the end, so far."""
    return [
        message["channel"]["alternatives"][0]["transcript"]
        for _, message in museum.speech.record.sent
        if message["type"] == "Results" and message["is_final"]
    ]


async def test_the_search_is_done_before_the_words_are_final(museum: Museum) -> None:
    model = museum.model("early")
    model.play(Step("much|guided|adults", PRICE, facts="12 euros for adults"))
    museum.speech.script.append(utterance(QUESTION, "How much is", QUESTION[:-1]))
    final_when_found: list[list[str]] = []

    def notice(event: dict[str, Any]) -> None:
        if event["type"] == "retrieval":
            final_when_found.append(finals(museum))

    async with museum.call("early") as visit:
        museum.speech.record.sent.clear()
        visit.caller.on_event = notice
        assert await visit.ask(QUESTION) == PRICE, model.script.unexpected
    model.script.assert_done()
    queries = [event["arguments"]["query"] for event in visit.events("retrieval")]
    assert queries == ["How much is", QUESTION[:-1]]
    assert final_when_found == [[], []]
    assert finals(museum) == [QUESTION]


async def test_a_sound_without_words_is_no_turn(museum: Museum) -> None:
    model = museum.model("early")
    model.play(Step("much|guided|adults", PRICE))
    async with museum.call("early") as visit:
        museum.speech.record.sent.clear()
        await visit.say("Hm.")
        await until(lambda: finals(museum) == [""])
        museum.speech.script.append(utterance(QUESTION))
        assert await visit.ask(QUESTION) == PRICE, model.script.unexpected
        transcript = await museum.transcript(visit, 3)
    model.script.assert_done()
    assert transcript == [("agent", GREETING), ("user", QUESTION), ("agent", PRICE)]


async def test_what_no_document_says_adds_nothing_to_the_prompt(museum: Museum) -> None:
    model = museum.model("early")
    unknown, related = "Who won the world cup in 2014?", "How much is a guided tour for adults?"
    answer = "I cannot say."
    model.play(Step("world cup", answer), Step("guided tour", PRICE, facts="12 euros for adults"))
    async with museum.call("early") as visit:
        assert await visit.answer(await museum.type_text(visit, unknown)) == answer
        first = model.script.requests[-1]
        assert await visit.answer(await museum.type_text(visit, related)) == PRICE
    model.script.assert_done()
    assert "Facts:" not in first.facts
    assert [event["passages"] != [] for event in visit.events("retrieval")] == [False, True]

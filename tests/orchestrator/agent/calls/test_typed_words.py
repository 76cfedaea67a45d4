"""What a caller types takes the same way as what a caller says."""

from collections.abc import Sequence

import pytest

from tests.orchestrator.agent.calls.museum import Museum, handle, tomorrow
from tests.orchestrator.agent.calls.test_filler import FILLER, calendar_locked
from tests.support.callers import VoiceCall, until
from tests.support.scripted_model import Call, ChatRequest, Step

pytestmark = pytest.mark.room

ASKED = "Tomorrow at three, for John Carter. Shall I book it?"
BOOKED = "It is booked."
BAGS = "In the cloakroom."
ROOMS = (
    "There are old masters, there are portraits, and there are maps of the harbour and the city."
)


def refusals(visit: VoiceCall) -> list[str]:
    return [event["reason"] for event in visit.events("text_refused")]


def asked(request: ChatRequest, texts: Sequence[str]) -> list[str]:
    """Return those of the texts that a request of the model has."""
    return [message.text for message in request.messages if message.text in texts]


def booking() -> list[Call]:
    return [Call("scheduling_create_booking", {"slot": handle(tomorrow()), "name": "John Carter"})]


async def test_a_typed_yes_agrees_and_a_typed_no_withdraws(museum: Museum) -> None:
    model = museum.model("careful")
    model.play(
        Step("please book", booking()),
        Step("please book", ASKED, results="needs_confirmation"),
        Step("no, rather not", [Call("confirm")]),
        Step("no, rather not", "I leave it.", results="Nothing waits"),
        Step("then book it after all", booking()),
        Step("then book it after all", ASKED, results="needs_confirmation"),
        Step("yes please", [Call("confirm")]),
        Step("yes please", BOOKED, results="booked"),
    )
    async with museum.call("careful") as visit:
        assert await visit.answer(await museum.type_text(visit, "Please book it.")) == ASKED
        assert await visit.answer(await museum.type_text(visit, "No, rather not.")) == "I leave it."
        again = await visit.answer(await museum.type_text(visit, "Then book it after all."))
        assert again == ASKED, model.script.unexpected
        assert await museum.bookings("careful") == []
        assert await visit.answer(await museum.type_text(visit, "Yes please.")) == BOOKED
    model.script.assert_done()
    assert len(await museum.bookings("careful")) == 1


async def test_what_is_no_message_is_refused_and_says_why(museum: Museum) -> None:
    model = museum.model("listener")
    model.play(Step("where are the bags", BAGS))
    async with museum.call("listener") as visit:
        await museum.type_text(visit, " \n\t ")
        await until(lambda: refusals(visit) == ["blank"])
        await museum.type_text(visit, "x" * 2_001)
        await until(lambda: refusals(visit) == ["blank", "too_long"])
        await museum.type_text(visit, "x" * 4_000_000)
        await until(lambda: refusals(visit) == ["blank", "too_long", "too_long"])
        assert model.script.requests == []
        assert await visit.answer(await museum.type_text(visit, "Where are the bags?")) == BAGS
        said = [text for role, text in await museum.transcript(visit, 3) if role == "user"]
        assert said == ["Where are the bags?"]
    assert all(event["message"] for event in visit.events("text_refused"))


async def test_a_flood_is_bounded_and_kept_in_order(museum: Museum) -> None:
    model = museum.model("listener")
    model.play(*(Step("bags", BAGS) for _ in range(20)))
    async with museum.call("listener") as visit:
        texts = [f"Number {number}: where are the bags?" for number in range(60)]
        typed = [await museum.type_text(visit, words) for words in texts]
        await until(lambda: len(refusals(visit)) + len(visit.events("user_transcript")) == 60)
        taken = [event["text"] for event in visit.events("user_transcript")]
        assert taken == [text for text in texts if text in taken]
        assert 10 <= len(taken) <= 20
        assert set(refusals(visit)) == {"too_fast"}
        await until(lambda: BAGS in visit.said("agent", typed[0]))
        entries = await museum.get(visit, "/transcript")
        assert [entry["text"] for entry in entries if entry["role"] == "user"] == taken
        # The others wait for the answer to the first one, and are answered together.
        await until(lambda: asked(model.script.requests[-1], texts) == taken)
        assert len(model.script.requests) <= len(taken)


async def test_what_is_typed_while_a_tool_runs_is_taken_and_answered_next(museum: Museum) -> None:
    # An hour of its own: other tests, and a first try of this one, have booked in this calendar.
    hour = 9 + len(await museum.bookings("patient"))
    slot = {"slot": handle(tomorrow().replace(hour=hour)), "name": "Mary Brown"}
    model = museum.model("patient")
    model.play(
        Step("book it", [Call("scheduling_create_booking", slot)]),
        Step("book it", BOOKED, results="booked"),
        Step("where are the bags", BAGS),
    )
    async with museum.call("patient") as visit:
        async with calendar_locked(museum):
            typed = await museum.type_text(visit, "Book it for me.")
            await until(lambda: FILLER in visit.said("agent", typed) or model.script.unexpected)
            assert model.script.unexpected == []  # the tool runs
            later = await museum.type_text(visit, "And where are the bags?")
            await until(lambda: len(visit.events("user_transcript")) == 2)
            assert len(model.script.requests) == 1
        await until(lambda: BAGS in visit.said("agent", typed))
        assert [text for text in visit.said("agent", typed) if text in (BOOKED, BAGS)] == [
            BOOKED,
            BAGS,
        ]
        assert "One moment, please." in visit.said("agent", later)  # nobody waits in silence
    model.script.assert_done()


@pytest.mark.parametrize("interrupt", [False, True])
async def test_a_second_message_waits_for_the_answer_to_the_first_unless_it_is_to_interrupt(
    museum: Museum, interrupt: bool
) -> None:
    model = museum.model("listener")
    model.play(Step("what is there", ROOMS), Step("where are the bags", BAGS))
    async with museum.call("listener") as visit:
        typed = await museum.type_text(visit, "What is there to see?")
        await visit.voice_after(typed)
        await museum.type_text(visit, "Where are the bags?", interrupt=interrupt)
        await until(lambda: visit.said("agent", typed)[-1:] == [BAGS])
        # Of an answer that is cut off, only what was heard is kept, which may be nothing.
        entries = await museum.wait_for_entries(visit, 4 if interrupt else 5)
    model.script.assert_done()
    said = [entry["text"] for entry in entries if entry["role"] == "agent"]
    assert said[-1] == BAGS
    assert (ROOMS in said) is not interrupt
    assert len([entry for entry in entries if entry["role"] == "user"]) == 2


async def test_texts_of_others_in_the_room_are_not_the_caller_s(museum: Museum) -> None:
    model = museum.model("listener")
    model.play(Step("where are the bags", BAGS))
    async with museum.call("listener") as visit, museum.guest(visit) as guest:
        await guest.room.local_participant.send_text("Tell me everything.", topic="lk.chat")
        assert await visit.answer(await museum.type_text(visit, "Where are the bags?")) == BAGS
    assert len(model.script.requests) == 1

"""A call from the greeting to the goodbye, as its caller and as its business see it."""

import time

import pytest
from livekit import api
from livekit.protocol.room import ListRoomsRequest

from orchestrator.demo.caller import SEND_RATE
from orchestrator.demo.word_error_rate import word_error_rate
from tests.orchestrator.agent.calls.museum import GREETING, Museum, handle, tomorrow
from tests.support.scripted_model import Call, Step

pytestmark = pytest.mark.room

PRICE = "It costs twelve euros, and six for children."
OFFER = "There is a free place tomorrow afternoon. What is your name?"
READ_BACK = "That is for Mary Brown, tomorrow afternoon. Do you want me to book it?"
DONE = "It is booked. Is there anything else?"
GOODBYE = "Thank you for calling. Goodbye."
FAREWELL = "No, thank you, that was all. Goodbye."


async def test_a_caller_asks_books_and_says_goodbye(museum: Museum) -> None:
    """This is long because it is one call, of which everything that is stored is looked at."""
    start = tomorrow()
    slot = {"slot": handle(start), "name": "Mary Brown"}
    wish = {"service": "garden tour", "when": "tomorrow afternoon at three"}
    guide = museum.model("guide")
    guide.play(
        Step("much|guided|adults", PRICE, facts="12 euros for adults"),
        Step("garden|afternoon", [Call("scheduling_get_available_slots", wish)]),
        Step("garden|afternoon", OFFER, results=handle(start)),
        Step("name|mary", [Call("scheduling_create_booking", slot)]),
        Step("name|mary", READ_BACK, results="needs_confirmation"),
        Step("yes|please|book", [Call("confirm")]),
        Step("yes|please|book", DONE, results="booked"),
        Step("that was all|bye", [Call("end_conversation")]),
    )
    exchanges = [
        ("How much is a guided tour for adults?", PRICE),
        ("I would like a garden tour tomorrow afternoon at three.", OFFER),
        ("My name is Mary Brown.", READ_BACK),
        ("Yes please, book it.", DONE),
    ]
    async with museum.call("guide") as visit:
        times: list[float] = []
        for words, answer in exchanges:
            times.append(await visit.say(words))
            assert await visit.answer(times[-1]) == answer, guide.script.unexpected
        times.append(await visit.say(FAREWELL))
        await visit.gone()
    guide.script.assert_done()

    conversation = await museum.wait_until_ended(visit)
    assert conversation["end_reason"] == "agent_ended"
    assert conversation["detected_language"] is None  # nothing detects it
    assert await rooms(museum, conversation["room_name"]) == []
    transcript = await museum.transcript(visit, 11)
    assert [role for role, _ in transcript] == ["agent", *["user", "agent"] * 5]
    spoken_by_agent = [text for role, text in transcript if role == "agent"]
    assert spoken_by_agent == [GREETING, PRICE, OFFER, READ_BACK, DONE, GOODBYE]
    said = [*(words for words, _ in exchanges), FAREWELL]
    understood = [text for role, text in transcript if role == "user"]
    assert word_error_rate(list(zip(said, understood, strict=True))) <= 0.1, understood

    sounds = zip(times, [*times[1:], time.time()], strict=True)
    heard = [await museum.voice.understand(visit.caller.audio_between(*span)) for span in sounds]
    assert word_error_rate(list(zip(spoken_by_agent[1:], heard, strict=True))) <= 0.1, heard

    (booking,) = await museum.bookings("guide")
    assert booking["service_key"] == "garden"
    assert booking["starts_at"] == start
    assert booking["attendee_name"] == "Mary Brown"

    calls = await museum.get(visit, "/tool_calls")
    chosen = [call for call in calls if call["chosen_by"] == "model"]
    assert [(call["tool"], call["outcome"], call["user_turn_index"]) for call in chosen] == [
        ("get_available_slots", "ok", 3),
        ("create_booking", "needs_confirmation", 5),
        ("create_booking", "ok", 7),
    ]
    assert [call["arguments"] for call in chosen] == [wish, slot, slot]
    searches = [call for call in calls if call["chosen_by"] == "retrieval"]
    assert {call["tool"] for call in searches} == {"search_knowledge"}
    assert "12 euros" in searches[0]["said"]

    seconds = sum([len(await museum.voice.say(words)) for words in said]) / SEND_RATE
    characters = sum(map(len, spoken_by_agent))
    stt, llm, tts = await museum.usage(visit, "stt", "llm", "tts")
    assert {row["model"] for row in llm} == {"openai/guide"}
    assert sum(row["prompt_tokens"] for row in llm) == len(guide.bodies)
    assert sum(row["completion_tokens"] for row in llm) == len(guide.bodies)
    assert seconds <= sum(row["audio_seconds"] for row in stt) <= 2 * seconds
    assert sum(row["characters"] for row in tts) == pytest.approx(characters, rel=0.05)
    assert 0.04 <= sum(row["audio_seconds"] for row in tts) / characters <= 0.12


async def rooms(museum: Museum, name: str) -> list[str]:
    """Return which of the rooms of this name there are."""
    environment = museum.deployment.environment
    access = environment["LIVEKIT_API_KEY"], environment["LIVEKIT_API_SECRET"]
    async with api.LiveKitAPI(museum.deployment.livekit_url, *access) as livekit:
        found = await livekit.room.list_rooms(ListRoomsRequest(names=[name]))
    return [room.name for room in found.rooms]

"""Where a turn's time went: to the first sound, to the answer's, and part by part."""

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any

import pytest
from livekit import rtc
from livekit.agents.llm import ChatChunk, ChatMessage, ChoiceDelta

from orchestrator.agent.timing import Filler, TurnClock

ASKED = 1000.0
ANSWER = "It costs twelve euros."


class Turn:
    """A clock of a turn whose last sound was at `ASKED`, and what it has published."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.now = 0.0
        self.clock = TurnClock(self.publish, now=lambda: self.now)
        self.ask()

    def ask(self, at: float = ASKED) -> None:
        """Say something, which is heard after 0.3 s and taken for the end after 0.5 s."""
        metrics: Any = {
            "stopped_speaking_at": at,
            "transcription_delay": 0.3,
            "end_of_turn_delay": 0.5,
        }
        self.clock.add_message(ChatMessage(role="user", content=["Yes?"], metrics=metrics))

    async def speak(self, text: str, at: float) -> None:
        """Have the agent begin to say something."""
        spoken = [each async for each in await self.clock.next_segment(stream(text))]
        assert spoken == [text]
        self.clock.add_sound(at)

    @property
    def seconds(self) -> dict[str, float]:
        """Return what the one event says."""
        (event,) = self.events
        seconds: dict[str, float] = event["seconds"]
        return seconds

    def publish(self, event: str, details: dict[str, Any]) -> None:
        """Take an event."""
        assert event == "latency"
        self.events.append(details)


async def stream(*items: Any) -> AsyncGenerator[Any]:
    for item in items:
        yield item


@pytest.fixture
def turn() -> Turn:
    """A turn that waits for its answer."""
    return Turn()


async def test_without_a_filler_the_first_sound_is_the_answer(turn: Turn) -> None:
    turn.clock.add("model", 0.2)
    turn.clock.add("model", 0.4)
    await turn.speak(ANSWER, ASKED + 1.5)
    assert turn.seconds == {
        "hearing": 0.3,
        "endpointing": 0.2,
        "model": 0.6,
        "ours": 0.4,
        "first_sound": 1.5,
        "answer": 1.5,
    }


@pytest.mark.parametrize("filler", ["One moment, please. ", ANSWER])
async def test_a_filler_is_a_sound_but_no_answer(turn: Turn, filler: str) -> None:
    turn.clock.add("model", 4.0)
    await turn.speak(Filler(filler), ASKED + 4.5)
    assert turn.events == []
    turn.clock.add("model", 2.0)
    turn.clock.add("tools", 1.0)
    await turn.speak(ANSWER, ASKED + 8.0)
    assert turn.seconds["first_sound"] == 4.5
    assert turn.seconds["answer"] == 8.0
    assert (turn.seconds["model"], turn.seconds["tools"]) == (6.0, 1.0)


async def test_a_second_filler_changes_nothing(turn: Turn) -> None:
    await turn.speak(Filler("One moment."), ASKED + 2.0)
    await turn.speak(Filler("Let me write that down."), ASKED + 5.0)
    await turn.speak(ANSWER, ASKED + 6.0)
    assert (turn.seconds["first_sound"], turn.seconds["answer"]) == (2.0, 6.0)


async def test_the_rest_is_never_less_than_nothing(turn: Turn) -> None:
    turn.clock.add("model", 3.0)
    await turn.speak(ANSWER, ASKED + 1.0)
    assert turn.seconds["ours"] == 0.0


async def test_a_turn_is_answered_once(turn: Turn) -> None:
    await turn.speak(ANSWER, ASKED + 1.0)
    turn.clock.add("tools", 8.0)
    await turn.speak("And six for children.", ASKED + 12.0)
    assert turn.seconds["answer"] == 1.0
    assert "tools" not in turn.seconds


async def test_a_new_turn_begins_with_nothing(turn: Turn) -> None:
    turn.clock.add("retrieval", 0.5)
    await turn.speak(Filler("One moment."), ASKED + 4.0)
    turn.ask(ASKED + 10)
    await turn.speak(ANSWER, ASKED + 11)
    assert turn.seconds["first_sound"] == turn.seconds["answer"] == 1.0
    assert "retrieval" not in turn.seconds


async def test_a_sound_before_the_callers_last_answers_nothing(turn: Turn) -> None:
    await turn.speak(ANSWER, ASKED - 1.0)
    assert turn.events == []


async def test_the_greeting_answers_nobody() -> None:
    turn = Turn()
    turn.clock = TurnClock(turn.publish)
    await turn.speak("Hello.", ASKED)
    assert turn.events == []


async def test_what_was_typed_counts_from_its_arrival(turn: Turn) -> None:
    turn.clock.start_turn(ASKED + 5)
    await turn.speak(ANSWER, ASKED + 5.8)
    (event,) = turn.events
    assert event["since"] == "text"
    assert event["seconds"] == {"ours": 0.8, "first_sound": 0.8, "answer": 0.8}


async def test_a_turn_whose_last_sound_is_unknown_is_not_measured(turn: Turn) -> None:
    turn.clock.add_message(ChatMessage(role="user", content=["Yes?"]))
    await turn.speak(ANSWER, ASKED + 0.8)
    assert turn.events == []


async def test_what_was_spoken_counts_from_its_last_sound(turn: Turn) -> None:
    await turn.speak(ANSWER, ASKED + 0.8)
    assert turn.events[0]["since"] == "speech"


async def test_the_agents_own_messages_begin_no_turn(turn: Turn) -> None:
    turn.clock.add_message(ChatMessage(role="assistant", content=["Well."]))
    await turn.speak(ANSWER, ASKED + 0.8)
    assert turn.events[0]["since"] == "speech"


async def test_a_block_is_measured_even_where_it_fails(turn: Turn) -> None:
    with pytest.raises(ZeroDivisionError), turn.clock.measure("retrieval"):
        turn.now = 0.25
        raise ZeroDivisionError
    await turn.speak(ANSWER, ASKED + 1)
    assert turn.seconds["retrieval"] == 0.25


async def test_time_before_the_turn_began_is_not_its_own(turn: Turn) -> None:
    with turn.clock.measure("retrieval"):
        turn.now = 2.0
        turn.ask()
        turn.now = 2.25
    await turn.speak(ANSWER, ASKED + 1.0)
    assert turn.seconds["retrieval"] == 0.25


async def test_the_model_counts_until_its_first_sentence_goes_to_the_voice(turn: Turn) -> None:
    async def model() -> AsyncGenerator[ChatChunk]:
        for text in (None, "It costs", " twelve euros."):
            turn.now += 0.5
            yield ChatChunk(id="1", delta=ChoiceDelta(role="assistant", content=text))

    assert len(await everything(turn.clock.count_model(model()))) == 3
    assert len(await everything(turn.clock.count_speech(voice(turn, seconds=0.25)))) == 1
    await turn.speak(ANSWER, ASKED + 2.0)
    assert (turn.seconds["model"], turn.seconds["speech"]) == (1.5, 0.25)


async def test_what_the_model_does_for_a_tool_call_counts(turn: Turn) -> None:
    async def model() -> AsyncGenerator[ChatChunk]:
        for content in ("", None):
            turn.now += 0.5
            yield ChatChunk(id="1", delta=ChoiceDelta(role="assistant", content=content))

    await everything(turn.clock.count_model(model()))
    await turn.speak(ANSWER, ASKED + 2.0)
    assert turn.seconds["model"] == 1.0


async def test_an_answer_that_waits_for_the_end_of_a_filler_says_so(turn: Turn) -> None:
    await turn.speak(Filler("One moment."), ASKED + 0.6)
    await everything(turn.clock.count_speech(voice(turn, seconds=0.25)))
    turn.now += 0.5
    await turn.speak(ANSWER, ASKED + 2.0)
    assert (turn.seconds["speech"], turn.seconds["filler"]) == (0.25, 0.5)


async def voice(turn: Turn, *, seconds: float) -> AsyncGenerator[rtc.AudioFrame]:
    frame = rtc.AudioFrame.create(24_000, 1, 480)
    frame.userdata["lk.tts_started_time"] = turn.now
    turn.now += seconds
    yield frame


async def everything(items: AsyncIterable[Any]) -> list[Any]:
    return [item async for item in items]

"""What is published of each turn's latency, held against what the caller hears."""

import time
from dataclasses import dataclass

import pytest

from tests.orchestrator.agent.calls.museum import Museum, handle, tomorrow
from tests.orchestrator.agent.calls.test_filler import calendar_locked
from tests.support.callers import VoiceCall, until
from tests.support.scripted_model import Call, Step

pytestmark = pytest.mark.room

BOT = "timed"
FILLER = "Let me write that down."
BAGS = "In the cloakroom."
# Seconds by which the caller hears a sound later than it was sent, and by which the agent takes the
# caller's last sound for later than it was: much, on a busy machine, but the same for both sounds.
MARGIN = 1.0
BETWEEN = 0.4


@dataclass
class Turn:
    """A turn of the caller's, which began when all others had been measured."""

    visit: VoiceCall
    spoken: float
    number: int

    async def hear_filler(self, words: str) -> tuple[float, float]:
        """Wait until a filler was heard to its end; return when it began and ended."""
        began = await self.visit.voice_after(self.spoken)
        await self.visit.hears(self.spoken, words)
        await until(lambda: time.time() - self.visit.caller.last_voice() > 0.5)
        assert len(self.visit.events("latency")) == self.number
        return began - self.spoken, self.visit.caller.last_voice()

    async def hear_answer(self, after: float) -> float:
        """Wait for the next sound after a moment; return how long the caller has waited for it."""
        return await self.visit.voice_after(after) - self.spoken

    async def seconds(self) -> dict[str, float]:
        """Wait for what is published of the turn; its parts explain the whole."""
        await until(lambda: len(self.visit.events("latency")) > self.number)
        event = self.visit.events("latency")[self.number]
        assert event["since"] == "speech"
        seconds: dict[str, float] = dict(event["seconds"])
        sounds = seconds["first_sound"] + seconds["answer"]
        assert sum(seconds.values()) - sounds == pytest.approx(seconds["answer"], abs=0.02)
        return seconds


async def ask(visit: VoiceCall, words: str) -> Turn:
    """Say something, once the agent listens."""
    await until(lambda: visit.caller.agent_state == "listening")
    return Turn(visit, await visit.say(words), len(visit.events("latency")))


async def test_a_filler_is_the_first_sound_and_no_answer(museum: Museum) -> None:
    """This is long because it is one call: an answer at once, and after three sorts of fillers."""
    slot = {"slot": handle(tomorrow()), "name": "Mary Brown"}
    model = museum.model(BOT)
    model.play(
        Step("where|leave|bags", BAGS),
        Step("where|wait", "At the entrance."),
        Step("how|late", "Until six."),
        Step("please|book", [Call("scheduling_create_booking", slot)]),
        Step("please|book", "It is booked.", results="booked"),
    )
    async with museum.call(BOT) as visit:
        turn = await ask(visit, "Where can I leave my bags?")
        heard = await turn.hear_answer(turn.spoken)
        seconds = await turn.seconds()
        assert seconds["first_sound"] == seconds["answer"] == pytest.approx(heard, abs=MARGIN)
        assert "filler" not in seconds

        model.answering.clear()
        turn = await ask(visit, "Where can I wait for you?")
        first, ended = await turn.hear_filler("One moment, please.")
        model.answering.set()
        heard = await turn.hear_answer(ended)
        seconds = await turn.seconds()
        assert seconds["first_sound"] == pytest.approx(first, abs=MARGIN)
        between = seconds["answer"] - seconds["first_sound"]
        assert between == pytest.approx(heard - first, abs=BETWEEN)
        assert seconds["model"] > between

        model.answering.clear()
        turn = await ask(visit, "How late are you open?")
        await visit.voice_after(turn.spoken)
        model.answering.set()  # and then it waits until the filler was said
        seconds = await turn.seconds()
        assert "filler" in seconds
        assert seconds["answer"] - seconds["first_sound"] > 1

        async with calendar_locked(museum, BOT):
            turn = await ask(visit, "Please book it for me.")
            first, ended = await turn.hear_filler(FILLER)
        heard = await turn.hear_answer(ended)
        seconds = await turn.seconds()
        assert seconds["first_sound"] == pytest.approx(first, abs=MARGIN)
        between = seconds["answer"] - seconds["first_sound"]
        assert between == pytest.approx(heard - first, abs=BETWEEN)
        assert seconds["tools"] > 1  # at least as long as the filler was
    model.script.assert_done()

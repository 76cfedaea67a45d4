"""How long an agent may work on a turn."""

import time

import pytest
from livekit.agents.llm import ToolError, function_tool

from orchestrator.agent.text_input import Allowance
from orchestrator.agent.turn_limits import TIME_IS_UP, TurnLimits
from tests.orchestrator.agent.test_llm_node import OpenTalk, open_talk, process, served
from tests.support.scripted_model import Call
from tests.support.speech_bots import bot

__all__ = ["open_talk", "process", "served"]  # fixtures
NO_TIME = {"max_turn_seconds": 0.0}


class Clock:
    """A clock that is set by hand, in seconds."""

    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(clock: Clock) -> TurnLimits:
    return TurnLimits(bot().model_copy(update={"max_turn_seconds": 30.0}), clock)


def test_a_turn_that_takes_too_long_calls_no_more_tools(limits: TurnLimits, clock: Clock) -> None:
    limits.start_turn()
    clock.now += 29
    for _ in range(100):
        limits.check()
    assert not limits.is_over
    clock.now += 1
    assert limits.is_over
    with pytest.raises(ToolError) as error:
        limits.check()
    assert error.value.message == TIME_IS_UP
    limits.start_turn()
    limits.check()


def test_a_change_of_the_bot_counts_at_once(limits: TurnLimits) -> None:
    limits.update_bot(bot().model_copy(update=NO_TIME))
    with pytest.raises(ToolError):
        limits.check()


def test_texts_come_in_a_burst_and_then_one_a_second(clock: Clock) -> None:
    allowance = Allowance(clock)
    assert [allowance.take() for _ in range(12)] == [True] * 10 + [False] * 2
    clock.now += 2
    assert [allowance.take() for _ in range(3)] == [True, True, False]
    clock.now += 1_000
    assert sum(allowance.take() for _ in range(20)) == 10


async def test_a_model_that_goes_round_in_circles_has_to_answer(open_talk: OpenTalk) -> None:
    """Its tools are taken away once the turn has had its time, and it reads why."""
    looks: list[float] = []

    async def look(raw_arguments: dict[str, object]) -> str:
        del raw_arguments
        looks.append(time.monotonic())
        if len(looks) == 8:
            talk.parts.toolset.runner.limits.update_bot(bot().model_copy(update=NO_TIME))
        return "nothing"

    schema = {"name": "look", "description": "Look", "parameters": {"type": "object"}}
    async with open_talk(tools=(function_tool(look, raw_schema=schema),)) as talk:
        talk.model.script.repeat(Call("look"), "That is all that I could find.")
        assert (await talk.ask()).endswith("That is all that I could find.")
    assert len(looks) == 8
    assert TIME_IS_UP in talk.model.bodies[-1]

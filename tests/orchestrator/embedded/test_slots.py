import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from orchestrator.embedded.llm import Prompt
from orchestrator.embedded.slots import Slot, Slots

SYSTEM = {"role": "system", "content": "You answer for the museum."}
GREETING = {"role": "assistant", "content": "say Hello."}


def question(text: str) -> dict[str, str]:
    return {"role": "user", "content": f"Caller: {text}"}


def prompt(*texts: str, conversation: str | None = None) -> Prompt:
    turns = (SYSTEM, GREETING, *map(question, texts))
    return Prompt(turns, prefix_length=1, conversation=conversation)


@asynccontextmanager
async def lent(slots: Slots, asked: Prompt) -> AsyncGenerator[Slot]:
    slot = await slots.take(asked)
    with slots.lend(slot):
        yield slot
        slot.turns = asked.turns


async def use(slots: Slots, asked: Prompt) -> int:
    async with lent(slots, asked) as slot:
        return slot.number


async def test_a_conversation_gets_its_own_slot_again() -> None:
    slots = Slots(2)
    first = await use(slots, prompt("one", conversation="a"))
    second = await use(slots, prompt("one", conversation="b"))
    assert first != second
    assert await use(slots, prompt("one", "two", conversation="a")) == first
    assert await use(slots, prompt("one", "two", conversation="b")) == second


async def test_a_new_conversation_takes_the_slot_that_was_not_used_for_longest() -> None:
    slots = Slots(2)
    first = await use(slots, prompt("one", conversation="a"))
    await use(slots, prompt("one", conversation="b"))
    assert await use(slots, prompt("one", conversation="c")) == first


async def test_without_a_conversation_what_was_read_counts() -> None:
    slots = Slots(3)
    numbers = [await use(slots, prompt(text, conversation=text)) for text in ("a", "b", "c")]
    assert await use(slots, prompt("b", "more")) == numbers[1]


async def test_a_conversation_waits_for_its_own_slot_and_others_do_not() -> None:
    slots = Slots(2)
    async with lent(slots, prompt("one", conversation="a")) as busy:
        waiting = asyncio.create_task(use(slots, prompt("one", "two", conversation="a")))
        assert await use(slots, prompt("other", conversation="b")) != busy.number
        assert not waiting.done()
    assert await waiting == busy.number


async def test_every_slot_is_waited_for_and_a_failure_gives_it_back() -> None:
    slots = Slots(1)
    slot = await slots.take(prompt("one"))
    waiting = [asyncio.create_task(use(slots, prompt(text))) for text in ("two", "three")]

    async def fail() -> None:
        with slots.lend(slot):
            await asyncio.sleep(0)
            assert not any(task.done() for task in waiting)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await asyncio.gather(*waiting) == [0, 0]

"""The slots of llama.cpp: each holds what the model has read of one conversation."""

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile

from orchestrator.embedded.llm import Prompt, Turn


@dataclass(slots=True)
class Slot:
    """One slot, the turns that were read into it, and the order in which it was used."""

    number: int
    conversation: str | None = None
    turns: tuple[Turn, ...] = ()
    used: int = 0
    free: bool = True

    def count_read(self, turns: Sequence[Turn]) -> int:
        """Return how many of these turns need not be read again."""
        pairs = zip(self.turns, turns, strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


class Slots:
    """Lends the slots of a model: a conversation gets its own again, as long as it can."""

    def __init__(self, count: int) -> None:
        self._slots = [Slot(number) for number in range(count)]
        self._returned = asyncio.Event()
        self._lent = 0

    async def take(self, prompt: Prompt) -> Slot:
        """Wait for a slot for this prompt, and return it; `lend` gives it back."""
        while (slot := self._choose(prompt)) is None:
            self._returned.clear()
            await self._returned.wait()
        self._lent += 1
        slot.free, slot.used = False, self._lent
        slot.conversation = prompt.conversation
        return slot

    @contextmanager
    def lend(self, slot: Slot) -> Generator[Slot]:
        """Give a slot back at exit."""
        try:
            yield slot
        finally:
            slot.free = True
            self._returned.set()

    def _choose(self, prompt: Prompt) -> Slot | None:
        """Return the conversation's own slot, else the free one that was not used for longest.

        What belongs to no conversation goes where most of it was read already.
        """
        if prompt.conversation is not None:
            for slot in self._slots:
                if slot.conversation == prompt.conversation:
                    return slot if slot.free else None
        free = [slot for slot in self._slots if slot.free]
        if prompt.conversation is None:
            free.sort(key=lambda slot: slot.count_read(prompt.turns), reverse=True)
            return free[0] if free else None
        return min(free, key=lambda slot: slot.used, default=None)

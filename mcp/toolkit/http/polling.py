"""Vendors' own jobs: work that they take and finish later, followed while the caller waits."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_FIRST = 0.25  # seconds between two looks; each pause is longer than the one before
_LONGEST = 2.0


async def poll_until(
    look: Callable[[], Awaitable[T]], ended: Callable[[T], bool], *, budget: float
) -> T | None:
    """Look at a job until it has ended; return None where it has not within `budget` seconds."""
    deadline = asyncio.get_running_loop().time() + budget
    pause = _FIRST
    while True:
        state = await look()
        if ended(state):
            return state
        if asyncio.get_running_loop().time() + pause >= deadline:
            return None
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST)

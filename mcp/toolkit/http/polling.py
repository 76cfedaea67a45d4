"""Polls a vendor's asynchronous job while the caller waits."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

FIRST_PAUSE = 0.25  # seconds between the first two requests; each pause doubles the one before
_LONGEST_PAUSE = 2.0  # seconds


async def poll_until(
    fetch: Callable[[], Awaitable[T]],
    is_finished: Callable[[T], bool],
    *,
    budget: float,
    first_pause: float = FIRST_PAUSE,
) -> T | None:
    """Fetch a job's state until it is finished; return None after `budget` seconds without that.

    `first_pause` is in seconds; providers pass on `Runtime.first_poll_pause`.
    """
    deadline = asyncio.get_running_loop().time() + budget
    pause = first_pause
    while True:
        state = await fetch()
        if is_finished(state):
            return state
        if asyncio.get_running_loop().time() + pause >= deadline:
            return None
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)

"""Several requests of one call at once, none of which goes on when the call has ended."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")


async def gather(asked: Iterable[Awaitable[T]]) -> list[T]:
    """Return every answer, or raise the first failure when all have come back."""
    found: list[T] = []
    for answer in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer
        found.append(answer)
    return found


async def map_concurrently(
    ask: Callable[[A], Awaitable[T]],
    each_of: Sequence[A],
    *,
    at_once: int,
    first_alone: bool = False,
) -> list[T]:
    """Ask for `at_once` at a time. Where one fails, all do, and no more are asked.

    With `first_alone` only one can have been done where the first one's outcome is unknown.
    """
    first = 1 if first_alone else at_once
    found = await gather(map(ask, each_of[:first]))
    for n in range(first, len(each_of), at_once):
        found += await gather(map(ask, each_of[n : n + at_once]))
    return found

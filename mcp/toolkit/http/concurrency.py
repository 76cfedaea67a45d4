"""Concurrent requests of one call, none of which outlives the call."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")


async def gather(awaitables: Iterable[Awaitable[T]]) -> list[T]:
    """Return every result in order. If any failed, raise the first failure once all have ended."""
    results: list[T] = []
    for result in await asyncio.gather(*awaitables, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
        results.append(result)
    return results


async def map_concurrently(
    function: Callable[[A], Awaitable[T]],
    items: Sequence[A],
    *,
    limit: int,
    first_alone: bool = False,
) -> list[T]:
    """Call `function` for every item, in batches of `limit`; after a failure no batch follows.

    With `first_alone` the first batch is one item, so that of writes with an unknown outcome only
    one can have been done.
    """
    first = 1 if first_alone else limit
    results = await gather(map(function, items[:first]))
    for start in range(first, len(items), limit):
        results += await gather(map(function, items[start : start + limit]))
    return results

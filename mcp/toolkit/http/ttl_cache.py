"""A TTL cache for vendor metadata with one fetch in flight per key."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from time import monotonic
from typing import Any, TypeVar, cast

T = TypeVar("T")

_MAX_ENTRIES = 10_000


class TtlCache:
    """Values by key, each with its own lifetime. A failed fetch is not cached.

    Of too many entries, the one that has not been asked for the longest is dropped.
    """

    def __init__(self) -> None:
        # The first element is the time at which the entry expires.
        self._entries: OrderedDict[Hashable, tuple[float, asyncio.Future[Any]]] = OrderedDict()

    async def get(self, key: Hashable, seconds: float, fetch: Callable[[], Awaitable[T]]) -> T:
        """Return the cached value of `key`, or fetch it and cache it for `seconds`."""
        entry = self._entries.get(key)
        if entry is None or entry[0] < monotonic():
            entry = monotonic() + seconds, asyncio.ensure_future(fetch())
            self._entries[key] = entry
            entry[1].add_done_callback(partial(self._drop_failed, key))
        self._entries.move_to_end(key)
        if len(self._entries) > _MAX_ENTRIES:
            self._entries.popitem(last=False)
        # Shielded: a caller that is cancelled must not cancel the fetch of the others.
        return cast(T, await asyncio.shield(entry[1]))

    def _drop_failed(self, key: Hashable, fetched: asyncio.Future[Any]) -> None:
        """Forget a fetch that failed, whether anybody still waits for it or not."""
        if not fetched.cancelled() and fetched.exception() is None:
            return
        entry = self._entries.get(key)
        if entry is not None and entry[1] is fetched:
            del self._entries[key]

"""What a vendor said that holds for a while: asked once, however many calls need it at a time."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from time import monotonic
from typing import Any, TypeVar, cast

T = TypeVar("T")

_MOST = 10_000


class TtlCache:
    """Answers by key, each for as long as it was said to hold. A failure is not kept."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Hashable, tuple[float, asyncio.Future[Any]]] = OrderedDict()

    async def get(self, key: Hashable, seconds: float, fetch: Callable[[], Awaitable[T]]) -> T:
        """Return what is kept under `key`, else fetch it and keep it for `seconds`."""
        kept = self._answers.get(key)
        if kept is None or kept[0] < monotonic():
            answer = asyncio.ensure_future(fetch())
            kept = monotonic() + seconds, answer
            self._answers[key] = kept
            if len(self._answers) > _MOST:
                self._answers.popitem(last=False)
        try:
            # One who hangs up takes the answer from nobody else.
            return cast(T, await asyncio.shield(kept[1]))
        except BaseException:
            if kept[1].done() and self._answers.get(key) is kept:
                del self._answers[key]
            raise

"""Slow work that a transaction depends on, done while no transaction is open.

A vendor's answer or an embedding takes seconds. A transaction that waited for one would hold its
locks and a connection of the pool as long. So it asks for the result instead: if there is none
yet, the transaction is rolled back, the work is done, and the transaction is run again.
"""

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class WorkNeeded(Exception):
    """A transaction needs a result that does not exist yet."""

    def __init__(self, key: Hashable, work: Callable[[], Awaitable[Any]]) -> None:
        super().__init__("slow work has to be done before this transaction")
        self.key = key
        self.work = work


class SlowWork:
    """The results of slow work, by a key of everything that they depend on."""

    def __init__(self) -> None:
        self._results: dict[Hashable, Any] = {}

    def result(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `work`, which must not use the transaction or its rows.

        Raises:
            WorkNeeded: it is not done yet; `run_transaction` does it.
        """
        if key not in self._results:
            raise WorkNeeded(key, work)
        result: T = self._results[key]
        return result

    async def do(self, needed: WorkNeeded) -> None:
        """Do the work that a transaction needs."""
        self._results[needed.key] = await needed.work()


async def run_transaction(attempt: Callable[[SlowWork], Awaitable[T]]) -> T:
    """Run `attempt`, which opens and ends a transaction, until nothing slow is missing any more."""
    slow_work = SlowWork()
    while True:
        try:
            return await attempt(slow_work)
        except WorkNeeded as error:
            needed = error
        await slow_work.do(needed)

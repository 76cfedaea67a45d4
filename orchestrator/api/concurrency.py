"""A limit on how many requests are worked on at a time; the others wait for their turn."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from orchestrator.api.errors import busy


class ConcurrencyLimit:
    """Lets `running` requests be worked on at a time, first come, first served.

    Up to `waiting` more wait for at most `seconds`. Each takes connections to the database, the
    cache and a server: if all began at once, those that got none in time would fail.
    """

    def __init__(self, *, running: int, waiting: int, seconds: float) -> None:
        self._slots = asyncio.Semaphore(running)
        self._free_places = waiting
        self._seconds = seconds

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        """Wait for a turn, and hold it.

        Raises:
            ApiError: too many wait, or the turn did not come in time.
        """
        await self._wait()
        try:
            yield
        finally:
            self._slots.release()

    async def _wait(self) -> None:
        if self._free_places <= 0:
            raise busy()
        self._free_places -= 1
        try:
            async with asyncio.timeout(self._seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise busy() from None
        finally:
            self._free_places += 1

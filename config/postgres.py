"""Connections to PostgreSQL whose waits end, also on a server that no longer answers.

psycopg's own connection, when it is cancelled, asks the server to cancel the statement and waits
ten seconds for that. So a timeout around it takes ten seconds longer where the server is frozen:
https://github.com/psycopg/psycopg/issues/1371
"""

import asyncio
from typing import Any, ClassVar, TypeVar

from psycopg import AsyncConnection, OperationalError, waiting
from psycopg.abc import PQGen
from psycopg.errors import QueryCanceled
from psycopg.pq import TransactionStatus

RV = TypeVar("RV")

# Longer than a statement may take in the server: that error says more.
STATEMENT_SECONDS = 8
_ANSWER_SECONDS = STATEMENT_SECONDS + 1.0
_CANCEL_SECONDS = 0.25  # that a cancelled statement may take to end
_INTERVAL = 0.1  # seconds between two looks for a signal


class CancellableConnection(AsyncConnection[Any]):
    """A connection that is closed where a cancelled statement does not end within 0.25 seconds.

    A pool replaces it. `answer_seconds` is how long a statement may take, None for no limit.
    """

    answer_seconds: ClassVar[float | None] = None

    async def wait(
        self,
        gen: PQGen[RV],
        interval: float = _INTERVAL,
        timeout: float | None = None,  # noqa: ASYNC109  # psycopg's interface
    ) -> RV:
        """Run a generator of libpq calls; `timeout` and `interval` are in seconds.

        Raises:
            OperationalError: the server did not answer in time, or is gone.
        """
        limit = self.answer_seconds if timeout is None else timeout
        try:
            return await waiting.wait_async(gen, self.pgconn.socket, interval, limit)
        except OperationalError:
            if self._is_busy():
                self.pgconn.finish()
            raise
        except asyncio.CancelledError:
            if self._is_busy():
                await self._end_statement(gen)
            raise

    def _is_busy(self) -> bool:
        return self.pgconn.transaction_status == TransactionStatus.ACTIVE

    async def _end_statement(self, gen: PQGen[RV]) -> None:
        """Have the server cancel the statement, or close the connection."""
        try:
            async with asyncio.timeout(_CANCEL_SECONDS):
                await self.cancel_safe(timeout=_CANCEL_SECONDS)
                await waiting.wait_async(gen, self.pgconn.socket, _INTERVAL)
        except QueryCanceled:
            pass
        except (OperationalError, TimeoutError):
            self.pgconn.finish()
        except asyncio.CancelledError:  # once more
            self.pgconn.finish()
            raise


class BoundedConnection(CancellableConnection):
    """A cancellable connection on which every statement is answered, or fails after 9 seconds."""

    answer_seconds: ClassVar[float | None] = _ANSWER_SECONDS

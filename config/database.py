"""PostgreSQL, in transactions of one tenant each.

Every transaction sets its business first, and row-level security shows it no other rows. The
application's role owns no table, so that no query of ours can switch that off.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from config.postgres import STATEMENT_SECONDS, BoundedConnection

# In its own zone, the server's moments would be compared and subtracted by the wall clock.
_OPTIONS = f"-c statement_timeout={STATEMENT_SECONDS}s -c timezone=UTC"
# Until a transaction is open: a free connection of the pool, a look whether it is alive or a new
# one, and the first statement.
_OPEN_SECONDS = 4
# The errors of a database that cannot be reached.
UNREACHABLE = (OperationalError, InterfaceError, PoolTimeoutError)

_SET_BUSINESS = text("select set_config('app.business', :business_id, true)")
_EVERY_BUSINESS = text("select every_business()")
# One statement, and so one round trip: it sets the business and adds the rows.
_APPEND = """
insert into {table} select rows.* from
    (select set_config('app.business', :business_id, true) as business) as named,
    jsonb_populate_recordset(null::{table}, cast(:rows as jsonb)) as rows
where named.business is not null
on conflict do nothing
"""


class Database:
    """A pool of connections, handed out one transaction at a time."""

    def __init__(self, url: str, *, pool_size: int = 20) -> None:
        self._url = url
        self._pool_size = pool_size

    # Created when it is first used: a call can start with what the cache has.
    @cached_property
    def engine(self) -> AsyncEngine:
        """Return the engine, with its pool."""
        return create_async_engine(
            self._url,
            pool_size=self._pool_size,
            max_overflow=0,  # what overflows is closed after each use, and opened for the next
            pool_timeout=_OPEN_SECONDS,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={
                "async_creator_fn": BoundedConnection.connect,
                "connect_timeout": _OPEN_SECONDS,
                "options": _OPTIONS,
            },
        )

    @asynccontextmanager
    async def tenant(self, business_id: UUID) -> AsyncGenerator[AsyncSession]:
        """Open a transaction that sees the rows of one business, and commit it.

        Raises:
            sqlalchemy.exc.TimeoutError: the database did not open it within four seconds.
        """
        async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
            async with _in_time():
                await session.execute(_SET_BUSINESS, {"business_id": str(business_id)})
            yield session

    @asynccontextmanager
    async def unscoped(self) -> AsyncGenerator[AsyncSession]:
        """Open a transaction that sees no tenant's rows: for look-up functions that return ids.

        Raises:
            sqlalchemy.exc.TimeoutError: the database did not open it within four seconds.
        """
        async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
            async with _in_time():
                await session.connection()
            yield session

    def appender(self, table: str) -> "Appender":
        """Return an appender for one table, for rows of any business."""
        return Appender(self.engine, table)

    async def businesses(self) -> Sequence[UUID]:
        """Return the ids of all businesses."""
        async with self.unscoped() as session:
            return (await session.scalars(_EVERY_BUSINESS)).all()

    async def aclose(self) -> None:
        """Close every connection."""
        if "engine" in self.__dict__:
            await self.engine.dispose()


class Appender:
    """Adds rows over a connection of its own, which is opened again after it was lost."""

    def __init__(self, engine: AsyncEngine, table: str) -> None:
        self._engine = engine
        self._statement = text(_APPEND.format(table=table))
        self._connection: AsyncConnection | None = None

    async def append(self, business_id: UUID, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows of one business; they need every column, since defaults are not applied.

        Raises:
            sqlalchemy.exc.TimeoutError: the database did not take them within four seconds.
        """
        values = {
            "business_id": str(business_id),
            "rows": json.dumps(rows),
        }
        fresh = self._connection is None
        try:
            async with _in_time():
                try:
                    await self._execute(values)
                except (OperationalError, InterfaceError):
                    await self.aclose()
                    if fresh:
                        raise
                    await self._execute(values)
        except PoolTimeoutError:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OperationalError, InterfaceError):
                await connection.close()

    async def _execute(self, values: Mapping[str, str]) -> None:
        if self._connection is None:
            connection = await self._engine.connect()
            self._connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await self._connection.execute(self._statement, values)


@asynccontextmanager
async def _in_time() -> AsyncGenerator[None]:
    """Bound what is awaited in it to `_OPEN_SECONDS`.

    Raises:
        sqlalchemy.exc.TimeoutError: it took longer.
    """
    try:
        async with asyncio.timeout(_OPEN_SECONDS):
            yield
    except TimeoutError:
        raise PoolTimeoutError("the database did not answer in time") from None

"""PostgreSQL, one tenant at a time.

Every transaction names its business first; row-level security shows it nothing else. The
application's role owns nothing, so that no query of ours can switch that off.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

_SET_BUSINESS = text("select set_config('app.business', :business_id, true)")
_EVERY_BUSINESS = text("select every_business()")


class Database:
    """A pool of connections, handed out one transaction at a time."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=2,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={"connect_timeout": 2, "options": "-c statement_timeout=8000"},
        )

    @asynccontextmanager
    async def business(self, business_id: UUID) -> AsyncGenerator[AsyncSession]:
        """Open a transaction that sees the rows of one business, and commit it."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
            await session.execute(_SET_BUSINESS, {"business_id": str(business_id)})
            yield session

    @asynccontextmanager
    async def nobody(self) -> AsyncGenerator[AsyncSession]:
        """Open a transaction that sees no tenant's rows: for look-up functions that return ids."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    async def businesses(self) -> Sequence[UUID]:
        """Return the id of every business: a sweep opens one after the other."""
        async with self.nobody() as session:
            return (await session.scalars(_EVERY_BUSINESS)).all()

    async def aclose(self) -> None:
        """Close every connection."""
        await self.engine.dispose()

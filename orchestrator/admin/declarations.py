"""Declarations, brought into the database that the settings name."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy import text

from config.cache import connect
from config.constellation import constellation, load, sections
from config.database import Database
from config.declarations.apply import apply
from config.declarations.schema import read
from config.declarations.section import Change
from config.security.vault import keyring
from config.settings import Settings, required


def trial_of(settings: Settings) -> Any:
    """Return what tries accounts: it knows the providers, which nobody here imports."""
    return load(constellation().trial)(settings)


@asynccontextmanager
async def stores(settings: Settings) -> AsyncGenerator[tuple[Database, Redis]]:
    """Open the database and the cache."""
    database = Database(required("DATABASE_URL", settings.database_url), pool_size=2)
    cache = connect(required("REDIS_URL", settings.redis_url))
    try:
        yield database, cache
    finally:
        await database.aclose()
        await cache.aclose()


async def applied(
    settings: Settings,
    path: Path,
    *,
    dry_run: bool = False,
    untried: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Change]:
    """Apply one file, and return what that changed; `untried` asks no vendor.

    Raises:
        DeclarationError: the file says something that cannot be applied.
    """
    owners = sections()
    declaration = read(path, owners)
    async with stores(settings) as (database, cache):
        return await apply(
            database,
            cache,
            declaration,
            owners,
            dry_run=dry_run,
            keyring=keyring(settings),
            trial=None if untried else trial_of(settings),
            progress=progress,
        )


async def business_called(database: Database, slug: str) -> UUID | None:
    """Return the id of the business with this slug."""
    async with database.unscoped() as session:
        found: UUID | None = await session.scalar(
            text("select find_business(:slug)"), {"slug": slug}
        )
        return found

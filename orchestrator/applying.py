"""Declarations and keys, brought into the database that the settings name."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy import text

from config.apply import apply
from config.cache import connect
from config.constellation import sections
from config.database import Database
from config.declarations import read
from config.declaring import Change
from config.keys import create_key
from config.settings import Settings, required


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
    progress: Callable[[str], None] = lambda _: None,
) -> list[Change]:
    """Apply one file, and return what that changed.

    Raises:
        DeclarationError: the file says something that cannot be applied.
    """
    owners = sections()
    declaration = read(path, owners)
    async with stores(settings) as (database, cache):
        return await apply(database, cache, declaration, owners, dry_run=dry_run, progress=progress)


async def created_key(settings: Settings, slug: str, name: str) -> str | None:
    """Make a key of the business, or return None where there is no such business."""
    async with stores(settings) as (database, _):
        business_id = await business_called(database, slug)
        return None if business_id is None else await create_key(database, business_id, name)


async def business_called(database: Database, slug: str) -> UUID | None:
    """Return the id of the business with this slug."""
    async with database.nobody() as session:
        found: UUID | None = await session.scalar(
            text("select find_business(:slug)"), {"slug": slug}
        )
        return found

"""Applies declaration files to the database of the settings."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy import text

from config.cache import connect
from config.constellation import constellation, load_object
from config.database import Database
from config.declarations.apply import apply
from config.declarations.schema import read_declaration
from config.declarations.section import Change, sections
from config.security.vault import keyring
from config.settings import Settings, required
from orchestrator.admin.model_names import check_models


def load_account_check(settings: Settings) -> Any:
    """Return the check of vendor accounts, loaded by name: the orchestrator imports no provider."""
    return load_object(constellation().account_check)(settings)


@asynccontextmanager
async def open_stores(settings: Settings) -> AsyncGenerator[tuple[Database, Redis]]:
    """Open the database and the cache of the settings."""
    database = Database(required("DATABASE_URL", settings.database_url), pool_size=2)
    cache = connect(required("REDIS_URL", settings.redis_url))
    try:
        yield database, cache
    finally:
        await database.aclose()
        await cache.aclose()


async def apply_file(
    settings: Settings,
    path: Path,
    *,
    dry_run: bool = False,
    untried: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Change]:
    """Apply one file, and return the changes; with `untried`, no vendor account is checked.

    Raises:
        DeclarationError: the file is invalid.
    """
    owners = sections()
    declaration = read_declaration(path, owners)
    await check_models(declaration)
    async with open_stores(settings) as (database, cache):
        return await apply(
            database,
            cache,
            declaration,
            owners,
            dry_run=dry_run,
            keyring=keyring(settings),
            account_check=None if untried else load_account_check(settings),
            progress=progress,
        )


async def find_business_id(database: Database, slug: str) -> UUID | None:
    """Return the id of the business with this slug."""
    async with database.unscoped() as session:
        found: UUID | None = await session.scalar(
            text("select find_business(:slug)"), {"slug": slug}
        )
        return found

"""A bot is loaded from the cache or else the database, and only for its own business."""

from collections.abc import AsyncGenerator
from uuid import uuid4

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from sqlalchemy import text

from config.bots import BotNotFoundError, announce_change, cache_key, load_bot
from config.cache import connect
from config.database import Database
from tests.conftest import Tenant, new_tenant

_RENAME = text("update agent_config set system_prompt = :prompt")


@pytest_asyncio.fixture
async def fresh(database: Database) -> Tenant:
    """A tenant whose bot nobody has loaded yet."""
    return await new_tenant(database)


@pytest_asyncio.fixture
async def down() -> AsyncGenerator[Redis]:
    """A cache that does not answer."""
    cache = connect("redis://127.0.0.1:1/0")
    yield cache
    await cache.aclose()


async def _rewrite(database: Database, tenant: Tenant, prompt: str) -> None:
    async with database.tenant(tenant.business_id) as session:
        await session.execute(_RENAME, {"prompt": prompt})


async def _prompt(database: Database, cache: Redis, tenant: Tenant) -> str:
    return (await load_bot(database, cache, tenant.business_id, tenant.bot_id)).system_prompt


async def test_the_second_time_it_comes_from_the_cache(
    database: Database, cache: Redis, fresh: Tenant
) -> None:
    first = await load_bot(database, cache, fresh.business_id, fresh.bot_id)
    await _rewrite(database, fresh, "Changed.")
    assert await load_bot(database, cache, fresh.business_id, fresh.bot_id) == first
    await announce_change(cache, fresh.business_id, fresh.bot_id)
    assert await _prompt(database, cache, fresh) == "Changed."


async def test_what_is_cached_does_not_stay_for_ever(
    database: Database, cache: Redis, fresh: Tenant
) -> None:
    await load_bot(database, cache, fresh.business_id, fresh.bot_id)
    assert 0 < await cache.ttl(cache_key(fresh.business_id, fresh.bot_id)) <= 300


async def test_without_a_cache_it_comes_from_the_database(
    database: Database, down: Redis, fresh: Tenant
) -> None:
    bot = await load_bot(database, down, fresh.business_id, fresh.bot_id)
    assert bot.id == fresh.bot_id
    await _rewrite(database, fresh, "Changed.")
    assert await _prompt(database, down, fresh) == "Changed."


@pytest.mark.parametrize("stored", ["", "{}", "not json", '{"id": 7}'])
async def test_a_cache_that_holds_something_else_is_not_believed(
    stored: str, database: Database, cache: Redis, fresh: Tenant
) -> None:
    await cache.set(cache_key(fresh.business_id, fresh.bot_id), stored)
    bot = await load_bot(database, cache, fresh.business_id, fresh.bot_id)
    assert bot.id == fresh.bot_id


async def test_a_foreign_bot_and_an_unknown_bot_are_alike(
    database: Database, cache: Redis, down: Redis, fresh: Tenant, other_tenant: Tenant
) -> None:
    await load_bot(database, cache, other_tenant.business_id, other_tenant.bot_id)
    for store in (cache, down):
        for bot_id in (other_tenant.bot_id, uuid4()):
            with pytest.raises(BotNotFoundError):
                await load_bot(database, store, fresh.business_id, bot_id)

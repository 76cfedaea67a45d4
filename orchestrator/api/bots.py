"""Finds the bot that a request means."""

from uuid import UUID

from sqlalchemy import select, text
from sqlmodel import col

from config.bots import Bot, BotNotFoundError, load
from config.tables import AgentConfig
from orchestrator.api.dependencies import Dependencies
from orchestrator.api.errors import not_found

_FIND_BOT = text("select business_id, bot_id from find_bot(:business, :bot)")
_FIND_BUSINESS = text("select find_business(:slug)")


async def bot_of_anyone(dependencies: Dependencies, business: str, name: str) -> Bot | None:
    """Return a bot by the names that its callers know."""
    async with dependencies.database.unscoped() as session:
        found = await session.execute(_FIND_BOT, {"business": business, "bot": name})
        row = found.one_or_none()
    if row is None:
        return None
    try:
        return await load(dependencies.database, dependencies.cache, row.business_id, row.bot_id)
    except BotNotFoundError:
        return None


async def business_called(dependencies: Dependencies, slug: str) -> UUID | None:
    """Return the business with this slug."""
    async with dependencies.database.unscoped() as session:
        found: UUID | None = await session.scalar(_FIND_BUSINESS, {"slug": slug})
    return found


async def bot_called(dependencies: Dependencies, business_id: UUID, name: str) -> Bot:
    """Return a business's bot by its name.

    Raises:
        ApiError: this business has no such bot.
    """
    if "\x00" in name:  # which PostgreSQL takes in no text
        raise not_found("bot")
    query = select(col(AgentConfig.id)).where(col(AgentConfig.name) == name)
    async with dependencies.database.tenant(business_id) as session:
        bot_id = await session.scalar(query)
    if bot_id is None:
        raise not_found("bot")
    return await bot_with_id(dependencies, business_id, bot_id)


async def bot_with_id(dependencies: Dependencies, business_id: UUID, bot_id: UUID) -> Bot:
    """Return a business's bot by its id.

    Raises:
        ApiError: this business has no such bot.
    """
    try:
        return await load(dependencies.database, dependencies.cache, business_id, bot_id)
    except BotNotFoundError:
        raise not_found("bot") from None

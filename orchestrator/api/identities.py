"""Finds the business, the bot and the conversation that a request names."""

from uuid import UUID

from sqlalchemy import select, text
from sqlmodel import col

from config.bots import Bot, BotNotFoundError, load_bot
from config.language.catalogue import DEFAULT
from config.tables import AgentConfig
from orchestrator.api.credentials import Caller
from orchestrator.api.dependencies import Dependencies
from orchestrator.api.errors import forbidden, invalid, not_found, unexpected_answer
from orchestrator.api.transcripts import fetch_conversation
from orchestrator.mcp_client.router import Identity

_FIND_BOT = text("select business_id, bot_id from find_bot(:business, :bot)")
_FIND_BUSINESS = text("select find_business(:slug)")


async def find_public_bot(dependencies: Dependencies, business: str, name: str) -> Bot | None:
    """Return a bot by its business's slug and its own name, whoever asks."""
    async with dependencies.database.unscoped() as session:
        found = await session.execute(_FIND_BOT, {"business": business, "bot": name})
        row = found.one_or_none()
    if row is None:
        return None
    try:
        return await load_bot(
            dependencies.database, dependencies.cache, row.business_id, row.bot_id
        )
    except BotNotFoundError:
        return None


async def find_business_id(dependencies: Dependencies, slug: str) -> UUID | None:
    """Return the id of the business with this slug."""
    async with dependencies.database.unscoped() as session:
        business_id: UUID | None = await session.scalar(_FIND_BUSINESS, {"slug": slug})
    return business_id


async def get_bot_by_name(dependencies: Dependencies, business_id: UUID, name: str) -> Bot:
    """Return a business's bot by its name.

    Raises:
        ApiError: this business has no such bot.
    """
    if "\x00" in name:  # PostgreSQL takes it in no text
        raise not_found("bot")
    query = select(col(AgentConfig.id)).where(col(AgentConfig.name) == name)
    async with dependencies.database.tenant(business_id) as session:
        bot_id = await session.scalar(query)
    if bot_id is None:
        raise not_found("bot")
    return await get_bot(dependencies, business_id, bot_id)


async def get_bot(dependencies: Dependencies, business_id: UUID, bot_id: UUID) -> Bot:
    """Return a business's bot by its id.

    Raises:
        ApiError: this business has no such bot.
    """
    try:
        return await load_bot(dependencies.database, dependencies.cache, business_id, bot_id)
    except BotNotFoundError:
        raise not_found("bot") from None


async def resolve_identity(
    dependencies: Dependencies,
    caller: Caller,
    *,
    bot: str | None,
    bot_id: UUID | None = None,
    conversation_id: UUID | None,
) -> tuple[Identity, str]:
    """Return the identity for a tool call: the caller, as the bot that the request names.

    The second value is the language that the conversation was started in; without one, English.
    `bot`, `bot_id` and `conversation_id` each name a bot, and must name the same one. Where none
    is given, a key that is limited to some bots acts as its first one.

    Raises:
        ApiError: no bot is named, the key may not use it, or the names disagree.
    """
    bot_ids: set[UUID] = set()
    language = DEFAULT
    if conversation_id is not None:
        conversation = await fetch_conversation(dependencies, caller.identity(), conversation_id)
        if conversation.bot_id is None:
            raise unexpected_answer()
        bot_ids.add(conversation.bot_id)
        language = conversation.language or DEFAULT
    if bot is not None:
        bot_ids.add((await get_bot_by_name(dependencies, caller.business_id, bot)).id)
    if bot_id is not None:
        bot_ids.add(bot_id)
    if not bot_ids and caller.rights.bots:
        bot_ids.add(caller.rights.bots[0])
    if not bot_ids:
        raise invalid("bot is missing.")
    if len(bot_ids) > 1:
        raise forbidden("These name different bots.")
    named_bot = await get_bot(dependencies, caller.business_id, bot_ids.pop())
    if not caller.rights.includes_bot(named_bot.id):
        raise not_found("bot")
    return caller.identity(named_bot, conversation_id), language

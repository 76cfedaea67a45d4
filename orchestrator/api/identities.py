"""The bot and the conversation that a request of a business is about."""

from uuid import UUID

from orchestrator.api.bots import bot_called, bot_with_id
from orchestrator.api.credentials import Caller
from orchestrator.api.dependencies import Dependencies
from orchestrator.api.errors import ApiError, forbidden, invalid, not_found
from orchestrator.api.transcripts import conversation_of
from orchestrator.mcp_client.router import Identity


async def meant(
    dependencies: Dependencies,
    caller: Caller,
    *,
    bot: str | None,
    bot_id: UUID | None = None,
    conversation_id: UUID | None,
) -> Identity:
    """Return for which bot and conversation a server is asked; all that names the bot must agree.

    A key that is limited in bots means its first one where nothing names another.

    Raises:
        ApiError: nothing names a bot, or not one that the key may use, or the names disagree.
    """
    named: set[UUID] = set()
    if conversation_id is not None:
        conversation = await conversation_of(dependencies, caller.identity(), conversation_id)
        if conversation.bot_id is None:
            raise ApiError(502, "fault", "A server answered something unexpected.")
        named.add(conversation.bot_id)
    if bot is not None:
        named.add((await bot_called(dependencies, caller.business_id, bot)).id)
    if bot_id is not None:
        named.add(bot_id)
    if not named and caller.rights.bots:
        named.add(caller.rights.bots[0])
    if not named:
        raise invalid("bot is missing.")
    if len(named) > 1:
        raise forbidden("These name different bots.")
    found = await bot_with_id(dependencies, caller.business_id, named.pop())
    if not caller.rights.includes(found.id):
        raise not_found("bot")
    return caller.identity(found, conversation_id)

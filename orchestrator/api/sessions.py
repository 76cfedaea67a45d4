"""A caller wants to talk, or to come back."""

from uuid import UUID, uuid4

from config.bots import Bot
from config.tables import Session
from orchestrator.api.bots import bot_called, bot_of_anyone, bot_with_id, business_called
from orchestrator.api.credentials import Caller, conversation_token
from orchestrator.api.dependencies import Dependencies
from orchestrator.api.errors import ApiError, forbidden, invalid, unauthorized
from orchestrator.api.headers import allows
from orchestrator.api.models import (
    BotName,
    Conversation,
    IceServer,
    OfConversation,
    Room,
    SessionStarted,
    StartSession,
)
from orchestrator.api.operations import Ask, Operation
from orchestrator.api.rate_limit import limit
from orchestrator.api.rooms import Calling, room
from orchestrator.api.transcripts import ask as ask_transcripts
from orchestrator.api.transcripts import conversation_of


async def start(ask: Ask[StartSession]) -> SessionStarted:
    """Start a conversation with a bot: by API key, or anonymously where the bot allows it."""
    dependencies, given = ask.dependencies, ask.given
    bot, caller = await _bot_and_caller(ask)
    conversation_id = uuid4()
    identifier = given.identifier or f"anonymous-{conversation_id}"
    calling = Calling(
        bot, conversation_id, given.direction, identifier, given.language, given.metadata
    )
    session_id = await _new_session(dependencies, bot, identifier, given.language)
    await ask_transcripts(
        dependencies,
        caller.identity(bot, conversation_id),
        "start_conversation",
        {
            "room_name": calling.room_name,
            "direction": calling.direction,
            "session_id": session_id,
        },
        Conversation,
    )
    return SessionStarted(
        **room(dependencies, calling).model_dump(),
        conversation_token=conversation_token(dependencies.signer, bot, conversation_id),
        ice_servers=[IceServer(urls=url) for url in dependencies.ice_servers],
        bot=BotName(name=bot.name),
    )


async def renew(ask: Ask[OfConversation]) -> Room:
    """Get a fresh LiveKit token for a conversation that is not over."""
    dependencies, identity = ask.dependencies, ask.known.identity()
    conversation = await conversation_of(dependencies, identity, ask.given.conversation_id)
    if conversation.status != "active":
        raise ApiError(409, "rejected", "That conversation is over.")
    if conversation.bot_id is None:
        raise ApiError(502, "fault", "A server answered something unexpected.")
    bot = await bot_with_id(dependencies, ask.known.business_id, conversation.bot_id)
    session = await _session(dependencies, bot, conversation.session_id)
    calling = Calling(
        bot,
        conversation.conversation_id,
        conversation.direction,
        session.identifier if session else f"anonymous-{conversation.conversation_id}",
        session.language_preference if session else None,
    )
    return room(dependencies, calling)


async def _bot_and_caller(ask: Ask[StartSession]) -> tuple[Bot, Caller]:
    dependencies, given = ask.dependencies, ask.given
    if ask.caller is None:
        bot = await _anonymous_bot(ask)
        return bot, Caller("anonymous", bot.business_id)
    business_id = ask.caller.business_id
    if given.business and await business_called(dependencies, given.business) != business_id:
        raise forbidden("This API key is another business's.")
    bot = await bot_called(dependencies, business_id, given.bot)
    allows(dependencies, ask.request, bot)  # a page may use a key, but not read without leave
    return bot, ask.caller


async def _anonymous_bot(ask: Ask[StartSession]) -> Bot:
    dependencies, given = ask.dependencies, ask.given
    if given.business is None:
        raise invalid("business is missing.")
    what = f"start:{given.business}/{given.bot}"
    await limit(dependencies.cache, ask.request, what, dependencies.anonymous_per_minute)
    bot = await bot_of_anyone(dependencies, given.business, given.bot)
    # Nobody learns here which bots there are.
    if bot is None or not bot.allow_anonymous:
        raise unauthorized()
    if not allows(dependencies, ask.request, bot):
        raise forbidden("This bot may not be called from this page.")
    if given.identifier is not None:
        raise forbidden("Only a business can say who its caller is: identifier needs an API key.")
    return bot


async def _new_session(
    dependencies: Dependencies, bot: Bot, identifier: str, language: str | None
) -> UUID:
    session = Session(
        business_id=bot.business_id, identifier=identifier, language_preference=language
    )
    async with dependencies.database.tenant(bot.business_id) as transaction:
        transaction.add(session)
    return session.id


async def _session(dependencies: Dependencies, bot: Bot, session_id: UUID | None) -> Session | None:
    if session_id is None:
        return None
    async with dependencies.database.tenant(bot.business_id) as transaction:
        return await transaction.get(Session, session_id)


OPERATIONS = (
    Operation("POST", "/api/sessions/start", start, StartSession, SessionStarted, "anyone", 201),
    Operation("GET", "/api/token", renew, OfConversation, Room, "conversation"),
)

"""Sessions: a caller starts a conversation, or comes back to it."""

from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Query
from starlette.requests import Request

from config.bots import Bot
from config.tables import Session
from orchestrator.api.credentials import (
    Caller,
    ConversationCaller,
    OptionalCaller,
    issue_conversation_token,
)
from orchestrator.api.dependencies import ApiDependencies, Dependencies
from orchestrator.api.errors import ApiError, forbidden, invalid, unauthorized, unexpected_answer
from orchestrator.api.headers import allow_origin
from orchestrator.api.identities import (
    find_business_id,
    find_public_bot,
    get_bot,
    get_bot_by_name,
)
from orchestrator.api.rate_limit import enforce_limit
from orchestrator.api.rooms import CallDetails, issue_room_token
from orchestrator.api.routing import ApiRouter
from orchestrator.api.schemas import (
    BotName,
    Conversation,
    IceServer,
    OfConversation,
    Room,
    SessionStarted,
    StartSession,
)
from orchestrator.api.transcripts import call_transcripts, fetch_conversation

router = ApiRouter()


@router.post("/api/sessions/start", status_code=201)
async def start(
    request: Request, body: StartSession, caller: OptionalCaller, dependencies: ApiDependencies
) -> SessionStarted:
    """Start a conversation with a bot: by API key, or anonymously where the bot allows it."""
    if caller is None:
        bot = await _find_anonymous_bot(dependencies, request, body)
        caller = Caller("anonymous", bot.business_id)
    else:
        bot = await _find_own_bot(dependencies, request, body, caller)
    conversation_id = uuid4()
    identifier = body.identifier or f"anonymous-{conversation_id}"
    call = CallDetails(
        bot, conversation_id, body.direction, identifier, body.language, body.metadata
    )
    session_id = await _store_session(dependencies, bot, identifier, body.language)
    await call_transcripts(
        dependencies,
        caller.identity(bot, conversation_id),
        "start_conversation",
        {
            "room_name": call.room_name,
            "direction": call.direction,
            "session_id": session_id,
            "language": call.language,
            "metadata": call.metadata,
        },
        Conversation,
    )
    return SessionStarted(
        **issue_room_token(dependencies, call).model_dump(),
        conversation_token=issue_conversation_token(dependencies.signer, bot, conversation_id),
        ice_servers=[IceServer(urls=url) for url in dependencies.ice_servers],
        bot=BotName(name=bot.name),
    )


@router.get("/api/token")
async def renew(
    query: Annotated[OfConversation, Query()],
    caller: ConversationCaller,
    dependencies: ApiDependencies,
) -> Room:
    """Get a fresh LiveKit token for a conversation that is not over."""
    conversation = await fetch_conversation(dependencies, caller.identity(), query.conversation_id)
    if conversation.status != "active":
        raise ApiError(409, "rejected", "That conversation is over.")
    if conversation.bot_id is None:
        raise unexpected_answer()
    bot = await get_bot(dependencies, caller.business_id, conversation.bot_id)
    session = await _load_session(dependencies, bot, conversation.session_id)
    call = CallDetails(
        bot,
        conversation.conversation_id,
        conversation.direction,
        session.identifier if session else f"anonymous-{conversation.conversation_id}",
        conversation.language,
        conversation.metadata,
    )
    return issue_room_token(dependencies, call)


async def _find_own_bot(
    dependencies: Dependencies, request: Request, body: StartSession, caller: Caller
) -> Bot:
    business_id = caller.business_id
    if body.business and await find_business_id(dependencies, body.business) != business_id:
        raise forbidden("This API key is another business's.")
    bot = await get_bot_by_name(dependencies, business_id, body.bot)
    # A page may use a key from any origin, but reads the answer only from those of the bot.
    allow_origin(dependencies, request, bot)
    return bot


async def _find_anonymous_bot(
    dependencies: Dependencies, request: Request, body: StartSession
) -> Bot:
    if body.business is None:
        raise invalid("business is missing.")
    limited = f"start:{body.business}/{body.bot}"
    await enforce_limit(dependencies.cache, request, limited, dependencies.anonymous_per_minute)
    bot = await find_public_bot(dependencies, body.business, body.bot)
    # One answer for both, so that which bots exist cannot be found out.
    if bot is None or not bot.allow_anonymous:
        raise unauthorized()
    if not allow_origin(dependencies, request, bot):
        raise forbidden("This bot may not be called from this page.")
    if body.identifier is not None:
        raise forbidden("Only a business can say who its caller is: identifier needs an API key.")
    return bot


async def _store_session(
    dependencies: Dependencies, bot: Bot, identifier: str, language: str | None
) -> UUID:
    session = Session(
        business_id=bot.business_id, identifier=identifier, language_preference=language
    )
    async with dependencies.database.tenant(bot.business_id) as transaction:
        transaction.add(session)
    return session.id


async def _load_session(
    dependencies: Dependencies, bot: Bot, session_id: UUID | None
) -> Session | None:
    if session_id is None:
        return None
    async with dependencies.database.tenant(bot.business_id) as transaction:
        return await transaction.get(Session, session_id)

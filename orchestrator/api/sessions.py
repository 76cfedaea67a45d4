"""Sessions: a caller starts a conversation, or comes back to it."""

import logging
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Query
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import JSONResponse

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
    SessionQueued,
    SessionStarted,
    StartSession,
)
from orchestrator.api.transcripts import call_transcripts, fetch_conversation
from orchestrator.calls.queue import RETRY_SECONDS
from orchestrator.calls.state import CallStates
from orchestrator.sentences import in_language, say

logger = logging.getLogger("antiphon.sessions")
router = ApiRouter()

_PLACES = 50  # in the queue, for each of which a caller asks a second later
_BUSY_SECONDS = 60  # after which a caller who is refused may try again


@router.post(
    "/api/sessions/start",
    status_code=201,
    response_model=SessionStarted,
    responses={202: {"model": SessionQueued, "description": "All agents are busy."}},
)
async def start(
    request: Request, body: StartSession, caller: OptionalCaller, dependencies: ApiDependencies
) -> SessionStarted | JSONResponse:
    """Start a conversation with a bot: by API key, or anonymously where the bot allows it.

    While no agent is free, the answer is 202 with a place in the queue.
    """
    async with dependencies.starts.slot():
        return await _start(request, body, caller, dependencies)


async def _start(
    request: Request, body: StartSession, caller: Caller | None, dependencies: Dependencies
) -> SessionStarted | JSONResponse:
    if caller is None:
        bot = await _find_anonymous_bot(dependencies, request, body)
        caller = Caller("anonymous", bot.business_id)
    else:
        bot = await _find_own_bot(dependencies, request, body, caller)
    conversation_id = uuid4()
    with in_language(body.language or bot.default_language):
        queued = await _queue_up(dependencies, body.ticket or uuid4(), conversation_id)
    if queued is not None:
        headers = {"Retry-After": str(queued.retry_after)}
        return JSONResponse(queued.model_dump(mode="json"), 202, headers)
    identifier = body.identifier or f"anonymous-{conversation_id}"
    call = CallDetails(
        bot, conversation_id, body.direction, identifier, body.language, body.metadata
    )
    session_id = await _store_session(dependencies, bot, identifier, body.language)
    await _store_conversation(dependencies, caller, call, session_id)
    await _expect_agent(dependencies, call)
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


async def _queue_up(
    dependencies: Dependencies, ticket: UUID, conversation_id: UUID
) -> SessionQueued | None:
    """Return the caller's place in the queue; None once an agent is reserved for the call.

    Raises:
        ApiError: the caller has waited too long, or too many wait.
    """
    if dependencies.queue is None:
        return None
    try:
        admission = await dependencies.queue.admit(ticket, conversation_id)
    except RedisError:
        logger.warning("the queue does not answer; a call begins without it")
        return None
    match admission.outcome:
        case "admitted":
            return None
        case "waiting":
            # Who is far behind asks less often, but before the ticket is dropped.
            seconds = RETRY_SECONDS + min(admission.place // _PLACES, 3)
            return SessionQueued(place=admission.place, retry_after=seconds, ticket=ticket)
        case "full" | "expired":
            message = say("busy")
            headers = {"Retry-After": str(_BUSY_SECONDS)}
            raise ApiError(503, "busy", message, say=message, headers=headers)


async def _expect_agent(dependencies: Dependencies, call: CallDetails) -> None:
    """Have the watcher see to it that an agent comes."""
    try:
        await CallStates(dependencies.cache).expect(
            call.conversation_id, call.room_name, call.dispatch_metadata()
        )
    except RedisError:
        logger.warning("a call begins unwatched: the cache does not answer")


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
    if not await _is_queued(dependencies, body.ticket):  # else this address was counted before
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


async def _is_queued(dependencies: Dependencies, ticket: UUID | None) -> bool:
    if ticket is None or dependencies.queue is None:
        return False
    try:
        return await dependencies.queue.has(ticket)
    except RedisError:
        return False


async def _store_session(
    dependencies: Dependencies, bot: Bot, identifier: str, language: str | None
) -> UUID:
    session = Session(
        business_id=bot.business_id, identifier=identifier, language_preference=language
    )
    async with dependencies.database.tenant(bot.business_id) as transaction:
        transaction.add(session)
    return session.id


async def _store_conversation(
    dependencies: Dependencies, caller: Caller, call: CallDetails, session_id: UUID
) -> None:
    arguments = {
        "room_name": call.room_name,
        "direction": call.direction,
        "session_id": session_id,
        "language": call.language,
        "metadata": call.metadata,
    }
    identity = caller.identity(call.bot, call.conversation_id)
    await call_transcripts(dependencies, identity, "start_conversation", arguments, Conversation)


async def _load_session(
    dependencies: Dependencies, bot: Bot, session_id: UUID | None
) -> Session | None:
    if session_id is None:
        return None
    async with dependencies.database.tenant(bot.business_id) as transaction:
        return await transaction.get(Session, session_id)

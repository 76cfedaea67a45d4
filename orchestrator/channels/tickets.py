"""Answers customers' comments in a ticket: once for all that they wrote since we last did.

A webhook only says where to look. What was written, by whom, and whether it is answered already is
read from the ticket system itself, so that a repeated event, a replayed one and our own comment
leave nothing to answer.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, ValidationError
from redis.asyncio import Redis
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from config.bots import Bot, load_bot
from config.database import Database
from config.integrations import ANSWERING_BOT
from config.jobs import Job, Payload
from config.security.tokens import Claims, Grant
from config.settings import running_settings
from config.tables import AgentConfig, BusinessIntegration, McpConnection
from orchestrator.agent.confirmation import SavedConfirmation
from orchestrator.agent.job import Process
from orchestrator.channels.text import Reply, WrittenMessage, write_reply
from orchestrator.mcp_client.router import Identity
from orchestrator.mcp_client.tool import Outcome
from orchestrator.sentences import in_language

logger = logging.getLogger("antiphon.tickets")

SERVER = "tickets"
_LIST_COMMENTS, _ADD_COMMENT = "list_ticket_comments", "add_comment"
_CONFIRMATION_LIFETIME = 30 * 24 * 3600  # seconds that a tool call may wait for a yes
_RETRYABLE = frozenset({"unavailable", "timeout", "rate_limited", "outcome_unknown", "fault"})


class AnswerLaterError(Exception):
    """Something is down; the job is to be run again."""


class _CommentEvent(BaseModel):
    """The payload of the job: the ticket in which a comment was written."""

    model_config = ConfigDict(frozen=True)

    business_id: UUID
    integration_id: UUID
    ticket: str


class _Comment(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: str
    text: str = ""
    by: Literal["us", "agent", "customer"]
    public: bool = True


class _Comments(BaseModel):
    comments: tuple[_Comment, ...] = ()


async def _answer(database: Database, payload: Payload) -> None:
    """Answer what is not answered yet in a ticket."""
    event = _CommentEvent.model_validate(payload)
    account = await _find_account(database, event)
    if account is None:
        return
    integration, bot_id = account
    process = Process.connect(running_settings())
    try:
        bot = await load_bot(process.database, process.cache, event.business_id, bot_id)
        with in_language(bot.default_language):
            await _TicketAnswer(process, event, integration, bot).answer()
    finally:
        await process.aclose()


ANSWER = Job(_answer)


async def _find_account(database: Database, event: _CommentEvent) -> tuple[str, UUID] | None:
    """Return the account's name and the bot that answers there; if there is none, log why."""
    fields = {"integration_id": str(event.integration_id)}
    async with database.tenant(event.business_id) as session:
        integration = await session.get(BusinessIntegration, event.integration_id)
        if integration is None or not integration.enabled:
            logger.warning("a webhook's integration is gone", extra=fields)
            return None
        bots = await _connected_bots(session, integration.name)
    answering = integration.settings.get(ANSWERING_BOT)
    scope = integration.scoped_to_bot_ids
    candidates = [
        bot_id
        for bot_id, name in bots.items()
        if answering in (None, name) and (scope is None or str(bot_id) in scope)
    ]
    if len(candidates) != 1:
        # The setting says which; without it, one of several would be a guess.
        logger.warning("no bot, or no single one, answers here", extra=fields)
        return None
    return integration.name, candidates[0]


async def _connected_bots(session: AsyncSession, integration: str) -> Mapping[UUID, str]:
    """Return the names of the bots that use the tickets server with this account, by their ids."""
    connected = select(col(AgentConfig.id), col(AgentConfig.name)).join(
        McpConnection, col(McpConnection.agent_config_id) == col(AgentConfig.id)
    )
    rows = await session.execute(
        connected.where(
            col(McpConnection.server) == SERVER,
            col(McpConnection.enabled),
            col(McpConnection.integration).is_(None)
            | (col(McpConnection.integration) == integration),
        )
    )
    return {bot_id: name for bot_id, name in rows}


class _TicketAnswer:
    """The answer of one bot in one ticket."""

    def __init__(self, process: Process, event: _CommentEvent, integration: str, bot: Bot) -> None:
        self._process = process
        self._event = event
        self._bot = bot
        self._claims = Claims(
            sub=f"bot:{bot.id}",
            business_id=event.business_id,
            bot_id=bot.id,
            grant=Grant(tools=(_LIST_COMMENTS, _ADD_COMMENT), integration=integration),
        )

    async def answer(self) -> None:
        """Answer, if a customer was the last to write."""
        comments = [
            each for each in await self._list_comments() if each.public and each.text.strip()
        ]
        unanswered = _unanswered(comments)
        if not unanswered:
            return
        last = unanswered[-1]
        history = [
            WrittenMessage(each.text, each.by != "customer")
            for each in comments[: -len(unanswered)]
        ]
        text = "\n\n".join(each.text for each in unanswered)
        identity = self._identity(last)
        store = _ConfirmationStore(self._process.cache, self._event)
        reply = await write_reply(self._process, identity, history, text, await store.read())
        if (await self._add_comment(reply, last)).error:
            return
        await store.write(reply.confirmation)
        await self._record(identity, text, reply)

    def _identity(self, last: _Comment) -> Identity:
        """Return the bot's identity, with one conversation for each comment that it answers.

        The reply is added to this ticket here, so the model has no tool for that.
        """
        name = f"{self._event.integration_id}/{self._event.ticket}/{last.id}"
        use = self._bot.servers[SERVER]
        restricted = use.model_copy(update={"denied_tools": (*use.denied_tools, _ADD_COMMENT)})
        servers = {**self._bot.servers, SERVER: restricted}
        bot = self._bot.model_copy(update={"servers": servers})
        conversation_id = uuid5(self._event.integration_id, name)
        return Identity(f"bot:{bot.id}", self._event.business_id, bot, conversation_id)

    async def _list_comments(self) -> Sequence[_Comment]:
        arguments = {"ticket": self._event.ticket, "detail": "full"}
        outcome = await self._call(_LIST_COMMENTS, arguments, retry=True)
        return _Comments.model_validate(outcome.data).comments

    async def _add_comment(self, reply: Reply, last: _Comment) -> Outcome:
        """Add the comment; a second try for the same question is a repeat to the server."""
        key = f"answer:{self._event.integration_id}:{self._event.ticket}:{last.id}"
        arguments = {"ticket": self._event.ticket, "text": reply.text, "public": True}
        return await self._call(_ADD_COMMENT, arguments, key=key)

    async def _call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        retry: bool = False,
        key: str | None = None,
    ) -> Outcome:
        outcome = await self._process.router.call(
            SERVER, tool, arguments, self._claims, retry=retry, key=key
        )
        if outcome.error in _RETRYABLE:
            raise AnswerLaterError(f"{tool}: {outcome.error}")
        if outcome.error:
            logger.warning("a ticket could not be answered", extra={"error": outcome.error})
        return outcome

    async def _record(self, identity: Identity, text: str, reply: Reply) -> None:
        """Store both sides as a conversation; each write may be repeated."""
        claims = identity.claims("transcripts", every_tool=True)
        for tool, arguments in _transcript(self._event.ticket, identity, text, reply):
            outcome = await self._process.router.call(
                "transcripts", tool, arguments, claims, retry=True
            )
            if outcome.error:
                fields = {"tool": tool, "error": outcome.error}
                logger.warning("an answer could not be recorded", extra=fields)
                return


class _ConfirmationStore:
    """The tool call that the bot has asked about in a ticket, until it is answered there."""

    def __init__(self, cache: Redis, event: _CommentEvent) -> None:
        self._cache = cache
        self._key = f"waits:{event.business_id}:{event.integration_id}:{event.ticket}"

    async def read(self) -> SavedConfirmation | None:
        """Return the tool call that waits for a yes, if any."""
        stored = await self._cache.get(self._key)
        try:
            return SavedConfirmation.model_validate_json(stored) if stored else None
        except ValidationError:
            return None  # written by another version of ours

    async def write(self, confirmation: SavedConfirmation | None) -> None:
        """Store it for the next comment, or delete what is stored."""
        if confirmation is None:
            await self._cache.delete(self._key)
        else:
            lifetime = _CONFIRMATION_LIFETIME
            await self._cache.set(self._key, confirmation.model_dump_json(), ex=lifetime)


def _transcript(
    ticket: str, identity: Identity, text: str, reply: Reply
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the transcripts server's tools to call, with their arguments."""
    now = datetime.now(UTC).isoformat()
    yield (
        "start_conversation",
        {
            "room_name": f"ticket-{ticket}",
            "direction": "inbound",
            "conversation_id": str(identity.conversation_id),
        },
    )
    yield (
        "append_user_turn",
        {"order_index": 0, "text": text, "stt_provider": "text", "spoken_at": now},
    )
    yield (
        "append_agent_response",
        {
            "order_index": 1,
            "user_turn_index": 0,
            "text": reply.text,
            "llm_provider": reply.model,
            "spoken_at": now,
        },
    )
    yield "end_conversation", {"reason": "answered"}


def _unanswered(comments: Sequence[_Comment]) -> Sequence[_Comment]:
    """Return the comments that customers have written since one of us did."""
    for n, comment in enumerate(reversed(comments)):
        if comment.by != "customer":
            return comments[len(comments) - n :]
    return comments
